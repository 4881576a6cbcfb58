"""Weights to measure with where the official ones are not at hand: random ones, under the official file name.

They cost a network exactly the time that trained ones cost, and say nothing about depth. Imports the daemon's network
and catalogue, as only they know what a checkpoint holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from depthwire.bench.images import synthetic_pixels
from depthwire.daemon.models.catalogue import lookup, parse_model_key
from depthwire.daemon.models.checkpoints import find_on_disk

RANDOM_WEIGHTS = "random weights (speed only: their depth means nothing)"
_CALIBRATION_SIZE = 182
"""A small input is enough to see the range of the network's output."""


def checkpoints_for(model: str, folder: Path | None, spare: Path) -> tuple[Path | None, str]:
    """The --checkpoints folder in which `model` is found, and what its weights are.

    Where the file is neither in `folder` nor elsewhere on this machine, random weights are written to `spare`.
    Raises UnknownModel.
    """
    key = parse_model_key(model)
    checkpoint = lookup(key.encoder, key.dataset)
    found = find_on_disk(checkpoint, folder)
    if found is not None:
        return folder, f"{checkpoint.file_name}"
    if not (spare / checkpoint.file_name).is_file():
        write_random_checkpoint(key.encoder, key.dataset, spare)
    return spare, RANDOM_WEIGHTS


def write_random_checkpoint(encoder: str, dataset: str, folder: Path, seed: int = 0) -> Path:
    """Write random weights of `encoder` under the official file name into `folder`; the same for the same seed.

    Scaled so that the network's output neither saturates nor vanishes: a depth map of a constant would hide an engine
    that computes nothing.
    """
    import torch

    from depthwire.daemon.models.depth_anything import ENCODERS, DepthAnythingV2
    from depthwire.daemon.models.preprocess import normalise

    checkpoint = lookup(encoder, dataset)
    torch.manual_seed(seed)
    # Not metric: its last activation lets the range be seen before the sigmoid would bend it.
    network = DepthAnythingV2(ENCODERS[encoder], metric=False).requires_grad_(False).eval()
    for parameter in (network.pretrained.pos_embed, network.pretrained.cls_token):
        parameter.normal_(0, 0.02)
    last = cast("torch.nn.Conv2d", network.depth_head.scratch.output_conv2[2])
    assert last.bias is not None
    last.bias.fill_(1e3)  # keeps the ReLU out of the way
    picture = normalise(synthetic_pixels(_CALIBRATION_SIZE, _CALIBRATION_SIZE), _CALIBRATION_SIZE, _CALIBRATION_SIZE)
    with torch.inference_mode():
        output = network(torch.from_numpy(picture)[None]).double() - 1e3
    scale = 1 / float(output.std())
    last.weight.mul_(scale)
    last.bias.fill_(-scale * float(output.mean()) + (0.0 if checkpoint.metric else 3.0))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / checkpoint.file_name
    part = path.with_suffix(".tmp")
    torch.save(network.state_dict(), part)
    part.replace(path)
    return path

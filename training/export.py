"""Weights as the daemon ships them: float16 safetensors with the keys of the official files.

`depthwire-train export` and the trainer call it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save

from depthwire.daemon.models.catalogue import lookup
from depthwire.daemon.models.depth_anything import DepthAnythingV2, build
from depthwire.training.errors import TrainingError
from depthwire.training.losses import MAX_DEPTH_M
from depthwire.training.network import ENCODER, trainable
from depthwire.training.run_state import load_state

INPUT_SIZE = lookup(ENCODER, "starter").default_input_size
"""Shorter side of the network's input for which the starter is made."""


class UnfitWeights(TrainingError):
    """Weights cannot be shipped. The text says why."""


def export(model: DepthAnythingV2, path: Path, input_size: int = INPUT_SIZE) -> None:
    """Write the weights, whole or not at all, and check that the daemon loads them.

    Raises:
        UnfitWeights: a weight is not finite as float16.
        WrongCheckpoint: the daemon's network is another one.
    """
    tensors = {name: value.detach().cpu().to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    unfit = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if unfit:
        raise UnfitWeights(
            f"{len(unfit)} tensors are not finite in float16, {unfit[0]} first; go back to an earlier checkpoint, or "
            "train on with a lower --learning-rate"
        )
    facts = {"encoder": ENCODER, "max_depth": f"{MAX_DEPTH_M:g}", "input_size": str(input_size)}
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    part.write_bytes(save(tensors, facts))
    build(ENCODER, metric=True, path=part)
    part.replace(path)


def export_run(folder: Path, path: Path, input_size: int = INPUT_SIZE) -> int:
    """Export the averaged weights of a run as its state has them; returns the size of the file in bytes.

    Raises:
        UnfitWeights: the folder holds no run, or as `export`.
        UnreadableState: as `run_state.load_state`.
    """
    state = load_state(folder)
    if state is None:
        raise UnfitWeights(f"{folder} holds no run; make one with depthwire-train run --out {folder}")
    model = trainable(None)
    model.load_state_dict(state["average"])
    export(model, path, input_size)
    return path.stat().st_size

"""The daemon's network made ready for training: initial weights, positions, moving average.

train.py and evaluate.py build on it. The layers themselves are daemon/models/depth_anything.py's, unchanged.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from depthwire.daemon.models.depth_anything import (
    ENCODERS,
    GRID,
    DepthAnythingV2,
    WrongCheckpoint,
    load_state,
)
from depthwire.training.errors import TrainingError

ENCODER = "vitt"
_INITIAL_STD = 0.02
"""Of linear layers and embeddings, as DINOv2 (and ViT before it) begins."""
_PERIODS = (0.25, 4.0)
"""Fewest and most of a position's waves, over the height or the width of a picture."""
_AMPLITUDE = 2.0
"""Of these waves. In a trained starter the tokens of patches have a root mean square of 5: far less would be lost."""


class UnusableWeights(TrainingError):
    """A file does not hold this network's weights. The text names it and the reason."""


def trainable(initial: Path | None, seed: int = 0, encoder: str = ENCODER) -> DepthAnythingV2:
    """The metric network in training mode, with the weights of a file or, without one, random ones of `seed`.

    Its position embedding is `sine_positions` in either case, and is not trained.

    Raises:
        UnusableWeights: the file cannot be read or holds another network.
    """
    torch.manual_seed(seed)
    model = DepthAnythingV2(ENCODERS[encoder], metric=True)
    if initial is None:
        _initialise(model)
    else:
        try:
            load_state(model, initial)
        except WrongCheckpoint as error:
            raise UnusableWeights(str(error)) from error
    # Learnt, the 37×37 cells would be noise: a picture of a dozen patches reads a few of them, other ones at each size.
    model.pretrained.pos_embed[:, 1:].data.copy_(sine_positions(model.pretrained.config.width))
    # The last DPT stage has no finer map to add, so this unit is in every official file and in no forward pass.
    model.requires_grad_(True).train()
    model.pretrained.mask_token.requires_grad_(False)
    model.pretrained.pos_embed.requires_grad_(False)
    model.depth_head.scratch.refinenet4.resConfUnit1.requires_grad_(False)
    return model


def sine_positions(width: int) -> Tensor:
    """(1, GRID², width) position embedding: sines and cosines of the place, half of them down, half across the picture.

    From a quarter of a period to four periods over the picture, as a grid of eight patches can tell apart. Source:
    Vaswani et al. 2017; fixed and in two directions as in MoCo v3 (Chen et al. 2021) and MAE (He et al. 2022), but
    with periods that are parts of the picture, as the embedding is resized to each picture's grid.
    """
    fewest, most = map(math.log2, _PERIODS)
    frequencies = torch.logspace(fewest, most, width // 4, base=2.0)
    place = (torch.arange(GRID) + 0.5) / GRID
    angles = 2 * math.pi * place[:, None] * frequencies
    waves = _AMPLITUDE * torch.cat((angles.sin(), angles.cos()), dim=1)  # (GRID, width / 2)
    down = waves[:, None].expand(GRID, GRID, -1)
    across = waves[None].expand(GRID, GRID, -1)
    return torch.cat((down, across), dim=-1).reshape(1, GRID * GRID, width)


def parameter_groups(
    model: nn.Module, weight_decay: float, without: Collection[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Weights of layers, which decay, apart from norms, biases, scales and tokens, which do not.

    without: those that another optimiser has.
    """
    elsewhere = set(map(id, without))
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in elsewhere:
            (kept if parameter.ndim < 2 or name.endswith("_token") else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def block_matrices(model: DepthAnythingV2) -> list[nn.Parameter]:
    """The matrices inside the transformer's blocks, more than half of all weights: what Muon is made for."""
    return [parameter for parameter in model.pretrained.blocks.parameters() if parameter.ndim == 2]


class MovingAverage:
    """Exponential moving average of the weights: what is evaluated and shipped.

    The decay grows from 0 to `decay` with the steps, (1 + n) / (10 + n), so that the first weights are soon forgotten.
    """

    def __init__(self, model: DepthAnythingV2, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._decay = decay
        self._pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After step number `step`, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        averages: list[Tensor] = [average for average, _ in self._pairs]
        weights: list[Tensor] = [weight for _, weight in self._pairs]
        torch._foreach_lerp_(averages, weights, 1 - decay)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16, or None for float32 throughout; `auto` takes bfloat16 where the device computes in it.

    Raises:
        ValueError: `precision` is not auto, float32 or bfloat16.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision {precision!r} is not known; write auto, float32 or bfloat16")
    if precision == "auto":
        return torch.bfloat16 if _computes_in_bfloat16(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _initialise(model: DepthAnythingV2) -> None:
    """DINOv2's initial encoder; the head keeps torch's own, as the official code does."""
    encoder = model.pretrained
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_INITIAL_STD)
            nn.init.zeros_(module.bias)
    nn.init.normal_(encoder.cls_token, std=1e-6)

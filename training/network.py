"""The daemon's network made ready for training: initial weights, position embedding with a gradient, moving average.

train.py and evaluate.py build on it. The layers themselves are daemon/network/depth_anything.py's, unchanged.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthwire.daemon.network.depth_anything import (
    ENCODERS,
    GRID,
    PATCH,
    DepthAnythingV2,
    Encoder,
    WrongCheckpoint,
    load_state,
)
from depthwire.training.errors import TrainingError

ENCODER = "vitt"
_INITIAL_STD = 0.02
"""Of linear layers and embeddings, as DINOv2 (and ViT before it) begins."""


class UnusableWeights(TrainingError):
    """A file does not hold this network's weights. The text names it and the reason."""


def trainable(initial: Path | None, seed: int = 0, encoder: str = ENCODER) -> DepthAnythingV2:
    """The metric network in training mode, with the weights of a file or, without one, random ones of `seed`.

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
    # The last DPT stage has no finer map to add, so this unit is in every official file and in no forward pass.
    model.requires_grad_(True).train()
    model.pretrained.mask_token.requires_grad_(False)
    model.depth_head.scratch.refinenet4.resConfUnit1.requires_grad_(False)
    return model


def forward(model: nn.Module, encoder: Encoder, pictures: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, H, W) fraction of the greatest depth, with a gradient for every weight in use."""
    return cast(Tensor, model(pictures, positions(encoder, pictures.shape[-2] // PATCH, pictures.shape[-1] // PATCH)))


def positions(encoder: Encoder, rows: int, columns: int) -> Tensor:
    """What `Encoder.position_embedding` gives, as a function of the weights that can be differentiated."""
    if rows == columns == GRID:
        return encoder.pos_embed
    grid = encoder.pos_embed[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / GRID, (columns + 0.1) / GRID)  # DINOv2's offset, as the encoder has it
    grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=False)
    return torch.cat((encoder.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)), dim=1)


def parameter_groups(
    model: nn.Module, weight_decay: float, without: Collection[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Weights of layers, which decay, apart from norms, biases, scales, tokens and positions, which do not.

    without: those that another optimiser has.
    """
    elsewhere = set(map(id, without))
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in elsewhere:
            (kept if parameter.ndim < 2 or name.endswith(("_token", "pos_embed")) else decayed).append(parameter)
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
        self.model.pretrained._positions.clear()  # they were interpolated from the weights before


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
    nn.init.trunc_normal_(encoder.pos_embed, std=_INITIAL_STD)
    nn.init.normal_(encoder.cls_token, std=1e-6)

"""Depth Anything V2, the whole network in one file: a DINOv2 encoder and a DPT head, to be read from top to bottom.
The torch engine builds and runs it; depth_anything_3.py is made of the same parts, and nothing else knows its layers.
Inference only: no dropout, no gradients needed.

Sources of the formulas: DINOv2 (arXiv 2304.07193), DPT (arXiv 2103.13413), Depth Anything V2 (arXiv 2406.09414). The
names of modules, and so the state-dict keys, are those of the official `.pth` files.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthwire.daemon.models.weight_files import WrongCheckpoint as WrongCheckpoint
from depthwire.daemon.models.weight_files import read_weights
from depthwire.protocol.messages import PATCH

GRID = 37
"""The position embedding was trained on 37×37 patches (518×518 pixels)."""
LAYER_NORM_EPS = 1e-6
DEPTH_CHANNELS = 32
"""Width of the last hidden layer of the head, the same for every encoder."""
MAX_CACHED_POSITIONS = 8
"""Position embeddings kept, one per input shape: 18 MB each at 1722×518 for vitl."""

_MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class EncoderConfig:
    """What tells one size of the network from another."""

    width: int
    """Length of a token."""
    depth: int
    """Number of transformer blocks."""
    heads: int
    taken: tuple[int, int, int, int]
    """Blocks whose output the head reads, counted from 0."""
    features: int
    """Channels in the head's fusion stages."""
    out_channels: tuple[int, int, int, int]
    """Channels of the four feature maps, from fine to coarse."""
    swiglu: bool = False
    """Gated feed-forward layer instead of GELU (vitg)."""


ENCODERS: dict[str, EncoderConfig] = {
    "vitt": EncoderConfig(192, 12, 3, (2, 5, 8, 11), 32, (24, 48, 96, 192)),
    "vits": EncoderConfig(384, 12, 6, (2, 5, 8, 11), 64, (48, 96, 192, 384)),
    "vitb": EncoderConfig(768, 12, 12, (2, 5, 8, 11), 128, (96, 192, 384, 768)),
    "vitl": EncoderConfig(1024, 24, 16, (4, 11, 17, 23), 256, (256, 512, 1024, 1024)),
    "vitg": EncoderConfig(1536, 40, 24, (9, 19, 29, 39), 384, (1536, 1536, 1536, 1536), swiglu=True),
}


def map_size(x: Tensor) -> tuple[int, int]:
    """Height and width of (…, H, W)."""
    # No int(): a trace hands out sizes as tensors, and records what is computed from them.
    return x.shape[-2], x.shape[-1]


# ---------------------------------------------------------------------------------------------- encoder (DINOv2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width)))


class Mlp(nn.Module):
    """The feed-forward layer of all encoders but vitg."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(F.gelu(self.fc1(x))))


class SwiGlu(nn.Module):
    """The gated feed-forward layer of vitg; two thirds of 4·width, rounded up to a multiple of 8, are hidden."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (4 * width * 2 // 3 + 7) // 8 * 8
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return cast(Tensor, self.w3(F.silu(gate) * value))


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """One transformer block: attention, then feed-forward, each on a scaled residual branch."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = Attention(width, config.heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = SwiGlu(width) if config.swiglu else Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return cast(Tensor, x + self.ls2(self.mlp(self.norm2(x))))


class PatchEmbedding(nn.Module):
    """Every 14×14 patch becomes one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.proj(x)).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """DINOv2 vision transformer; returns the tokens of the four taken layers.

    Args:
        config: its size.
        mask_token: whether files have one. It is used in training only, but files are loaded strictly.
        last_norm_eps: of the norm that all taken layers go through.
    """

    def __init__(self, config: EncoderConfig, mask_token: bool = True, last_norm_eps: float = LAYER_NORM_EPS) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, config.width))
        if mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, config.width))
        self.patch_embed = PatchEmbedding(config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=last_norm_eps)
        self._positions: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()
        self.register_load_state_dict_post_hook(_forget_positions)  # type: ignore[no-untyped-call]

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        """Position embedding (1, 1 + rows·columns, width) for a grid of patches, in the encoder's own dtype.

        Computed once per shape and kept: call it before tracing or exporting, and the graph holds it as a constant.
        """
        rows, columns = int(rows), int(columns)  # tensors in a trace
        dtype, device = self.cls_token.dtype, self.pos_embed.device
        key = (rows, columns, dtype, device)
        kept = self._positions.get(key)
        if kept is not None:
            return kept
        with torch.inference_mode(False), torch.no_grad():
            positions = self._interpolate_positions(rows, columns).to(dtype)
        # A tensor made while torch traces is a symbol of that trace, of no use afterwards.
        if not torch.compiler.is_compiling():
            self._positions[key] = positions
            while len(self._positions) > MAX_CACHED_POSITIONS:
                self._positions.popitem(last=False)
        return positions

    def _interpolate_positions(self, rows: int, columns: int) -> Tensor:
        if rows == columns == GRID:
            return self.pos_embed.detach()
        positions = self.pos_embed.detach().float()
        grid = positions[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        # DINOv2 scales by (n + 0.1) / 37, and not to n: the offset shifts the sampling points, so checkpoints depend
        # on it, and keeps float rounding from making the result one patch too small (546, 602, 1092, … pixels).
        scale = ((rows + 0.1) / GRID, (columns + 0.1) / GRID)
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=False)
        return torch.cat((positions[:, :1], grid.flatten(2).transpose(1, 2)), dim=1)

    def forward(self, x: Tensor, positions: Tensor | None = None) -> list[Tensor]:
        """(B, 3, H, W) → four tensors (B, patches, width), normalised, without the class token."""
        if positions is None:
            height, width = map_size(x)
            positions = self.position_embedding(height // PATCH, width // PATCH)
        tokens = self.patch_embed(x.to(self.cls_token.dtype))
        tokens = torch.cat((self.cls_token.expand(tokens.shape[0], -1, -1), tokens), dim=1) + positions
        taken = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.config.taken:
                taken.append(self.norm(tokens)[:, 1:])
        return taken


def _forget_positions(encoder: nn.Module, _: Any) -> None:
    cast(Encoder, encoder)._positions.clear()


# ------------------------------------------------------------------------------------------------- head (DPT)


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) → (B, C, *size), bilinear."""
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


class ResidualConvUnit(nn.Module):
    """Two 3×3 convolutions, each after a ReLU, on a residual branch."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.conv2(F.relu(self.conv1(F.relu(x)))))


class FeatureFusion(nn.Module):
    """Adds a finer feature map to the coarser path, refines the sum and enlarges it to `size`.

    The first stage has no finer map to add; without `adds`, it has no layers for that either.
    """

    def __init__(self, features: int, adds: bool = True) -> None:
        super().__init__()
        if adds:
            self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, path: Tensor, finer: Tensor | None, size: tuple[int, int]) -> Tensor:
        if finer is not None:
            path = path + self.resConfUnit1(finer)
        return cast(Tensor, self.out_conv(enlarge(self.resConfUnit2(path), size)))


class Fusion(nn.Module):
    """From four feature maps to one, coarse to fine ("scratch" in the official files).

    Args:
        config: the size of the network.
        spare: whether the coarsest stage has the layers that it does not use, as the files of V2 do.
    """

    def __init__(self, config: EncoderConfig, spare: bool = True) -> None:
        super().__init__()
        features = config.features
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = (
            nn.Conv2d(channels, features, 3, padding=1, bias=False) for channels in config.out_channels
        )
        self.refinenet1, self.refinenet2, self.refinenet3 = (FeatureFusion(features) for _ in range(3))
        self.refinenet4 = FeatureFusion(features, adds=spare)
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)

    def fuse(self, maps: list[Tensor]) -> Tensor:
        """Four maps (B, channels, …), from fine to coarse → (B, features / 2, 2h, 2w), h × w being the finest one's."""
        first, second, third, fourth = maps
        first, second = self.layer1_rn(first), self.layer2_rn(second)
        third, fourth = self.layer3_rn(third), self.layer4_rn(fourth)
        path = self.refinenet4(fourth, None, map_size(third))
        path = self.refinenet3(path, third, map_size(second))
        path = self.refinenet2(path, second, map_size(first))
        height, width = map_size(first)
        return cast(Tensor, self.output_conv1(self.refinenet1(path, first, (2 * height, 2 * width))))


def output_layers(features: int, *activation: nn.Module) -> nn.Sequential:
    """The last layers of a head: (B, features / 2, H, W) → (B, 1, H, W)."""
    return nn.Sequential(
        nn.Conv2d(features // 2, DEPTH_CHANNELS, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(DEPTH_CHANNELS, 1, 1),
        *activation,
    )


class DepthFusion(Fusion):
    """From four feature maps to depth."""

    def __init__(self, config: EncoderConfig, metric: bool) -> None:
        super().__init__(config)
        self.output_conv2 = output_layers(config.features, nn.Sigmoid() if metric else nn.ReLU())

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        # The seam of half precision: from here on the network computes in the dtype of its last layers.
        path = self.fuse(maps).to(cast(nn.Conv2d, self.output_conv2[0]).weight.dtype)
        return cast(Tensor, self.output_conv2(enlarge(path, size)))


class Reassembly(nn.Module):
    """Tokens of four layers → feature maps at 4, 2, 1 and ½ times the patch grid: what every head begins with."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        finest, finer, _, coarsest = config.out_channels
        self.projects = nn.ModuleList(nn.Conv2d(config.width, n, 1) for n in config.out_channels)
        self.resize_layers = nn.ModuleList(
            (
                nn.ConvTranspose2d(finest, finest, kernel_size=4, stride=4),
                nn.ConvTranspose2d(finer, finer, kernel_size=2, stride=2),
                nn.Identity(),
                nn.Conv2d(coarsest, coarsest, kernel_size=3, stride=2, padding=1),
            )
        )

    def reassemble(self, taken: list[Tensor], rows: int, columns: int) -> list[Tensor]:
        """Four tensors (B, rows·columns, width) → four maps, from fine to coarse."""
        maps = []
        for tokens, project, resize in zip(taken, self.projects, self.resize_layers, strict=True):
            grid = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
            maps.append(resize(project(grid)))
        return maps


class DPTHead(Reassembly):
    """Tokens of four layers → depth at full size."""

    def __init__(self, config: EncoderConfig, metric: bool) -> None:
        super().__init__(config)
        self.scratch = DepthFusion(config, metric)

    def forward(self, taken: list[Tensor], rows: int, columns: int) -> Tensor:
        """Four tensors (B, rows·columns, width) → (B, H, W) float32."""
        maps = self.reassemble(taken, rows, columns)
        return cast(Tensor, self.scratch(maps, (rows * PATCH, columns * PATCH))).squeeze(1).float()


# --------------------------------------------------------------------------------------------------- the network


class DepthAnythingV2(nn.Module):
    """The network. `metric` picks the last activation, which no checkpoint tells: decide it by the file's name.

    Args:
        config: one of `ENCODERS`.
        metric: True for sigmoid (fraction of max_depth), False for ReLU (inverse depth).
    """

    def __init__(self, config: EncoderConfig, metric: bool) -> None:
        super().__init__()
        self.config = config
        self.metric = metric
        self.pretrained = Encoder(config)
        self.depth_head = DPTHead(config, metric)

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """Depth of a batch of pictures.

        Args:
            x: (B, 3, H, W) RGB, normalised as by `preprocess.normalise`; H and W are multiples of 14.
            positions: what the encoder's `position_embedding` gives for H × W, which is asked if it is left out. A
                trace with it is for any size, one without it for a single one.

        Returns:
            (B, H, W) float32. Metric: depth along the optical axis as a fraction 0…1 of max_depth. The factor is left
            to the caller, so that requests with different max_depth share a batch. Relative: inverse depth ≥ 0,
            known up to scale and shift.

        Raises:
            ValueError: H or W is not a multiple of 14.
        """
        height, width = map_size(x)
        if height % PATCH or width % PATCH:
            raise ValueError(f"network input must be a multiple of {PATCH} on each side, got {width}×{height}")
        return cast(Tensor, self.depth_head(self.pretrained(x, positions), height // PATCH, width // PATCH))

    def to_half(self, dtype: torch.dtype) -> DepthAnythingV2:
        """Convert to `dtype` (float16 or bfloat16) in place, except where that would show in the depth.

        The head's last layers stay float32: near a sigmoid of 1 a float16 step is 1 cm at 20 m, and a bfloat16 step
        8 cm. So does the position embedding, which is interpolated in float32 and rounded once.

        float16 can still overflow inside the encoder: check the result for finiteness.
        """
        positions = self.pretrained.pos_embed.detach().float()
        self.to(dtype)
        self.pretrained.pos_embed = nn.Parameter(positions, requires_grad=False)
        self.depth_head.scratch.output_conv2.float()
        return self


def build(encoder: str, metric: bool, path: Path) -> DepthAnythingV2:
    """Network of `encoder` (a name in `ENCODERS`) with the weights of `path`, in evaluation mode, float32 on the CPU.

    Raises:
        KeyError: no such encoder.
        WrongCheckpoint: as `load_state`.
    """
    with torch.device("meta"):  # no memory and no random numbers for what is overwritten
        model = DepthAnythingV2(ENCODERS[encoder], metric)
    load_state(model, path)
    return model.requires_grad_(False).eval()


def load_state(model: nn.Module, path: Path) -> None:
    """Give `model` the weights of a file with the official keys, in any of the forms that `read_weights` knows.

    The weights become float32 on the CPU, whatever the file holds. No code in the file is run (`weights_only`).

    Raises:
        WrongCheckpoint: the file cannot be read, or its keys or shapes are not the model's.
    """
    state = read_weights(path)
    try:
        # Assigned, not copied: the model may stand on the "meta" device, and no second copy of the weights is made.
        model.load_state_dict({name: value.float() for name, value in state.items()}, strict=True, assign=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:_MAX_REASON_CHARACTERS]  # torch names every one of hundreds of tensors
        raise WrongCheckpoint(
            f"cannot load checkpoint {path}: its weights are not this network's ({reason}); put the file there that "
            "its name says"
        ) from error

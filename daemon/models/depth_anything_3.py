"""Depth Anything 3, its networks for one picture alone (metric and monocular, which are the same): a DINOv2 encoder and
a DPT head that gives depth and sky. To be read after depth_anything.py, of whose parts it is made. Inference only.

Source: Depth Anything 3 (arXiv 2511.10647). The names of modules, and so the state-dict keys, are those of the official
`model.safetensors`. Rotary positions, attention across pictures, cameras and rays belong to its other networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from depthwire.daemon.models.depth_anything import (
    ENCODERS,
    Encoder,
    EncoderConfig,
    Fusion,
    Reassembly,
    enlarge,
    load_state,
    map_size,
    output_layers,
)
from depthwire.protocol.messages import PATCH

CONFIGURATIONS: dict[str, EncoderConfig] = {"vitl": ENCODERS["vitl"]}
"""By encoder: of this family only the large networks were released for one picture alone."""

LAST_NORM_EPS = 1e-5
"""Of the norm after the taken layers; the blocks' own is that of V2, 1e-6."""


class DepthAndSkyFusion(Fusion):
    """From four feature maps to depth and sky, which two small branches read from the same map."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, spare=False)
        self.output_conv2 = output_layers(config.features)
        self.sky_output_conv2 = output_layers(config.features, nn.ReLU())

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        path = enlarge(self.fuse(maps), size)
        return torch.exp(self.output_conv2(path)), self.sky_output_conv2(path)


class DepthAndSkyHead(Reassembly):
    """Tokens of four layers → depth and sky at full size, in the dtype of its own weights."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.scratch = DepthAndSkyFusion(config)

    def forward(self, taken: list[Tensor], rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Four tensors (B, rows·columns, width) → depth and sky, each (B, H, W) float32."""
        dtype = cast(nn.Conv2d, self.projects[0]).weight.dtype  # here is the seam of half precision
        maps = self.reassemble([tokens.to(dtype) for tokens in taken], rows, columns)
        depth, sky = self.scratch(maps, (rows * PATCH, columns * PATCH))
        return depth.squeeze(1).float(), sky.squeeze(1).float()


class DepthAnything3(nn.Module):
    """The network. Whether it is the metric or the monocular one, no checkpoint tells: decide it by the file's name."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        encoder = Encoder(config, mask_token=False, last_norm_eps=LAST_NORM_EPS)
        backbone = nn.ModuleDict({"pretrained": encoder})
        self.model = nn.ModuleDict({"backbone": backbone, "head": DepthAndSkyHead(config)})

    @property
    def pretrained(self) -> Encoder:
        """The encoder, by the name that it has in Depth Anything V2."""
        return cast(Encoder, cast(nn.ModuleDict, self.model["backbone"])["pretrained"])

    @property
    def depth_head(self) -> DepthAndSkyHead:
        """The head, by the name that it has in Depth Anything V2."""
        return cast(DepthAndSkyHead, self.model["head"])

    def forward(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Depth and sky of a batch of pictures.

        Args:
            x: (B, 3, H, W) RGB, normalised as by `preprocess.normalise_by_longest_side`; H and W are multiples of 14.
            positions: what the encoder's `position_embedding` gives for H × W, which is asked if it is left out. A
                trace with it is for any size, one without it for a single one.

        Returns:
            Depth (B, H, W) float32 > 0 along the optical axis, larger is farther. Metric network: metres if the
            camera's focal length, in pixels of this input, were 300; `results/focal.py` has the factor, which is left
            to the caller so that different cameras share a batch. Monocular network: known up to scale.
            Sky (B, H, W) float32 ≥ 0: it is sky from 0.3 on (`results/sky.py`).

        Raises:
            ValueError: H or W is not a multiple of 14.
        """
        height, width = map_size(x)
        if height % PATCH or width % PATCH:
            raise ValueError(f"network input must be a multiple of {PATCH} on each side, got {width}×{height}")
        taken = self.pretrained(x, positions)
        return cast(tuple[Tensor, Tensor], self.depth_head(taken, height // PATCH, width // PATCH))

    def to_half(self, dtype: torch.dtype) -> DepthAnything3:
        """Convert the encoder to `dtype` (float16 or bfloat16) in place. The head stays float32, as the official one
        does: an error before the exponential is a factor after it. So does the position embedding, which is
        interpolated in float32 and rounded once.

        float16 can still overflow inside the encoder: check the result for finiteness.
        """
        encoder = self.pretrained
        positions = encoder.pos_embed.detach().float()
        encoder.to(dtype)
        encoder.pos_embed = nn.Parameter(positions, requires_grad=False)
        return self


def build(config: EncoderConfig | str, path: Path) -> DepthAnything3:
    """The network with the weights of `path`, in evaluation mode, float32 on the CPU.

    Weights that a safetensors file has in float32 stay in that file, mapped into memory: they are held once, by the
    system's page cache, and may not be written over while the network lives.

    Args:
        config: or a name in `CONFIGURATIONS`.
        path: an official `model.safetensors`, under any name.

    Raises:
        KeyError: no such name.
        WrongCheckpoint: as `depth_anything.load_state`.
    """
    with torch.device("meta"):  # no memory and no random numbers for what is overwritten
        model = DepthAnything3(CONFIGURATIONS[config] if isinstance(config, str) else config)
    load_state(model, path)
    return model.requires_grad_(False).eval()

"""A picture's way into the network and a depth map's way out, as torch functions: all of it runs where the tensors are.
engines/cuda.py calls them on its GPU; they equal preprocess.normalise, upsample.upsample and project.project (results/)
on the CPU.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from depthwire.daemon.models.preprocess import MEAN, STD


def normalise_on_device(bgr: Tensor, input_height: int, input_width: int) -> Tensor:
    """Resize a picture to the network's input size and normalise it, as `preprocess.normalise` does.

    torch's bicubic kernel and OpenCV's are the same: Keys' with a = −0.75, half-pixel centres, the border repeated,
    no antialiasing, nothing clipped. They differ by the rounding of the sampling positions to float32.

    Args:
        bgr: (H, W, 3) uint8 as decoded, blue first.

    Returns:
        (3, input_height, input_width) float32, red first.
    """
    planes = bgr.permute(2, 0, 1)[None].float()  # not before it is on the device: bytes are a quarter to upload
    resized = F.interpolate(planes, (input_height, input_width), mode="bicubic", align_corners=False)[0]
    scale, offset = _constants(bgr.device)
    return torch.addcmul(offset, resized.flip(0), scale)


def upsample_on_device(depth: Tensor, height: int, width: int) -> Tensor:
    """Resize a depth map (h, w) float32 to (height, width): bilinear with align_corners=True, as the official code."""
    return F.interpolate(depth[None, None], (height, width), mode="bilinear", align_corners=True)[0, 0]


def project_on_device(depth: Tensor, fx: float, fy: float, cx: float, cy: float) -> Tensor:
    """Points (height, width, 3) of a depth map (height, width), metres, float32; formula: results/project.py."""
    height, width = depth.shape
    # In float64 as on the CPU: these few numbers cost nothing, and u − cx must not lose digits that u needs.
    xs = (torch.arange(width, dtype=torch.float64, device=depth.device) - cx) / fx
    ys = (torch.arange(height, dtype=torch.float64, device=depth.device) - cy) / fy
    points = torch.empty((height, width, 3), dtype=torch.float32, device=depth.device)
    torch.mul(depth, xs.float(), out=points[..., 0])
    torch.mul(depth, ys.float()[:, None], out=points[..., 1])
    points[..., 2] = depth
    return points


@cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and offset of each channel: value · scale + offset is (value / 255 − mean) / std.

    Kept, because a new tensor of Python numbers is an upload that the caller waits for.
    """
    mean, std = torch.tensor(MEAN, dtype=torch.float64), torch.tensor(STD, dtype=torch.float64)
    scale, offset = 1 / (255 * std), -mean / std
    return scale.float().to(device)[:, None, None], offset.float().to(device)[:, None, None]

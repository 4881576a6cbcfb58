"""From the network's depth map to one of the picture's own size. The worker calls it as the last step of a depth map,
with its place in the arena as `out`, so that the full-size map is written once and copied never.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F


def upsample(
    depth: NDArray[np.float32] | torch.Tensor, height: int, width: int, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Resize a depth map to the picture's size: bilinear with align_corners=True, as the official code does.

    Interpolation commutes with a factor: multiply by max_depth before, where the map is small.

    Args:
        depth: (h, w) float32, an array or a tensor on any device. A tensor on a GPU is resized there.
        height, width: size of the picture in pixels.
        out: (height, width) float32, C-contiguous and writeable, for example a view of shared memory.

    Returns:
        `out`.

    Raises:
        ValueError: `depth` or `out` is of another shape, dtype or layout.
    """
    source = depth if isinstance(depth, torch.Tensor) else torch.from_numpy(depth)
    if source.ndim != 2 or source.dtype != torch.float32:
        raise ValueError(f"depth must be (h, w) float32, got {tuple(source.shape)} {source.dtype}")
    if out.shape != (height, width) or out.dtype != np.float32:
        raise ValueError(f"out must be ({height}, {width}) float32, got {out.shape} {out.dtype}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out must be C-contiguous and writeable")
    target = torch.from_numpy(out)
    with torch.inference_mode():
        batch = source[None, None]
        if source.device.type == "cpu":
            # The .out form of the operator is what F.interpolate lacks: it writes into memory that is there already.
            torch.ops.aten.upsample_bilinear2d.out(batch, [height, width], True, None, None, out=target[None, None])
        else:
            target.copy_(F.interpolate(batch, (height, width), mode="bilinear", align_corners=True)[0, 0])
    return out

"""Depth map to point cloud, written straight into the arena. The worker's finishing threads call it.

x = (u − cx)·z/fx, y = (v − cy)·z/fy, z (pinhole model; Hartley & Zisserman, Multiple View Geometry, ch. 6), in the
optical frame: x right, y down, z forward (REP 103).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CHUNK_PIXELS = 16 * 1024
"""Depth and points of so many pixels stay in a core's own cache while x, y and z are written one after the other."""


def project(
    depth: npt.NDArray[np.float32], fx: float, fy: float, cx: float, cy: float, out: npt.NDArray[np.float32]
) -> None:
    """Write the points of `depth` (height, width), metres, to `out` (height, width, 3), metres."""
    height, width = depth.shape
    xs = ((np.arange(width) - cx) / fx).astype(np.float32)
    ys = ((np.arange(height) - cy) / fy).astype(np.float32)[:, None]
    rows = max(1, _CHUNK_PIXELS // width)
    for top in range(0, height, rows):
        z, points = depth[top : top + rows], out[top : top + rows]
        np.multiply(z, xs, out=points[..., 0])
        np.multiply(z, ys[top : top + rows], out=points[..., 1])
        points[..., 2] = z

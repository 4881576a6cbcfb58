"""From a depth map in the arena to its range and its points. CPU engines call `complete` once the map is written.

x = (u − cx)·z/fx, y = (v − cy)·z/fy, z (pinhole model; Hartley & Zisserman, Multiple View Geometry, ch. 6), in the
optical frame: x right, y down, z forward (REP 103).
"""

from __future__ import annotations

from concurrent.futures import Executor

import cv2
import numpy as np
import numpy.typing as npt

from depthwire.daemon.results.target import Target

_CHUNK_PIXELS = 64 * 1024
"""x and y of so many pixels stay in a core's cache until they are interleaved with z; fewer cost more in calls."""

PARALLEL_FROM_PIXELS = 2**20
"""Below this, waking another thread costs more than it saves, with points as well."""


def complete(target: Target, rows_pool: Executor | None = None, parts: int = 1) -> tuple[float, float]:
    """Write the points of a target whose depth map is there, if it wants points; returns the map's range.

    The range is NaN where the map holds a NaN. A large map is divided into `parts` that run in `rows_pool`.
    """
    height, width = target.depth.shape
    parts = min(parts, height)
    if rows_pool is None or parts < 2 or height * width < PARALLEL_FROM_PIXELS:
        return _complete_rows(target, 0, height)
    borders = [height * part // parts for part in range(parts + 1)]
    ranges = list(rows_pool.map(_complete_rows, [target] * parts, borders[:-1], borders[1:]))
    lows, highs = zip(*ranges, strict=True)
    return float(np.min(lows)), float(np.max(highs))


def project(
    depth: npt.NDArray[np.float32], fx: float, fy: float, cx: float, cy: float, out: npt.NDArray[np.float32]
) -> None:
    """Write the points of `depth` (height, width), metres, to `out` (height, width, 3), metres."""
    _project_rows(depth, fx, fy, cx, cy, out, 0, depth.shape[0])


def _complete_rows(target: Target, first: int, end: int) -> tuple[float, float]:
    if target.points is not None:
        camera = (target.fx, target.fy, target.cx, target.cy)
        _project_rows(target.depth, *camera, target.points, first, end)
    rows = target.depth[first:end]
    return float(rows.min()), float(rows.max())


class Rays:
    """Projects some rows of a depth map at a time, with memory of its own for their x and y.

    With a `stride` the map holds the pixels in columns and rows 0, stride, 2·stride, … of a picture of `height` ×
    `width`, to which the intrinsics belong; they get the very points that they have in the whole cloud.
    """

    def __init__(
        self, height: int, width: int, fx: float, fy: float, cx: float, cy: float, rows: int, stride: int = 1
    ) -> None:
        self._xs = ((np.arange(0, width, stride) - cx) / fx).astype(np.float32)
        self._ys = ((np.arange(0, height, stride) - cy) / fy).astype(np.float32)[:, None]
        self._x, self._y = np.empty((2, rows, len(self._xs)), np.float32)

    def project(self, z: npt.NDArray[np.float32], top: int, out: npt.NDArray[np.float32]) -> None:
        """Write the points of the map's rows from `top` on, at most `rows`, to `out` (their number, columns, 3)."""
        # Interleaving by OpenCV is twice as fast as writing every third number three times.
        planes = (
            np.multiply(z, self._xs, out=self._x[: len(z)]),
            np.multiply(z, self._ys[top : top + len(z)], out=self._y[: len(z)]),
            z,
        )
        cv2.merge(planes, out)


def _project_rows(
    depth: npt.NDArray[np.float32],
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    out: npt.NDArray[np.float32],
    first: int,
    end: int,
) -> None:
    height, width = depth.shape
    rows = min(max(1, _CHUNK_PIXELS // width), end - first)
    rays = Rays(height, width, fx, fy, cx, cy, rows)
    for top in range(first, end, rows):
        bottom = min(top + rows, end)
        rays.project(depth[top:bottom], top, out[top:bottom])

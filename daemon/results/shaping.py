"""From a depth map of the picture's size to what the request's options make of it, written to the arena.

The worker calls `shape_result` where a request has options, behind any engine, and `write_colors` when it has decoded
the picture. Each step is defined in SPEC.md, section 8.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from depthwire.daemon.results.project import PARALLEL_FROM_PIXELS, Rays
from depthwire.protocol import ResultOptions

Floats = npt.NDArray[np.float32]

_CHUNK_PIXELS = 128 * 1024
"""Pixels of the whole map worked on at a time: what is made of them on the way is still in a cache when it is used."""

_MAX_MM_IN_METRES = float(np.float32(65.535))
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Shaped:
    """Where a result with options goes, in the arena, and what makes it of the depth map.

    `depth` is (rows, columns) of the kept pixels in the dtype of the depth format, `points` (rows, columns, 3) float32
    or None where only depth is wanted. The intrinsics belong to the whole picture.
    """

    options: ResultOptions
    depth: npt.NDArray[Any]
    points: Floats | None
    fx: float
    fy: float
    cx: float
    cy: float


def shape_result(
    full: Floats,
    least: float,
    greatest: float,
    shaped: Shaped,
    rows_pool: Executor | None = None,
    parts: int = 1,
) -> tuple[float, float]:
    """Write what a request asked for of `full`, (height, width) finite depths from `least` to `greatest`.

    `full` may be `shaped.depth` itself where options leave the map its size and format and have no edge filter.
    Returns the range of the valid depths that are kept, NaN where there are none. A large map is divided into `parts`
    that run in `rows_pool`.
    """
    rows = shaped.depth.shape[0]
    parts = min(parts, rows)
    if rows_pool is None or parts < 2 or full.size < PARALLEL_FROM_PIXELS:
        return _shape_rows(full, least, greatest, shaped, 0, rows)
    borders = [rows * part // parts for part in range(parts + 1)]

    def run(first: int, end: int) -> tuple[float, float]:
        return _shape_rows(full, least, greatest, shaped, first, end)

    lows, highs = zip(*rows_pool.map(run, borders[:-1], borders[1:]), strict=True)
    return float(np.fmin.reduce(lows)), float(np.fmax.reduce(highs))


def write_colors(bgr: npt.NDArray[np.uint8], stride: int, out: npt.NDArray[np.uint8]) -> None:
    """Write red, green, blue of the kept pixels of a picture (height, width, 3) to `out` (rows, columns, 3)."""
    if stride == 1:
        cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=out)
        return
    kept = bgr[::stride, ::stride]
    for channel in range(3):  # one at a time: numpy copies a reversed axis of three several times slower
        out[..., channel] = kept[..., 2 - channel]


def _shape_rows(
    full: Floats, least: float, greatest: float, shaped: Shaped, first: int, end: int
) -> tuple[float, float]:
    """The kept rows from `first` to before `end`."""
    options, stride = shaped.options, shaped.options.stride
    height, width = full.shape
    rows = min(max(1, _CHUNK_PIXELS // (width * stride)), end - first)
    rays = None
    if shaped.points is not None:
        rays = Rays(height, width, shaped.fx, shaped.fy, shaped.cx, shaped.cy, rows, stride)
    scratch = np.empty((rows, shaped.depth.shape[1]), np.float32)
    ranges = []
    for top in range(first, end, rows):
        bottom = min(top + rows, end)
        out = shaped.depth[top:bottom]
        z = full[top * stride : (bottom - 1) * stride + 1 : stride, ::stride]
        valid = _valid(full, least, greatest, options, top, bottom)
        if full is shaped.depth:
            kept = out
            if valid is not None:
                np.copyto(out, np.float32(np.nan), where=np.logical_not(valid, out=valid))
        elif options.depth_format == "float32":
            kept = _copied(z, valid, out)
        elif valid is not None or stride > 1:
            kept = _copied(z, valid, scratch[: bottom - top])
        else:
            kept = z
        if rays is not None and shaped.points is not None:
            rays.project(kept, top, shaped.points[top:bottom])
        if valid is not None or stride > 1:
            ranges.append((np.fmin.reduce(kept, axis=None), np.fmax.reduce(kept, axis=None)))
        if options.depth_format == "float16":
            _to_float16(kept, out)
        elif options.depth_format == "uint16_mm":
            _to_millimetres(kept, greatest, out)
    if not ranges:
        return least, greatest
    lows, highs = zip(*ranges, strict=True)
    return float(np.fmin.reduce(lows)), float(np.fmax.reduce(highs))


def _copied(z: Floats, valid: npt.NDArray[np.bool_] | None, out: Floats) -> Floats:
    """`out`, with the depths where they are valid and NaN elsewhere."""
    if valid is None:
        np.copyto(out, z)
    else:
        out.fill(np.nan)
        cv2.copyTo(np.ascontiguousarray(z), valid.view(np.uint8), out)
    return out


def _valid(
    full: Floats, least: float, greatest: float, options: ResultOptions, top: int, bottom: int
) -> npt.NDArray[np.bool_] | None:
    """Which of the kept pixels in the kept rows from `top` to before `bottom` stay; None if all do."""
    stride = options.stride
    first, end = top * stride, (bottom - 1) * stride + 1
    masks = []
    if options.edge_filter is not None:
        # The neighbourhoods reach one row further; at the picture's border they end there, as OpenCV has it.
        above = max(first - 1, 0)
        block = full[above : end + 1]
        limit = cast(Floats, cv2.erode(block, _NEIGHBOURHOOD))
        np.multiply(limit, np.float32(1 + options.edge_filter), out=limit)
        kept = slice(first - above, end - above, stride), slice(None, None, stride)
        greatest_near = cast(Floats, cv2.dilate(block, _NEIGHBOURHOOD))
        masks.append(greatest_near[kept] <= limit[kept])
    if options.range is not None:
        nearest, farthest = map(np.float32, options.range)
        z = full[first:end:stride, ::stride]
        if least < nearest:
            masks.append(z >= nearest)
        if greatest > farthest:
            masks.append(z <= farthest)
    if not masks:
        return None
    for mask in masks[1:]:
        np.logical_and(masks[0], mask, out=masks[0])
    return np.ascontiguousarray(masks[0])


def _to_float16(depth: Floats, out: npt.NDArray[np.float16]) -> None:
    """By OpenCV, which uses the processor's own conversion: numpy's takes ten times as long."""
    if hasattr(cv2, "convertFp16"):  # OpenCV 4, where half precision has no type of its own
        cv2.convertFp16(depth, out.view(np.int16))
    else:
        cv2.addWeighted(depth, 1.0, depth, 0.0, 0.0, dst=out, dtype=cv2.CV_16F)


def _to_millimetres(depth: Floats, greatest: float, out: npt.NDArray[np.uint16]) -> None:
    """Whole millimetres, rounded to nearest; 0 for what is NaN or more than the type holds."""
    if greatest > _MAX_MM_IN_METRES:
        depth = cast(Floats, cv2.threshold(depth, _MAX_MM_IN_METRES, 0, cv2.THRESH_TOZERO_INV)[1])
    # In one pass over memory, where numpy needs three; OpenCV's conversion to whole numbers makes 0 of NaN.
    cv2.addWeighted(depth, 1000.0, depth, 0.0, 0.0, dst=out, dtype=cv2.CV_16U)

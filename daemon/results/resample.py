"""Resampling without torch: depth maps to the picture's size, position embeddings to the grid of an input.
For engines whose process has no other use for torch, which costs a worker two seconds and 200 MB at its start.

Both give torch's numbers to float32 rounding (models/upsample.py and models/depth_anything.py are what they equal).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_ROWS = 64
BLOCK_BYTES = 2**17
"""Rows of the network's map, and bytes of the result, worked on at a time: both stay in a core's own cache."""

CUBIC_A = -0.75
"""The cubic kernel's parameter in torch (and OpenCV): Keys, 1981, with a = -0.75."""
GRID_OFFSET = 0.1
"""DINOv2 enlarges its position embedding to n + 0.1 patches and not to n; checkpoints depend on it."""

Array = NDArray[np.float32]


def upsample(depth: Array, height: int, width: int, out: Array) -> Array:
    """Resize a depth map to the picture's size: bilinear with align_corners=True.

    Args:
        depth: (h, w) float32, at least 2 pixels on each side.
        height, width: size of the picture in pixels.
        out: (height, width) float32, C-contiguous and writeable, for example a view of shared memory.

    Returns:
        `out`.

    Raises:
        ValueError: `depth` or `out` is of another shape, dtype or layout.
    """
    if depth.ndim != 2 or min(depth.shape) < 2 or depth.dtype != np.float32:
        raise ValueError(f"depth must be (h, w) float32 of at least 2×2, got {depth.shape} {depth.dtype}")
    if out.shape != (height, width) or out.dtype != np.float32:
        raise ValueError(f"out must be ({height}, {width}) float32, got {out.shape} {out.dtype}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out must be C-contiguous and writeable")
    rows, columns = depth.shape
    row, row_weight = _linear_taps(rows, height)
    column, column_weight = _linear_taps(columns, width)
    first_output = np.searchsorted(row, np.arange(0, rows + STRIP_ROWS, STRIP_ROWS)).tolist()
    block_rows = max(1, BLOCK_BYTES // (4 * width))
    wide = np.empty((STRIP_ROWS + 1, width), np.float32)
    scratch = np.empty((block_rows, width), np.float32)
    for strip, top in enumerate(range(0, rows - 1, STRIP_ROWS)):
        source = depth[top : top + STRIP_ROWS + 1]  # one row more than the strip: the lower neighbour of its last
        # Whole rows are quick to gather, single columns are not: so columns are resized as rows of the transposed.
        tall = np.empty((width, len(source)), np.float32)
        narrow = cast(Array, cv2.transpose(source))
        _blend_rows(narrow, column, column_weight, tall, np.empty_like(tall))
        widened = cast(Array, cv2.transpose(tall, dst=wide[: len(source)]))
        for start in range(first_output[strip], first_output[strip + 1], block_rows):
            part = slice(start, min(start + block_rows, first_output[strip + 1]))
            block = out[part]
            _blend_rows(widened, row[part] - top, row_weight[part], block, scratch[: len(block)])
    return out


def _linear_taps(size: int, resized: int) -> tuple[NDArray[np.intp], Array]:
    """For each output: the index of its first neighbour, and the second one's weight, as a column."""
    scale = np.float32((size - 1) / (resized - 1)) if resized > 1 else np.float32(0)
    position = scale * np.arange(resized, dtype=np.float32)
    first = np.minimum(position.astype(np.intp), size - 2)
    # Rounding of the scale may put the last position past the last pixel.
    return first, np.minimum(position - first, 1).astype(np.float32)[:, None]


def _blend_rows(source: Array, first: NDArray[np.intp], weight: Array, out: Array, scratch: Array) -> None:
    """out[i] = source[first[i]] + weight[i] · (source[first[i] + 1] - source[first[i]])."""
    # mode="clip" lets take() write into `out` without a buffer in between; no index is out of range.
    source.take(first, 0, out=out, mode="clip")
    (source[1:] - source[:-1]).take(first, 0, out=scratch, mode="clip")
    np.multiply(scratch, weight, out=scratch)
    np.add(out, scratch, out=out)


def interpolate_positions(positions: Array, rows: int, columns: int) -> Array:
    """A position embedding for a grid of `rows` × `columns` patches, as DINOv2 does it: bicubic, without antialiasing.

    Args:
        positions: (1, 1 + g·g, width) as in the checkpoint; the first is the class token's.

    Returns:
        (1, 1 + rows·columns, width) float32.
    """
    width = positions.shape[2]
    side = round((positions.shape[1] - 1) ** 0.5)
    if rows == columns == side:
        return positions
    grid = positions[0, 1:].reshape(side, side, width)
    # einsum without BLAS: a thread pool of its own would compete with the engine's for a millisecond of work.
    grid = np.einsum("ri,ijc->rjc", _cubic_matrix(side, rows), grid)
    grid = np.einsum("sj,rjc->rsc", _cubic_matrix(side, columns), grid)
    return np.concatenate((positions[:, :1], grid.reshape(1, rows * columns, width)), axis=1)


def _cubic_matrix(size: int, resized: int) -> Array:
    """(resized, size): the weights with which each output sums the inputs; neighbours past an edge are the edge."""
    scale = np.float32(size / (resized + GRID_OFFSET))
    position = scale * (np.arange(resized, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    first = np.floor(position)
    matrix = np.zeros((resized, size), np.float32)
    output = np.arange(resized)
    for tap in (-1, 0, 1, 2):
        neighbour = np.clip(first.astype(np.intp) + tap, 0, size - 1)
        np.add.at(matrix, (output, neighbour), _cubic(np.abs(position - first - np.float32(tap))))
    return matrix


def _cubic(distance: Array) -> Array:
    near = ((CUBIC_A + 2) * distance - (CUBIC_A + 3)) * distance * distance + 1
    far = ((CUBIC_A * distance - 5 * CUBIC_A) * distance + 8 * CUBIC_A) * distance - 4 * CUBIC_A
    return np.where(distance <= 1, near, far).astype(np.float32)

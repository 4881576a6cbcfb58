"""What neighbouring pixels know of each other: where edges are, and light smoothed within a surface.

render.py calls it between casting rays and shading.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats
from depthwire.training.samples import Samples, Shape, compiled


@compiled
def _alike(shape: Shape, rays: Samples, i: int, others: Samples, j: int) -> float:
    """How much hit j of others lies on the surface of hit i, 0…1: little off its plane, turned the same way."""
    a, b = rays.face[i], others.face[j]
    if a < 0 or b < 0:
        return 0.0
    n, m = shape.normal[a], shape.normal[b]
    s, t = rays.reach[i], others.reach[j]
    off = 0.0
    for k in range(3):
        here = rays.origin[i, k] + s * rays.direction[i, k]
        there = others.origin[j, k] + t * others.direction[j, k]
        off += n[k] * (there - here)
    turned = abs(n[0] * m[0] + n[1] * m[1] + n[2] * m[2])
    limit = 0.012 * s
    return float(turned**6 * max(1 - abs(off) / limit, 0.0))


@compiled
def edges(shape: Shape, rays: Samples, rows: int, columns: int) -> NDArray[np.bool_]:
    """(rows × columns,) whether a pixel borders on another surface or material."""
    found = np.zeros(rows * columns, np.bool_)
    for row in range(rows):
        for column in range(columns):
            i = row * columns + column
            for j in (i + 1, i + columns):
                if (j == i + 1 and column == columns - 1) or j >= rows * columns:
                    continue
                a, b = rays.face[i], rays.face[j]
                if a == b:
                    continue
                if a < 0 or b < 0 or shape.material[a] != shape.material[b] or _alike(shape, rays, i, rays, j) < 0.5:
                    found[i] = True
                    found[j] = True
    return found


@compiled
def smoothed(shape: Shape, rays: Samples, light: Floats, known: Floats, rows: int, columns: int, step: int) -> Floats:
    """Two measures of light (N, 2) of a picture's pixels, each averaged with the eight pixels `step` away.

    Only pixels of the same surface count, and of those only where a measure is known: weights (N, 2). One pass of an
    edge-avoiding à-trous filter (Dammertz et al., High-Performance Graphics 2010). `known` becomes the new weights.
    """
    result = np.ones_like(light)
    weights = np.zeros_like(known)
    for row in range(rows):
        for column in range(columns):
            i = row * columns + column
            if rays.face[i] < 0:
                continue
            total_a, total_b, sum_a, sum_b = 0.0, 0.0, 0.0, 0.0
            for dy in range(-1, 2):
                y = row + dy * step
                if y < 0 or y >= rows:
                    continue
                for dx in range(-1, 2):
                    x = column + dx * step
                    if x < 0 or x >= columns:
                        continue
                    j = y * columns + x
                    near = (2.0 - abs(dx)) * (2.0 - abs(dy))
                    weight = near if rays.face[i] == rays.face[j] else near * _alike(shape, rays, i, rays, j)
                    a, b = weight * known[j, 0], weight * known[j, 1]
                    total_a, total_b = total_a + a, total_b + b
                    sum_a, sum_b = sum_a + a * light[j, 0], sum_b + b * light[j, 1]
            if total_a > 1e-6:
                result[i, 0] = sum_a / total_a
                weights[i, 0] = 1.0
            if total_b > 1e-6:
                result[i, 1] = sum_b / total_b
                weights[i, 1] = 1.0
    known[:] = weights
    return result


@compiled
def borrowed(
    shape: Shape, rays: Samples, pixel: NDArray[np.int64], pixels: Samples, light: Floats, rows: int, columns: int
) -> Floats:
    """Light (N, 2) of samples inside pixels, from what the 3 × 3 pixels around them know of the same surface."""
    result = np.empty((len(pixel), 2), np.float32)
    for i in range(len(pixel)):
        row, column = pixel[i] // columns, pixel[i] % columns
        total, spare = 0.0, 1e-6
        a, b, spare_a, spare_b = 0.0, 0.0, 0.7e-6, 0.7e-6
        for y in range(max(row - 1, 0), min(row + 2, rows)):
            for x in range(max(column - 1, 0), min(column + 2, columns)):
                j = y * columns + x
                if pixels.face[j] < 0 or rays.face[i] < 0:
                    continue
                weight = _alike(shape, rays, i, pixels, j)
                total, a, b = total + weight, a + weight * light[j, 0], b + weight * light[j, 1]
                spare, spare_a, spare_b = spare + 1, spare_a + light[j, 0], spare_b + light[j, 1]
        if total > 0.05:
            result[i, 0], result[i, 1] = a / total, b / total
        else:
            result[i, 0], result[i, 1] = spare_a / spare, spare_b / spare
    return result

"""Many of a shape in one array operation: copies, boxes, quads, rods, leaves.

The layouts use it, indoors for furniture and goods, outdoors for windows, fences, branches, crowds and grass, where one
join a part would take too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depthwire.training.mesh import Mesh, box, join, unit_rings

Rows = ArrayLike | Sequence[object]
"""Nested lists of numbers, whole or not, or an array."""


def copies(shape: Mesh, positions: ArrayLike, yaw: ArrayLike = 0.0, scale: ArrayLike = 1.0) -> Mesh:
    """The shape at each of positions (K, 3), scaled (one, (K,) or (K, 3)), then turned by yaw (radians, one or K)."""
    places = np.asarray(positions, np.float32).reshape(-1, 3)
    count, size = len(places), len(shape.vertices)
    if not count:
        return join([])
    factor = np.asarray(scale, np.float32)
    factor = factor[:, None, None] if factor.ndim == 1 else factor[:, None] if factor.ndim == 2 else factor
    vertices = np.broadcast_to(shape.vertices * factor, (count, size, 3))
    angle = np.broadcast_to(np.asarray(yaw, np.float32), (count,))[:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vertices[..., 0], vertices[..., 1]
    turned = np.stack([x * cos - y * sin, x * sin + y * cos, vertices[..., 2]], axis=-1) + places[:, None]
    faces = shape.faces[None] + (np.arange(count, dtype=np.int32) * size)[:, None, None]
    return Mesh(
        turned.reshape(-1, 3).astype(np.float32),
        faces.reshape(-1, 3).astype(np.int32),
        np.tile(shape.material, count),
        np.tile(shape.smooth, count),
    )


def boxes(positions: Rows, sizes: Rows, material: ArrayLike, yaw: ArrayLike = 0.0) -> Mesh:
    """Boxes that stand on positions (K, 3); sizes are (K, 3), (3,) or a cube's side, material and yaw one or (K,)."""
    places = np.asarray(positions, np.float32).reshape(-1, 3)
    made = copies(box(1, 1, 1), places, yaw, np.broadcast_to(np.asarray(sizes, np.float32), places.shape))
    each = np.broadcast_to(np.asarray(material, np.int32), (len(places),))
    return replace(made, material=np.repeat(each, len(made.faces) // max(len(places), 1)))


def quads(corners: ArrayLike, material: int) -> Mesh:
    """Four-sided faces from corners (K, 4, 3)."""
    vertices = np.asarray(corners, np.float32).reshape(-1, 4, 3)
    start = (np.arange(len(vertices), dtype=np.int32) * 4)[:, None, None]
    faces = (np.array([[0, 1, 2], [0, 2, 3]], np.int32)[None] + start).reshape(-1, 3).astype(np.int32)
    return Mesh(vertices.reshape(-1, 3), faces, np.full(len(faces), material, np.int32), np.zeros(len(faces), bool))


def grid_cells(points: ArrayLike) -> NDArray[np.floating]:
    """Corners (K, 4, 3), as `quads` takes them, of the cells of a grid of points (rows, columns, 3)."""
    grid = np.asarray(points)
    return np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], 2).reshape(-1, 4, 3)


def rods(
    starts: Rows,
    ends: Rows,
    radius: ArrayLike,
    material: int,
    end_radius: ArrayLike | None = None,
    sections: int = 5,
) -> Mesh:
    """Round bars from starts to ends, either (K, 3) or one (3,), open at both; radii in metres, one or (K,)."""
    begin, end = np.broadcast_arrays(*(np.asarray(points, np.float32).reshape(-1, 3) for points in (starts, ends)))
    count = len(begin)
    if not count:
        return join([])
    first = np.broadcast_to(np.asarray(radius, np.float32), (count,))
    last = first if end_radius is None else np.broadcast_to(np.asarray(end_radius, np.float32), (count,))
    ring = unit_rings(end - begin, sections)
    lower = begin[:, None] + first[:, None, None] * ring
    upper = end[:, None] + last[:, None, None] * ring
    vertices = np.concatenate([lower, upper], axis=1).reshape(-1, 3).astype(np.float32)
    here = np.arange(sections)
    beside = (here + 1) % sections
    wall = np.concatenate(
        [np.stack([here, beside, beside + sections], 1), np.stack([here, beside + sections, here + sections], 1)]
    )
    faces = (wall[None] + (np.arange(count) * 2 * sections)[:, None, None]).reshape(-1, 3).astype(np.int32)
    return Mesh(vertices, faces, np.full(len(faces), material, np.int32), np.full(len(faces), True))


def leaves(rng: np.random.Generator, centres: ArrayLike, size: ArrayLike, material: int, droop: float = 0.0) -> Mesh:
    """Small lozenges (two triangles) about centres (K, 3), turned at random; droop 1 hangs them all down.

    size: length in metres, one or (K,).
    """
    middle = np.asarray(centres, np.float32).reshape(-1, 3)
    count = len(middle)
    length = np.broadcast_to(np.asarray(size, np.float32), (count,))[:, None]
    along = _directions(rng, count)
    along[:, 2] -= 2 * droop
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    side = np.cross(along, _directions(rng, count))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    half, width = along * length / 2, side * length * 0.33
    return quads(np.stack([middle - half, middle + width, middle + half, middle - width], axis=1), material)


def split_materials(rng: np.random.Generator, mesh: Mesh, choices: ArrayLike, group: int) -> Mesh:
    """The mesh with every `group` consecutive faces given a material of `choices` by chance."""
    options = np.asarray(choices, np.int32)
    picks = options[rng.integers(len(options), size=-(-len(mesh.faces) // group))]
    return replace(mesh, material=np.repeat(picks, group)[: len(mesh.faces)].astype(np.int32))


def _directions(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    vectors: NDArray[np.float64] = rng.normal(size=(count, 3))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors

"""Shapes that furniture and small things share: many boxes at once, legs, cushions, hanging cloth.

Furniture stands on z = 0, is centred in x and y, has its back at +y and its front at -y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from depthwire.training.mesh import Mesh, box, revolved, sphere
from depthwire.training.scenes.instances import copies, quads, sticks

Rows = ArrayLike | Sequence[object]
"""Nested lists of numbers, whole or not, or an array."""


def boxes(sizes: Rows, places: Rows, materials: ArrayLike, yaws: ArrayLike = 0.0) -> Mesh:
    """Many boxes at once: sizes (N, 3), middles of their bottoms (N, 3), materials and turns about z, one or (N,)."""
    size = np.asarray(sizes, np.float32)
    made = copies(box(1, 1, 1), np.asarray(places, np.float32), yaws, size)
    material = np.broadcast_to(np.asarray(materials, np.int32), len(size))
    return replace(made, material=np.repeat(material, len(made.faces) // max(len(size), 1)).astype(np.int32))


def rods(paths: Rows, radius: float, material: int, sections: int = 6) -> Mesh:
    """Bars along paths of two points each (N, 2, 3): legs, rails, frames."""
    ends = np.asarray(paths, np.float32)
    return sticks(ends[:, 0], ends[:, 1], radius, material, sections=sections)


def square_legs(x: float, y: float, height: float, thickness: float, material: int) -> Mesh:
    """Four upright legs whose outer sides make a rectangle of x × y metres."""
    across, along = x / 2 - thickness / 2, y / 2 - thickness / 2
    places = [[-across, -along, 0], [across, -along, 0], [-across, along, 0], [across, along, 0]]
    return boxes([[thickness, thickness, height]] * 4, places, material)


def splayed_legs(x: float, y: float, height: float, radius: float, material: int, splay: float = 0.0) -> Mesh:
    """Four round legs, x × y metres apart at the top and wider by twice `splay` on the floor."""
    ends = [
        [[i * x / 2, j * y / 2, height], [i * (x / 2 + splay), j * (y / 2 + splay), 0.0]]
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    return rods(ends, radius, material)


def cushion(x: float, y: float, z: float, material: int, roundness: float = 0.35, subdivisions: int = 2) -> Mesh:
    """A soft block that stands on z = 0: a ball pushed towards a box (roundness 1 is a ball, 0 a box)."""
    ball = sphere(1.0, subdivisions)
    vertices = np.sign(ball.vertices) * np.abs(ball.vertices) ** roundness
    return replace(ball, vertices=vertices.astype(np.float32)).scaled(x / 2, y / 2, z / 2).moved(z=z / 2).of(material)


def hanging_cloth(width: float, height: float, fold: float, waves: float, material: int) -> Mesh:
    """A curtain that hangs from z = height, in the plane y = 0, with folds as deep as `fold` metres."""
    columns = max(int(waves * 6), 8)
    x = np.linspace(-width / 2, width / 2, columns)
    y = fold * np.sin(np.linspace(0, 2 * np.pi * waves, columns))
    top, bottom = np.stack([x, y * 0.6, np.full(columns, height)], 1), np.stack([x, y, np.zeros(columns)], 1)
    corners = np.stack([bottom[:-1], bottom[1:], top[1:], top[:-1]], axis=1)
    return quads(corners, material)


def vessel(profile: Rows, material: int, sections: int = 14) -> Mesh:
    """A turned shape, radius and height (K, 2), of one material."""
    return revolved(np.asarray(profile, np.float32), sections).of(material)

"""Shapes that furniture and small things share: legs, cushions, hanging cloth, turned shapes.

Furniture stands on z = 0, is centred in x and y, has its back at +y and its front at -y.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthwire.training.mesh import Mesh, revolved, sphere
from depthwire.training.scenes.instances import Rows, boxes, grid_cells, quads, rods


def square_legs(x: float, y: float, height: float, thickness: float, material: int) -> Mesh:
    """Four upright legs whose outer sides make a rectangle of x × y metres."""
    across, along = x / 2 - thickness / 2, y / 2 - thickness / 2
    places = [[-across, -along, 0], [across, -along, 0], [-across, along, 0], [across, along, 0]]
    return boxes(places, (thickness, thickness, height), material)


def splayed_legs(x: float, y: float, height: float, radius: float, material: int, splay: float = 0.0) -> Mesh:
    """Four round legs, x × y metres apart at the top and wider by twice `splay` on the floor."""
    corners = [(i, j) for i in (-1, 1) for j in (-1, 1)]
    tops = [[i * x / 2, j * y / 2, height] for i, j in corners]
    feet = [[i * (x / 2 + splay), j * (y / 2 + splay), 0.0] for i, j in corners]
    return rods(tops, feet, radius, material, sections=6)


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
    return quads(grid_cells([bottom, top]), material)


def vessel(profile: Rows, material: int, sections: int = 14) -> Mesh:
    """A turned shape, radius and height (K, 2), of one material."""
    return revolved(np.asarray(profile, np.float32), sections).of(material)

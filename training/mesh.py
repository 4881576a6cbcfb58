"""Triangle meshes of the rendered scenes: shapes made once, then scaled, turned, placed and joined.

The layouts in scenes/ build with it; render.py casts rays at the result. World frame: metres, x east, y north, z up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """Triangles with a material each."""

    vertices: Floats
    """(N, 3), metres."""
    faces: Ints
    """(M, 3), indices of vertices."""
    material: Ints
    """(M,), indices into the scene's materials."""
    smooth: NDArray[np.bool_]
    """(M,), whether light sees the faces as one curved surface."""

    def of(self, material: int) -> Mesh:
        """The same shape made of one material."""
        return replace(self, material=np.full(len(self.faces), material, np.int32))

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Mesh:
        """Stretched along its axes; one number scales evenly."""
        factors = np.array([x, x if y is None else y, x if z is None else z], np.float32)
        return replace(self, vertices=self.vertices * factors)

    def turned(self, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Mesh:
        """Turned about its origin, radians: roll about y, then pitch about x, then yaw about z (counter-clockwise)."""
        return replace(self, vertices=self.vertices @ rotation(yaw, pitch, roll).T)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """Shifted, metres."""
        return replace(self, vertices=self.vertices + np.array([x, y, z], np.float32))

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The lowest and the highest corner, (3,) each, metres."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """(3, 3) matrix that turns about y by roll, then about x by pitch, then about z by yaw (radians)."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(angle), math.sin(angle)) for angle in (yaw, pitch, roll))
    return np.array(
        [
            [cy * cr - sy * sp * sr, -sy * cp, cy * sr + sy * sp * cr],
            [sy * cr + cy * sp * sr, cy * cp, sy * sr - cy * sp * cr],
            [-cp * sr, sp, cp * cr],
        ],
        np.float32,
    )


def join(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh of many; empty where there are none."""
    parts = list(meshes)
    if not parts:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros(0, np.int32), np.zeros(0, bool))
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.material for part in parts]),
        np.concatenate([part.smooth for part in parts]),
    )


def box(x: float, y: float, z: float) -> Mesh:
    """A box that stands on z = 0, centred in x and y."""
    return _unit_box().scaled(x, y, z)


def cylinder(radius: float, height: float, top_radius: float | None = None, sections: int = 16) -> Mesh:
    """A cylinder or, with another top radius, a truncated cone that stands on z = 0."""
    mesh = _unit_cylinder(sections)
    scale = np.where(mesh.vertices[:, 2:] > 0.5, radius if top_radius is None else top_radius, radius)
    vertices = mesh.vertices * np.concatenate([scale, scale, np.full_like(scale, height)], axis=1)
    return replace(mesh, vertices=vertices.astype(np.float32))


def sphere(radius: float, subdivisions: int = 2) -> Mesh:
    """A ball about the origin; 20 × 4^subdivisions faces."""
    return _unit_sphere(subdivisions).scaled(radius)


def quad(corners: ArrayLike) -> Mesh:
    """A flat four-sided face from four corners (4, 3) in order; it is seen from both sides."""
    return _flat(np.asarray(corners, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def floor(x: float, y: float) -> Mesh:
    """A horizontal rectangle at z = 0, centred."""
    return quad([[-x / 2, -y / 2, 0], [x / 2, -y / 2, 0], [x / 2, y / 2, 0], [-x / 2, y / 2, 0]])


def terrain(heights: ArrayLike, x: float, y: float, smooth: bool = True) -> Mesh:
    """A height field: heights (rows along y, columns along x) in metres over a centred rectangle of x × y metres."""
    z = np.asarray(heights, np.float32)
    rows, columns = z.shape
    across, along = np.meshgrid(np.linspace(-x / 2, x / 2, columns), np.linspace(-y / 2, y / 2, rows))
    vertices = np.stack([across, along, z], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + columns + 1], axis=1)
    upper = np.stack([corner, corner + columns + 1, corner + columns], axis=1)
    mesh = _flat(vertices, np.concatenate([lower, upper]).astype(np.int32))
    return replace(mesh, smooth=np.full(len(mesh.faces), smooth))


def tube(path: ArrayLike, radius: float | Sequence[float], sections: int = 8) -> Mesh:
    """A round tube along a polyline (K, 3), its radius one number or one for each point; open at its ends."""
    points = np.asarray(path, np.float32)
    radii = np.broadcast_to(np.asarray(radius, np.float32), len(points))
    rings = unit_rings(np.gradient(points, axis=0), sections)
    return sheet(points[:, None] + radii[:, None, None] * rings)


def unit_rings(axes: NDArray[np.floating], sections: int) -> NDArray[np.floating]:
    """Points of circles of radius one about the origin, each across one of the axes (K, 3): (K, sections, 3)."""
    along = axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-9)
    reference = np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    side = np.cross(along, reference)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    across = np.cross(side, along)
    angle = np.linspace(0, 2 * np.pi, sections, endpoint=False)
    rings: NDArray[np.floating] = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * across[:, None]
    return rings


def revolved(profile: ArrayLike, sections: int = 16) -> Mesh:
    """A surface of revolution about z: profile (K, 2) of radius and height, metres (bottles, lamps, cones, cups)."""
    outline = np.asarray(profile, np.float32)
    angle = np.linspace(0, 2 * np.pi, sections, endpoint=False)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    level = np.broadcast_to(outline[:, None, 1:], (len(outline), sections, 1))
    return sheet(np.concatenate([outline[:, None, :1] * direction[None], level], axis=-1))


def sheet(rings: NDArray[np.floating]) -> Mesh:
    """Faces between consecutive closed rings of vertices, (K, sections, 3)."""
    count, sections = rings.shape[:2]
    here = np.arange(count - 1)[:, None] * sections + np.arange(sections)
    beside = np.arange(count - 1)[:, None] * sections + (np.arange(sections) + 1) % sections
    lower = np.stack([here, beside, beside + sections], axis=-1).reshape(-1, 3)
    upper = np.stack([here, beside + sections, here + sections], axis=-1).reshape(-1, 3)
    mesh = _flat(rings.reshape(-1, 3).astype(np.float32), np.concatenate([lower, upper]).astype(np.int32))
    return replace(mesh, smooth=np.full(len(mesh.faces), True))


def _flat(vertices: Floats, faces: Ints) -> Mesh:
    return Mesh(vertices, faces, np.zeros(len(faces), np.int32), np.zeros(len(faces), bool))


@cache
def _unit_box() -> Mesh:
    made = trimesh.creation.box((1, 1, 1))
    return _flat((made.vertices + np.array([0, 0, 0.5])).astype(np.float32), made.faces.astype(np.int32))


@cache
def _unit_cylinder(sections: int) -> Mesh:
    made = trimesh.creation.cylinder(radius=1, height=1, sections=sections)
    mesh = _flat((made.vertices + np.array([0, 0, 0.5])).astype(np.float32), made.faces.astype(np.int32))
    return replace(mesh, smooth=np.abs(made.face_normals[:, 2]) < 0.5)


@cache
def _unit_sphere(subdivisions: int) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=1.0)
    mesh = _flat(np.asarray(made.vertices, np.float32), made.faces.astype(np.int32))
    return replace(mesh, smooth=np.full(len(mesh.faces), True))

"""A camera, shapes that rays can hit, and exact depth: the numpy ray caster behind the demo's room.

light.py and scene.py call it; room.py builds its shapes. World axes are x right, y up, z into the room, in metres.
Arrays of points and directions are (3, N).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Texture = Callable[[Floats, Floats], Floats]

EPSILON_M = 1e-3  # secondary rays start this far off their surface


def rotation(yaw_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Floats:
    """(3, 3) float64 matrix, local to world: roll about z, then pitch about x, then yaw about y."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    matrix: Floats = about_y @ about_x @ about_z
    return matrix


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels whose principal point is the middle of the image.

    Pixel (u, v) is an integer index and its centre lies at exactly u, v, as in the rest of depthwire, so the middle
    of the image is cx = (width - 1) / 2. `pitch_down_deg` tilts it towards the floor, `yaw_deg` turns it to the right.
    """

    width: int = 640
    height: int = 480
    horizontal_fov_deg: float = 65.0
    position_m: tuple[float, float, float] = (0.0, 1.5, 0.0)
    pitch_down_deg: float = 9.0
    yaw_deg: float = 2.0

    @property
    def focal_px(self) -> float:
        """Focal length in pixels: width / 2 divided by the tangent of half the field of view."""
        return self.width / 2 / math.tan(math.radians(self.horizontal_fov_deg / 2))

    @property
    def matrix(self) -> list[list[float]]:
        """[[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels."""
        focal = round(self.focal_px, 6)
        return [[focal, 0.0, (self.width - 1) / 2], [0.0, focal, (self.height - 1) / 2], [0.0, 0.0, 1.0]]

    def rays(self, u: Floats, v: Floats) -> Floats:
        """(3, N) world directions through pixel positions u, v (N,).

        Not of unit length: each advances one metre along the optical axis, so a hit's ray parameter *is* its depth.
        """
        (fx, _, cx), (_, fy, cy), _ = self.matrix
        local = np.stack([(u - cx) / fx, -(v - cy) / fy, np.ones_like(u)])
        world: Floats = rotation(self.yaw_deg, self.pitch_down_deg) @ local
        return world


@dataclass(frozen=True)
class Material:
    """What a surface looks like: linear RGB `colour`, or a `texture` of local point and normal around that colour."""

    colour: tuple[float, float, float]
    texture: Texture | None = None
    reflectance: float = 0.0  # at normal incidence; 0 is perfectly matt
    roughness: float = 0.0
    glow: tuple[float, float, float] | None = None  # emitted radiance


@dataclass(frozen=True)
class Shape:
    """A unit cube, ball or upright cylinder (all reaching from -1 to 1), scaled by `half_m`, turned and moved."""

    kind: str  # "box", "ball" or "cylinder"
    centre_m: Floats
    half_m: Floats
    material: Material
    turn: Floats = field(default_factory=lambda: np.eye(3))  # local to world
    casts_shadow: bool = True

    def local(self, points: Floats) -> Floats:
        """(3, N) world points in the shape's own axes, metres."""
        turned: Floats = self.turn.T.astype(points.dtype) @ (points - self.centre_m[:, None].astype(points.dtype))
        return turned

    def intersect(self, origins: Floats, directions: Floats) -> Floats:
        """(N,) ray parameter at which each ray enters the shape, infinity where it does not."""
        dtype = origins.dtype
        to_unit = (self.turn.T / self.half_m[:, None]).astype(dtype)
        start = to_unit @ (origins - self.centre_m[:, None].astype(dtype))
        along = to_unit @ directions
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            enter, leave = _UNIT_SHAPES[self.kind](start, along)
        return np.where((enter > 0) & (enter <= leave), enter, np.asarray(np.inf, dtype))

    def local_normal(self, points: Floats) -> Floats:
        """(3, N) unit outward normals, in the shape's own axes, at world points on its surface."""
        unit = self.local(points) / self.half_m[:, None].astype(points.dtype)
        if self.kind == "ball":
            normal = unit / self.half_m[:, None].astype(points.dtype)
            scaled: Floats = normal / np.linalg.norm(normal, axis=0)
            return scaled
        normal = np.zeros_like(unit)
        columns = np.arange(unit.shape[1])
        if self.kind == "box":
            axis = np.abs(unit).argmax(axis=0)
            normal[axis, columns] = np.sign(unit[axis, columns])
            return normal
        capped = np.abs(unit[1]) > np.hypot(unit[0], unit[2])
        normal[1] = np.where(capped, np.sign(unit[1]), 0)
        normal[0] = np.where(capped, 0, unit[0])
        normal[2] = np.where(capped, 0, unit[2])
        rounded: Floats = normal / np.linalg.norm(normal, axis=0)
        return rounded


def _slab(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Where rays enter and leave the unit slabs of each row: the slab method of Kay and Kajiya (SIGGRAPH 1986)."""
    inverse = 1 / np.where(along == 0, np.asarray(1e-30, along.dtype), along)
    first, second = (-1 - start) * inverse, (1 - start) * inverse
    return np.minimum(first, second).max(axis=0), np.maximum(first, second).min(axis=0)


def _round(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Where rays enter and leave the unit circle or ball: the roots of |start + t along|² = 1."""
    a, b = (along * along).sum(axis=0), (start * along).sum(axis=0)
    nearest = start - along * (b / a)  # the point of the ray nearest to the centre: exact also for distant balls
    root = np.sqrt((1 - (nearest * nearest).sum(axis=0)) / a)
    root = np.where(np.isnan(root), -np.inf, root)  # enter > leave: a miss
    return -b / a - root, -b / a + root


def _tube(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Where rays enter and leave the unit cylinder about y: the circle in x, z cut by the slab in y."""
    side, cap = _round(start[::2], along[::2]), _slab(start[1:2], along[1:2])
    return np.maximum(side[0], cap[0]), np.minimum(side[1], cap[1])


_UNIT_SHAPES = {"box": _slab, "ball": _round, "cylinder": _tube}


@dataclass(frozen=True)
class Group:
    """Shapes that stand together; rays that miss the box around them skip them all."""

    shapes: Sequence[Shape]

    def bounds(self) -> Shape:
        """An axis-aligned box around every shape, a millimetre larger."""
        reach = np.array([np.abs(s.turn) @ s.half_m for s in self.shapes])
        centres = np.array([s.centre_m for s in self.shapes])
        low, high = (centres - reach).min(axis=0) - 1e-3, (centres + reach).max(axis=0) + 1e-3
        return Shape("box", (low + high) / 2, (high - low) / 2, self.shapes[0].material)


class World:
    """Everything rays can hit: loose shapes, which every ray tests, and groups, which few do."""

    def __init__(self, loose: Sequence[Shape], groups: Sequence[Group] = ()) -> None:
        self.shapes: list[Shape] = [*loose, *(shape for group in groups for shape in group.shapes)]
        self._parts: list[tuple[Shape | None, list[tuple[int, Shape]]]] = [(None, list(enumerate(loose)))]
        first = len(loose)
        for group in groups:
            self._parts.append((group.bounds(), list(enumerate(group.shapes, first))))
            first += len(group.shapes)

    def trace(self, origins: Floats, directions: Floats) -> tuple[Floats, Ints]:
        """The nearest hit of each ray: parameter (N,), infinity for none, and index into `shapes` (N,), -1 for none."""
        nearest = np.full(origins.shape[1], np.inf, origins.dtype)
        index = np.full(origins.shape[1], -1, np.int32)
        for bounds, members in self._parts:
            rays = _rays_near(bounds, origins, directions, nearest)
            if rays.size == 0:
                continue
            some_origins, some_directions = origins[:, rays], directions[:, rays]
            best, which = nearest[rays], index[rays]
            for number, shape in members:
                distance = shape.intersect(some_origins, some_directions)
                closer = distance < best
                best = np.where(closer, distance, best)
                which[closer] = number
            nearest[rays], index[rays] = best, which
        return nearest, index

    def blocked(self, origins: Floats, directions: Floats) -> Bools:
        """(N,) whether anything that casts a shadow lies between each origin and origin + direction."""
        blocked = np.zeros(origins.shape[1], bool)
        reach = np.ones(origins.shape[1], origins.dtype)
        for bounds, members in self._parts:
            rays = _rays_near(bounds, origins, directions, np.where(blocked, 0, reach))
            for _, shape in members:
                if shape.casts_shadow and rays.size:
                    hit = shape.intersect(origins[:, rays], directions[:, rays]) < 1
                    blocked[rays[hit]] = True
                    rays = rays[~hit]
        return blocked


def _rays_near(bounds: Shape | None, origins: Floats, directions: Floats, limit: Floats) -> Ints:
    """Indices of the rays that touch the box `bounds` before `limit`; also those that start inside it."""
    if bounds is None:
        return np.flatnonzero(limit > 0)
    centre, half = (a[:, None].astype(origins.dtype) for a in (bounds.centre_m, bounds.half_m))
    enter, leave = _slab((origins - centre) / half, directions / half)
    return np.flatnonzero((enter <= leave) & (leave > 0) & (enter < limit))


def depth_of(world: World, camera: Camera) -> NDArray[np.float64]:
    """(H, W) float64 metres along the optical axis at every pixel's centre ray, NaN where it hits nothing."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float64)
    directions = camera.rays(u.ravel(), v.ravel())
    origins = np.repeat(np.array(camera.position_m)[:, None], directions.shape[1], axis=1)
    depth, _ = world.trace(origins, directions)
    return np.where(np.isfinite(depth), depth, np.nan).reshape(camera.height, camera.width)

"""The picture the demo sends, drawn by us so that its depth is known exactly: a small numpy ray caster and a room.

Run as `python -m depthwire.client.demo.scene --out client/demo` when the room changes; the demo, the README and
the tests read the three files it writes. Needs numpy, and Pillow for saving; nothing calls it while depthwire runs.

Reading order: camera, shapes and tracing, textures, the room, light, the picture, the files.
World axes are x right, y up, z into the room, in metres. Arrays of points and directions are (3, N).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Texture = Callable[[Floats, Floats], Floats]

SEED = 20
RAYS_PER_CHUNK = 1 << 15  # small enough that a chunk's arrays stay in the processor's cache
BRIGHTEST_BOUNCE = 2.0  # radiance; cuts the rare bright specks that filtering would spread
EPSILON_M = 1e-3  # secondary rays start this far off their surface


# ---------------------------------------------------------------------------------------------------- camera


def _rotation(yaw_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Floats:
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
        world: Floats = _rotation(self.yaw_deg, self.pitch_down_deg) @ local
        return world


# ---------------------------------------------------------------------------------------- shapes and tracing


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


# -------------------------------------------------------------------------------------------------- textures

_LATTICE = np.random.default_rng(SEED).random((32, 32, 32)).astype(np.float32)


def _noise(x: Floats, y: Floats, z: Floats | float = 0.0) -> Floats:
    """Value noise in 0…1: random values on the integer lattice, smoothly interpolated."""
    cells, weights = [], []
    for value in np.broadcast_arrays(x, y, np.asarray(z, np.float32)):
        floor = np.floor(value)
        part = value - floor
        cells.append(floor.astype(np.int32))
        weights.append(part * part * (3 - 2 * part))
    total = np.zeros(cells[0].shape, np.float32)
    for corner in range(8):
        steps = [corner >> axis & 1 for axis in range(3)]
        share = np.ones_like(total)
        for weight, step in zip(weights, steps, strict=True):
            share = share * (weight if step else 1 - weight)
        where = tuple((cell + step) & 31 for cell, step in zip(cells, steps, strict=True))
        total += share * _LATTICE[where]
    return total


def _tinted(colour: tuple[float, float, float], tone: Floats) -> Floats:
    """(3, N): one colour, brighter or darker by `tone` (N,)."""
    return np.asarray(colour, np.float32)[:, None] * tone


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    return first * (1 - share) + second * share


def _step(low: float, high: float, value: Floats) -> Floats:
    part = np.clip((value - low) / (high - low), 0, 1)
    smooth: Floats = part * part * (3 - 2 * part)
    return smooth


def wood(colour: tuple[float, float, float], along: int, contrast: float = 1.0) -> Texture:
    """Solid timber with its grain along one local axis."""

    def texture(p: Floats, _: Floats) -> Floats:
        a, b = (p[i] for i in range(3) if i != along)
        length = p[along]
        rings = np.sin(
            38 * (a + 1.3 * b) + 9 * _noise(a * 5, b * 5, length * 0.9) + 3 * _noise(a * 22, b * 22, length * 2)
        )
        fibre = _noise(a * 260, b * 260, length * 9) - 0.5
        return _tinted(
            colour, 1 + contrast * (0.11 * rings + 0.22 * fibre + 0.2 * (_noise(a * 4, b * 4, length) - 0.5))
        )

    return texture


def _floorboards(p: Floats, _: Floats) -> Floats:
    """Oak boards 13 cm wide and 1.6 m long, staggered, running into the room."""
    across, width, length = p[0] / 0.13, 0.13, 1.6
    row = np.floor(across)
    along = p[2] / length + 0.37 * row + 0.21 * np.sin(row * 12.9)
    board = row * 7.31 + np.floor(along) * 3.17
    tone = _noise(board * 1.7 + 0.5, board * 0.61 + 0.5)
    grain = _noise(p[0] * 130, p[2] * 3.2, board) - 0.5
    figure = np.sin(30 * p[0] + 11 * _noise(p[0] * 9, p[2] * 0.9, board) + board)
    colour = _tinted((0.40, 0.235, 0.125), 1 + 0.55 * (tone - 0.5) + 0.34 * grain + 0.09 * figure)
    edge = np.minimum(across - row, 1 - (across - row)) * width
    end = np.minimum(along - np.floor(along), 1 - (along - np.floor(along))) * length
    gap = _step(0.0008, 0.0028, np.minimum(edge, end))
    return colour * (0.35 + 0.65 * gap)


def _tiles(p: Floats, _: Floats) -> Floats:
    """Stone tiles of 33 cm with pale grout."""
    x, z = p[0] / 0.33 + 0.5, p[2] / 0.33
    number = np.floor(x) * 5.7 + np.floor(z) * 3.3
    dark = (np.floor(x) + np.floor(z)) % 2
    tone = 0.85 + 0.2 * _noise(number, number * 0.7) + 0.25 * (_noise(x * 5, z * 5, number) - 0.5)
    stone = _mix(_tinted((0.55, 0.50, 0.43), tone), _tinted((0.24, 0.25, 0.25), tone), dark)
    edge = np.minimum.reduce([x - np.floor(x), 1 - x + np.floor(x), z - np.floor(z), 1 - z + np.floor(z)])
    return _mix(_tinted((0.6, 0.58, 0.54), tone), stone, _step(0.010, 0.018, edge))


def plaster(colour: tuple[float, float, float]) -> Texture:
    """A painted wall: faint clouds and the fine bumps a roller leaves."""

    def texture(p: Floats, _: Floats) -> Floats:
        clouds, bumps = _noise(*(p * 1.6)) - 0.5, _noise(*(p * 41)) - 0.5
        return _tinted(colour, 1 + 0.07 * clouds + 0.025 * bumps + 0.03 * (_noise(*(p * 11)) - 0.5))

    return texture


def _rug(p: Floats, _: Floats) -> Floats:
    """Woven checks of 20 cm with a border."""
    x, z = p[0] / 0.2, p[2] / 0.2
    level = (np.floor(x) % 2 + np.floor(z) % 2) / 2
    weave = 1 + 0.30 * (_noise(p[0] * 240, p[2] * 240) - 0.5) + 0.25 * (_noise(x, z) - 0.5)
    checks = _mix(_tinted((0.52, 0.46, 0.37), weave), _tinted((0.055, 0.13, 0.19), weave), level)
    border = _step(0.0, 0.004, np.maximum(np.abs(p[0]) - 1.22, np.abs(p[2]) - 0.82))
    return _mix(checks, _tinted((0.34, 0.085, 0.05), weave), border)


def _cardboard(p: Floats, n: Floats) -> Floats:
    """Brown board with faint corrugation and a strip of tape over the top and down the sides."""
    tone = 1 + 0.05 * np.sin(p[0] * 520) + 0.14 * (_noise(*(p * 14)) - 0.5) + 0.08 * (_noise(*(p * 130)) - 0.5)
    taped = np.where(np.abs(n[0]) > 0.5, 0, (np.abs(p[0]) < 0.03) & ((n[1] > 0.5) | (p[1] > 0.06)))
    seam = np.where((n[1] > 0.5) & (np.abs(p[0]) < 0.0015), 0.6, 1.0)
    board: Floats = (
        _mix(_tinted((0.42, 0.27, 0.145), tone), _tinted((0.55, 0.43, 0.28), 0.94 + 0.06 * tone), taped) * seam
    )
    return board


def book(colour: tuple[float, float, float], band_m: float) -> Texture:
    """A book standing up, with a dull gold band of that height on its spine."""

    def texture(p: Floats, _: Floats) -> Floats:
        tone = 1 + 0.15 * (_noise(*(p * 120)) - 0.5)
        band = np.abs(p[1] - 0.055) < band_m / 2
        cover: Floats = _mix(_tinted(colour, tone), _tinted((0.42, 0.33, 0.17), tone), band.astype(np.float32))
        return cover

    return texture


def _painting(p: Floats, _: Floats) -> Floats:
    """Three ranges of hills under an evening sky, on a canvas about 0.9 m by 0.6 m facing the room."""
    height = p[1] / 0.6 + 0.5
    sky = _mix(
        _tinted((0.85, 0.50, 0.25), np.ones_like(height)),
        _tinted((0.16, 0.28, 0.45), np.ones_like(height)),
        _step(0.4, 1, height),
    )
    sun = _step(0.062, 0.056, np.hypot(p[0] - 0.15, p[1] - 0.06))
    picture = _mix(sky, _tinted((0.95, 0.80, 0.5), np.ones_like(height)), sun)
    for layer, (base, colour) in enumerate(
        [(0.50, (0.22, 0.20, 0.30)), (0.36, (0.10, 0.15, 0.20)), (0.2, (0.03, 0.07, 0.07))]
    ):
        ridge = base + 0.22 * (_noise(p[0] * 5 + layer * 7.7, np.full_like(height, layer + 0.5)) - 0.4)
        picture = _mix(picture, _tinted(colour, np.ones_like(height)), _step(0.004, -0.004, height - ridge))
    painted: Floats = picture * (0.9 + 0.2 * _noise(p[0] * 180, p[1] * 180))
    return painted


def _outdoors(p: Floats, _: Floats) -> Floats:
    """What a bright window shows: overexposed sky over a soft hedge (a factor on the pane's glow)."""
    hedge = _step(0.06, -0.06, p[1] + 0.38 - 0.22 * _noise(p[2] * 5, p[1] * 3))
    leaves = 0.7 + 0.6 * _noise(p[2] * 17, p[1] * 17)
    return _mix(np.ones_like(p), _tinted((0.20, 0.27, 0.12), leaves), hedge)


def _globe(_: Floats, n: Floats) -> Floats:
    """Frosted glass, dimmer towards its rim and far below what it gives, so that the picture keeps its roundness."""
    return _tinted((1.0, 1.0, 1.0), 0.13 + 0.27 * np.maximum(-n[2], 0) ** 1.5)


# -------------------------------------------------------------------------------------------------- the room

WEST, EAST, SOUTH, NORTH, CEILING = -2.5, 2.4, -1.8, 5.8, 2.6
CORRIDOR_WEST, CORRIDOR_EAST, CORRIDOR_END = 0.55, 1.95, 10.4
DOOR_WEST, DOOR_EAST, DOOR_TOP = 0.72, 1.66, 2.08
WINDOW_LOW, WINDOW_HIGH, WINDOW_SOUTH, WINDOW_NORTH = 0.9, 2.25, 2.7, 5.0
LAMP_CENTRE, LAMP_RADIUS = np.array([-0.72, 1.86, 2.75]), 0.13

WALL = Material((0.66, 0.62, 0.55), plaster((0.66, 0.62, 0.55)))
ACCENT = Material((0.28, 0.37, 0.36), plaster((0.28, 0.37, 0.36)))
WHITE = Material((0.74, 0.73, 0.70), plaster((0.74, 0.73, 0.70)))
PAINT = Material((0.72, 0.71, 0.68), reflectance=0.03, roughness=0.15)
BOARDS = Material((0.40, 0.235, 0.125), _floorboards, reflectance=0.04, roughness=0.07)
TILES = Material((0.42, 0.40, 0.36), _tiles, reflectance=0.05, roughness=0.04)
OAK = Material((0.46, 0.27, 0.13), wood((0.46, 0.27, 0.13), 0), reflectance=0.04, roughness=0.06)
OAK_LEG = Material((0.42, 0.24, 0.12), wood((0.42, 0.24, 0.12), 1), reflectance=0.02, roughness=0.2)
WALNUT = Material((0.17, 0.085, 0.045), wood((0.17, 0.085, 0.045), 0), reflectance=0.03, roughness=0.12)
WALNUT_POST = Material((0.17, 0.085, 0.045), wood((0.17, 0.085, 0.045), 1), reflectance=0.03, roughness=0.12)
CARDBOARD = Material((0.42, 0.27, 0.145), _cardboard)
RUG = Material((0.3, 0.28, 0.26), _rug)
METAL = Material((0.05, 0.05, 0.05), reflectance=0.06, roughness=0.1)
LEAF = Material((0.07, 0.19, 0.05), reflectance=0.03, roughness=0.3)
CLAY = Material((0.46, 0.20, 0.11), plaster((0.46, 0.20, 0.11)))
PANE = Material((0.0, 0.0, 0.0), _outdoors, glow=(9.0, 10.2, 11.5))
GLOBE = Material((0.8, 0.8, 0.8), _globe, glow=(5.2, 3.9, 2.5))
PANEL = Material((0.8, 0.8, 0.8), glow=(7.0, 6.4, 5.4))
SUN_IRRADIANCE = np.array([8.0, 6.7, 4.9], np.float32)
TO_SUN = np.array([-0.80, 0.60, 0.21])
AMBIENT = np.array([0.30, 0.28, 0.25], np.float32)  # what all further bounces add, as irradiance


def glazed(*colour: float) -> Material:
    """Glossy ceramic of one linear RGB colour."""
    return Material((colour[0], colour[1], colour[2]), reflectance=0.05, roughness=0.03)


def box(low: Sequence[float], high: Sequence[float], material: Material, *, casts_shadow: bool = True) -> Shape:
    """An axis-aligned box between two corners, metres."""
    a, b = np.asarray(low, float), np.asarray(high, float)
    return Shape("box", (a + b) / 2, (b - a) / 2, material, casts_shadow=casts_shadow)


def ball(centre: Sequence[float], radius: float, material: Material) -> Shape:
    """A ball, metres."""
    return Shape("ball", np.asarray(centre, float), np.full(3, radius), material)


def tube(foot: Sequence[float], radius: float, height: float, material: Material) -> Shape:
    """An upright cylinder standing on `foot`, metres."""
    centre = np.asarray(foot, float) + np.array([0, height / 2, 0])
    return Shape("cylinder", centre, np.array([radius, height / 2, radius]), material)


def placed(shapes: Sequence[Shape], x: float, z: float, yaw_deg: float, y: float = 0.0) -> list[Shape]:
    """The same shapes turned about the vertical axis through their origin and moved there."""
    turn = _rotation(yaw_deg)
    offset = np.array([x, y, z])
    return [
        Shape(s.kind, turn @ s.centre_m + offset, s.half_m, s.material, turn @ s.turn, s.casts_shadow) for s in shapes
    ]


def _walls() -> list[Shape]:
    """Floor, ceiling and walls, 20 cm thick, with the openings left out."""
    t = 0.2
    return [
        box([WEST, -t, SOUTH], [EAST, 0, NORTH + t / 2], BOARDS, casts_shadow=False),
        box([CORRIDOR_WEST - 1, -t, NORTH + t / 2], [CORRIDOR_EAST + 1, 0, CORRIDOR_END], TILES, casts_shadow=False),
        box([WEST - t, CEILING, SOUTH], [EAST + t, CEILING + t, CORRIDOR_END + t], WHITE, casts_shadow=False),
        box([EAST, 0, SOUTH], [EAST + t, CEILING, NORTH], WALL, casts_shadow=False),
        box([WEST - t, 0, SOUTH - t], [EAST + t, CEILING, SOUTH], WALL, casts_shadow=False),
        # west, around the window
        box([WEST - t, 0, SOUTH], [WEST, CEILING, WINDOW_SOUTH], WALL),
        box([WEST - t, 0, WINDOW_NORTH], [WEST, CEILING, NORTH], WALL),
        box([WEST - t, 0, WINDOW_SOUTH], [WEST, WINDOW_LOW, WINDOW_NORTH], WALL),
        box([WEST - t, WINDOW_HIGH, WINDOW_SOUTH], [WEST, CEILING, WINDOW_NORTH], WALL),
        box(
            [WEST - t, WINDOW_LOW, WINDOW_SOUTH],
            [WEST - t + 0.02, WINDOW_HIGH, WINDOW_NORTH],
            PANE,
            casts_shadow=False,
        ),
        # north, around the doorway
        box([WEST - t, 0, NORTH], [DOOR_WEST, CEILING, NORTH + t / 2], ACCENT),
        box([DOOR_EAST, 0, NORTH], [EAST + t, CEILING, NORTH + t / 2], ACCENT),
        box([DOOR_WEST, DOOR_TOP, NORTH], [DOOR_EAST, CEILING, NORTH + t / 2], ACCENT),
        # the corridor behind it
        box([CORRIDOR_WEST - t, 0, NORTH + t / 2], [CORRIDOR_WEST, CEILING, CORRIDOR_END], WALL, casts_shadow=False),
        box([CORRIDOR_EAST, 0, NORTH + t / 2], [CORRIDOR_EAST + t, CEILING, CORRIDOR_END], WALL, casts_shadow=False),
        box([CORRIDOR_WEST, 0, CORRIDOR_END], [CORRIDOR_EAST, CEILING, CORRIDOR_END + t], WALL, casts_shadow=False),
    ]


def _trim() -> list[Group]:
    """Window bars, sill, door frame and skirting boards."""
    bar, deep, z = 0.045, WEST - 0.13, (WINDOW_SOUTH + WINDOW_NORTH) / 2
    window = [
        box([deep, WINDOW_LOW, z - bar], [deep + 0.06, WINDOW_HIGH, z + bar], PAINT),
        box([deep, 1.72, WINDOW_SOUTH], [deep + 0.05, 1.75, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_LOW, WINDOW_SOUTH], [deep + 0.06, WINDOW_LOW + bar, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_HIGH - bar, WINDOW_SOUTH], [deep + 0.06, WINDOW_HIGH, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_LOW, WINDOW_NORTH - bar], [deep + 0.06, WINDOW_HIGH, WINDOW_NORTH], PAINT),
        box([WEST - 0.1, WINDOW_LOW - 0.04, WINDOW_SOUTH - 0.06], [WEST + 0.1, WINDOW_LOW, WINDOW_NORTH + 0.06], PAINT),
    ]
    y, w = DOOR_TOP, 0.07
    door = [
        box([DOOR_WEST - w, 0, NORTH - 0.025], [DOOR_WEST + 0.015, y + w, NORTH + 0.12], PAINT),
        box([DOOR_EAST - 0.015, 0, NORTH - 0.025], [DOOR_EAST + w, y + w, NORTH + 0.12], PAINT),
        box([DOOR_WEST, y - 0.015, NORTH - 0.025], [DOOR_EAST, y + w, NORTH + 0.12], PAINT),
    ]
    skirting = [
        box([WEST, 0, NORTH - 0.02], [DOOR_WEST - w, 0.1, NORTH], PAINT, casts_shadow=False),
        box([DOOR_EAST + w, 0, NORTH - 0.02], [EAST, 0.1, NORTH], PAINT, casts_shadow=False),
        box([WEST, 0, SOUTH], [WEST + 0.02, 0.1, NORTH], PAINT, casts_shadow=False),
        box([EAST - 0.02, 0, SOUTH], [EAST, 0.1, NORTH], PAINT, casts_shadow=False),
    ]
    x = CORRIDOR_WEST
    corridor = [
        box([x, 0, NORTH + 0.1], [x + 0.02, 0.1, CORRIDOR_END], PAINT, casts_shadow=False),
        box([CORRIDOR_EAST - 0.02, 0, NORTH + 0.1], [CORRIDOR_EAST, 0.1, CORRIDOR_END], PAINT, casts_shadow=False),
        box([0.85, 0, CORRIDOR_END - 0.05], [1.65, 2.0, CORRIDOR_END], WALNUT_POST, casts_shadow=False),
        ball([1.56, 1.0, CORRIDOR_END - 0.09], 0.035, METAL),
        box([1.0, CEILING - 0.03, 7.6], [1.5, CEILING, 8.8], PANEL, casts_shadow=False),
    ]
    return [Group(window), Group(door), Group(skirting), Group(corridor)]


def _table() -> list[Group]:
    """A dining table with fruit, a mug, a vase and books, and a lamp hanging over it."""
    top = 0.74
    table = [box([-0.8, top - 0.035, -0.42], [0.8, top, 0.42], OAK)]
    table += [
        box([x - 0.03, 0, z - 0.03], [x + 0.03, top - 0.035, z + 0.03], OAK_LEG)
        for x in (-0.74, 0.74)
        for z in (-0.36, 0.36)
    ]
    table += [box([-0.71, top - 0.11, z - 0.012], [0.71, top - 0.035, z + 0.012], OAK) for z in (-0.36, 0.36)]
    books = [
        Shape(
            "box",
            np.array([0.42, top + 0.016, 0.12]),
            np.array([0.13, 0.016, 0.09]),
            glazed(0.35, 0.05, 0.04),
            _rotation(12),
        ),
        Shape(
            "box",
            np.array([0.43, top + 0.046, 0.12]),
            np.array([0.12, 0.014, 0.085]),
            glazed(0.06, 0.15, 0.24),
            _rotation(-9),
        ),
        Shape(
            "box",
            np.array([0.42, top + 0.072, 0.12]),
            np.array([0.105, 0.012, 0.075]),
            glazed(0.62, 0.52, 0.30),
            _rotation(25),
        ),
    ]
    mug = [
        tube([0.30, top, -0.20], 0.042, 0.095, glazed(0.72, 0.71, 0.66)),
        tube([0.30, top + 0.0945, -0.20], 0.036, 0.001, glazed(0.05, 0.022, 0.01)),
        box([0.335, top + 0.025, -0.207], [0.372, top + 0.035, -0.193], glazed(0.72, 0.71, 0.66)),
        box([0.335, top + 0.065, -0.207], [0.372, top + 0.075, -0.193], glazed(0.72, 0.71, 0.66)),
        box([0.362, top + 0.025, -0.207], [0.372, top + 0.075, -0.193], glazed(0.72, 0.71, 0.66)),
    ]
    plate = glazed(0.70, 0.70, 0.66)
    fruit = [
        tube([-0.12, top, -0.02], 0.08, 0.012, plate),
        tube([-0.12, top + 0.012, -0.02], 0.165, 0.012, plate),
        ball([-0.18, top + 0.064, -0.05], 0.040, glazed(0.62, 0.22, 0.02)),
        ball([-0.08, top + 0.066, -0.07], 0.042, glazed(0.45, 0.035, 0.02)),
        ball([-0.10, top + 0.062, 0.03], 0.038, glazed(0.30, 0.40, 0.04)),
        ball([-0.18, top + 0.062, 0.035], 0.038, glazed(0.62, 0.24, 0.02)),
        ball([-0.128, top + 0.125, -0.02], 0.038, glazed(0.66, 0.46, 0.03)),
    ]
    vase = [
        Shape("ball", np.array([-0.50, top + 0.10, 0.14]), np.array([0.085, 0.10, 0.085]), glazed(0.04, 0.14, 0.21)),
        tube([-0.50, top + 0.17, 0.14], 0.035, 0.07, glazed(0.04, 0.14, 0.21)),
        *_leaves(14, np.array([-0.50, top + 0.23, 0.14]), 0.17, (0.012, 0.055, 0.028), seed=4),
    ]
    groups = [Group(placed(part, -0.72, 2.75, 14)) for part in (table, books, mug, fruit, vase)]
    x, y, z = LAMP_CENTRE
    lamp = [
        Shape("ball", LAMP_CENTRE, np.full(3, LAMP_RADIUS), GLOBE, casts_shadow=False),
        tube([x, y + LAMP_RADIUS - 0.01, z], 0.035, 0.05, METAL),
        tube([x, y + LAMP_RADIUS, z], 0.004, CEILING - y - LAMP_RADIUS, METAL),
    ]
    return [*groups, Group(lamp)]


def _leaves(count: int, root: Floats, spread: float, size: tuple[float, float, float], seed: int) -> list[Shape]:
    """Flat ellipsoids that fan out from one point."""
    rng = np.random.default_rng(seed)
    leaves = []
    for number in range(count):
        yaw, lean = number * 137.5, rng.uniform(8, 62)
        turn = _rotation(yaw, lean)
        length = rng.uniform(0.75, 1.2)
        shade = rng.uniform(0.75, 1.25)
        material = Material((0.07 * shade, 0.19 * shade, 0.05), reflectance=0.03, roughness=0.3)
        half = np.array([size[2], size[1] * length, size[0] * 0.5])
        centre = root + turn @ np.array([0, spread * rng.uniform(0.45, 1.0), 0])
        leaves.append(Shape("ball", centre, half, material, turn))
    return leaves


def _chair() -> Group:
    """A wooden chair turned away from the table."""
    parts = [box([-0.21, 0.43, -0.21], [0.21, 0.46, 0.21], OAK)]
    parts += [box([x - 0.018, 0, -0.2], [x + 0.018, 0.43, -0.164], OAK_LEG) for x in (-0.185, 0.185)]
    parts += [box([x - 0.018, 0, 0.168], [x + 0.018, 0.92, 0.204], OAK_LEG) for x in (-0.185, 0.185)]
    parts += [box([-0.185, y, 0.176], [0.185, y + 0.075, 0.196], OAK) for y in (0.58, 0.705, 0.83)]
    parts += [box([x - 0.01, 0.2, -0.18], [x + 0.01, 0.225, 0.18], OAK_LEG) for x in (-0.185, 0.185)]
    cushion = Material((0.40, 0.12, 0.07), plaster((0.40, 0.12, 0.07)))
    parts.append(Shape("ball", np.array([0, 0.465, 0]), np.array([0.2, 0.03, 0.19]), cushion))
    return Group(placed(parts, 0.52, 2.62, 68))


def _bookcase() -> list[Group]:
    """Shelves on the north wall, filled with books in a few runs."""
    rng = np.random.default_rng(SEED + 3)
    width, depth, height, board = 1.05, 0.3, 1.95, 0.024
    case = [box([-width / 2, 0, depth - 0.01], [width / 2, height, depth], WALNUT)]
    case += [box([x - board / 2, 0, 0], [x + board / 2, height, depth], WALNUT_POST) for x in (-width / 2, width / 2)]
    levels = [0.06, 0.43, 0.80, 1.17, 1.54, height - board]
    case += [box([-width / 2, y, 0], [width / 2, y + board, depth], WALNUT) for y in levels]
    colours = [(0.22, 0.045, 0.035), (0.05, 0.10, 0.16), (0.34, 0.26, 0.13), (0.06, 0.12, 0.085), (0.42, 0.38, 0.31)]
    colours += [(0.10, 0.055, 0.08), (0.34, 0.15, 0.05), (0.05, 0.06, 0.07), (0.16, 0.10, 0.06)]
    groups = [case]
    for level in levels[:-1]:
        books: list[Shape] = []
        x = -width / 2 + 0.03 + (0.24 if rng.random() < 0.3 else 0.0)
        stop = width / 2 - (0.31 if level == levels[3] else rng.choice([0.04, 0.3, 0.42]))
        while x < stop:
            thick, tall, back = rng.uniform(0.018, 0.05), rng.uniform(0.2, 0.31), rng.uniform(0.02, 0.06)
            cover, band = colours[rng.integers(len(colours))], max(0.0, rng.uniform(-0.02, 0.03))
            low = [x, level + board, back]
            books.append(box(low, [x + thick, level + board + tall, depth - 0.03], Material(cover, book(cover, band))))

            x += thick + 0.002
        groups.append(books)
    ornament = [ball([0.36, levels[3] + board + 0.1, 0.12], 0.1, glazed(0.60, 0.42, 0.10))]
    return [Group(placed(part, -0.62, NORTH - depth - 0.01, 0)) for part in [*groups, ornament]]


def _east_side() -> list[Group]:
    """Cardboard boxes in front; behind them a low cabinet with a plant and a jar."""
    cartons = placed([box([-0.26, 0, -0.2], [0.26, 0.36, 0.2], CARDBOARD)], 1.52, 3.05, -18)
    cartons += placed([box([-0.16, 0, -0.14], [0.16, 0.23, 0.14], CARDBOARD)], 1.48, 3.08, 21, y=0.36)
    cabinet = [
        box([-0.2, 0.14, -0.65], [0.2, 0.72, 0.65], WALNUT),
        box([-0.215, 0.72, -0.67], [0.2, 0.745, 0.67], OAK),
        *(box([-0.212, 0.17, z - 0.3], [-0.2, 0.69, z + 0.3], PAINT) for z in (-0.32, 0.32)),
        *(tube([-0.225, 0.43, z], 0.012, 0.10, METAL) for z in (-0.07, 0.07)),
        *(tube([x, 0, z], 0.018, 0.14, METAL) for x in (-0.15, 0.15) for z in (-0.58, 0.58)),
    ]
    pot = [tube([0, 0.745, 0.34], 0.12, 0.2, CLAY), tube([0, 0.925, 0.34], 0.13, 0.035, CLAY)]
    plant = _leaves(34, np.array([0.0, 0.93, 0.34]), 0.42, (0.05, 0.16, 0.045), seed=9)
    jar = [
        Shape("ball", np.array([-0.02, 0.845, -0.28]), np.array([0.09, 0.10, 0.09]), glazed(0.62, 0.58, 0.50)),
        tube([-0.02, 0.93, -0.28], 0.04, 0.03, glazed(0.62, 0.58, 0.50)),
    ]
    groups = [placed(part, EAST - 0.21, 4.55, 0) for part in (cabinet, pot, plant, jar)]
    return [Group(cartons), *(Group(part) for part in groups)]


def room() -> World:
    """The demo's room: table, chair, bookcase, cabinet, boxes, rug, ball, and a corridor that ends 10.4 m away."""
    rug = placed([box([-1.35, 0, -0.95], [1.35, 0.008, 0.95], RUG, casts_shadow=False)], -0.25, 3.15, 4)
    toys = [
        ball([0.40, 0.17, 4.55], 0.17, glazed(0.55, 0.06, 0.03)),
        ball([0.98, 0.06, 3.35], 0.06, glazed(0.04, 0.2, 0.30)),
    ]
    frame = [
        box([-2.02, 1.17, NORTH - 0.03], [-1.28, 1.73, NORTH], WALNUT),
        box([-1.98, 1.21, NORTH - 0.034], [-1.32, 1.69, NORTH - 0.01], Material((0.2, 0.2, 0.2), _painting)),
    ]
    groups = [Group(rug), Group(toys), Group(frame), *_trim(), *_table(), _chair(), *_bookcase(), *_east_side()]
    return World(_walls(), groups)


# ----------------------------------------------------------------------------------------------------- light


def _normals(world: World, points: Floats, index: Ints) -> Floats:
    """(3, N) outward world normals at hits."""
    normals = np.zeros_like(points)
    for number in np.unique(index):
        if number >= 0:
            shape, here = world.shapes[number], index == number
            normals[:, here] = shape.turn.astype(points.dtype) @ shape.local_normal(points[:, here])
    return normals


def _surface(world: World, points: Floats, index: Ints, *, detailed: bool) -> tuple[Floats, Floats]:
    """Albedo and emitted radiance (3, N) at hits; without `detailed`, each material's plain colour."""
    albedo, glow = np.zeros_like(points), np.zeros_like(points)
    for number in np.unique(index):
        if number < 0:
            continue
        shape, here = world.shapes[number], index == number
        material = shape.material
        colour = np.repeat(np.asarray(material.colour, points.dtype)[:, None], here.sum(), axis=1)
        if detailed and material.texture is not None:
            colour = material.texture(shape.local(points[:, here]), shape.local_normal(points[:, here]))
        if material.glow is not None:
            shaped = colour if material.texture is not None and detailed else np.ones_like(colour)
            glow[:, here] = np.asarray(material.glow, points.dtype)[:, None] * shaped
        else:
            albedo[:, here] = np.clip(colour, 0.005, 0.9)
    return albedo, glow


def _lamplight(world: World, points: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) irradiance from window, lamp and corridor light, with soft shadows from one random point on each.

    One of the three is followed, chosen in proportion to what it would give unshadowed and weighted back.
    """
    n = points.shape[1]
    random = rng.random((2, n), dtype=np.float32)
    window = np.stack(
        [
            np.full(n, WEST - 0.17, np.float32),
            WINDOW_LOW + (WINDOW_HIGH - WINDOW_LOW) * random[0],
            WINDOW_SOUTH + (WINDOW_NORTH - WINDOW_SOUTH) * random[1],
        ]
    )
    panel = np.stack([1.0 + 0.5 * random[0], np.full(n, CEILING - 0.04, np.float32), 7.6 + 1.2 * random[1]])
    angle, height = 2 * np.pi * random[0], 2 * random[1] - 1
    ring = np.sqrt(1 - height * height)
    globe = LAMP_CENTRE[:, None].astype(np.float32) + LAMP_RADIUS * np.stack(
        [ring * np.cos(angle), height, ring * np.sin(angle)]
    )
    window_area = (WINDOW_HIGH - WINDOW_LOW) * (WINDOW_NORTH - WINDOW_SOUTH)
    lights = [  # point on it, emitted radiance × area (× mean cosine for the ball), facing
        (window, PANE, window_area, np.array([1, 0, 0])),
        (panel, PANEL, 0.6, np.array([0, -1, 0])),
        (globe, GLOBE, math.pi * LAMP_RADIUS**2, None),
    ]
    gains, ways = [], []
    for place, material, area, facing in lights:
        way = place - points
        squared = (way * way).sum(axis=0)
        distance = np.sqrt(squared)
        cosine = np.maximum((way * normals).sum(axis=0) / distance, 0)
        turned = 1.0 if facing is None else np.maximum(-(way * facing[:, None]).sum(axis=0) / distance, 0)
        gains.append(np.asarray(material.glow, np.float32)[:, None] * (area * cosine * turned / squared))
        ways.append(way)
    weights = np.stack([gain.sum(axis=0) for gain in gains])
    total = weights.sum(axis=0)
    chosen = (rng.random(n, dtype=np.float32) * total > np.cumsum(weights, axis=0)[:-1]).sum(axis=0)
    columns = np.arange(n)
    gain = np.stack(gains)[chosen, :, columns].T * (total / np.maximum(weights[chosen, columns], 1e-12))
    way = np.stack(ways)[chosen, :, columns].T
    return _unshadowed(world, points, normals, way * np.float32(0.999), gain)


def _sunlight(world: World, points: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) irradiance from the sun, a disc a degree wide that shines in through the window only."""
    spread = rng.normal(0, 0.005, (3, points.shape[1])).astype(np.float32)
    to_sun = (TO_SUN / np.linalg.norm(TO_SUN)).astype(np.float32)[:, None] + spread
    reach = (WEST - 0.15 - points[0]) / to_sun[0]
    way = to_sun * reach
    _, y, z = points + way
    through = (y > WINDOW_LOW) & (y < WINDOW_HIGH) & (z > WINDOW_SOUTH) & (z < WINDOW_NORTH) & (reach > 0)
    gain = SUN_IRRADIANCE[:, None] * (np.maximum((to_sun * normals).sum(axis=0), 0) * through)
    return _unshadowed(world, points, normals, way, gain)


def _unshadowed(world: World, points: Floats, normals: Floats, way: Floats, gain: Floats) -> Floats:
    """`gain` (3, N), set to zero where something stands on the `way` to the light."""
    lit = np.flatnonzero(gain.sum(axis=0) > 1e-5)
    start = points[:, lit] + normals[:, lit] * np.float32(EPSILON_M)
    shadowed = world.blocked(start, way[:, lit])
    result = np.zeros_like(gain)
    result[:, lit] = gain[:, lit] * ~shadowed
    return result


def _follow(world: World, origins: Floats, directions: Floats, rng: np.random.Generator, *, mirror: bool) -> Floats:
    """Radiance (3, N) that arrives along rays; the lamps themselves only show in a `mirror`."""
    distance, index = world.trace(origins, directions)
    points = origins + directions * np.where(np.isfinite(distance), distance, 0)
    normals = _normals(world, points, index)
    albedo, glow = _surface(world, points, index, detailed=mirror)
    light = _lamplight(world, points, normals, rng) + _sunlight(world, points, normals, rng) + AMBIENT[:, None]
    radiance = albedo / np.float32(math.pi) * light
    arriving: Floats = radiance + glow if mirror else np.minimum(radiance, BRIGHTEST_BOUNCE)
    return arriving


def _around(normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) random unit directions about the normals, cosine-distributed: normal plus a point on the unit ball."""
    ball_points = rng.normal(size=normals.shape).astype(np.float32)
    scattered = normals + ball_points / np.linalg.norm(ball_points, axis=0) * np.float32(0.999)
    unit: Floats = scattered / np.linalg.norm(scattered, axis=0)
    return unit


# ----------------------------------------------------------------------------------------------- the picture


@dataclass(frozen=True)
class Shading:
    """What one ray per sub-pixel found; (3, N) linear light unless said otherwise."""

    albedo: Floats
    glow: Floats
    soft: Floats  # irradiance from lamps and from the walls, noisy
    sun: Floats  # irradiance from the sun, sharp
    mirrored: Floats  # radiance reflected by gloss
    points: Floats
    normals: Floats
    paint: Ints  # (N,) which material, as a number


def _shade(world: World, origins: Floats, directions: Floats, samples: int, rng: np.random.Generator) -> Shading:
    distance, index = world.trace(origins, directions)
    points = origins + directions * np.where(np.isfinite(distance), distance, 0)
    normals = _normals(world, points, index)
    albedo, glow = _surface(world, points, index, detailed=True)
    soft, sun, mirrored = np.zeros_like(points), np.zeros_like(points), np.zeros_like(points)
    materials = [shape.material for shape in world.shapes]
    paint = np.array([materials.index(m) for m in materials] + [-1], np.int32)[index]
    start = points + normals * np.float32(EPSILON_M)
    reflectance, roughness = (
        np.array([getattr(m, name) for m in materials] + [0.0], np.float32)[index]
        for name in ("reflectance", "roughness")
    )
    glossy = np.flatnonzero(reflectance > 0)
    incoming = directions / np.linalg.norm(directions, axis=0)
    cosine = -(incoming * normals).sum(axis=0)
    mirror_way = incoming + 2 * cosine * normals
    for _ in range(samples):
        soft += _lamplight(world, points, normals, rng)
        sun += _sunlight(world, points, normals, rng)
        bounce = _follow(world, start, _around(normals, rng), rng, mirror=False)
        soft += bounce * np.float32(math.pi)
        rough = rng.normal(size=(3, glossy.size)).astype(np.float32) * roughness[glossy]
        seen = _follow(world, start[:, glossy], mirror_way[:, glossy] + rough, rng, mirror=True)
        mirrored[:, glossy] += np.minimum(seen, 6)
    # Schlick, "An inexpensive BRDF model for physically-based rendering" (1994), damped by roughness
    fresnel = reflectance + (1 - reflectance) * np.clip(1 - cosine, 0, 1) ** 5 / (1 + 18 * roughness)
    fresnel = np.where(reflectance > 0, fresnel, 0)
    return Shading(
        albedo * (1 - fresnel),
        glow,
        soft / samples,
        sun / samples,
        mirrored / samples * fresnel,
        points,
        normals,
        paint,
    )


def _smooth(light: Floats, shading: Shading, shape: tuple[int, int], passes: int) -> Floats:
    """Noise filtered out of `light` (3, N) but not across edges.

    The edge-avoiding à-trous wavelet transform of Dammertz et al. (HPG 2010) with a 3×3 kernel; a neighbour counts
    when it has the same material, lies in the same plane and faces the same way.
    """
    rows, columns = shape
    grid = light.reshape(3, rows, columns)
    points, normals = (a.reshape(3, rows, columns) for a in (shading.points, shading.normals))
    paint = shading.paint.reshape(rows, columns)
    for level in range(passes):
        step = 1 << level
        total, weight = grid.copy(), np.ones(shape, np.float32)
        for down, right in ((a, b) for a in (-step, 0, step) for b in (-step, 0, step) if a or b):
            here = (slice(max(0, -down), rows - max(0, down)), slice(max(0, -right), columns - max(0, right)))
            there = (slice(max(0, down), rows + min(0, down)), slice(max(0, right), columns + min(0, right)))
            at, near = (slice(None), *here), (slice(None), *there)
            facing = (normals[at] * normals[near]).sum(axis=0) > 0.9
            off_plane = np.abs((normals[at] * (points[near] - points[at])).sum(axis=0))
            share = ((paint[here] == paint[there]) & facing & (off_plane < 0.01)) * np.float32(
                0.5 if down and right else 0.7
            )
            total[at] += grid[near] * share
            weight[here] += share
        grid = total / weight
    return grid.reshape(3, -1)


def picture_of(world: World, camera: Camera, samples: int = 4, workers: int = 2) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB photograph of the world: 2×2 rays a pixel, `samples` light paths each, same every time."""
    rows, columns = 2 * camera.height, 2 * camera.width
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float64)
    directions = camera.rays(u.ravel() / 2 - 0.25, v.ravel() / 2 - 0.25).astype(np.float32)
    eye = np.array(camera.position_m, np.float32)[:, None]

    def chunk(first: int) -> Shading:
        some = directions[:, first : first + RAYS_PER_CHUNK]
        origins = np.repeat(eye, some.shape[1], axis=1)
        return _shade(world, origins, some, samples, np.random.default_rng([SEED, first]))

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(chunk, range(0, directions.shape[1], RAYS_PER_CHUNK)))
    whole = Shading(*(np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in Shading.__annotations__))
    shape = (rows, columns)
    soft = _smooth(whole.soft, whole, shape, passes=5)
    mirrored = _smooth(whole.mirrored, whole, shape, passes=2)
    light = whole.albedo / np.float32(math.pi) * (soft + whole.sun) + mirrored + whole.glow
    return _developed(light.reshape(3, rows, columns))


def _developed(light: Floats, exposure: float = 1.45) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 from linear light (3, 2H, 2W): lens fall-off, film curve, sub-pixels averaged, sRGB, grain."""
    _, rows, columns = light.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    exposed = light * exposure * (1 - 0.16 * (x * x + 0.7 * y * y))
    # Narkowicz, "ACES filmic tone mapping curve" (2016)
    film = np.clip(exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14), 0, 1)
    pixels = film.reshape(3, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4)).transpose(1, 2, 0)
    srgb = np.where(pixels <= 0.0031308, 12.92 * pixels, 1.055 * pixels ** (1 / 2.4) - 0.055)
    grain = np.random.default_rng(SEED).normal(0, 0.006, (*srgb.shape[:2], 1))
    developed: NDArray[np.uint8] = (np.clip(srgb + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
    return developed


# ------------------------------------------------------------------------------------------------- the files


def write_scene(folder: Path, camera: Camera | None = None, samples: int = 4) -> None:
    """Write scene.jpg, scene_depth.png (16-bit millimetres along the optical axis) and scene_camera.yaml.

    Raises PicturesUnavailableError without Pillow, OSError where the folder cannot be written.
    """
    from depthwire.client.pictures import pillow, save_depth_png16

    camera = camera or Camera()
    world = room()
    folder.mkdir(parents=True, exist_ok=True)
    save_depth_png16(folder / "scene_depth.png", depth_of(world, camera).astype(np.float32))
    rows = ", ".join("[" + ", ".join(f"{value:.10g}" for value in row) + "]" for row in camera.matrix)
    text = f"camera_matrix: [{rows}]\nwidth: {camera.width}\nheight: {camera.height}\n"
    (folder / "scene_camera.yaml").write_text(text, encoding="utf-8")
    photograph = pillow().Image.fromarray(picture_of(world, camera, samples))
    photograph.save(folder / "scene.jpg", quality=92, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m depthwire.client.demo.scene --out DIR`."""
    parser = argparse.ArgumentParser(prog="python -m depthwire.client.demo.scene", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    parser.add_argument("--samples", type=int, default=4, help="light paths per ray; more is smoother and slower")
    options = parser.parse_args(arguments)
    write_scene(options.out, samples=options.samples)


if __name__ == "__main__":
    main()

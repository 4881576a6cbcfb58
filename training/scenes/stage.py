"""A room while it is furnished: what stands where, what hangs, how it is lit; `finish` makes the scene of it.

Walls are numbered 0 north (y = depth / 2), 1 west, 2 south, 3 east; furniture turned by a quarter turn for each number
has its back to that wall.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, join
from depthwire.training.scene import Colour, Lamp, Light, Scene, Sky, Vector, Viewpoint
from depthwire.training.scenes import views
from depthwire.training.scenes.clutter import Clutter
from depthwire.training.scenes.indoor_palette import IndoorPalette

QUARTER = np.pi / 2
MOST_TRIANGLES = 52_000
"""Furniture that would make a scene heavier is left out; small additions may still come on top."""


class Stage:
    """A room of width × depth × height metres about the origin, its floor at z = 0."""

    def __init__(self, rng: np.random.Generator, width: float, depth: float, height: float) -> None:
        self.rng = rng
        self.palette = IndoorPalette(rng)
        self.clutter = Clutter(self.palette)
        self.width, self.depth, self.height = width, depth, height
        self.lamps: list[Lamp] = []
        self.windows = 0
        self.triangles = 0
        self._parts: list[Mesh] = []
        self._taken = np.zeros((0, 6), np.float32)

    def wall_length(self, wall: int) -> float:
        """Metres along a wall."""
        return self.depth if wall % 2 else self.width

    def wall_distance(self, wall: int) -> float:
        """Metres from the room's middle to a wall."""
        return (self.width if wall % 2 else self.depth) / 2

    def to_wall(self, mesh: Mesh, wall: int, along: float = 0.0, z: float = 0.0) -> Mesh:
        """A mesh made about the origin with its back towards +y, moved so that y = 0 lies in a wall's plane."""
        return mesh.moved(along, self.wall_distance(wall), z).turned(yaw=wall * QUARTER)

    def add(self, mesh: Mesh) -> None:
        """Part of the scene that keeps no room for itself."""
        self._parts.append(mesh)
        self.triangles += len(mesh.faces)

    def reserve(self, mesh: Mesh) -> None:
        """Keeps the box around a mesh free of what is placed later."""
        self._taken = np.concatenate([self._taken, np.concatenate(mesh.bounds)[None]])

    def last_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The box that was reserved last."""
        return self._taken[-1, :3], self._taken[-1, 3:]

    def fits(self, low: NDArray[np.float32], high: NDArray[np.float32], slack: float = 0.01) -> bool:
        """Whether a box is inside the room (or reaches into its walls by `slack` metres) and meets nothing placed."""
        half = np.array([self.width / 2, self.depth / 2, self.height], np.float32) + slack
        if np.any(high > half) or np.any(low[:2] < -half[:2]) or low[2] < -0.05:
            return False
        apart = np.any((low >= self._taken[:, 3:] - 0.005) | (high <= self._taken[:, :3] + 0.005), axis=1)
        return bool(apart.all())

    def place(self, mesh: Mesh, x: float, y: float, z: float = 0.0, yaw: float = 0.0, force: bool = False) -> bool:
        """Puts a mesh down, if there is room (or if forced) and the scene does not get too heavy; says if it stands."""
        placed = (mesh.turned(yaw=yaw) if yaw else mesh).moved(x, y, z)
        if self.triangles + len(mesh.faces) > MOST_TRIANGLES or not (force or self.fits(*placed.bounds)):
            return False
        self.add(placed)
        self.reserve(placed)
        return True

    def against(
        self, mesh: Mesh, wall: int | None = None, along: float | None = None, z: float = 0.0, gap: float = 0.01
    ) -> bool:
        """Puts the back of a mesh to a wall (any wall, any place along it where none is given), if there is room."""
        low, high = mesh.bounds
        if self.triangles + len(mesh.faces) > MOST_TRIANGLES:
            return False
        for _ in range(1 if wall is not None and along is not None else 10):
            side = int(self.rng.integers(4)) if wall is None else wall
            reach = self.wall_length(side) / 2 - float(high[0] - low[0]) / 2 - 0.02
            if reach < 0:
                continue
            spot = (float(self.rng.uniform(-reach, reach)) if along is None else along) - float(low[0] + high[0]) / 2
            placed = self.to_wall(mesh.moved(y=-float(high[1]) - gap), side, spot, z)
            if self.fits(*placed.bounds, slack=max(0.0, -gap) + 0.01):
                self.add(placed)
                self.reserve(placed)
                return True
        return False

    def somewhere(self, mesh: Mesh, z: float = 0.0, tries: int = 8, turn: bool = True) -> bool:
        """Puts a mesh anywhere in the room, turned anyhow, if there is room."""
        for _ in range(tries):
            x, y = (self.rng.uniform(-0.5, 0.5, 2) * (self.width - 0.3, self.depth - 0.3)).tolist()
            if self.place(mesh, x, y, z, float(self.rng.uniform(-np.pi, np.pi)) if turn else 0.0):
                return True
        return False

    def hang(self, mesh: Mesh, x: float, y: float) -> None:
        """Hangs a mesh, whose top is at z = 0, from the ceiling."""
        self.add(mesh.moved(x, y, self.height - 0.001))

    def lamp(self, position: Vector, strength: float, warmth: float | None = None) -> None:
        """A point light; strength is the radiance at one metre, warmth 0 (cold) … 1 (warm)."""
        warm = float(self.rng.uniform(0, 1)) if warmth is None else warmth
        self.lamps.append(Lamp(position, (strength, strength * (1 - 0.18 * warm), strength * (1 - 0.5 * warm))))

    def point(self, margin: float = 0.4) -> tuple[float, float]:
        """Anywhere on the floor plan, so far from the walls."""
        x, y = (
            self.rng.uniform(-0.5, 0.5, 2) * (max(self.width - 2 * margin, 0.1), max(self.depth - 2 * margin, 0.1))
        ).tolist()
        return x, y

    def mesh(self) -> Mesh:
        """All parts joined."""
        return join(self._parts)

    def finish(
        self, kind: str, candidates: Iterator[Viewpoint] | None = None, brightness: float | None = None
    ) -> Scene:
        """The scene, lit and with viewpoints (room_views where none are given)."""
        mesh = self.mesh()
        light, sky = indoor_light(self, brightness)
        chosen = views.choose(mesh, room_views(self) if candidates is None else candidates)
        return Scene(kind, False, mesh, self.palette.materials, light, sky, views=chosen)


def indoor_light(stage: Stage, brightness: float | None = None) -> tuple[Light, Sky]:
    """Ambient light with the room's lamps, a sun for half of the rooms with windows, and the sky behind the windows."""
    rng = stage.rng
    level = float(np.exp(rng.uniform(np.log(0.12), np.log(0.6)))) if brightness is None else brightness
    warm = float(rng.uniform(-0.12, 0.2))
    ambient: Colour = (level * (1 + warm), level, level * (1 - 1.2 * warm))
    night = stage.windows > 0 and rng.random() < 0.12
    direction: Vector | None = None
    if stage.windows and not night and rng.random() < 0.6:
        azimuth, elevation = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(12, 55))
        flat = np.cos(elevation)
        direction = (float(flat * np.sin(azimuth)), float(flat * np.cos(azimuth)), float(np.sin(elevation)))
    strength = float(rng.uniform(1.0, 3.0))
    gold = float(rng.uniform(0, 0.25))
    day = 0.03 if night else float(rng.uniform(0.7, 1.8))
    blue = float(rng.uniform(0.0, 0.6))
    sky = Sky((day * (1 - 0.75 * blue), day * (1 - 0.45 * blue), day), (day, day, day * 0.97), float(rng.uniform(0, 1)))
    return Light(
        direction, (strength, strength * (1 - gold * 0.5), strength * (1 - gold)), ambient, tuple(stage.lamps[:8])
    ), sky


def aimed(
    position: Vector,
    target: Vector,
    rng: np.random.Generator,
    pitch: float | None = None,
    fov: tuple[float, float] = (40, 100),
) -> Viewpoint:
    """A camera at a place that looks at another; with a pitch of its own in radians where one is given."""
    east, north, up = (target[k] - position[k] for k in range(3))
    tilt = float(np.arctan2(up, np.hypot(east, north))) if pitch is None else pitch
    roll = float(np.radians(rng.normal(0, 1.2) if rng.random() < 0.85 else rng.uniform(-10, 10)))
    return Viewpoint(position, float(np.arctan2(-east, north)), tilt, roll, float(np.radians(rng.uniform(*fov))))


def room_views(stage: Stage, count: int = 168, high: float = 0.12) -> Iterator[Viewpoint]:
    """Candidates in a room: people, table robots, ground robots, some high up; most face the room."""
    rng = stage.rng
    for _ in range(count):
        x, y = stage.point(0.35)
        aim_x, aim_y = stage.point(0.3)
        if np.hypot(aim_x - x, aim_y - y) < 0.35 * min(stage.width, stage.depth):
            aim_x, aim_y = -x, -y
        draw = rng.random()
        if draw < high:
            z, pitch = min(rng.uniform(1.9, 3.0), stage.height - 0.25), rng.uniform(-55, -10)
        elif draw < 0.55:
            z, pitch = min(rng.uniform(1.3, 1.8), stage.height - 0.4), rng.uniform(-32, 9)
        elif draw < 0.8:
            z, pitch = rng.uniform(0.3, 1.0), rng.uniform(-22, 14)
        else:
            z, pitch = rng.uniform(0.1, 0.5), rng.uniform(-4, 14)
        yield aimed((x, y, float(z)), (aim_x, aim_y, 0.0), rng, float(np.radians(pitch)))

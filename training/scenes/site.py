"""An outdoor place while it is built: ground, things, people, weather; `finish` bends it and places cameras.

Layouts build on flat ground (z = 0). At the end everything, cameras too, is lifted by a gentle relief and shifted along
a curve, so that roads bend and nothing stays level. The layouts of streets.py, open_ground.py, places.py use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depthwire.training.mesh import Mesh, join
from depthwire.training.scene import Lamp, Scene, Viewpoint
from depthwire.training.scenes import fences, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.buildings import block
from depthwire.training.scenes.instances import copies, grid_cells, quads
from depthwire.training.scenes.outdoor_palette import RECIPES, OutdoorPalette, Recipe
from depthwire.training.scenes.people import Pose, person, wardrobe
from depthwire.training.scenes.views import Probe
from depthwire.training.scenes.weather import weather

Spot = Callable[[], tuple[float, float, float]]
"""Draws a place for a camera: x, y and yaw."""
Array = NDArray[np.float64]
MOST_FACES, CROWD_FACES, ALL_FACES = 46_000, 53_000, 59_500
"""Triangles of a scene before people, with people, with what is put before cameras."""
CANDIDATES = 22
"""Viewpoints tried for each scene."""
FOREGROUND = (
    "person",
    "person",
    "person",
    "post",
    "post",
    "crown",
    "bush",
    "small",
    "small",
    "bicycle",
    "car",
    "parasol",
    "fence",
)


class Relief(NamedTuple):
    """How the flat ground is lifted and bent: waves of slope (metres a metre) and wavelength (metres); a curve."""

    slope: float = 0.04
    wavelength: float = 90.0
    bumps: float = 0.0
    bump_wavelength: float = 14.0
    curve: float = 0.08


class Site:
    """A place of one kind in one weather."""

    def __init__(
        self,
        rng: np.random.Generator,
        kind: str,
        relief: Relief | None = None,
        haze: float = 0.35,
        recipes: Mapping[str, Recipe] = RECIPES,
    ) -> None:
        self.rng, self.kind = rng, kind
        self.palette = OutdoorPalette(rng, recipes)
        self.weather = weather(rng, haze)
        self.clothes = wardrobe(rng, self.palette.materials)
        self.lamps: list[Lamp] = []
        self._parts: list[Mesh] = []
        self._faces, self._limit = 0, MOST_FACES
        relief = Relief() if relief is None else relief
        waves = [(relief.slope, relief.wavelength)] * 2 + [(relief.bumps, relief.bump_wavelength)] * 3
        self._waves = [
            (s * rng.uniform(0.2, 1) * length / 6.3, 6.3 / length * np.array([cos(a), sin(a)]), p)
            for s, base in waves
            for length, a, p in [(base * rng.uniform(0.6, 1.7), rng.uniform(0, pi), rng.uniform(0, 6.3))]
        ]
        self._curve = relief.curve * rng.uniform(-1, 1), 6.3 / rng.uniform(180, 400)

    @property
    def room(self) -> int:
        """Triangles that may still be added."""
        return self._limit - self._faces

    def add(self, mesh: Mesh, x: float = 0.0, y: float = 0.0, yaw: float = 0.0, z: float = 0.0) -> None:
        """Puts a shape on the ground, as long as there is room for its triangles."""
        if len(mesh.faces) > self.room:
            return
        self._faces += len(mesh.faces)
        self._parts.append((mesh.turned(yaw=yaw) if yaw else mesh).moved(x, y, z))

    def scatter(self, shape: Mesh, spots: ArrayLike, yaw: ArrayLike | None = None, scale: ArrayLike = 1.0) -> None:
        """Copies of a shape at spots (K, 2), turned by chance unless told, as many as there is room for."""
        places = np.asarray(spots, np.float64).reshape(-1, 2)[: max(0, self.room) // max(1, len(shape.faces))]
        if not len(places):
            return
        angle = self.rng.uniform(0, 2 * pi, len(places)) if yaw is None else yaw
        factor = (
            np.broadcast_to(np.asarray(scale, np.float64), (len(places),)) if np.ndim(scale) == 0 else np.asarray(scale)
        )
        turn = np.broadcast_to(
            np.asarray(angle, np.float64)[: len(places)] if np.ndim(angle) else angle, (len(places),)
        )
        self.add(copies(shape, np.column_stack([places, np.zeros(len(places))]), turn, factor[: len(places)]))

    def ground(
        self, x: Sequence[float], z: Sequence[float], materials: Sequence[int], y: ArrayLike | None = None
    ) -> None:
        """Ground as a profile across x (K columns with heights z, K − 1 materials between) drawn along y."""
        along = lines(500.0, 3.5) if y is None else np.asarray(y, np.float64)
        across, height = np.asarray(x, np.float64), np.asarray(z, np.float64)
        points = np.empty((len(along), len(across), 3))
        points[..., 0], points[..., 1], points[..., 2] = across, along[:, None], height
        cells = grid_cells(points)
        mesh = quads(cells, 0)
        fill = np.repeat(np.tile(np.asarray(materials, np.int32), len(along) - 1), 2)
        self.add(replace(mesh, material=fill))

    def open_ground(self, material: int, step: float = 3.0, patches: Sequence[int] = ()) -> None:
        """Ground in all directions out to 500 m, with patches of other materials in it."""
        line = lines(500.0, step)
        across, along = np.meshgrid(line, line)
        points = np.stack([across, along, np.zeros_like(across)], -1)
        cells = grid_cells(points)
        fill = np.full(len(cells), material, np.int32)
        middle = cells.mean(axis=1)[:, :2]
        for patch in patches:
            turn = self.rng.normal(0, 1 / 9, (2, 2))
            swell = np.sin(middle @ turn[0] + self.rng.uniform(0, 6)) + np.sin(
                middle @ turn[1] + self.rng.uniform(0, 6)
            )
            fill[swell > self.rng.uniform(0.5, 1.2)] = patch
        smooth = quads(cells, 0)
        self.add(replace(smooth, material=np.repeat(fill, 2)))

    def marking(self, rectangles: ArrayLike, material: int, z: float = 0.012) -> None:
        """Flat paint on the ground: rectangles (K, 4) of x from, x to, y from, y to."""
        r = np.asarray(rectangles, np.float64).reshape(-1, 4)
        if len(r):
            x, y = r[:, [0, 1, 1, 0]], r[:, [2, 2, 3, 3]]
            self.add(quads(np.stack([x, y, np.full_like(x, z)], -1), material))

    def crowd(self, spots: ArrayLike, yaw: ArrayLike | None = None, pose: Pose | None = None, kinds: int = 6) -> None:
        """People at spots (K, 2): some figures, turned and scaled differently."""
        places = np.asarray(spots, np.float64).reshape(-1, 2)
        angle = (
            self.rng.uniform(0, 2 * pi, len(places)) if yaw is None else np.broadcast_to(np.asarray(yaw), len(places))
        )
        for figure in range(min(kinds, len(places))):
            group = slice(figure, None, kinds)
            scale = self.rng.uniform(0.93, 1.05, len(places[group]))
            self.scatter(person(self.rng, self.clothes, pose), places[group], angle[group], scale)
        self._limit = MOST_FACES

    def lamp_at(self, x: float, y: float, z: float, strength: float = 18.0) -> None:
        """A burning lamp, at dusk only."""
        if self.weather.dusk and len(self.lamps) < 6:
            warm = self.rng.uniform(0.4, 0.9)
            self.lamps.append(Lamp((x, y, z), (strength, strength * (0.5 + 0.45 * warm), strength * warm)))

    def backdrop(self, hills: bool | None = None, skyline: int = 14, inner: float = 120.0) -> None:
        """What closes the horizon: ridges at 250–480 m, distant buildings or tree lines from `inner` metres on."""
        rng = self.rng
        for radius in (480.0, 330.0) if hills or (hills is None and rng.random() < 0.6) else ():
            angle = np.linspace(0, 2 * pi, 73)
            rise = np.abs(
                sum(rng.uniform(4, 16) / n * np.sin(n * angle + rng.uniform(0, 6)) for n in (1, 2, 3, 5, 9))
            ) + rng.uniform(2, 10)
            rise = rise * radius / 330
            rise[-1] = rise[0]
            foot = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, np.full(73, -25.0)], 1)
            top = foot + np.stack([np.cos(angle) * 40, np.sin(angle) * 40, 25 + rise], 1)
            self.add(quads(grid_cells([foot, top]), self.palette.another("far hill")))
        for _ in range(skyline if rng.random() < 0.7 else 0):
            towards, far = float(rng.uniform(0, 2 * pi)), float(rng.uniform(inner, 420))
            tower = block(rng, self.palette, float(rng.uniform(12, 40)), 15.0, float(rng.uniform(8, 50)))
            self.add(tower, far * cos(towards), far * sin(towards), towards - pi / 2)
        count = int(rng.integers(20, 60))
        angle, away = rng.uniform(0, 2 * pi, count), rng.uniform(inner, 300, count)
        crown = vegetation.bush(rng, self.palette("leaves"), 4.0, 25)
        self.scatter(
            crown, np.column_stack([np.cos(angle) * away, np.sin(angle) * away]), scale=rng.uniform(0.6, 1.6, count)
        )

    def finish(
        self, spot: Spot, heights: Sequence[str] = ("person", "person", "person", "car", "robot"), near: float = 0.5,
        foreground: Sequence[str] = FOREGROUND, count: int = 8,
    ) -> Scene:  # fmt: skip
        """The scene, seen from places that `spot` draws; near: share of cameras with a thing put close before them."""
        rng = self.rng
        self._limit = ALL_FACES
        flat = [self._camera(*spot(), str(rng.choice(list(heights)))) for _ in range(CANDIDATES)]
        corners = join(self._parts).vertices
        standing = corners[corners[:, 2] > 0.3]
        for view in flat:
            if rng.random() < near and view.position[2] < 2.5 and self.room > 2500:
                self._put_before(view, str(rng.choice(list(foreground))), standing)
        mesh = join(self._parts)
        mesh = replace(mesh, vertices=self._bent(mesh.vertices))
        views = self._chosen(mesh, [self._bent_view(view) for view in flat], count)
        light = replace(self.weather.light, lamps=tuple(self._bent_lamp(lamp) for lamp in self.lamps))
        w = self.weather
        return Scene(self.kind, True, mesh, self.palette.materials, light, w.sky, w.fog_m, w.fog_colour, views)

    def _camera(self, x: float, y: float, yaw: float, kind: str) -> Viewpoint:
        rng = self.rng
        low, high = {
            "person": (1.35, 1.9),
            "car": (1.15, 1.8),
            "robot": (0.15, 0.6),
            "window": (3.0, 9.0),
            "drone": (5.0, 15.0),
        }[kind]
        height = float(rng.uniform(low, high))
        pitch = rng.uniform(-0.6, -0.15) if height > 2.5 else float(np.clip(rng.normal(-0.07, 0.13), -0.42, 0.22))
        roll = rng.normal(0, 0.15 if rng.random() < 0.08 else 0.025)
        fov = float(np.clip(rng.normal(1.13, 0.22), 0.7, 1.75))
        return Viewpoint((x, y, height), yaw, float(pitch), float(roll), fov)

    def _put_before(self, view: Viewpoint, kind: str, standing: NDArray[np.float32]) -> None:
        """Puts a thing 0.7–4 m before a camera, unless something stands there."""
        rng, palette = self.rng, self.palette
        spans = {"car": (2.8, 5.5), "crown": (1.6, 3.5), "fence": (1.2, 3.0), "parasol": (1.2, 2.6)}
        distance = float(rng.uniform(*spans.get(kind, (0.8, 3.0))))
        aside = float(rng.uniform(-0.5, 0.5)) * view.horizontal_fov + (
            float(rng.choice([-0.5, 0.5])) if kind == "crown" else 0.0
        )
        heading = view.yaw + aside
        x, y = view.position[0] - sin(heading) * distance, view.position[1] + cos(heading) * distance
        size = 0.9 if kind == "car" else 0.35
        taken = (np.abs(standing[:, :2] - np.array([x, y])) < size).all(axis=1) & (standing[:, 2] < 2.2)
        if taken.any():
            return
        yaw = float(rng.uniform(0, 2 * pi))
        if kind == "person":
            self.add(person(rng, self.clothes), x, y, yaw)
        elif kind == "post":
            self.add(rng.choice([furniture.lamp_post, furniture.sign_post, furniture.bollard])(rng, palette), x, y, yaw)  # type: ignore[arg-type]
        elif kind == "crown":
            height = float(rng.uniform(3.2, 6))
            self.add(vegetation.tree(rng, palette("bark"), palette("leaves"), height, 650, low=True), x, y)
        elif kind == "bush":
            self.add(vegetation.bush(rng, palette("leaves"), float(rng.uniform(0.3, 0.9)), 260), x, y)
        elif kind == "small":
            make = (furniture.bench, furniture.bin_, furniture.cone, fences.barrier, furniture.table_and_chairs)[
                rng.integers(5)
            ]
            self.add(make(rng, palette), x, y, yaw)
        elif kind == "bicycle":
            self.add((vehicles.bicycle if rng.random() < 0.7 else vehicles.motorcycle)(rng, palette), x, y, yaw)
        elif kind == "car":
            self.add(
                vehicles.car(rng, palette),
                x,
                y,
                heading + float(rng.choice([0.0, pi / 2, pi / 2, pi])) + float(rng.normal(0, 0.15)),
            )
        elif kind == "parasol":
            self.add(furniture.parasol(rng, palette), x, y)
        elif kind == "fence":
            self.add(
                fences.fence(rng, palette, 4.0, str(rng.choice(["railing", "mesh", "pickets", "rails", "wire"]))),
                x,
                y,
                heading + float(rng.normal(0, 0.5)),
            )
        elif kind == "rock":
            self.add(vegetation.rock(rng, palette("rock"), float(rng.uniform(0.3, 0.8))), x, y)
        elif kind == "grass":
            spots = np.array([x, y]) + rng.normal(0, 0.5, (30, 2))
            self.add(vegetation.grass(rng, palette("blade"), spots, float(rng.uniform(0.3, 0.9))))
        elif kind == "trunk":
            self.add(vegetation.bare_tree(rng, palette("bark"), float(rng.uniform(7, 14)), 40), x, y)

    def _bent(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """World coordinates (N, 3) of flat ones."""
        p = np.asarray(points, np.float64)
        lift = sum(
            (a * (np.sin(p[:, :2] @ k + phase) - np.sin(phase)) for a, k, phase in self._waves), np.zeros(len(p))
        )
        slope, k = self._curve
        shift = slope / k * (1 - np.cos(np.clip(p[:, 1], -400, 400) * k))
        return np.column_stack([p[:, 0] + shift, p[:, 1], p[:, 2] + lift]).astype(np.float32)

    def _bent_view(self, view: Viewpoint) -> Viewpoint:
        slope, k = self._curve
        x, y, z = map(float, self._bent(np.array([view.position]))[0])
        return replace(
            view,
            position=(x, y, z),
            yaw=view.yaw - float(np.arctan(slope * sin(view.position[1] * k))) * cos(view.yaw) ** 2,
        )

    def _bent_lamp(self, lamp: Lamp) -> Lamp:
        x, y, z = map(float, self._bent(np.array([lamp.position]))[0])
        return Lamp((x, y, z), lamp.colour)

    def _chosen(self, mesh: Mesh, views: list[Viewpoint], count: int) -> list[Viewpoint]:
        """Those of the views that stand free and see enough, first those where the row says least of the depth."""
        distance = np.minimum(Probe(coarse(mesh)).look(views).reshape(len(views), -1), 1000.0)
        middle = distance.reshape(len(views), 9, 12)[:, 1:-1, 2:-2].reshape(len(views), -1)
        near, seen = (distance < 0.8).mean(axis=1), (distance < 40).mean(axis=1)
        wall = (distance < 2.0).mean(axis=1)
        free = (distance.min(axis=1) > 0.35) & (middle.min(axis=1) > 0.4) & (near < 0.3) & (wall < 0.75)
        spread = np.percentile(distance, 90, axis=1) / np.maximum(np.percentile(distance, 10, axis=1), 0.1)
        good = free & (seen > 0.3) & (spread > 2.0)
        rows = np.log(distance.reshape(len(views), 9, 12))
        uneven = np.minimum((rows - np.median(rows, axis=2, keepdims=True)).std(axis=(1, 2)), 0.8)
        rank = np.where(good, 2.0, np.where(free & (seen > 0.12), 1.0, np.where(distance.min(axis=1) > 0.3, 0.0, -1.0)))
        best = np.argsort(-(rank + 0.9 * uneven + self.rng.uniform(0, 0.2, len(views))))
        kept = [i for place, i in enumerate(best) if good[i] or (place < 6 and rank[i] >= 1)] or [best[0]]
        return [views[i] for i in kept[:count]]


def lines(reach: float, step: float, growth: float = 1.16) -> Array:
    """Grid lines from −reach to reach, `step` apart within 30 m, farther apart beyond."""
    positions = list(np.arange(0, 30.0, step))
    gap = step
    while positions[-1] < reach:
        gap *= growth
        positions.append(positions[-1] + gap)
    half = np.array(positions)
    return np.concatenate([-half[:0:-1], half])


def coarse(mesh: Mesh) -> Mesh:
    """What viewpoints are tried on: without far triangles, and of those below 15 cm (leaves) every third."""
    corner = mesh.vertices[mesh.faces]
    size = np.abs(corner - corner[:, [1, 2, 0]]).max(axis=(1, 2))
    keep = (size > 0.15) | (np.arange(len(size)) % 3 == 0)
    keep &= (np.abs(corner[:, 0, :2]).max(axis=1) < 60) | (size > 4)
    return replace(mesh, faces=mesh.faces[keep], material=mesh.material[keep], smooth=mesh.smooth[keep])

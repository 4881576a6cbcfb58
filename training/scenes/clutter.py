"""How hand-sized things lie about: spread over tables, in rows on shelves, in heaps.

A scene keeps a few things and places them again and again, as a household has many of the same kind.
"""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, join
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes
from depthwire.training.scenes.objects import Maker


class Clutter:
    """Small things of one scene."""

    def __init__(self, palette: IndoorPalette) -> None:
        self.palette = palette
        self._made: dict[Maker, list[Mesh]] = {}

    def thing(self, makers: tuple[Maker, ...]) -> Mesh:
        """One thing that stands on z = 0 about the origin, new or seen before in this scene."""
        rng = self.palette.rng
        maker = makers[int(rng.integers(len(makers)))]
        made = self._made.setdefault(maker, [])
        if len(made) < 4 and (not made or rng.random() < 0.4):
            made.append(maker(self.palette))
            return made[-1]
        return made[int(rng.integers(len(made)))]

    def spread(self, x: float, y: float, count: int, makers: tuple[Maker, ...], facing: float | None = None) -> Mesh:
        """Things on a rectangle of x × y metres at z = 0 that do not cut into each other; as many as find room."""
        rng = self.palette.rng
        placed: list[Mesh] = []
        discs = np.zeros((0, 3))
        for _ in range(count):
            thing = self.thing(makers)
            low, high = thing.bounds
            radius = 0.5 * float(np.hypot(*(high - low)[:2])) * 0.85
            if 2 * radius > min(x, y) * 1.2:
                continue
            room_x, room_y = max(x / 2 - radius * 0.9, 0.0), max(y / 2 - radius * 0.9, 0.0)
            for spot in rng.uniform(-1, 1, (6, 2)) * (room_x, room_y):
                if np.all(np.hypot(discs[:, 0] - spot[0], discs[:, 1] - spot[1]) > discs[:, 2] + radius):
                    discs = np.concatenate([discs, [[spot[0], spot[1], radius]]])
                    yaw = rng.uniform(-np.pi, np.pi) if facing is None else facing + rng.normal(0, 0.25)
                    placed.append(thing.turned(yaw=float(yaw)).moved(float(spot[0]), float(spot[1])))
                    break
        return join(placed)

    def row(self, width: float, height: float, deep: float) -> Mesh:
        """Upright books along x, their backs at y = deep / 2, some of the row left empty."""
        rng = self.palette.rng
        share = float(rng.uniform(0.35, 1.0))
        count = max(int(width * share / 0.04), 1)
        thick = rng.uniform(0.018, 0.06, count)
        thick *= min(width * share / thick.sum(), 1.5)
        tall = np.minimum(rng.uniform(0.6, 0.98, count) * height, 0.34)
        depth = np.minimum(rng.uniform(0.55, 0.95, count) * deep, 0.26)
        left = -width / 2 + (0.0 if rng.random() < 0.6 else float(width * (1 - share)))
        x = left + np.cumsum(thick) - thick / 2
        places = np.stack([x, deep / 2 - depth / 2 - 0.01, np.zeros(count)], 1)
        colours = np.array([self.palette.one_of("book", 10) for _ in range(6)])
        return boxes(places, np.stack([thick * 0.96, depth, tall], 1), rng.choice(colours, count))

    def heap(self, radius: float, count: int, makers: tuple[Maker, ...]) -> Mesh:
        """Things thrown on one another: higher in the middle, tilted any way."""
        rng = self.palette.rng
        placed = []
        for _ in range(count):
            angle, distance = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.random())
            lift = 0.5 * radius * (1 - distance / radius) * rng.random()
            yaw, pitch, roll = (float(value) for value in rng.normal(0, (2.0, 0.35, 0.35)))
            thing = self.thing(makers).turned(yaw, pitch, roll)
            low, _ = thing.bounds
            placed.append(
                thing.moved(float(distance * np.cos(angle)), float(distance * np.sin(angle)), float(lift - low[2]))
            )
        return join(placed)

"""Buildings of the outdoor layouts: town houses, offices, blocks of flats, sheds, cottages.

Each has its front on y = 0 facing -y (x centred, the body behind at y > 0), stands on z = 0, 300–2,500 faces.
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scenes.instances import boxes, quads, rods, split_materials
from depthwire.training.scenes.outdoor_palette import OutdoorPalette

Grid = NDArray[np.float64]


class Facade(NamedTuple):
    """How a front is divided: width and floor heights in metres, numbers of bays and floors."""

    width: float
    floors: int
    storey: float
    bays: int
    ground: float
    """Height of the ground floor."""

    @property
    def height(self) -> float:
        return self.ground + (self.floors - 1) * self.storey

    def cells(self) -> Grid:
        """(K, 2): middle of each upper bay, and the level of its floor."""
        x = (np.arange(self.bays) + 0.5) / self.bays * self.width - self.width / 2
        z = self.ground + np.arange(self.floors - 1) * self.storey
        return np.stack(np.meshgrid(x, z), axis=-1).reshape(-1, 2)


def town_house(
    rng: np.random.Generator, palette: OutdoorPalette, width: float, depth: float, floors: int, shop: bool | None = None
) -> Mesh:
    """A street-side house: windows with frames and sills, balconies, a shop or a door, a roof."""
    storey = float(rng.uniform(2.7, 3.6))
    front = Facade(
        width, floors, storey, max(2, round(width / rng.uniform(1.8, 3.0))), storey + float(rng.uniform(0, 1))
    )
    wall = palette.another(str(rng.choice(["brick", "plaster", "plaster", "stone", "concrete"])))
    trim = palette.another("trim") if rng.random() < 0.5 else palette("trim")
    parts = [box(width, depth, front.height + 0.3).moved(y=depth / 2).of(wall), *_windows(rng, palette, front, trim)]
    parts += _balconies(rng, palette, front)
    parts += (_shop if (rng.random() < 0.55 if shop is None else shop) else _entrance)(rng, palette, front, trim)
    parts += _dressing(rng, palette, front, trim, wall)
    parts += _side_windows(rng, palette, front, depth)
    parts.append(_roof(rng, palette, width, depth, front.height + 0.3, trim, wall))
    return join(parts)


def _windows(rng: np.random.Generator, palette: OutdoorPalette, front: Facade, trim: int) -> list[Mesh]:
    cells = front.cells()
    if not len(cells):
        return []
    bay = front.width / front.bays
    wide, tall = bay * rng.uniform(0.38, 0.72), front.storey * rng.uniform(0.45, 0.66)
    sill = min(rng.uniform(0.5, 1.0), front.storey - tall - 0.25)
    place = np.column_stack([cells[:, 0], np.zeros(len(cells)), cells[:, 1] + sill])
    frames = boxes(place - [0, 0.02, 0.07], (wide + 0.16, 0.08, tall + 0.14), trim)
    glass = boxes(place - [0, 0.035, 0], (wide, 0.08, tall), 0)
    choices = [palette("window")] * 4 + [palette("curtain")]
    glass = split_materials(rng, glass, choices if rng.random() < 0.6 else choices[:1], 12)
    parts = [frames, glass]
    if rng.random() < 0.7:
        parts.append(boxes(place - [0, 0.05, 0], (0.05, 0.09, tall), trim))
    if rng.random() < 0.5:
        parts.append(boxes(place - [0, 0.1, 0.16], (wide + 0.35, 0.25, 0.08), trim))
    if rng.random() < 0.25:
        shutter = palette.another("painted wood")
        parts += [
            boxes(place + np.array([s * (wide * 0.75 + 0.1), -0.03, 0]), (wide * 0.48, 0.07, tall), shutter)
            for s in (-1, 1)
        ]
    if rng.random() < 0.25:
        coolers = place[rng.random(len(place)) < 0.25]
        parts.append(boxes(coolers - [0.0, 0.2, 0.55], (0.8, 0.35, 0.5), palette("metal")))
    return parts


def _balconies(rng: np.random.Generator, palette: OutdoorPalette, front: Facade) -> list[Mesh]:
    if rng.random() < 0.55 or front.floors < 3:
        return []
    cells = front.cells().reshape(front.floors - 1, front.bays, 2)[:, rng.random(front.bays) < 0.5].reshape(-1, 2)
    if not len(cells):
        return []
    wide, out = front.width / front.bays * 0.9, float(rng.uniform(0.7, 1.5))
    place = np.column_stack([cells[:, 0], np.full(len(cells), -out / 2), cells[:, 1]])
    slab = boxes(place, (wide, out, 0.15), palette("concrete"))
    rail = palette("dark metal")
    if rng.random() < 0.4:
        guard = [
            boxes(
                place + np.array([0, -out / 2, 0.15]),
                (wide, 0.05, 0.95),
                palette.any_of("trim", "facade glass", "cladding"),
            )
        ]
    else:
        bars = np.linspace(-wide / 2, wide / 2, max(4, int(wide / 0.22)))
        foot = (place[:, None] + np.stack([bars, np.full_like(bars, -out / 2), np.full_like(bars, 0.1)], 1)).reshape(
            -1, 3
        )
        guard = [
            rods(foot, foot + np.array([0, 0, 1.0]), 0.012, rail, sections=3),
            boxes(place + np.array([0, -out / 2, 1.1]), (wide, 0.05, 0.05), rail),
        ]
    sides = [boxes(place + np.array([s * wide / 2, 0, 1.05]), (0.04, out, 0.05), rail) for s in (-1, 1)]
    pots = place[rng.random(len(place)) < 0.3] + [wide * 0.2, -out * 0.3, 0.15]
    return [slab, *guard, *sides, boxes(pots, (0.4, 0.3, 0.7), palette("leaves"))]


def _shop(rng: np.random.Generator, palette: OutdoorPalette, front: Facade, trim: int) -> list[Mesh]:
    count = max(1, round(front.width / rng.uniform(3, 5)))
    x = (np.arange(count) + 0.5) / count * front.width - front.width / 2
    wide, tall = front.width / count * 0.82, front.ground - 0.95
    place = np.column_stack([x, np.zeros(count), np.full(count, 0.35)])
    glass = boxes(
        place - [0, 0.03, 0], (wide, 0.1, tall), palette.another("shop") if rng.random() < 0.5 else palette("window")
    )
    parts = [glass, boxes(place - [0, 0.0, 0.1], (wide + 0.2, 0.1, tall + 0.2), trim)]
    parts.append(
        boxes(
            place * [1, 0, 0] + [wide * 0.3, -0.05, 0.05], (0.95, 0.1, 2.15), palette.any_of("painted wood", "window")
        )
    )
    board = boxes(place * [1, 0, 0] + [0, -0.1, front.ground - 0.62], (wide, 0.15, 0.5), palette.another("sign"))
    parts.append(board)
    if rng.random() < 0.5:
        out, high = float(rng.uniform(0.9, 2.0)), min(front.ground - 0.65, float(rng.uniform(2.5, 2.9)))
        left, right = x - wide / 2, x + wide / 2
        zero, full = np.zeros(count), np.ones(count)
        edge = high - 0.5
        top = [
            np.stack(c, 1)
            for c in (
                (left, zero, full * high),
                (right, zero, full * high),
                (right, -out * full, edge * full),
                (left, -out * full, edge * full),
            )
        ]
        lip = [
            np.stack(c, 1)
            for c in (
                (left, -out * full, edge * full),
                (right, -out * full, edge * full),
                (right, -out * full, (edge - 0.2) * full),
                (left, -out * full, (edge - 0.2) * full),
            )
        ]
        parts.append(quads(np.concatenate([np.stack(top, 1), np.stack(lip, 1)]), palette.another("awning")))
    if rng.random() < 0.6:
        side, z = float(rng.uniform(-0.4, 0.4)) * front.width, float(rng.uniform(2.6, front.ground + 1))
        parts.append(boxes([[side, -0.55, z]], [[0.08, 0.8, float(rng.uniform(0.5, 1.2))]], palette.another("sign")))
    return parts


def _entrance(rng: np.random.Generator, palette: OutdoorPalette, front: Facade, trim: int) -> list[Mesh]:
    x = (np.arange(front.bays) + 0.5) / front.bays * front.width - front.width / 2
    door_bay = rng.integers(front.bays)
    bay = front.width / front.bays
    others = np.delete(x, door_bay)
    place = np.column_stack([others, np.zeros(len(others)), np.full(len(others), 1.0)])
    wide, tall = bay * 0.5, front.ground - 1.9
    parts = [
        boxes(place - [0, 0.02, 0.07], (wide + 0.16, 0.08, tall + 0.14), trim),
        boxes(place - [0, 0.035, 0], (wide, 0.08, tall), palette("window")),
    ]
    at = float(x[door_bay])
    parts.append(boxes([[at, -0.02, 0.1]], (1.3, 0.1, 2.4), trim))
    parts.append(boxes([[at, -0.05, 0.15]], (1.0, 0.1, 2.1), palette.another("painted wood")))
    parts.append(boxes([[at, -0.3, -0.5], [at, -0.55, -0.5]], [[1.6, 0.7, 0.65], [1.6, 0.8, 0.55]], palette("stone")))
    if rng.random() < 0.4:
        parts.append(boxes([[at, -0.45, 2.6]], (1.8, 0.9, 0.12), palette.any_of("trim", "facade glass")))
    return parts


def _dressing(rng: np.random.Generator, palette: OutdoorPalette, front: Facade, trim: int, wall: int) -> list[Mesh]:
    parts = [
        boxes(
            [[0, -0.02, -1.0]],
            (front.width + 0.04, 0.1, 1.0 + float(rng.uniform(0.2, 0.8))),
            palette.any_of("stone", "concrete"),
        )
    ]
    if rng.random() < 0.6:
        parts.append(boxes([[0, -0.08, front.height + 0.05]], (front.width + 0.1, 0.35, 0.3), trim))
    if rng.random() < 0.4:
        levels = front.ground + np.arange(front.floors - 1) * front.storey
        parts.append(boxes(np.column_stack([levels * 0, levels * 0 - 0.03, levels]), (front.width, 0.12, 0.14), trim))
    if rng.random() < 0.6:
        x = front.width / 2 - 0.15
        parts.append(rods([x, -0.08, -0.5], [x, -0.08, front.height], 0.05, palette("dark metal")))
    return parts


def _side_windows(rng: np.random.Generator, palette: OutdoorPalette, front: Facade, depth: float) -> list[Mesh]:
    if front.floors < 2:
        return []
    y = np.arange(1.5, depth - 1, 3.0)
    if not len(y):
        return []
    z = front.ground + np.arange(front.floors - 1) * front.storey + 0.8
    grid = np.stack(np.meshgrid(y, z), -1).reshape(-1, 2)
    grid = grid[rng.random(len(grid)) < 0.7]
    places = [np.column_stack([np.full(len(grid), s * front.width / 2), grid]) for s in (-1, 1)]
    back = front.cells() + np.array([0, 0.8])
    behind = boxes(
        np.column_stack([back[:, 0], np.full(len(back), depth), back[:, 1]]), (1.1, 0.06, 1.4), palette("window")
    )
    return [boxes(np.concatenate(places), (0.06, 1.0, 1.4), palette("window")), behind]


def _roof(
    rng: np.random.Generator, palette: OutdoorPalette, width: float, depth: float, high: float, trim: int, wall: int
) -> Mesh:
    if rng.random() < 0.4:
        rim = boxes([[0, 0.1, high], [0, depth - 0.1, high]], (width, 0.2, 0.6), trim)
        count = int(rng.integers(1, 5))
        spots = np.column_stack(
            [rng.uniform(-0.4, 0.4, count) * width, rng.uniform(0.2, 0.8, count) * depth, np.full(count, high)]
        )
        plant = boxes(spots, rng.uniform(0.8, 2.4, (count, 3)), palette.any_of("metal", "concrete"))
        mast = rods(spots[:1], spots[:1] + np.array([0, 0, 4.0]), 0.04, palette("dark metal"))
        return join([rim, plant, mast])
    tiles = palette.another(str(rng.choice(["roof tiles", "roof tiles", "metal roof"])))
    return gable(rng, palette, width, depth, high, tiles, wall, along=rng.random() < 0.75)


def gable(
    rng: np.random.Generator,
    palette: OutdoorPalette,
    width: float,
    depth: float,
    high: float,
    tiles: int,
    wall: int,
    along: bool = True,
) -> Mesh:
    """A pitched roof above z = high with overhanging eaves, chimneys and dormers; along: the ridge runs along x."""
    span = depth if along else width
    rise, over = span * float(rng.uniform(0.22, 0.5)), float(rng.uniform(0.15, 0.6))
    run = (width if along else depth) / 2 + over * 0.6
    half = span / 2 + over
    drop = rise * over / (span / 2)
    ridge, eave = high + rise, high - drop
    hip = run * 0.35 if rng.random() < 0.3 else 0.0
    slope = [
        [[-run, s * half, eave], [run, s * half, eave], [run - hip, 0, ridge], [-run + hip, 0, ridge]] for s in (-1, 1)
    ]
    top = quads(slope, tiles)
    under = quads(np.asarray(slope) - [0, 0, 0.14], palette("trim"))
    inner = run - over * 0.6
    ends = [[[s * (inner if not hip else run), -span / 2 if not hip else -half, high if not hip else eave],
             [s * (inner if not hip else run), span / 2 if not hip else half, high if not hip else eave],
             *[[s * (inner if not hip else run - hip), 0, ridge - 0.05]] * 2] for s in (-1, 1)]  # fmt: skip
    parts = [top, under, quads(ends, wall if not hip else tiles)]
    chimneys = int(rng.integers(0, 3))
    if chimneys:
        spots = np.column_stack(
            [
                rng.uniform(-0.8, 0.8, chimneys) * inner,
                rng.uniform(-0.2, 0.2, chimneys) * span,
                np.full(chimneys, high + rise * 0.5),
            ]
        )
        parts.append(boxes(spots, (0.7, 0.6, rise * 0.5 + 0.9), palette("brick")))
    if rng.random() < 0.4:
        count = max(1, int(run / 2.2))
        x = (np.arange(count) + 0.5) / count * 2 * inner - inner
        place = np.column_stack([x, np.full(count, -span * 0.3), np.full(count, high + rise * 0.25)])
        parts.append(boxes(place, (1.2, span * 0.3, rise * 0.45), palette("trim")))
        parts.append(boxes(place - [0, span * 0.15, -0.15], (0.85, 0.06, rise * 0.45 - 0.3), palette("window")))
    roof = join(parts)
    return (roof if along else roof.turned(yaw=pi / 2)).moved(y=depth / 2)


def office(rng: np.random.Generator, palette: OutdoorPalette, width: float, depth: float, floors: int) -> Mesh:
    """A curtain-wall building: panes of glass between mullions, or bands of windows and parapets."""
    storey = float(rng.uniform(3.2, 3.9))
    high = floors * storey + 1
    wall = palette.another(str(rng.choice(["concrete", "facade glass", "stone", "metal", "trim"])))
    glass = palette.some("facade glass", 2)
    parts = [box(width, depth, high).moved(y=depth / 2).of(wall)]
    faces = ((width, 0.0, 0.0, 0.0), (depth, -width / 2, depth / 2, -pi / 2), (depth, width / 2, depth / 2, pi / 2))
    bands = rng.random() < 0.4
    for span, x, y, yaw in faces:
        columns = 1 if bands else max(3, int(span / rng.uniform(1.4, 3.0)))
        across = (np.arange(columns) + 0.5) / columns * span - span / 2
        level = np.arange(floors) * storey + (1.1 if bands else 0.25)
        grid = np.stack(np.meshgrid(across, level), -1).reshape(-1, 2)
        place = np.column_stack([grid[:, 0], np.full(len(grid), -0.02), grid[:, 1]])
        panes = boxes(
            place, (span / columns * (0.98 if bands else 0.88), 0.1, storey * (0.55 if bands else 0.85)), glass[0]
        )
        face = [split_materials(rng, panes, glass, 12)]
        if bands:
            mullions = np.arange(-span / 2 + 0.6, span / 2, 1.5)
            feet = np.column_stack([mullions, np.full(len(mullions), -0.08), np.zeros(len(mullions))])
            face.append(boxes(feet, (0.1, 0.12, high), wall))
        parts.append(join(face).turned(yaw=yaw).moved(x, y))
    parts.append(boxes([[0, -0.06, 0.05]], (min(6.0, width * 0.4), 0.14, 2.8), palette("shop")))
    parts.append(boxes([[0, -1.2, 3.0]], (min(7.0, width * 0.5), 2.4, 0.25), palette("metal")))
    if rng.random() < 0.5:
        parts.append(
            boxes(
                [[rng.uniform(-0.2, 0.2) * width, -0.2, high - 2.0]], (width * 0.3, 0.2, 1.4), palette.another("sign")
            )
        )
    parts.append(boxes([[0, depth * 0.5, high]], (width * 0.4, depth * 0.4, 2.5), palette("metal")))
    return join(parts)


def cottage(
    rng: np.random.Generator, palette: OutdoorPalette, width: float = 9.0, depth: float = 8.0, floors: int = 1
) -> Mesh:
    """A detached house: door with porch, windows, pitched roof, maybe a garage beside it."""
    storey = float(rng.uniform(2.5, 3.0))
    wall = palette.another(str(rng.choice(["brick", "plaster", "cladding", "stone"])))
    front = Facade(width, floors, storey, max(2, round(width / 2.8)), storey)
    trim = palette("trim")
    parts = [box(width, depth, front.height).moved(y=depth / 2).of(wall), *_windows(rng, palette, front, trim)]
    parts += _entrance(rng, palette, front, trim) + _side_windows(rng, palette, front, depth)
    tiles = palette.another("roof tiles")
    parts.append(gable(rng, palette, width, depth, front.height, tiles, wall, along=rng.random() < 0.6))
    if rng.random() < 0.5:
        side = float(rng.choice([-1, 1])) * (width / 2 + 1.7)
        parts.append(box(3.4, 6, 2.5).moved(side, 3.5).of(wall))
        parts.append(boxes([[side, 0.48, 0.05]], (2.6, 0.1, 2.1), palette.any_of("painted wood", "metal")))
        parts.append(gable(rng, palette, 3.4, 6, 2.5, tiles, wall, along=False).moved(side, 0.5))
    return join(parts)


def shed(
    rng: np.random.Generator, palette: OutdoorPalette, width: float = 20.0, depth: float = 14.0, high: float = 6.0
) -> Mesh:
    """A hall of sheet metal or planks: big gates, ribs, a low roof."""
    wall = palette.another(str(rng.choice(["container", "metal roof", "cladding", "brick", "concrete"])))
    parts = [box(width, depth, high).moved(y=depth / 2).of(wall)]
    ribs = np.arange(-width / 2, width / 2 + 0.1, max(2.0, width / 10))
    parts.append(
        boxes(
            np.column_stack([ribs, np.full(len(ribs), -0.05), np.zeros(len(ribs))]), (0.25, 0.2, high), palette("metal")
        )
    )
    gates = max(1, int(width / 8))
    x = (np.arange(gates) + 0.5) / gates * width - width / 2
    parts.append(
        boxes(
            np.column_stack([x, x * 0 - 0.03, x * 0]),
            (min(4.5, width / gates * 0.6), 0.15, high * 0.65),
            palette.any_of("dark metal", "painted wood", "container"),
        )
    )
    parts.append(boxes([[0, -0.04, high * 0.78]], (width * 0.7, 0.1, high * 0.12), palette("window")))
    parts.append(gable(rng, palette, width, depth, high, palette("metal roof"), wall, along=rng.random() < 0.7))
    return join(parts)


def block(rng: np.random.Generator, palette: OutdoorPalette, width: float, depth: float, high: float) -> Mesh:
    """A distant building: a box with rows of windows as flat faces."""
    wall = palette(str(rng.choice(["concrete", "plaster", "brick", "facade glass"])))
    rows, columns = max(2, int(high / 3.2)), max(3, int(width / 3))
    x = (np.arange(columns) + 0.5) / columns * width - width / 2
    z = (np.arange(rows) + 0.35) * high / rows
    grid = np.stack(np.meshgrid(x, z), -1).reshape(-1, 2)
    wide, tall = width / columns * 0.6, high / rows * 0.5
    low = np.column_stack([grid[:, 0], np.full(len(grid), -0.05), grid[:, 1]])
    shift = np.array([[-wide / 2, 0, 0], [wide / 2, 0, 0], [wide / 2, 0, tall], [-wide / 2, 0, tall]])
    return join([box(width, depth, high).moved(y=depth / 2).of(wall), quads(low[:, None] + shift, palette("window"))])

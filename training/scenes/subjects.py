"""Things that fill a picture from near: flowers, animals, fruit, plants in pots, signs, wheels, railings, heaps.

The layouts of closeups.py place them. Each function makes one about the origin, on z = 0, about one metre tall or wide;
the caller scales it. Materials come from a Stock, whose list becomes the scene's.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, box, cylinder, join, revolved, sphere, tube
from depthwire.training.scene import Material, Pattern
from depthwire.training.scenes.instances import boxes, copies, grid_cells, leaves, quads, rods
from depthwire.training.scenes.palette import Palette
from depthwire.training.scenes.vegetation import rock

EVERY = tuple(Pattern)


class Stock(Palette):
    """Materials by chance, of any colour."""

    def of(
        self,
        *patterns: Pattern,
        hue: tuple[float, float] = (0.0, 1.0),
        saturation: tuple[float, float] = (0.0, 0.95),
        value: tuple[float, float] = (0.1, 0.95),
        tile: tuple[float, float] = (0.03, 0.6),
        tag: str = "",
    ) -> int:
        """Index of a new material: one of the patterns (of all, if none is named), its colours alike or not."""
        rng = self.rng
        kinds = patterns or EVERY
        colour = self.colour(saturation, value, hue)
        if self.chance(0.6):
            red, green, blue = (min(channel * self.between(0.4, 1.3), 0.95) for channel in colour)
            second = (red, green, blue)
        else:
            second = self.colour(saturation, value)
        size = float(np.exp(rng.uniform(*np.log(tile))))
        shine = float(rng.uniform(0, 0.8) if rng.random() < 0.3 else rng.uniform(0, 0.1))
        return self.add(Material(kinds[rng.integers(len(kinds))], colour, second, size, shine, 0.0, tag))

    def green(self) -> int:
        """Leaves and stems."""
        return self.of(
            Pattern.NOISE,
            Pattern.STRIPES,
            Pattern.PLAIN,
            hue=(0.17, 0.4),
            saturation=(0.3, 0.9),
            value=(0.15, 0.75),
            tag="leaves",
        )

    def bright(self) -> int:
        """Petals, fruit, toys."""
        return self.of(Pattern.PLAIN, Pattern.NOISE, Pattern.NOISE, saturation=(0.4, 1.0), value=(0.4, 1.0))

    def fur(self) -> int:
        """Fur, feathers, skin."""
        return self.of(
            Pattern.NOISE,
            Pattern.SPECKLE,
            Pattern.STRIPES,
            hue=(0.0, 0.14),
            saturation=(0.05, 0.8),
            value=(0.1, 0.95),
            tile=(0.02, 0.3),
        )


def flower(stock: Stock, with_stem: bool = True) -> Mesh:
    """A blossom one metre across that faces up and a little to +y, on a stem, with leaves; 100–300 faces."""
    rng = stock.rng
    petal, heart = stock.bright(), stock.bright()
    rings, heart_radius = int(rng.integers(1, 4)), float(rng.uniform(0.08, 0.22))
    parts = [sphere(heart_radius, 1).scaled(1, 1, float(rng.uniform(0.4, 1.0))).of(heart)]
    for ring in range(rings):
        count = int(rng.integers(5, 14))
        length, wide = 0.5 * (1 - 0.2 * ring), float(rng.uniform(0.7, 1.5)) * pi * 0.5 / count
        rise, curl = float(rng.uniform(-0.25, 0.5)) + 0.25 * ring, float(rng.uniform(-0.35, 0.35))
        parts.append(_around(_petal(rng, length, wide, rise, curl, petal), count, float(rng.uniform(0, 6))))
    head = join(parts).turned(pitch=float(rng.normal(-0.5, 0.5)))
    if not with_stem:
        return head.moved(z=0.5)
    height = float(rng.uniform(0.8, 3.0))
    sway = rng.normal(0, 0.15, 2) * height
    stem = tube([[sway[0], sway[1], 0], [sway[0] * 0.4, sway[1] * 0.4, height * 0.6], [0, 0, height]], 0.025, 5)
    green = stock.green()
    low = np.stack([rng.normal(0, 0.15, 5), rng.normal(0, 0.15, 5), rng.uniform(0.1, 0.7, 5) * height], 1)
    return join([head.moved(z=height), stem.of(green), leaves(rng, low, 0.6, green)])


def _petal(rng: np.random.Generator, length: float, wide: float, rise: float, curl: float, material: int) -> Mesh:
    """Four bent strips along +y."""
    along = np.linspace(0.06, 1, 5)
    half = wide * np.sin(np.pi * np.clip(along * rng.uniform(0.6, 0.95) + 0.08, 0, 1)) * length * 2
    level = rise * along * length + curl * length * along**2
    left = np.stack([-half, along * length, level + abs(curl) * half], 1)
    middle = np.stack([np.zeros(5), along * length, level], 1)
    right = left * [-1, 1, 1]
    halves = [grid_cells(np.stack(edges, 1)) for edges in ((left, middle), (middle, right))]
    return quads(np.concatenate(halves), material)


def _around(part: Mesh, count: int, start: float) -> Mesh:
    """Copies in a circle about z."""
    turns = start + np.arange(count) * 2 * pi / count
    return copies(part, np.zeros((count, 3)), turns)


def creature(stock: Stock) -> Mesh:
    """An animal about a metre long that looks along +y: body, neck, head, legs or wings, tail."""
    rng = stock.rng
    coat, other, dark = stock.fur(), stock.fur(), stock.of(Pattern.PLAIN, value=(0.02, 0.3), saturation=(0, 0.5))
    legs, height = int(rng.choice([2, 4, 4])), float(rng.uniform(0.25, 0.7))
    girth, upright = float(rng.uniform(0.14, 0.26)), float(rng.uniform(0, 1.1) if rng.random() < 0.5 else 0.1)
    body = sphere(1.0, 2).scaled(girth, 0.38, girth * float(rng.uniform(0.9, 1.3))).turned(pitch=upright)
    chest = np.array([0, 0.3 * np.cos(upright), 0.3 * np.sin(upright)])
    head_at = chest + [0, rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.35)]
    head_size = float(rng.uniform(0.09, 0.16))
    parts = [
        body.of(coat),
        tube([chest * 0.7, (chest + head_at) / 2, head_at], [girth * 0.8, girth * 0.6, head_size * 0.8], 8).of(coat),
    ]
    parts.append(sphere(head_size, 2).moved(*map(float, head_at)).of(other if rng.random() < 0.5 else coat))
    nose = head_at + [0, head_size * rng.uniform(1.3, 2.2), -head_size * 0.2]
    parts.append(rods(head_at, nose, head_size * 0.55, other, head_size * 0.15, 7))
    ears = np.array([[-1, 0, 1], [1, 0, 1]]) * head_size * 0.7 + head_at
    parts.append(rods(ears, ears + [0, 0, head_size * rng.uniform(0.3, 1.2)], head_size * 0.3, coat, 0.01, 5))
    eyes = np.array([[-0.7, 0.6, 0.3], [0.7, 0.6, 0.3]]) * head_size + head_at
    parts.append(copies(sphere(head_size * 0.16, 1).of(dark), eyes))
    feet_y = [0.0, 0.0] if legs == 2 else [0.22, 0.22, -0.22, -0.22]
    hips = np.stack([np.tile([-0.6, 0.6], legs // 2) * girth, feet_y, np.zeros(legs)], 1)
    feet = hips + np.stack([rng.normal(0, 0.03, legs), rng.normal(0, 0.08, legs), np.full(legs, -height)], 1)
    thick = float(rng.uniform(0.015, 0.07))
    parts.append(rods(hips, feet, thick * 1.4, coat if rng.random() < 0.5 else dark, thick, 6))
    tail = [
        [0, -0.33, 0],
        [0, -0.5, rng.uniform(-0.2, 0.2)],
        [rng.normal(0, 0.1), -rng.uniform(0.6, 0.9), rng.uniform(-0.3, 0.6)],
    ]
    parts.append(tube(tail, [0.05, float(rng.uniform(0.02, 0.12)), 0.01], 6).of(coat))
    return join(parts).moved(z=height)


def heap(stock: Stock) -> Mesh:
    """Fruit, stones, balls or cut blocks that lie close together and on each other, a metre across."""
    rng = stock.rng
    count = int(rng.integers(6, 24))
    sizes = rng.uniform(0.09, 0.26, count)
    spots = np.concatenate([rng.normal(0, 0.25, (count, 2)), np.zeros((count, 1))], 1)
    spots[:, 2] = np.clip(0.35 - np.hypot(spots[:, 0], spots[:, 1]), 0, 1) * rng.uniform(0, 1.2, count)
    parts = []
    for size, spot in zip(sizes, spots, strict=True):
        kind, paint = (
            rng.integers(5),
            stock.bright() if len(stock.materials) < 24 else int(rng.integers(len(stock.materials))),
        )
        if kind == 0:
            shape = rock(rng, paint, float(size), 2)
        elif kind == 1:  # a slice: the cut face shows another colour
            cut = cylinder(float(size), float(size) * 0.4, sections=18).of(paint)
            shape = join(
                [cut, cylinder(float(size) * 0.88, 0.004, sections=18).moved(z=float(size) * 0.4).of(stock.bright())]
            )
            shape = shape.turned(pitch=float(rng.normal(0, 0.7)))
        elif kind == 2:
            shape = (
                box(float(size), float(size) * 1.5, float(size))
                .turned(float(rng.uniform(0, 3)), float(rng.normal(0, 0.3)))
                .of(paint)
            )
        else:
            shape = (
                sphere(float(size), 2)
                .scaled(1, float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.7, 1.1)))
                .moved(z=float(size))
                .of(paint)
            )
        parts.append(shape.moved(*map(float, spot)))
    return join(parts)


def potted_plant(stock: Stock) -> Mesh:
    """Long arched leaves, or a bunch of small ones, from a pot; about a metre tall."""
    rng = stock.rng
    green, clay = stock.green(), stock.of(Pattern.PLAIN, Pattern.STAINS, Pattern.NOISE, Pattern.STRIPES)
    radius, rim = float(rng.uniform(0.12, 0.22)), float(rng.uniform(0.25, 0.4))
    profile = np.array([[0, 0], [radius * 0.75, 0], [radius, rim], [radius * 0.9, rim], [0, rim * 0.85]])
    pot = revolved(profile, 16).of(clay)
    if rng.random() < 0.4:
        tips = rng.normal(0, 0.22, (260, 3)) * [1, 1, 0.8] + [0, 0, rim + 0.35]
        return join(
            [
                pot,
                leaves(rng, tips, rng.uniform(0.06, 0.2, 260), green),
                rods([0, 0, rim], tips[:16], 0.008, green),
            ]
        )
    count, steps = int(rng.integers(7, 30)), np.linspace(0, 1, 6)
    turn, reach = rng.uniform(0, 2 * pi, (count, 1)), rng.uniform(0.15, 0.7, (count, 1))
    lift = rng.uniform(0.2, 0.9, (count, 1))
    out, up = reach * steps, rim + lift * np.sin(steps * rng.uniform(1.0, 2.6, (count, 1)))
    spine = np.stack([np.cos(turn) * out, np.sin(turn) * out, up], -1)
    side = np.stack([-np.sin(turn), np.cos(turn), np.zeros_like(turn)], -1) * float(rng.uniform(0.015, 0.07))
    side = side * np.sin(np.pi * (0.25 + 0.74 * steps))[None, :, None]
    corners = np.stack(
        [
            spine[:, :-1] - side[:, :-1],
            spine[:, :-1] + side[:, :-1],
            spine[:, 1:] + side[:, 1:],
            spine[:, 1:] - side[:, 1:],
        ],
        2,
    )
    return join([pot, quads(corners.reshape(-1, 4, 3), green)])


def sign(stock: Stock) -> Mesh:
    """A board with print on one or two posts, or a picture in a frame held up; it faces -y."""
    rng = stock.rng
    wide, tall, low = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.0, 0.7))
    face = stock.of(Pattern.PRINT, Pattern.PRINT, Pattern.CHECKER, Pattern.STRIPES, Pattern.PHOTO, tile=(0.1, 1.0))
    post, edge = stock.of(Pattern.PLAIN, Pattern.STAINS, Pattern.WOOD), stock.of(Pattern.PLAIN)
    board = box(wide, 0.02, tall).of(face).moved(y=-0.03, z=low)
    frame = box(wide + 0.04, 0.02, tall + 0.04).of(edge).moved(z=low - 0.02)
    feet = [0.0] if rng.random() < 0.5 else [-wide * 0.4, wide * 0.4]
    posts = [cylinder(float(rng.uniform(0.02, 0.06)), low + tall, sections=8).of(post).moved(x, 0.06) for x in feet]
    return join([board, frame, *posts]).turned(yaw=float(rng.normal(0, 0.4)))


def wheel(stock: Stock) -> Mesh:
    """One or two spoked wheels a metre tall with some bars between, seen from -y."""
    rng = stock.rng
    tyre, metal, bars = (
        stock.of(Pattern.PLAIN, value=(0.02, 0.2), saturation=(0, 0.2)),
        stock.of(Pattern.PLAIN, saturation=(0, 0.1)),
        stock.bright(),
    )
    turn, spokes = np.linspace(0, 2 * pi, 29), int(rng.integers(8, 30))
    rim = np.stack([0.46 * np.cos(turn), np.zeros(29), 0.46 * np.sin(turn)], 1)
    ends = np.linspace(0, 2 * pi, spokes, endpoint=False)
    tips = np.stack([0.45 * np.cos(ends), np.zeros(spokes), 0.45 * np.sin(ends)], 1)
    one = join(
        [
            tube(rim, float(rng.uniform(0.02, 0.045)), 7).of(tyre),
            rods([0, 0, 0], tips, 0.004, metal, sections=3),
        ]
    ).moved(z=0.5)
    gap = float(rng.uniform(0.9, 1.4))
    joints = rng.uniform([-0.1, -0.05, 0.4], [gap + 0.1, 0.05, 1.1], (8, 3))
    frame = rods(joints[:-1], joints[1:], float(rng.uniform(0.012, 0.03)), bars, sections=7)
    return join([one, one.moved(gap, float(rng.normal(0, 0.05))), frame])


def railing(stock: Stock) -> Mesh:
    """Bars, pickets or a lattice with rails, two metres wide and one tall."""
    rng = stock.rng
    paint = stock.of(Pattern.PLAIN, Pattern.STAINS, Pattern.WOOD)
    count, thick = int(rng.integers(6, 26)), float(rng.uniform(0.008, 0.035))
    x = np.linspace(-1, 1, count)
    lean = float(rng.choice([0.0, 0.0, 0.4]))
    low = np.stack([x, np.zeros(count), np.zeros(count)], 1)
    high = np.stack([x + lean, np.zeros(count), np.full(count, rng.uniform(0.8, 1.05))], 1)
    parts = [rods(low, high, thick, paint)]
    if lean:
        parts.append(rods(low + [lean, 0, 0], high - [lean, 0, 0], thick, paint))
    level = rng.uniform(0.05, 1.0, int(rng.integers(2, 5)))
    ends = np.stack([np.full(len(level), -1.05), np.zeros(len(level)), level], 1)
    return join([*parts, rods(ends, ends * [-1, 1, 1], thick * 1.6, paint, sections=6)])


def conglomerate(stock: Stock) -> Mesh:
    """Boxes, balls, rods and plates stuck together at random, about a metre across: a thing of no kind."""
    rng = stock.rng
    count = int(rng.integers(3, 14))
    paints = [stock.of() for _ in range(int(rng.integers(1, 5)))]
    parts = [
        scrap(rng, int(rng.choice(paints)), float(rng.uniform(0.1, 0.5))).moved(*map(float, rng.normal(0, 0.22, 3)))
        for _ in range(count)
    ]
    made = join(parts)
    return made.moved(z=-float(made.bounds[0][2]))


def scrap(rng: np.random.Generator, material: int, size: float) -> Mesh:
    """One primitive about the origin, `size` metres long, turned anyhow."""
    kind = rng.integers(7)
    thin = float(rng.uniform(0.04, 1.0)) * size
    yaw, pitch, roll = map(float, rng.uniform(-pi, pi, 3))
    if kind == 0:
        shape = box(size, thin, float(rng.uniform(0.1, 1)) * size).moved(z=-size / 3)
    elif kind == 1:
        shape = sphere(size / 2, 2).scaled(1, float(rng.uniform(0.4, 1)), float(rng.uniform(0.4, 1)))
    elif kind == 2:
        shape = cylinder(thin * 0.3, size, float(rng.uniform(0.2, 1)) * thin * 0.3, 12).moved(z=-size / 2)
    elif kind == 3:
        shape = rock(rng, material, size / 2, 2)
    elif kind == 4:
        bend: NDArray[np.float64] = np.cumsum(rng.normal(0, 0.3 * size, (6, 3)), axis=0)
        shape = tube(bend - bend.mean(0), float(rng.uniform(0.01, 0.08)) * size, 6)
    elif kind == 5:
        half = size / 2
        shape = quads(
            np.array([[[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]]])
            * [1, rng.uniform(0.2, 1), 1],
            material,
        )
    else:
        spots = rng.normal(0, size * 0.3, (int(rng.integers(4, 30)), 3))
        shape = boxes(spots, rng.uniform(0.05, 0.3, spots.shape) * size, material, rng.uniform(0, 3, len(spots)))
    return shape.of(material).turned(yaw, pitch, roll)

"""Hand-sized things: cups, bottles, books, boxes, tools, toys. clutter.py lays them about.

Each stands on z = 0 about the origin, metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, sphere, tube
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.shapes import cushion, vessel

Maker = Callable[[IndoorPalette], Mesh]


def cup(palette: IndoorPalette) -> Mesh:
    """A mug with a handle; about 9 cm high."""
    radius, height = palette.between(0.03, 0.05), palette.between(0.07, 0.12)
    glaze = palette.one_of("ceramic")
    body = vessel(
        [[0, 0.002], [radius * palette.between(0.6, 1), 0.0], [radius, height], [radius * 0.9, height], [0, 0.02]],
        glaze,
    )
    angle = np.linspace(-1.2, 1.2, 6)
    loop = np.stack(
        [radius + 0.028 * np.cos(angle) - 0.006, np.zeros(6), height * 0.5 + height * 0.33 * np.sin(angle)], 1
    )
    return join([body, tube(loop, 0.005, 5).of(glaze)])


def bottle(palette: IndoorPalette) -> Mesh:
    """A bottle, 18–34 cm high, with a label."""
    radius, height = palette.between(0.025, 0.05), palette.between(0.18, 0.34)
    shoulder = height * palette.between(0.5, 0.72)
    profile = [
        [0, 0],
        [radius, 0],
        [radius, shoulder],
        [radius * 0.35, shoulder + 0.22 * height],
        [radius * 0.35, height],
        [0, height],
    ]
    label = cylinder(radius * 1.02, shoulder * 0.5).moved(z=shoulder * 0.25).of(palette.one_of("print"))
    return join([vessel(profile, palette.one_of("glass")), label])


def tumbler(palette: IndoorPalette) -> Mesh:
    """A glass or a tin."""
    radius, height = palette.between(0.025, 0.06), palette.between(0.06, 0.16)
    kind = "glass" if palette.chance(0.4) else "print"
    return cylinder(radius, height, radius * palette.between(0.8, 1.25)).of(palette.one_of(kind))


def plate(palette: IndoorPalette) -> Mesh:
    """A plate or a bowl, sometimes with fruit."""
    radius, deep = palette.between(0.08, 0.15), palette.between(0.015, 0.08)
    dish = vessel(
        [[0, 0.004], [radius * 0.55, 0], [radius, deep], [radius * 0.95, deep], [radius * 0.5, 0.01], [0, 0.01]],
        palette.one_of("ceramic"),
    )
    if palette.chance(0.5):
        return dish
    ball = sphere(palette.between(0.025, 0.04), 1).of(palette.one_of("fruit"))
    spots = [(0.0, 0.0), (0.06, 0.02), (-0.02, 0.06), (-0.05, -0.03)]
    return join([dish, *(ball.moved(x, y, 0.045) for x, y in spots[: int(palette.rng.integers(1, 5))])])


def book(palette: IndoorPalette) -> Mesh:
    """A book that lies."""
    width, length, thick = palette.between(0.1, 0.22), palette.between(0.15, 0.31), palette.between(0.008, 0.05)
    leaves = (
        box(width * 0.96, length * 0.96, thick * 0.8).moved(width * 0.025, 0, thick * 0.1).of(palette.one_of("paper"))
    )
    cover = palette.one_of("book", 8)
    lids = boxes([[0, 0, 0], [0, 0, thick * 0.9]], (width, length, thick * 0.1), cover)
    spine = box(width * 0.03, length, thick).moved(-width * 0.485).of(cover)
    return join([leaves, lids, spine])


def books(palette: IndoorPalette) -> Mesh:
    """A stack of lying books, each a little turned."""
    count = int(palette.rng.integers(2, 9))
    sizes = np.stack(
        [
            palette.rng.uniform(0.12, 0.2, count),
            palette.rng.uniform(0.17, 0.28, count),
            palette.rng.uniform(0.01, 0.045, count),
        ],
        1,
    )
    heights = np.concatenate([[0], np.cumsum(sizes[:-1, 2])])
    places = np.stack([palette.rng.normal(0, 0.01, count), palette.rng.normal(0, 0.01, count), heights], 1)
    return boxes(places, sizes, [palette.one_of("book", 8) for _ in range(count)], palette.rng.normal(0, 0.12, count))


def papers(palette: IndoorPalette) -> Mesh:
    """Loose sheets of A4."""
    count = int(palette.rng.integers(1, 6))
    sizes = np.tile([0.21, 0.297, 0.002], (count, 1))
    places = np.stack(
        [palette.rng.normal(0, 0.04, count), palette.rng.normal(0, 0.04, count), np.arange(count) * 0.002], 1
    )
    return boxes(places, sizes, [palette.one_of("paper") for _ in range(count)], palette.rng.normal(0, 0.4, count))


def carton(palette: IndoorPalette) -> Mesh:
    """A small pack or a parcel."""
    sides = palette.rng.uniform(0.04, 0.3, 3)
    return box(float(sides[0]), float(sides[1]), float(sides[2])).of(
        palette.one_of("print" if palette.chance(0.6) else "cardboard", 6)
    )


def ball(palette: IndoorPalette) -> Mesh:
    """A ball, an apple, an orange."""
    radius = palette.between(0.025, 0.06) if palette.chance(0.8) else palette.between(0.06, 0.12)
    return sphere(radius).moved(z=radius).of(palette.one_of("fruit", 6))


def keyboard(palette: IndoorPalette) -> Mesh:
    """A keyboard with rows of keys."""
    wide = palette.between(0.3, 0.45)
    columns, rows = 15, 5
    x, y = np.meshgrid(np.linspace(-0.46, 0.46, columns) * wide, np.linspace(-0.05, 0.05, rows))
    places = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.014)], 1)
    keys = boxes(places, (wide / 19, 0.018, 0.008), palette.one_of("plastic"))
    return join([box(wide, 0.14, 0.016).of(palette.one_of("dark_plastic", 2)), keys])


def laptop(palette: IndoorPalette) -> Mesh:
    """A laptop, its lid more or less open; the screen faces -y."""
    wide, deep = palette.between(0.29, 0.37), palette.between(0.2, 0.25)
    case = palette.one_of("metal", 2)
    base = boxes(
        [[0, 0, 0], [0, deep * 0.15, 0.016]],
        [[wide, deep, 0.016], [wide * 0.88, deep * 0.4, 0.003]],
        [case, palette.one_of("dark_plastic", 2)],
    )
    lid = boxes(
        [[0, 0, 0], [0, -0.005, deep * 0.06]],
        [[wide, 0.008, deep], [wide * 0.93, 0.004, deep * 0.88]],
        [case, palette.screen()],
    )
    return join([base, lid.turned(pitch=-palette.between(0.0, 0.6)).moved(y=deep / 2, z=0.016)])


def mouse(palette: IndoorPalette) -> Mesh:
    """A mouse, a stone, a soap."""
    return cushion(
        palette.between(0.05, 0.08),
        palette.between(0.08, 0.13),
        palette.between(0.025, 0.05),
        palette.one_of("plastic"),
        0.8,
        2,
    )


def pens(palette: IndoorPalette) -> Mesh:
    """A pot of pens, brushes or kitchen tools."""
    radius, height = palette.between(0.035, 0.06), palette.between(0.08, 0.15)
    leans = palette.rng.uniform(-0.8, 0.8, (int(palette.rng.integers(3, 9)), 2)) * radius
    lengths = palette.rng.uniform(1.3, 2.2, len(leans)) * height
    handles = [
        rods([x * 0.5, y * 0.5, 0.01], [x * 1.6, y * 1.6, z], 0.004, palette.one_of("plastic"))
        for (x, y), z in zip(leans, lengths, strict=True)
    ]
    pot = vessel(
        [[0, 0.004], [radius, 0], [radius * 1.05, height], [radius * 0.97, height], [radius * 0.9, 0.01]],
        palette.one_of("ceramic"),
    )
    return join([pot, *handles])


def tool(palette: IndoorPalette) -> Mesh:
    """A hammer or a screwdriver that lies."""
    length = palette.between(0.15, 0.35)
    grip = rods([-length / 2, 0, 0.015], [0.1 * length, 0, 0.015], 0.013, palette.one_of("machine_paint"), sections=8)
    shaft = rods([0.1 * length, 0, 0.015], [length / 2, 0, 0.015], 0.005, palette.one_of("metal"), sections=6)
    if palette.chance(0.5):
        return join([grip, shaft])
    return join([grip, shaft, box(0.03, 0.1, 0.03).moved(length / 2).of(palette.one_of("metal"))])


def cable(palette: IndoorPalette) -> Mesh:
    """A cable that lies in loose loops."""
    angle = np.linspace(0, palette.between(4, 14), 36)
    radius = 0.05 + 0.012 * angle * palette.between(0.5, 1) + 0.02 * np.sin(angle * palette.between(1.5, 3.5))
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.005 + 0.0006 * angle], 1)
    return tube(path, palette.between(0.002, 0.005), 5).of(palette.one_of("dark_plastic", 2))


def toy(palette: IndoorPalette) -> Mesh:
    """A small car or a tower of blocks."""
    paint = palette.one_of("fruit", 6)
    if palette.chance(0.5):
        body = boxes(
            [[0, 0, 0.012], [-0.01, 0, 0.042]],
            [[0.12, 0.055, 0.03], [0.06, 0.05, 0.03]],
            [paint, palette.one_of("plastic")],
        )
        wheel = (
            cylinder(0.015, 0.065, sections=10)
            .moved(z=-0.0325)
            .turned(pitch=np.pi / 2)
            .of(palette.one_of("dark_plastic", 2))
        )
        return join([body, wheel.moved(0.035, 0, 0.015), wheel.moved(-0.035, 0, 0.015)])
    count = int(palette.rng.integers(2, 6))
    places = np.stack(
        [palette.rng.normal(0, 0.006, count), palette.rng.normal(0, 0.006, count), np.arange(count) * 0.045], 1
    )
    return boxes(
        places,
        0.045,
        [palette.one_of("fruit", 6) for _ in range(count)],
        palette.rng.uniform(0, 1.5, count),
    )


def bear(palette: IndoorPalette) -> Mesh:
    """A soft toy that sits, 20–40 cm high."""
    plush = palette.one_of("fabric", 6)
    round_ball = sphere(1.0, 1).of(plush)
    shapes = [(0, 0, 0.1, 0.1), (0, 0, 0.24, 0.075), (0.06, 0, 0.31, 0.03), (-0.06, 0, 0.31, 0.03)]
    limbs = [
        (0.09, -0.07, 0.04, 0.045),
        (-0.09, -0.07, 0.04, 0.045),
        (0.1, -0.02, 0.15, 0.04),
        (-0.1, -0.02, 0.15, 0.04),
    ]
    made = join(round_ball.scaled(r).moved(x, y, z) for x, y, z, r in [*shapes, *limbs])
    return made.scaled(palette.between(0.6, 1.2))


def vase(palette: IndoorPalette) -> Mesh:
    """A vase, sometimes with twigs."""
    height, wide = palette.between(0.12, 0.4), palette.between(0.04, 0.11)
    heights = np.linspace(0, height, 8)
    radii = wide * (0.55 + 0.45 * np.sin(np.linspace(palette.between(0, 1), palette.between(2, 3.4), 8)))
    pot = vessel(np.stack([radii, heights], 1), palette.one_of("ceramic" if palette.chance(0.6) else "glass"))
    if palette.chance(0.5):
        return pot
    tips = np.concatenate([palette.rng.normal(0, 0.12, (7, 2)), palette.rng.uniform(1.3, 2.2, (7, 1)) * height], 1)
    stem = rods([0, 0, height * 0.5], tips, 0.003, palette.one_of("leaf", 3), sections=4)
    bloom = sphere(palette.between(0.015, 0.035), 1).of(palette.one_of("fruit", 6))
    return join([pot, stem, *(bloom.moved(*(float(value) for value in tip)) for tip in tips)])


def phone(palette: IndoorPalette) -> Mesh:
    """A phone, a remote control, a notebook."""
    return box(palette.between(0.05, 0.09), palette.between(0.12, 0.19), palette.between(0.008, 0.025)).of(
        palette.one_of("dark_plastic", 3)
    )


def pan(palette: IndoorPalette) -> Mesh:
    """A pot or a pan with a handle."""
    radius, height = palette.between(0.08, 0.15), palette.between(0.05, 0.2)
    steel = palette.one_of("metal")
    body = vessel(
        [[0, 0.003], [radius, 0], [radius, height], [radius * 0.96, height], [radius * 0.95, 0.01], [0, 0.01]],
        steel,
        18,
    )
    return join(
        [
            body,
            rods(
                [radius, 0, height * 0.8],
                [radius + 0.17, 0, height * 0.95],
                0.01,
                palette.one_of("dark_plastic", 2),
                sections=6,
            ),
        ]
    )


def basket(palette: IndoorPalette) -> Mesh:
    """A tray or crate with balls or packs in it."""
    x, y, z = palette.between(0.2, 0.4), palette.between(0.15, 0.3), palette.between(0.06, 0.2)
    wall = 0.012
    sizes = [[x, y, wall], [x, wall, z], [x, wall, z], [wall, y, z], [wall, y, z]]
    places = [[0, 0, 0], [0, y / 2, 0], [0, -y / 2, 0], [x / 2, 0, 0], [-x / 2, 0, 0]]
    fill = palette.rng.uniform(0.04, 0.09, (8, 3))
    spots = np.concatenate(
        [palette.rng.uniform(-0.35, 0.35, (8, 2)) * [x, y], palette.rng.uniform(0.01, z * 0.6, (8, 1))], 1
    )
    content = boxes(spots, fill, [palette.one_of("print", 6) for _ in range(8)], palette.rng.uniform(0, 3, 8))
    return join([boxes(places, sizes, palette.one_of("plastic")), content])


TABLE_THINGS: tuple[Maker, ...] = (
    cup,
    bottle,
    tumbler,
    plate,
    book,
    books,
    carton,
    ball,
    vase,
    phone,
    mouse,
    toy,
    basket,
)
DESK_THINGS: tuple[Maker, ...] = (cup, books, papers, papers, book, pens, phone, cable, carton, laptop, mouse, tumbler)
KITCHEN_THINGS: tuple[Maker, ...] = (cup, bottle, tumbler, plate, pan, carton, pens, ball, basket, bottle, pan)
WORKSHOP_THINGS: tuple[Maker, ...] = (tool, tool, carton, cable, tumbler, bottle, basket, pens, ball, carton)
TOYS: tuple[Maker, ...] = (toy, ball, bear, books, carton, toy, basket)
EVERYTHING: tuple[Maker, ...] = (
    *dict.fromkeys(TABLE_THINGS + DESK_THINGS + KITCHEN_THINGS + WORKSHOP_THINGS + TOYS),
    keyboard,
)

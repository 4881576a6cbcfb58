"""What stands about in streets: lamp posts, signs, benches, bins, stalls, tables, shelters, kiosks, cones.

Each function makes one shape about the origin on z = 0.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, revolved, sphere, tube
from depthwire.training.scenes.instances import boxes, copies, quads, rods
from depthwire.training.scenes.outdoor_palette import OutdoorPalette


def lamp_post(rng: np.random.Generator, palette: OutdoorPalette, height: float | None = None) -> Mesh:
    """A street lamp with an arm towards +y, or a lantern."""
    high = float(rng.uniform(3.2, 9)) if height is None else height
    metal = palette.any_of("dark metal", "metal")
    pole = cylinder(0.045 + high * 0.008, high, 0.045, sections=9).of(metal)
    base = cylinder(0.14, 0.5, 0.1, sections=9).of(metal)
    if high > 4.5 and rng.random() < 0.8:
        reach = float(rng.uniform(0.8, 2.2))
        arm = tube([[0, 0, high - 0.1], [0, reach * 0.3, high + 0.25], [0, reach, high + 0.35]], 0.035, 6).of(metal)
        head = box(0.28, 0.7, 0.12).moved(y=reach + 0.2, z=high + 0.28).of(metal)
        return join(
            [pole, base, arm, head, box(0.2, 0.5, 0.03).moved(y=reach + 0.2, z=high + 0.25).of(palette("lamp"))]
        )
    lantern = revolved([[0.08, 0], [0.19, 0.4], [0.19, 0.42]], 8).moved(z=high).of(palette("lamp"))
    return join([pole, base, lantern, revolved([[0.23, 0.42], [0.05, 0.62]], 8).moved(z=high).of(metal)])


def sign_post(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """One or two road signs on a pole, facing -y."""
    high = float(rng.uniform(2.1, 3.2))
    parts = [cylinder(0.035, high, sections=7).of(palette("metal"))]
    for level in range(int(rng.integers(1, 3))):
        z, size = high - 0.35 - 0.75 * level, float(rng.uniform(0.28, 0.4))
        sides = int(rng.choice([3, 4, 8, 16]))
        if rng.random() < 0.3:
            plate = box(size * 2.6, 0.03, size * 1.1).moved(z=-size * 0.55)
        else:
            plate = (
                cylinder(size, 0.03, sections=sides).turned(yaw=pi / 2 if sides == 3 else pi / 4).turned(pitch=pi / 2)
            )
        parts.append(plate.moved(y=-0.06, z=z).of(palette.another("sign")))
    return join(parts)


def traffic_light(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """Lights on a post, some with an arm over the road (towards +x)."""
    dark = palette("dark metal")
    high = float(rng.uniform(2.8, 3.4))
    parts = [
        cylinder(0.06, high + 0.6, sections=8).of(dark),
        box(0.32, 0.26, 0.95).moved(y=-0.15, z=high - 0.4).of(dark),
    ]
    lens = cylinder(0.1, 0.06, sections=10).turned(pitch=pi / 2)
    for index, name in enumerate(("tail light", "yellow line", "leaves")):
        parts.append(lens.moved(y=-0.27, z=high + 0.38 - index * 0.3).of(palette(name)))
    if rng.random() < 0.5:
        reach = float(rng.uniform(3, 6))
        parts.append(tube([[0, 0, 2.0], [0, 0, 5.4], [0.6, 0, 5.8], [reach, 0, 5.9]], 0.07, 6).of(dark))
        parts.append(box(0.32, 0.26, 0.95).moved(x=reach, z=4.95).of(dark))
    return join(parts)


def bench(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A slatted bench with its seat at 0.44 m, facing +y."""
    long = float(rng.uniform(1.4, 2.2))
    wood, metal = palette("wood"), palette("dark metal")
    seat = boxes([[0, y, 0.41] for y in (-0.16, -0.04, 0.08, 0.2)], (long, 0.09, 0.035), wood)
    back = (
        boxes([[0, -0.24 - 0.03 * i, 0.55 + 0.13 * i] for i in range(3)], (long, 0.03, 0.09), wood)
        if rng.random() < 0.8
        else join([])
    )
    legs = boxes([[x * long * 0.42, 0, 0] for x in (-1, 1)], (0.06, 0.42, 0.41), metal)
    return join([seat, back, legs, boxes([[x * long * 0.42, -0.26, 0] for x in (-1, 1)], (0.05, 0.05, 0.9), metal)])


def bin_(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A litter bin, a wheelie bin or a skip."""
    kind = rng.integers(3)
    if kind == 0:
        return join(
            [
                revolved([[0.2, 0], [0.24, 0.85], [0.2, 0.9], [0.02, 0.98]], 12).of(
                    palette.any_of("dark metal", "plastic")
                )
            ]
        )
    body = palette.another("plastic")
    wheels = cylinder(0.1, 0.5, sections=10).moved(z=-0.25).turned(roll=pi / 2).moved(y=0.25, z=0.1).of(palette("tyre"))
    size = 1.0 if kind == 1 else 1.9
    tub = revolved([[0.33, 0.06], [0.4, 0.98]], 4).turned(yaw=pi / 4).of(body)
    lid = box(0.62, 0.66, 0.07).moved(z=0.98).of(body)
    return join([tub, lid, wheels]).scaled(size, 1.0 if kind == 1 else 1.4, 1.0 if kind == 1 else 1.25)


def bollard(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A post of metal, stone or plastic."""
    high, radius = float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.05, 0.16))
    post = revolved([[radius, 0], [radius, high * 0.9], [radius * 0.6, high], [0.0, high + 0.02]], 10)
    return join(
        [
            post.of(palette.any_of("dark metal", "stone", "plastic")),
            cylinder(radius * 1.05, 0.1, sections=10).moved(z=high * 0.7).of(palette("line")),
        ]
    )


def cone(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A traffic cone."""
    high = float(rng.uniform(0.45, 0.9))
    plastic = palette("plastic")
    band = revolved([[0.125, 0.35], [0.085, 0.6]], 12).scaled(1.04, 1.04, 1).of(palette("line"))
    shape = join([revolved([[0.18, 0.02], [0.025, 1.0]], 12).of(plastic), band, box(0.5, 0.5, 0.04).of(plastic)])
    return shape.scaled(high)


def stall(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A market stall: counter with goods under a cloth roof on four poles; front towards -y."""
    wide, deep, high = float(rng.uniform(2.2, 3.6)), float(rng.uniform(1.6, 2.4)), float(rng.uniform(2.1, 2.5))
    poles = [[x * wide / 2, y * deep / 2, 0] for x in (-1, 1) for y in (-1, 1)]
    metal, cloth = palette("metal"), palette.another("awning")
    parts = [rods(poles, np.asarray(poles) + np.array([0, 0, high]), 0.025, metal)]
    ridge = high + float(rng.uniform(0.2, 0.7))
    over = 0.25
    slopes = [
        [
            [-wide / 2 - over, s * (deep / 2 + over), high - 0.1],
            [wide / 2 + over, s * (deep / 2 + over), high - 0.1],
            [wide / 2 + over, 0, ridge],
            [-wide / 2 - over, 0, ridge],
        ]
        for s in (-1, 1)
    ]
    lip = [
        [
            [-wide / 2 - over, -deep / 2 - over, high - 0.1],
            [wide / 2 + over, -deep / 2 - over, high - 0.1],
            [wide / 2 + over, -deep / 2 - over, high - 0.35],
            [-wide / 2 - over, -deep / 2 - over, high - 0.35],
        ]
    ]
    parts.append(quads([*slopes, *lip], cloth))
    parts.append(box(wide * 0.95, 0.8, 0.85).moved(y=-deep / 2 + 0.4).of(palette.any_of("wood", "cardboard", "awning")))
    count = 40
    spots = np.column_stack(
        [
            rng.uniform(-0.45, 0.45, count) * wide,
            rng.uniform(-deep / 2 + 0.1, -deep / 2 + 0.75, count),
            np.full(count, 0.9),
        ]
    )
    goods = sphere(0.07, 1)
    for name in palette.some("flower", 2):
        parts.append(copies(goods, spots[::2], 0, rng.uniform(0.6, 1.6, len(spots[::2]))).of(name))
        spots = spots[1:]
    parts.append(boxes(spots[:6] + np.array([0, 0, -0.05]), rng.uniform(0.15, 0.5, (6, 3)), palette("cardboard")))
    return join(parts)


def parasol(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A parasol or market umbrella, open."""
    wide, high = float(rng.uniform(1.2, 1.9)), float(rng.uniform(2.1, 2.6))
    shade = revolved([[wide, high - 0.45], [wide * 0.5, high - 0.12], [0.02, high]], 8).of(palette.another("awning"))
    return join(
        [
            shade,
            cylinder(0.025, high, sections=6).of(palette("wood")),
            cylinder(0.25, 0.1, sections=10).of(palette("concrete")),
        ]
    )


def table_and_chairs(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A café or garden table with two to four chairs, some with things on it."""
    stuff = palette.any_of("wood", "metal", "plastic", "painted wood")
    size, high = float(rng.uniform(0.6, 1.3)), float(rng.uniform(0.68, 0.76))
    top = cylinder(size / 2, 0.03, sections=14) if rng.random() < 0.5 else box(size * 1.3, size, 0.03)
    parts = [
        top.moved(z=high).of(stuff),
        cylinder(0.03, high, sections=6).of(palette("dark metal")),
        cylinder(0.2, 0.03, sections=8).of(palette("dark metal")),
    ]
    legs = np.array([[x, y, 0] for x in (-0.19, 0.19) for y in (-0.19, 0.19)])
    chair = join([
        rods(legs, legs + np.array([0, 0, 0.44]), 0.015, stuff, sections=4),
        box(0.42, 0.42, 0.03).moved(z=0.43).of(stuff),
        boxes([[0, -0.2, 0.55], [0, -0.22, 0.75]], (0.4, 0.02, 0.12), stuff),
        rods(legs[[0, 2]] + [0, 0, 0.44], legs[[0, 2]] + [0, -0.04, 0.9], 0.015, stuff, sections=4),
    ])  # fmt: skip
    count = int(rng.integers(2, 5))
    angle = np.arange(count) * 2 * pi / count + rng.uniform(0, 1, count)
    out = size / 2 + rng.uniform(0.2, 0.5, count)
    parts.append(
        copies(
            chair,
            np.column_stack([np.cos(angle) * out, np.sin(angle) * out, angle * 0]),
            angle + pi / 2 + rng.normal(0, 0.2, count),
        )
    )
    if rng.random() < 0.7:
        spots = np.column_stack([rng.uniform(-0.3, 0.3, (3, 2)) * size, np.full(3, high + 0.03)])
        bottle = revolved([[0.036, 0], [0.036, 0.17], [0.014, 0.22], [0.014, 0.28]], 8).of(palette("leaves"))
        cup = revolved([[0.03, 0], [0.042, 0.09]], 8).of(palette("line"))
        parts += [copies(bottle, spots[:1]), copies(cup, spots[1:])]
    return join(parts)


def bus_stop(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A glass shelter with a bench and a poster, open towards -y."""
    wide, metal, glass = float(rng.uniform(3, 5)), palette("dark metal"), palette("facade glass")
    posts = [[x, y, 0] for x in (-wide / 2, 0, wide / 2) for y in (0.0, 1.3)]
    roof = boxes([[0, 0.6, 2.4]], (wide + 0.3, 1.8, 0.1), metal)
    back = boxes([[0, 1.32, 0.2]], (wide, 0.03, 2.0), glass)
    poster = boxes([[wide / 2, 0.65, 0.3]], (0.12, 1.2, 1.9), palette.another("poster"))
    return join(
        [
            rods(posts, np.asarray(posts) + np.array([0, 0, 2.4]), 0.04, metal),
            roof,
            back,
            poster,
            bench(rng, palette).turned(yaw=pi).moved(y=1.0),
        ]
    )


def kiosk(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A booth with a counter, signs and goods; front towards -y."""
    wide, deep = float(rng.uniform(2, 4)), float(rng.uniform(1.8, 2.6))
    body = box(wide, deep, 2.5).moved(y=deep / 2).of(palette.any_of("painted wood", "metal", "container"))
    roof = box(wide + 0.8, deep + 0.8, 0.15).moved(y=deep / 2, z=2.5).of(palette("metal"))
    hatch = boxes([[0, -0.02, 1.05]], (wide * 0.7, 0.08, 1.0), palette("shop"))
    board = boxes(
        [[0, -0.3, 2.2], [0, -0.2, 1.0]], [[wide, 0.08, 0.45], [wide * 0.8, 0.4, 0.05]], palette.another("sign")
    )
    return join(
        [body, roof, hatch, board, boxes([[wide * 0.55, -0.5, 0]], (0.6, 0.06, 1.1), palette.another("poster"))]
    )


def billboard(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A poster wall on legs, facing -y: printed pictures whose content is no depth."""
    wide, high, low = float(rng.uniform(1.2, 5)), float(rng.uniform(1.5, 3)), float(rng.uniform(0.2, 2.2))
    panel = box(wide, 0.12, high).moved(z=low).of(palette.another("poster"))
    legs = rods(
        [[-wide * 0.35, 0.1, 0], [wide * 0.35, 0.1, 0]],
        [[-wide * 0.35, 0.1, low + high], [wide * 0.35, 0.1, low + high]],
        0.06,
        palette("metal"),
    )
    return join([panel, legs, box(wide + 0.16, 0.1, high + 0.16).moved(y=0.03, z=low - 0.08).of(palette("dark metal"))])

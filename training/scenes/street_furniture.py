"""What stands about outdoors: lamp posts, signs, benches, bins, fences, power lines, stalls, cones, scaffolds, pipes.

Each function makes one shape about the origin on z = 0; fences and walls run along x.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, revolved, sphere, tube
from depthwire.training.scenes.instances import boxes, copies, quads, sticks
from depthwire.training.scenes.outdoor_palette import Palette


def lamp_post(rng: np.random.Generator, palette: Palette, height: float | None = None) -> Mesh:
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


def sign_post(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def traffic_light(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def bench(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def bin_(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def bollard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A post of metal, stone or plastic."""
    high, radius = float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.05, 0.16))
    post = revolved([[radius, 0], [radius, high * 0.9], [radius * 0.6, high], [0.0, high + 0.02]], 10)
    return join(
        [
            post.of(palette.any_of("dark metal", "stone", "plastic")),
            cylinder(radius * 1.05, 0.1, sections=10).moved(z=high * 0.7).of(palette("line")),
        ]
    )


def cone(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A traffic cone."""
    high = float(rng.uniform(0.45, 0.9))
    plastic = palette("plastic")
    band = revolved([[0.125, 0.35], [0.085, 0.6]], 12).scaled(1.04, 1.04, 1).of(palette("line"))
    shape = join([revolved([[0.18, 0.02], [0.025, 1.0]], 12).of(plastic), band, box(0.5, 0.5, 0.04).of(plastic)])
    return shape.scaled(high)


def barrier(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A crowd barrier, a concrete barrier or a striped board on legs; about 2 m along x."""
    kind = rng.integers(3)
    if kind == 0:
        metal = palette("metal")
        x = np.linspace(-1, 1, 14)
        upright = sticks(
            np.column_stack([x, x * 0, x * 0 + 0.15]), np.column_stack([x, x * 0, x * 0 + 1.1]), 0.01, metal, sections=4
        )
        return join(
            [
                upright,
                sticks([[-1, 0, 1.1], [-1, 0, 0.15]], [[1, 0, 1.1], [1, 0, 0.15]], 0.02, metal),
                boxes([[-0.8, 0, 0], [0.8, 0, 0]], (0.05, 0.6, 0.05), metal),
            ]
        )
    if kind == 1:
        profile = np.array(
            [[-0.3, 0], [-0.3, 0.15], [-0.1, 0.4], [-0.08, 0.85], [0.08, 0.85], [0.1, 0.4], [0.3, 0.15], [0.3, 0]]
        )
        ends = np.stack([np.column_stack([np.full(8, x), profile]) for x in (-1, 1)])
        sides = quads(np.stack([ends[0, :-1], ends[1, :-1], ends[1, 1:], ends[0, 1:]], 1), palette("concrete"))
        return join(
            [sides, quads(ends[:, [0, 2, 5, 7]], palette("concrete")), quads(ends[:, 2:6], palette("concrete"))]
        )
    board = boxes([[0, 0, 0.75], [0, 0, 0.4]], (1.9, 0.03, 0.22), palette.another("awning"))
    return join(
        [
            board,
            boxes([[x, 0, 0] for x in (-0.8, 0.8)], (0.06, 0.5, 0.05), palette("plastic")),
            boxes([[x, 0, 0] for x in (-0.8, 0.8)], (0.05, 0.05, 1.0), palette("plastic")),
        ]
    )


def fence(rng: np.random.Generator, palette: Palette, length: float, kind: str | None = None) -> Mesh:
    """A fence or wall along x, centred: slats, pickets, wire, mesh, railing, rails, wall."""
    kind = ("slats", "pickets", "wire", "mesh", "railing", "rails", "wall")[rng.integers(7)] if kind is None else kind
    high = {"slats": 1.8, "pickets": 1.0, "wire": 1.2, "mesh": 2.0, "railing": 1.1, "rails": 1.2, "wall": 1.3}[
        kind
    ] * float(rng.uniform(0.8, 1.2))
    if kind == "wall":
        wall = box(length, 0.28, high).of(palette.any_of("brick", "stone", "plaster"))
        return join([wall, box(length + 0.1, 0.38, 0.1).moved(z=high).of(palette("kerb"))])
    material = {"slats": "wood", "pickets": "painted wood", "rails": "wood", "railing": "dark metal"}.get(kind, "metal")
    stuff = palette(material)
    posts = np.linspace(-length / 2, length / 2, max(2, int(length / 2.5) + 1))
    feet = np.column_stack([posts, posts * 0 + 0.04, posts * 0 - 0.2])
    thick = 0.09 if material in ("wood", "painted wood") else 0.05
    parts = [boxes(feet, (thick, thick, high + 0.25), palette("wood") if kind == "wire" else stuff)]
    if kind in ("slats", "pickets", "railing"):
        step = {"slats": 0.15, "pickets": 0.17, "railing": 0.13}[kind]
        x = np.arange(-length / 2, length / 2, max(step, length / 160))
        size = {
            "slats": (step * 0.85, 0.02, high),
            "pickets": (step * 0.55, 0.02, high),
            "railing": (0.02, 0.02, high),
        }[kind]
        jitter = rng.normal(0, 0.01, len(x)) if kind != "railing" else x * 0
        parts.append(boxes(np.column_stack([x, x * 0, jitter]), size, stuff))
        parts.append(boxes([[0, 0.03, high * 0.2], [0, 0.03, high * 0.82]], (length, 0.04, 0.07), stuff))
    elif kind == "rails":
        parts.append(boxes([[0, 0, z * high] for z in (0.3, 0.62, 0.92)], (length, 0.04, 0.11), stuff))
    elif kind == "wire":
        levels = np.linspace(0.25, 0.97, 4) * high
        parts.append(
            sticks(
                [[-length / 2, 0, z] for z in levels], [[length / 2, 0, z] for z in levels], 0.006, stuff, sections=3
            )
        )
    else:
        step = max(0.12, length / 120)
        x = np.arange(-length / 2 - high, length / 2, step)
        for sign in (1, -1):
            low = np.column_stack([sign * x, x * 0, x * 0])
            top = low + np.array([sign * high, 0, high])
            cut_low, cut_top = low.copy(), top.copy()
            over = np.abs(cut_top[:, 0]) > length / 2
            cut_top[over, 2] = high - (np.abs(top[over, 0]) - length / 2)
            cut_top[over, 0] = sign * length / 2
            under = np.abs(cut_low[:, 0]) > length / 2
            cut_low[under, 2] = np.abs(low[under, 0]) - length / 2
            cut_low[under, 0] = -sign * length / 2
            parts.append(sticks(cut_low, cut_top, 0.004, stuff, sections=3))
        parts.append(
            sticks(
                [[-length / 2, 0, high], [-length / 2, 0, 0.05]],
                [[length / 2, 0, high], [length / 2, 0, 0.05]],
                0.02,
                stuff,
            )
        )
    return join(parts)


def gate(rng: np.random.Generator, palette: Palette, width: float = 3.0) -> Mesh:
    """Two pillars and a leaf between them that stands open or shut."""
    pillars = boxes(
        [[x * (width / 2 + 0.2), 0, 0] for x in (-1, 1)],
        (0.4, 0.4, float(rng.uniform(1.3, 2.2))),
        palette.any_of("brick", "stone"),
    )
    leaf = fence(rng, palette, width, str(rng.choice(["railing", "slats", "rails"]))).moved(x=width / 2)
    return join([pillars, leaf.turned(yaw=float(rng.choice([0, 0.6, 1.4]))).moved(x=-width / 2)])


def power_line(rng: np.random.Generator, palette: Palette, spans: int = 5, span: float = 38.0) -> Mesh:
    """Poles along y with sagging wires, centred."""
    wood, wire = palette.any_of("wood", "concrete"), palette("tyre")
    high = float(rng.uniform(6.5, 9.5))
    y = (np.arange(spans + 1) - spans / 2) * span
    foot = np.column_stack([y * 0, y, y * 0 - 0.5])
    parts = [
        sticks(foot, foot + np.array([0, 0, high + 0.5]), 0.15, wood, 0.1, sections=7),
        boxes(foot + np.array([0, 0, high]), (1.8, 0.1, 0.12), wood),
    ]
    share = np.linspace(0, 1, 9)
    sag = float(rng.uniform(0.5, 1.3))
    for x in (-0.8, 0.0, 0.8):
        along = (y[:-1, None] + span * share).ravel()
        drop = np.tile(-4 * sag * share * (1 - share), spans)
        points = np.column_stack([along * 0 + x, along, high + 0.15 + drop]).reshape(spans, 9, 3)
        parts.append(sticks(points[:, :-1], points[:, 1:], 0.012, wire, sections=3))
    return join(parts)


def stall(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A market stall: counter with goods under a cloth roof on four poles; front towards -y."""
    wide, deep, high = float(rng.uniform(2.2, 3.6)), float(rng.uniform(1.6, 2.4)), float(rng.uniform(2.1, 2.5))
    poles = [[x * wide / 2, y * deep / 2, 0] for x in (-1, 1) for y in (-1, 1)]
    metal, cloth = palette("metal"), palette.another("awning")
    parts = [sticks(poles, np.asarray(poles) + np.array([0, 0, high]), 0.025, metal)]
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


def parasol(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def table_and_chairs(rng: np.random.Generator, palette: Palette) -> Mesh:
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
        sticks(legs, legs + np.array([0, 0, 0.44]), 0.015, stuff, sections=4),
        box(0.42, 0.42, 0.03).moved(z=0.43).of(stuff),
        boxes([[0, -0.2, 0.55], [0, -0.22, 0.75]], (0.4, 0.02, 0.12), stuff),
        sticks(legs[[0, 2]] + [0, 0, 0.44], legs[[0, 2]] + [0, -0.04, 0.9], 0.015, stuff, sections=4),
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


def bus_stop(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A glass shelter with a bench and a poster, open towards -y."""
    wide, metal, glass = float(rng.uniform(3, 5)), palette("dark metal"), palette("facade glass")
    posts = [[x, y, 0] for x in (-wide / 2, 0, wide / 2) for y in (0.0, 1.3)]
    roof = boxes([[0, 0.6, 2.4]], (wide + 0.3, 1.8, 0.1), metal)
    back = boxes([[0, 1.32, 0.2]], (wide, 0.03, 2.0), glass)
    poster = boxes([[wide / 2, 0.65, 0.3]], (0.12, 1.2, 1.9), palette.another("poster"))
    return join(
        [
            sticks(posts, np.asarray(posts) + np.array([0, 0, 2.4]), 0.04, metal),
            roof,
            back,
            poster,
            bench(rng, palette).turned(yaw=pi).moved(y=1.0),
        ]
    )


def kiosk(rng: np.random.Generator, palette: Palette) -> Mesh:
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


def billboard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A poster wall on legs, facing -y: printed pictures whose content is no depth."""
    wide, high, low = float(rng.uniform(1.2, 5)), float(rng.uniform(1.5, 3)), float(rng.uniform(0.2, 2.2))
    panel = box(wide, 0.12, high).moved(z=low).of(palette.another("poster"))
    legs = sticks(
        [[-wide * 0.35, 0.1, 0], [wide * 0.35, 0.1, 0]],
        [[-wide * 0.35, 0.1, low + high], [wide * 0.35, 0.1, low + high]],
        0.06,
        palette("metal"),
    )
    return join([panel, legs, box(wide + 0.16, 0.1, high + 0.16).moved(y=0.03, z=low - 0.08).of(palette("dark metal"))])


def container(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A shipping container of 20 or 40 feet along x, with ribs and door bars."""
    long = 6.06 if rng.random() < 0.6 else 12.19
    paint = palette.another("container")
    ribs = np.arange(-long / 2 + 0.2, long / 2, 0.5)
    rib = np.concatenate([np.column_stack([ribs, ribs * 0 + s * 1.21, ribs * 0 + 0.15]) for s in (-1, 1)])
    bars = sticks(
        [[long / 2 + 0.04, y, 0.15] for y in (-0.8, -0.3, 0.3, 0.8)],
        [[long / 2 + 0.04, y, 2.45] for y in (-0.8, -0.3, 0.3, 0.8)],
        0.025,
        palette("metal"),
    )
    return join([box(long, 2.42, 2.59).of(paint), boxes(rib, (0.25, 0.06, 2.3), paint), bars])


def pallets(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A stack of pallets, some under cartons."""
    layers = int(rng.integers(1, 9))
    wood = palette("wood")
    z = np.arange(layers) * 0.145
    boards = np.array([[x, 0, 0.12] for x in np.linspace(-0.55, 0.55, 5)])
    blocks = np.array([[0, y, 0.0] for y in (-0.36, 0, 0.36)])
    parts = [
        boxes((boards[None] + z[:, None, None] * [0, 0, 1]).reshape(-1, 3), (0.14, 0.8, 0.022), wood),
        boxes((blocks[None] + z[:, None, None] * [0, 0, 1]).reshape(-1, 3), (1.2, 0.1, 0.12), wood),
    ]
    if rng.random() < 0.5:
        tall = float(rng.uniform(0.4, 1.3))
        parts.append(
            box(1.1, 0.75, tall).moved(z=layers * 0.145).of(palette.any_of("cardboard", "plastic", "concrete", "brick"))
        )
    return join(parts)


def pipes(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A stack of pipes along x."""
    radius, long, base = float(rng.uniform(0.1, 0.5)), float(rng.uniform(3, 8)), int(rng.integers(2, 6))
    one = cylinder(radius, long, sections=12).moved(z=-long / 2).turned(roll=pi / 2)
    if rng.random() < 0.5:
        one = tube(np.array([[-long / 2, 0, 0], [0, 0, 0], [long / 2, 0, 0]]), radius, 12)
    spots = [
        [0, (i - (base - row) / 2) * 2 * radius, radius + row * radius * 1.74]
        for row in range(base)
        for i in range(base - row)
    ]
    return copies(one, spots).of(palette.any_of("concrete", "rust", "metal", "plastic"))


def scaffold(rng: np.random.Generator, palette: Palette, bays: int = 4, lifts: int = 3) -> Mesh:
    """Scaffolding along x: standards, ledgers, braces, decks, some with netting behind."""
    metal, wood = palette("metal"), palette("wood")
    bay, lift, deep = 2.4, 2.0, 0.9
    x = (np.arange(bays + 1) - bays / 2) * bay
    feet = np.array([[a, b, 0] for a in x for b in (0, deep)])
    parts = [sticks(feet, feet + np.array([0, 0, lifts * lift + 1]), 0.025, metal)]
    z = np.arange(1, lifts + 1) * lift
    levels = np.concatenate([z, z + 1.0, z + 0.5])
    front = np.array([[x[0], b, c] for c in levels for b in (0, deep)])
    parts.append(sticks(front, front + np.array([bays * bay, 0, 0]), 0.022, metal))
    cross = np.array([[a, 0, c] for a in x[:-1] for c in z - lift])
    up = rng.random(len(cross)) < 0.5
    parts.append(
        sticks(
            cross + np.where(up[:, None], [0, 0, 0], [bay, 0, 0]),
            cross + np.where(up[:, None], [bay, 0, lift], [0, 0, lift]),
            0.02,
            metal,
        )
    )
    parts.append(boxes([[0, deep / 2, c - 0.05] for c in z], (bays * bay, deep, 0.05), wood))
    if rng.random() < 0.35:
        parts.append(
            quads(
                [[[x[0], deep, 0], [x[-1], deep, 0], [x[-1], deep, lifts * lift], [x[0], deep, lifts * lift]]],
                palette("awning"),
            )
        )
    return join(parts)


def heap(rng: np.random.Generator, material: int, radius: float = 2.0) -> Mesh:
    """A heap of sand, gravel, earth or snow."""
    share = np.linspace(1, 0, 6)
    mound = revolved(np.column_stack([radius * share, radius * rng.uniform(0.4, 0.65) * (1 - share) ** 0.85]), 14)
    noise = rng.normal(0, 0.05 * radius, mound.vertices.shape) * (mound.vertices[:, 2:] > 0)
    mound = Mesh((mound.vertices + noise).astype(np.float32), mound.faces, mound.material, mound.smooth)
    return mound.moved(z=-0.05).of(material)


def swing(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A playground frame: a swing, a slide with a ladder."""
    metal, bright = palette.any_of("metal", "wood"), palette.another("plastic")
    frame = sticks(
        [[-1.5, -0.8, 0], [-1.5, 0.8, 0], [1.5, -0.8, 0], [1.5, 0.8, 0], [-1.5, 0, 2.2]],
        [[-1.5, 0, 2.2], [-1.5, 0, 2.2], [1.5, 0, 2.2], [1.5, 0, 2.2], [1.5, 0, 2.2]], 0.045, metal,
    )  # fmt: skip
    ropes = sticks(
        [[x, 0, 2.2] for x in (-0.9, -0.5, 0.4, 0.8)],
        [[x, 0.1, 0.5] for x in (-0.9, -0.5, 0.4, 0.8)],
        0.01,
        palette("tyre"),
        sections=3,
    )
    seats = boxes([[-0.7, 0.1, 0.47], [0.6, 0.1, 0.47]], (0.45, 0.2, 0.04), bright)
    slide = quads([[[2.4, -0.3, 1.8], [2.9, -0.3, 1.8], [2.9, 2.6, 0.2], [2.4, 2.6, 0.2]]], bright)
    ladder = sticks(
        [[2.4, -0.3, 0], [2.9, -0.3, 0], *[[2.4, -0.3, z] for z in (0.4, 0.8, 1.2, 1.6)]],
        [[2.4, -0.3, 2.4], [2.9, -0.3, 2.4], *[[2.9, -0.3, z] for z in (0.4, 0.8, 1.2, 1.6)]],
        0.025,
        metal,
    )
    return join([frame, ropes, seats, slide, ladder])

"""What is fixed to rooms or stands about in them: lamps, pictures, plants, rugs, radiators, pipes, stairs, bins.

Things for a wall have their back at +y; things that hang have their top at z = 0; the rest stands on z = 0.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, floor, join, sphere, tube
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes, leaves, rods
from depthwire.training.scenes.objects import TABLE_THINGS
from depthwire.training.scenes.people import Pose, person, wardrobe
from depthwire.training.scenes.shapes import hanging_cloth, vessel
from depthwire.training.scenes.stage import Stage


def picture(palette: IndoorPalette, wide: float | None = None, tall: float | None = None) -> Mesh:
    """A framed picture, a poster, a board or a mirror-like sheet."""
    x, z = wide or palette.between(0.2, 1.3), tall or palette.between(0.25, 1.1)
    sheet = box(x, 0.012, z).of(palette.poster())
    if palette.chance(0.35):
        return sheet
    rim = palette.between(0.015, 0.05)
    sizes = [[x + 2 * rim, 0.03, rim]] * 2 + [[rim, 0.03, z]] * 2
    places = [[0, 0, -rim], [0, 0, z], [-x / 2 - rim / 2, 0, 0], [x / 2 + rim / 2, 0, 0]]
    return join([sheet, boxes(places, sizes, palette.one_of("furniture"))]).moved(z=rim)


def radiator(palette: IndoorPalette) -> Mesh:
    """Ribs with a pipe."""
    wide, tall = palette.between(0.5, 1.6), palette.between(0.35, 0.75)
    coat = palette.one_of("lacquer", 3)
    ribs = np.arange(0.03, wide, 0.07) - wide / 2
    places = np.stack([ribs, np.zeros(len(ribs)), np.full(len(ribs), 0.12)], 1)
    pipe = rods(
        [[-wide / 2, 0, 0.15], [-wide / 2 - 0.08, 0, 0.15]],
        [[-wide / 2 - 0.08, 0, 0.15], [-wide / 2 - 0.08, 0, 0]],
        0.012,
        coat,
        sections=6,
    )
    return join(
        [
            boxes(places, (0.05, 0.09, tall), coat),
            box(wide, 0.03, tall * 0.92).moved(0, 0, 0.14).of(coat),
            pipe,
        ]
    )


def wall_shelf(stage: Stage) -> Mesh:
    """A board on brackets with things on it."""
    palette = stage.palette
    wide, deep = palette.between(0.4, 1.5), palette.between(0.16, 0.3)
    board = box(wide, deep, 0.025).of(palette.one_of("furniture"))
    load = (
        stage.clutter.row(wide, 0.32, deep)
        if palette.chance(0.5)
        else stage.clutter.spread(wide, deep, 6, TABLE_THINGS)
    )
    return join([board, load.moved(z=0.026)])


def plant(palette: IndoorPalette, tall: float | None = None) -> Mesh:
    """A pot plant: long blades, or a stem with a crown of leaves."""
    rng = palette.rng
    height = tall or palette.between(0.3, 1.9)
    radius = min(0.08 + 0.1 * height, 0.22) * palette.between(0.8, 1.2)
    high = radius * palette.between(1.1, 1.9)
    pot = vessel(
        [
            [0, 0],
            [radius * 0.75, 0],
            [radius, high],
            [radius * 0.9, high],
            [radius * 0.85, high * 0.9],
            [0, high * 0.9],
        ],
        palette.one_of("ceramic"),
    )
    green = palette.one_of("leaf", 3)
    if rng.random() < 0.4:
        count = int(rng.integers(8, 20))
        angle, reach = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.15, 0.5, count) * height
        parts = [pot]
        for turn, out in zip(angle.tolist(), reach.tolist(), strict=True):
            bend = np.linspace(0, 1, 5)
            path = np.stack([out * bend**1.6, np.zeros(5), high * 0.9 + (height - high) * np.sin(bend * 1.9)], 1)
            blade = tube(path, [0.012, 0.022, 0.022, 0.014, 0.002], 4).scaled(1, 1.6, 1)
            parts.append(blade.turned(yaw=turn).of(green))
        return join(parts)
    stems = rng.normal(0, 0.13 * height, (6, 3)) * [1, 1, 0.6] + [0, 0, height * 0.7]
    fork = [0, 0, height * 0.5]
    twigs = rods([[0, 0, high * 0.8], *[fork] * len(stems)], [fork, *stems], 0.01, palette.one_of("wood", 3))
    spots = np.repeat(stems, 24, axis=0) + rng.normal(0, 0.1 * height, (144, 3))
    spots[:, 2] = np.maximum(spots[:, 2], high)
    return join([pot, twigs, leaves(rng, spots, 0.035 + palette.between(0.03, 0.07) * height, green, droop=0.4)])


def floor_lamp(stage: Stage, lit: bool = True) -> Mesh:
    """A lamp on a stand with a shade; the caller adds its light."""
    palette = stage.palette
    tall, radius = palette.between(1.2, 1.9), palette.between(0.12, 0.25)
    metal = palette.one_of("metal", 2)
    shade = palette.glow((0.8, 3.0)) if lit else palette.one_of("linen")
    return join([
        cylinder(0.14, 0.03).of(metal),
        cylinder(0.012, tall, sections=6).of(metal),
        vessel([[radius, 0], [radius * palette.between(0.4, 1), 0.3]], shade).moved(z=tall - 0.15),
    ])  # fmt: skip


def pendant(palette: IndoorPalette, drop: float, radius: float, lit: bool = True) -> Mesh:
    """A lamp that hangs from the ceiling on a cord."""
    shade = palette.glow() if lit and palette.chance(0.6) else palette.one_of("lacquer")
    cord = rods([0, 0, 0], [0, 0, -drop], 0.005, palette.one_of("dark_plastic", 2), sections=4)
    draw = palette.rng.random()
    if draw < 0.35:
        return join([cord, sphere(radius, 2).moved(z=-drop).of(shade)])
    profile = [
        [0.02, 0.0],
        [radius * palette.between(0.2, 1), -radius * 0.3],
        [radius, -radius * palette.between(0.7, 1.3)],
    ]
    bulb = sphere(0.035, 1).moved(z=-drop - radius * 0.5).of(palette.glow())
    return join([cord, vessel(profile, shade).moved(z=-drop), bulb])


def ceiling_lights(stage: Stage, lit: float = 0.85) -> None:
    """Lights of one kind: pendants, flat discs, tubes or panels in rows; each gives light where lit."""
    rng, palette = stage.rng, stage.palette
    on = rng.random() < lit
    rows = max(1, round(stage.width / rng.uniform(2.8, 4.5))), max(1, round(stage.depth / rng.uniform(2.8, 4.5)))
    x, y = np.meshgrid((np.arange(rows[0]) + 0.5) / rows[0] - 0.5, (np.arange(rows[1]) + 0.5) / rows[1] - 0.5)
    style, drop = rng.random(), 0.05
    glow = palette.glow((1.5, 5)) if on else palette.one_of("linen")
    radius = float(rng.uniform(0.12, 0.32))
    if style < 0.4:
        drop = float(rng.uniform(0.25, max(0.3, min(stage.height - 1.9, 2.5))))
        made = pendant(palette, drop, radius, on)
    elif style < 0.6:
        made = cylinder(radius, 0.08, sections=18).moved(z=-0.08).of(glow)
    elif style < 0.85:
        turn = float(rng.choice([0.0, np.pi / 2]))
        drop = float(rng.choice([0.08, rng.uniform(0.2, 0.9)])) if stage.height > 2.6 else 0.08
        tube_ = join(
            [box(1.25, 0.09, 0.04).of(palette.one_of("metal", 2)), box(1.2, 0.05, 0.035).moved(z=-0.035).of(glow)]
        ).moved(z=-drop)
        cords = rods(
            [[s * 0.5, 0, 0] for s in (-1, 1)],
            [[s * 0.5, 0, -drop + 0.04] for s in (-1, 1)],
            0.004,
            palette.one_of("metal", 2),
            sections=4,
        )
        made = join([tube_, cords]).turned(yaw=turn)
    else:
        made = box(0.6, 0.6, 0.02).moved(z=-0.02).of(glow)
    spots = list(zip((x.ravel() * stage.width).tolist(), (y.ravel() * stage.depth).tolist(), strict=True))
    warmth, strength = float(rng.uniform(0, 1)), float(rng.uniform(0.8, 3.0)) / np.sqrt(max(len(spots) / 3, 1))
    for spot in spots:
        stage.hang(made, *spot)
    lights = spots if len(spots) <= 6 else [spots[k] for k in rng.choice(len(spots), 6, replace=False)]
    if on:
        for at_x, at_y in lights:
            stage.lamp((at_x, at_y, stage.height - drop - radius - 0.12), strength, warmth)


def rug(palette: IndoorPalette, x: float, y: float) -> Mesh:
    """A rug, rectangular or round."""
    cloth = palette.poster() if palette.chance(0.4) else palette.one_of("fabric", 6)
    if palette.chance(0.2):
        return cylinder(min(x, y) / 2, 0.012, sections=24).of(cloth)
    border = floor(x, y).moved(z=0.008).of(palette.one_of("fabric", 6))
    return join([border, box(x * 0.9, y * 0.9, 0.012).of(cloth)])


def bin_(palette: IndoorPalette) -> Mesh:
    """A waste bin, a bucket or a laundry basket."""
    radius, tall = palette.between(0.11, 0.24), palette.between(0.25, 0.65)
    profile = [[0, 0.01], [radius * 0.8, 0], [radius, tall], [radius * 0.95, tall], [radius * 0.8, 0.05], [0, 0.05]]
    return vessel(
        profile, palette.one_of("plastic" if palette.chance(0.7) else "metal"), 18 if palette.chance(0.7) else 4
    )


def ladder(palette: IndoorPalette, tall: float | None = None) -> Mesh:
    """A ladder that leans back against +y."""
    height = tall or palette.between(1.8, 3.2)
    out, half = height * 0.28, 0.2
    metal = palette.one_of("metal", 3)
    sides = rods([[-half, -out, 0], [half, -out, 0]], [[-half, 0, height], [half, 0, height]], 0.022, metal, sections=6)
    share = np.arange(0.28, height, 0.28) / height
    left, right = (np.stack([np.full(len(share), x), -out * (1 - share), height * share], 1) for x in (-half, half))
    return join([sides, rods(left, right, 0.014, metal, sections=6)])


def stairs(
    palette: IndoorPalette, wide: float, steps: int, rise: float = 0.175, going: float = 0.27, solid: bool = True
) -> Mesh:
    """A flight that starts at y = 0 and climbs towards +y."""
    tread = palette.one_of("furniture" if palette.chance(0.5) else "concrete", 2)
    k = np.arange(steps)
    heights = (k + 1) * rise
    if not solid:
        places = np.stack([np.zeros(steps), (k + 0.5) * going, heights - 0.05], 1)
        stringers = rods(
            [[s * (wide / 2 - 0.03), 0, 0.0] for s in (-1, 1)],
            [[s * (wide / 2 - 0.03), steps * going, steps * rise] for s in (-1, 1)],
            0.05,
            palette.one_of("metal", 2),
            sections=6,
        )
        return join([boxes(places, (wide, going + 0.03, 0.05), tread), stringers])
    places = np.stack([np.zeros(steps), (k + 0.5) * going, np.maximum(heights - 0.6, 0)], 1)
    sizes = np.stack([np.full(steps, wide), np.full(steps, going), np.minimum(heights, 0.6)], 1)
    nosing = boxes(
        np.stack([np.zeros(steps), k * going, heights - 0.028], 1), (wide, 0.04, 0.03), palette.one_of("lacquer", 3)
    )
    return join([boxes(places, sizes, tread), nosing])


def railing(
    palette: IndoorPalette, points: list[tuple[float, float, float]], height: float = 0.95, every: float = 0.14
) -> Mesh:
    """A handrail with balusters along a polyline of foot points."""
    path = np.array(points, np.float32)
    metal = palette.one_of("metal" if palette.chance(0.5) else "furniture", 2)
    up = np.array([0, 0, height], np.float32)
    feet = []
    for start, end in pairwise(path):
        count = max(int(np.linalg.norm(end - start) / every), 1)
        feet.append(start + (end - start) * (np.arange(count) / count)[:, None])
    foot = np.concatenate(feet)
    rail = (
        tube(path + up, 0.025, 8).of(metal)
        if len(path) > 2
        else rods(path[0] + up, path[1] + up, 0.025, metal, sections=8)
    )
    return join([rods(foot, foot + up, 0.01, metal, sections=4), rail])


def pipes(stage: Stage, count: int) -> None:
    """Pipes and ducts under the ceiling and cables that sag between them."""
    rng, palette = stage.rng, stage.palette
    for _ in range(count):
        radius = float(rng.choice([0.015, 0.03, 0.05, 0.12, 0.2]))
        z = stage.height - radius - float(rng.uniform(0.05, 0.5))
        metal = palette.one_of("metal" if rng.random() < 0.6 else "machine_paint", 4)
        x, y = stage.point(0.3)
        start, end = (
            ([x, -stage.depth / 2, z], [x, stage.depth / 2, z])
            if rng.random() < 0.5
            else ([-stage.width / 2, y, z], [stage.width / 2, y, z])
        )
        stage.add(rods(start, end, radius, metal, sections=10))
    for _ in range(count // 2):
        (x, y), (to_x, to_y) = stage.point(0.3), stage.point(0.3)
        share = np.linspace(0, 1, 10)
        sag = stage.height - 0.03 - float(rng.uniform(0.1, 0.6)) * 4 * share * (1 - share)
        path = np.stack([x + (to_x - x) * share, y + (to_y - y) * share, sag], 1)
        stage.add(tube(path, 0.01, 5).of(palette.one_of("dark_plastic", 2)))


def wall_things(stage: Stage, count: int, low: float = 1.0) -> None:
    """Pictures, boards, clocks, switches, hooks with coats and wall shelves, wherever a wall is free."""
    rng, palette = stage.rng, stage.palette
    for _ in range(count):
        draw, z = rng.random(), float(rng.uniform(low, 1.8))
        if draw < 0.6:
            stage.against(picture(palette), z=z, gap=0.002)
        elif draw < 0.75:
            stage.against(wall_shelf(stage), z=z, gap=0.002)
        elif draw < 0.85:
            stage.against(box(0.085, 0.012, 0.085).of(palette.one_of("plastic")), z=1.1, gap=0.0)
        elif draw < 0.93:
            dial = cylinder(float(rng.uniform(0.1, 0.2)), 0.03, sections=20).turned(pitch=np.pi / 2)
            stage.against(dial.of(palette.one_of("paper")), z=z + 0.6, gap=0.002)
        else:
            coat = hanging_cloth(
                float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.7, 1.1)), 0.06, 2.5, palette.one_of("fabric", 6)
            )
            stage.against(coat, z=0.75, gap=0.02)


def people(stage: Stage, count: int, poses: tuple[Pose, ...] = ("stand", "walk", "bend", "hold", "raise")) -> None:
    """Standing people wherever there is room."""
    if not count:
        return
    clothes = wardrobe(stage.rng, stage.palette.materials)
    for _ in range(count):
        stage.somewhere(person(stage.rng, clothes, poses[int(stage.rng.integers(len(poses)))]))

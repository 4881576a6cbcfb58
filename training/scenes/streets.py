"""Layouts along streets: city street, residential street, alley, passage under a bridge, arcade, steps between houses.

The street runs along y; cameras stand within 25 m of the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, quads, sticks
from depthwire.training.scenes.people import person
from depthwire.training.scenes.site import Relief, Site, Spot

Generator = np.random.Generator


def city_street(rng: Generator) -> Scene:
    """A town street: carriageway, kerbs, rows of houses and offices, parked and moving traffic, people, trees."""
    site = Site(rng, "city street")
    lane, walk = float(rng.uniform(2.7, 3.6)), float(rng.uniform(1.8, 5))
    parking = float(rng.choice([0.0, 2.2]))
    half = lane * int(rng.integers(1, 3)) + parking
    carriageway(site, half, walk)
    road_paint(site, half - parking, lane)
    tall = int(rng.integers(3, 8))
    for side in (-1, 1):
        house_row(site, side, half + walk, tall, detailed=5 if rng.random() < 0.5 else 4)
        kerb_life(site, side, half, walk, parking)
    traffic(site, half - parking, lane)
    pedestrians(site, half, walk, int(rng.integers(5, 14)))
    if rng.random() < 0.25:
        site.add(furniture.power_line(rng, site.palette, 4, 30), half + 0.6)
    site.backdrop(skyline=6)
    return site.finish(street_spots(rng, half, walk), ("person", "person", "person", "car", "robot", "window"))


def residential_street(rng: Generator) -> Scene:
    """Detached houses behind front gardens, hedges and fences; driveways, trees, few people."""
    site = Site(rng, "residential street", Relief(slope=0.06, curve=0.12))
    half, walk, garden = float(rng.uniform(2.4, 3.6)), float(rng.uniform(1.2, 2.2)), float(rng.uniform(3, 8))
    carriageway(site, half, walk, verge=site.palette("grass"))
    if rng.random() < 0.4:
        road_paint(site, half, half)
    shapes = [
        buildings.cottage(
            rng, site.palette, float(rng.uniform(7, 12)), float(rng.uniform(7, 10)), int(rng.integers(1, 4))
        )
        for _ in range(5)
    ]
    bush = vegetation.bush(
        rng, site.palette("leaves"), 0.9, 150, site.palette("flower") if rng.random() < 0.5 else None
    )
    trees = greenery(site, 2)
    for side in (-1, 1):
        y = -70.0 + float(rng.uniform(0, 8))
        edge = half + walk
        while y < 100:
            house = shapes[rng.integers(len(shapes))]
            site.add(house, side * (edge + garden), y, -side * pi / 2)
            if -35 < y < 55:
                front_garden(site, side, edge, garden, y, bush)
            y += float(rng.uniform(15, 21))
        spots = np.column_stack(
            [np.full(4, side * (half + walk + rng.uniform(-0.4, 2.5))), np.sort(rng.uniform(-40, 70, 4))]
        )
        for spot in spots:
            site.scatter(trees[rng.integers(2)], [spot], scale=float(rng.uniform(0.5, 1.1)))
        parked(site, side * (half - 1.0), -40, 60, 0.3)
        site.scatter(
            furniture.bin_(rng, site.palette),
            np.column_stack([np.full(3, side * (edge - 0.4)), rng.uniform(-20, 40, 3)]),
        )
        site.scatter(
            furniture.lamp_post(rng, site.palette),
            np.column_stack([np.full(4, side * (edge - 0.2)), np.arange(4) * 28.0 - 40]),
            side * pi / 2,
        )
    if rng.random() < 0.5:
        site.add(furniture.power_line(rng, site.palette, 5, 30), -half - walk)
    traffic(site, half, half, count=1)
    pedestrians(site, half, walk, int(rng.integers(2, 6)))
    site.backdrop(skyline=3)
    return site.finish(street_spots(rng, half, walk), ("person", "person", "car", "car", "robot", "window"))


def alley(rng: Generator) -> Scene:
    """A narrow lane between walls and backs of houses: doors, bins, pipes, washing lines, cables, steps."""
    site = Site(rng, "alley", Relief(slope=0.06, curve=0.2), haze=0.15)
    palette, half = site.palette, float(rng.uniform(1.1, 2.6))
    paving = palette.any_of("cobbles", "asphalt", "pavement", "concrete")
    gutter = half * 0.7
    site.ground([-60, -half, -gutter, 0, gutter, half, 60], [0, 0, 0, -0.04, 0, 0, 0], [paving] * 6)
    shapes = [
        buildings.town_house(
            rng, palette, float(rng.uniform(5, 10)), 9.0, int(rng.integers(2, 6)), shop=rng.random() < 0.3
        )
        for _ in range(5)
    ]
    for side in (-1, 1):
        y = -35.0
        while y < 75:
            shape = shapes[rng.integers(len(shapes))]
            wide = float(shape.bounds[1][0] - shape.bounds[0][0])
            if rng.random() < 0.2 and y > -25:
                wide = 5.0
                site.add(
                    furniture.fence(rng, palette, 5.0, str(rng.choice(["wall", "slats", "mesh"]))),
                    side * half,
                    y + 2.5,
                    -side * pi / 2,
                )
            else:
                site.add(shape, side * (half + float(rng.uniform(0, 0.4))), y + wide / 2, -side * pi / 2)
            y += wide
    count = int(rng.integers(3, 9))
    at = np.sort(rng.uniform(-20, 40, count))
    z = rng.uniform(3, 7, count)
    left, right = (
        np.column_stack([np.full(count, -half - 0.3), at, z]),
        np.column_stack([np.full(count, half + 0.3), at + rng.normal(0, 2, count), z + rng.normal(0, 0.5, count)]),
    )
    site.add(sticks(left, right, 0.012, palette("tyre"), sections=3))
    washing(site, left[:3], right[:3])
    for make, number in (
        (furniture.bin_, 4),
        (furniture.pallets, 2),
        (vehicles.bicycle, 3),
        (furniture.table_and_chairs, 1),
        (furniture.parasol, 1),
    ):
        for _ in range(number):
            wall = half - 0.45 if rng.random() < 0.5 else 0.45 - half
            site.add(make(rng, palette), wall, float(rng.uniform(-10, 30)), float(rng.choice([0, pi])))
    pots = np.column_stack([rng.choice([-1, 1], 10) * (half - 0.3), rng.uniform(-15, 30, 10)])
    site.scatter(vegetation.bush(rng, palette("leaves"), 0.4, 60, palette("flower")), pots)
    site.crowd(np.column_stack([rng.uniform(-0.6, 0.6, 5) * half, rng.uniform(-15, 35, 5)]), kinds=4)
    site.lamp_at(half - 0.4, 6, 3.5)
    site.lamp_at(0.4 - half, 22, 3.5)

    def spot() -> tuple[float, float, float]:
        return float(rng.uniform(-0.6, 0.6) * half), float(rng.uniform(-18, 18)), facing(rng, 0.3)

    return site.finish(
        spot,
        ("person", "person", "person", "robot", "window"),
        foreground=("person", "small", "bicycle", "post", "bush", "crown"),
    )


def underpass(rng: Generator) -> Scene:
    """Under a bridge or in a tunnel mouth: a ceiling close above, pillars, the bright street beyond."""
    site = Site(rng, "underpass", Relief(slope=0.03))
    palette = site.palette
    half, walk = float(rng.uniform(3, 6)), float(rng.uniform(1.5, 3))
    carriageway(site, half, walk)
    road_paint(site, half, half / 2)
    clear, length, edge = float(rng.uniform(2.6, 5)), float(rng.uniform(8, 30)), half + walk
    concrete, start = palette("concrete"), float(rng.uniform(-6, 4))
    middle = start + length / 2
    site.add(box(2 * edge + 30, length, 1.3).of(concrete), 0, middle, z=clear)
    site.add(
        boxes(
            [[s * (edge + 0.4), middle, -1] for s in (-1, 1)],
            (0.8, length, clear + 1.2),
            palette.any_of("concrete", "brick", "stone"),
        )
    )
    beams = np.arange(start + 0.5, start + length, float(rng.uniform(1.5, 4)))
    site.add(
        boxes(
            np.column_stack([beams * 0, beams, beams * 0 + clear - 0.35]),
            (2 * edge, 0.35, 0.4),
            palette.any_of("concrete", "rust", "metal"),
        )
    )
    columns = np.arange(start + 1, start + length, float(rng.uniform(3, 6)))
    for x in (-half - 0.3, half + 0.3) if rng.random() < 0.7 else (0.0,):
        site.add(boxes(np.column_stack([columns * 0 + x, columns, columns * 0]), (0.5, 0.5, clear), concrete))
    rail = furniture.fence(rng, palette, 2 * edge + 28, "railing")
    for y in (start + 0.2, start + length - 0.2):
        site.add(rail, 0, y, z=clear + 1.3)
    for y in np.arange(start + 2, start + length, 5.0):
        site.add(boxes([[edge - 0.6, y, clear - 0.15]], (0.3, 1.2, 0.1), palette("lamp")))
        site.lamp_at(edge - 0.6, float(y), clear - 0.3, 8.0)
    for side in (-1, 1):
        house_row(site, side, edge + 1, 5, detailed=3, start=start + length + 4)
        house_row(site, side, edge + 1, 5, detailed=3, start=start - 46, stop=start - 2)
        kerb_life(site, side, half, walk, 0.0)
    posters = np.column_stack(
        [rng.choice([-1, 1], 4) * (edge - 0.02), rng.uniform(start + 1, start + length - 1, 4), np.full(4, 0.9)]
    )
    site.add(boxes(posters, (0.06, 1.6, 1.2), palette.another("poster")))
    traffic(site, half, half / 2, count=3)
    pedestrians(site, half, walk, 7)
    site.backdrop(skyline=5)

    def spot() -> tuple[float, float, float]:
        side = float(rng.choice([-1, 1]))
        x = (
            side * float(rng.uniform(half + 0.4, edge - 0.4))
            if rng.random() < 0.6
            else side * float(rng.uniform(0.8, half - 0.8))
        )
        return x, float(rng.uniform(start - 8, start + length * 0.8)), facing(rng, 0.35, back=0.3)

    return site.finish(spot)


def arcade(rng: Generator) -> Scene:
    """A covered walk along shops: pillars and arches on one side, the open street behind them."""
    site = Site(rng, "arcade", Relief(slope=0.02, curve=0.05))
    palette = site.palette
    deep, clear, bay = float(rng.uniform(2.4, 4.5)), float(rng.uniform(2.8, 4.5)), float(rng.uniform(2.6, 4.5))
    pave = palette.any_of("pavement", "cobbles", "concrete")
    site.ground(
        [-40, -deep - 0.5, 0.4, 0.4, 7, 7, 60],
        [0, 0.1, 0.1, 0.0, 0.0, 0.12, 0.12],
        [pave, pave, palette("kerb"), palette("asphalt"), palette("kerb"), palette("pavement")],
    )
    front = buildings.town_house(rng, palette, 12.0, 6.0, 1, shop=True)
    for y in np.arange(-36, 72, 12.0):
        site.add(front, -deep, float(y), pi / 2)
    stone = palette.any_of("stone", "plaster", "concrete", "brick")
    columns = np.arange(-36, 70, bay)
    size = float(rng.uniform(0.3, 0.7))
    site.add(boxes(np.column_stack([columns * 0, columns, columns * 0]), (size, size, clear), stone))
    if rng.random() < 0.6:
        site.add(arches(columns, bay, clear, size, stone))
    site.add(
        boxes([[-deep / 2 - 0.2, 17, clear]], (deep + 1.4, 108, 0.5), palette.any_of("plaster", "concrete", "wood"))
    )
    site.add(
        boxes([[0.25, 17, clear + 0.4], [-deep / 2, 17, clear + 0.5]], [[size, 108, 4.0], [deep, 108, 4.0]], stone)
    )
    beams = columns[:-1] + bay / 2
    site.add(
        boxes(
            np.column_stack([beams * 0 - deep / 2, beams, beams * 0 + clear - 0.25]),
            (deep, 0.2, 0.26),
            palette.any_of("wood", "plaster"),
        )
    )
    lamps = beams[(beams > -12) & (beams < 30)][::2]
    site.add(
        boxes(
            np.column_stack([lamps * 0 - deep / 2, lamps, lamps * 0 + clear - 0.7]), (0.25, 0.25, 0.35), palette("lamp")
        )
    )
    for y in lamps[:5]:
        site.lamp_at(-deep / 2, float(y), clear - 0.9, 7.0)
    house_row(site, 1, 10.0, 5, detailed=4)
    parked(site, 6.0, -30, 60, 0.3)
    traffic(site, 5.0, 3.0, count=2)
    for make in (
        furniture.table_and_chairs,
        furniture.table_and_chairs,
        furniture.bin_,
        vehicles.bicycle,
        furniture.billboard,
    ):
        side = -0.7 if rng.random() < 0.5 else 0.7 - deep
        site.add(
            make(rng, palette).scaled(1.0 if make is not furniture.billboard else 0.5),
            side,
            float(rng.uniform(-6, 25)),
            float(rng.uniform(0, 6)),
        )
    site.crowd(np.column_stack([rng.uniform(0.6 - deep, -0.6, 6), rng.uniform(-10, 35, 6)]), rng.choice([0.0, pi], 6))
    site.crowd(np.column_stack([rng.uniform(7.5, 9.5, 4), rng.uniform(-10, 40, 4)]), kinds=3)
    site.backdrop(skyline=3)

    def spot() -> tuple[float, float, float]:
        x = float(rng.uniform(0.7 - deep, -0.5)) if rng.random() < 0.75 else float(rng.uniform(0.8, 3))
        return x, float(rng.uniform(-15, 15)), facing(rng, 0.35)

    return site.finish(
        spot,
        ("person", "person", "person", "robot"),
        foreground=("person", "person", "small", "bush", "post", "bicycle"),
    )


def steps_outdoors(rng: Generator) -> Scene:
    """A flight of steps between walls and houses, seen from below and from above."""
    site = Site(rng, "outdoor steps", Relief(slope=0.02, curve=0.1))
    palette, wide = site.palette, float(rng.uniform(1.5, 6))
    count, tread, rise = int(rng.integers(12, 32)), float(rng.uniform(0.28, 0.45)), float(rng.uniform(0.14, 0.18))
    stone = palette.any_of("stone", "concrete", "pavement", "brick", "wood")
    landing = int(count * rng.uniform(0.35, 0.65))
    edges = 3.0 + np.arange(count) * tread + (np.arange(count) >= landing) * float(rng.uniform(1, 2.5))
    top_y, top_z = float(edges[-1]) + tread, count * rise
    depth = top_y - edges
    site.add(
        boxes(
            np.column_stack([edges * 0, edges + depth / 2, np.arange(count) * rise - 0.4]),
            np.column_stack([edges * 0 + wide, depth, edges * 0 + rise + 0.4]),
            stone,
        )
    )
    lower_and_upper(site, palette.any_of("pavement", "cobbles", "asphalt", "gravel"), top_y, top_z)
    for side in (-1, 1):
        x = side * (wide / 2 + 0.25)
        line, up = np.array([[x, 3.0, 0.0], [x, top_y, top_z]]), np.array([0, 0, 1.0])
        if rng.random() < 0.6:
            posts = np.linspace(0, 1, 12)[:, None] * (line[1] - line[0]) + line[0]
            site.add(
                join(
                    [
                        sticks(posts, posts + up, 0.02, palette("dark metal")),
                        sticks(
                            line[:1] + np.array([0, 0, 1.0]),
                            line[1:] + np.array([0, 0, 1.0]),
                            0.03,
                            palette("dark metal"),
                        ),
                    ]
                ).moved(x=-side * 0.35)
            )
        cheek = np.array([[3.0, -0.3], [3.0, 0.35], [top_y, top_z + 0.35], [top_y, -0.3]])
        for shift in (0.0, 0.5):
            site.add(quads([np.column_stack([np.full(4, x + side * (shift - 0.25)), cheek])], stone))
        site.add(
            quads(
                [
                    [
                        [x - 0.25, 3.0, 0.35],
                        [x + 0.25, 3.0, 0.35],
                        [x + 0.25, top_y, top_z + 0.35],
                        [x - 0.25, top_y, top_z + 0.35],
                    ]
                ],
                stone,
            )
        )
        bank = palette.any_of("grass", "moss", "stone")
        far = side * (wide / 2 + 40)
        site.add(quads([[[x, 3.0, 0], [far, 3.0, 0], [far, top_y, top_z], [x, top_y, top_z]]], bank))
        slope = rng.uniform(0, 1, 9)[:, None] * (line[1] - line[0]) + line[0]
        for point in slope[:6]:
            site.add(
                vegetation.bush(rng, palette("leaves"), float(rng.uniform(0.4, 1.0)), 120),
                float(point[0]) + side * float(rng.uniform(0.8, 3)),
                float(point[1]),
                z=float(point[2]),
            )
        tree = vegetation.tree(rng, palette("bark"), palette("leaves"), float(rng.uniform(4, 9)), 600)
        site.add(tree, x + side * float(rng.uniform(1.5, 4)), float(slope[7][1]), z=float(slope[7][2]) - 0.1)
        house = buildings.town_house(rng, palette, 9.0, 8.0, int(rng.integers(2, 5)))
        site.add(house, x + side * float(rng.uniform(0.8, 4)), -6.0, -side * pi / 2)
        site.add(house, x + side * float(rng.uniform(1, 4)), top_y + 8.0, -side * pi / 2, z=top_z)
        site.add(buildings.cottage(rng, palette, 10, 8, 2), side * float(rng.uniform(4, 9)), top_y + 22, z=top_z)
        lamp = furniture.lamp_post(rng, palette, 4.0)
        site.add(lamp, x + side * 0.6, 1.0)
        site.add(lamp, x + side * 0.6, top_y + 1.0, z=top_z)
        site.lamp_at(x, 1.0, 4.0)
    people_at = rng.integers(0, count, 4)
    for step in people_at:
        y = float(edges[step] + tread / 2)
        site.add(
            person(rng, site.clothes, "walk" if rng.random() < 0.7 else "sit"),
            float(rng.uniform(-0.4, 0.4) * wide),
            y,
            float(rng.choice([0.0, pi])),
            z=(step + 1) * rise,
        )
    site.crowd(np.column_stack([rng.uniform(-3, 3, 4), rng.uniform(-8, 2, 4)]), kinds=3)
    site.backdrop(skyline=4)

    def spot() -> tuple[float, float, float]:
        return float(rng.uniform(-0.45, 0.45) * wide), float(rng.uniform(-6, 2.0)), float(rng.normal(0, 0.35))

    return site.finish(
        spot, ("person", "person", "robot", "car"), near=0.35, foreground=("person", "small", "post", "bush")
    )


def lower_and_upper(site: Site, material: int, top_y: float, top_z: float) -> None:
    """Two levels of ground: up to y = 3.2 at z = 0 and from top_y at top_z."""
    y = np.concatenate([-np.geomspace(400, 2, 22), np.linspace(0, 3.2, 4)])
    x = [-400, -120, -40, -15, -5, 0, 5, 15, 40, 120, 400]
    site.ground(x, [0.0] * 11, [material] * 10, y)
    site.ground(
        x,
        [top_z - 0.01] * 11,
        [material] * 10,
        top_y - 0.05 + np.concatenate([np.linspace(0, 10, 5), np.geomspace(14, 400, 16)]),
    )


def carriageway(site: Site, half: float, walk: float, verge: int | None = None) -> None:
    """Road, kerbs, pavements and what lies beyond them."""
    rng, palette = site.rng, site.palette
    kerb, road, pave = (
        float(rng.uniform(0.06, 0.16)),
        palette.any_of("asphalt", "asphalt", "asphalt", "cobbles"),
        palette.any_of("pavement", "asphalt", "cobbles", "concrete"),
    )
    beyond = palette.any_of("pavement", "grass", "concrete") if verge is None else verge
    edge = half + walk
    camber = half * 0.015
    x = [
        -500,
        -120,
        -edge - 12,
        -edge,
        -half - 0.15,
        -half,
        -half,
        0,
        half,
        half,
        half + 0.15,
        edge,
        edge + 12,
        120,
        500,
    ]
    z = [kerb] * 6 + [0, camber, 0] + [kerb] * 6
    stone = palette("kerb")
    site.ground(
        x, z, [beyond, beyond, beyond, pave, stone, stone, road, road, stone, stone, pave, beyond, beyond, beyond]
    )
    count = int(rng.integers(2, 7))
    spots = np.column_stack([rng.uniform(-0.8, 0.8, count) * half, rng.uniform(-20, 45, count)])
    size = rng.uniform(0.3, 2.2, (count, 2))
    patches = np.column_stack(
        [spots[:, 0] - size[:, 0] / 2, spots[:, 0] + size[:, 0] / 2, spots[:, 1] - size[:, 1], spots[:, 1] + size[:, 1]]
    )
    patches[:, :2] = patches[:, :2].clip(-half, half)
    site.marking(patches, palette.any_of("patch", "patch", "puddle", "concrete"), camber + 0.006)


def road_paint(site: Site, half: float, lane: float) -> None:
    """Lane lines, edge lines, zebra crossings, arrows: marks that mean no depth."""
    rng, white = site.rng, site.palette("line") if site.rng.random() < 0.85 else site.palette("yellow line")
    top = half * 0.015 + 0.012
    dash, gap = float(rng.uniform(1.5, 4)), float(rng.uniform(2, 6))
    starts = np.arange(-60, 120, dash + gap)
    for x in np.arange(-half + lane, half - 0.5, lane):
        site.marking(np.column_stack([starts * 0 + x - 0.07, starts * 0 + x + 0.07, starts, starts + dash]), white, top)
    if rng.random() < 0.5:
        pieces = np.arange(-80, 160, 6.0)
        for x in (-half + 0.25, half - 0.25):
            site.marking(
                np.column_stack([pieces * 0 + x - 0.06, pieces * 0 + x + 0.06, pieces, pieces + 6]), white, top
            )
    for _ in range(int(rng.integers(0, 3))):
        y, bar = float(rng.uniform(-15, 30)), np.arange(-half + 0.4, half - 0.4, 1.0)
        site.marking(np.column_stack([bar, bar + 0.5, bar * 0 + y, bar * 0 + y + 3.5]), white, top)


def house_row(
    site: Site, side: int, front: float, tall: int, detailed: int = 5, start: float = -50.0, stop: float = 110.0
) -> None:
    """Buildings side by side along the street, detailed near the origin, flat ones far off, with a gap now and then."""
    rng, palette = site.rng, site.palette
    shapes: list[Mesh] = []
    for _ in range(detailed):
        floors = int(np.clip(rng.normal(tall, 1.5), 1, 14))
        wide, deep = float(rng.uniform(7, 17)), float(rng.uniform(9, 14))
        if floors > 6 or rng.random() < 0.2:
            shapes.append(buildings.office(rng, palette, wide + 4, deep, floors))
        else:
            shapes.append(buildings.town_house(rng, palette, wide, deep, floors))
    distant = [
        buildings.block(rng, palette, float(rng.uniform(10, 20)), 12.0, tall * 3.3 * float(rng.uniform(0.7, 1.4)))
        for _ in range(2)
    ]
    y = start + float(rng.uniform(-4, 4))
    aligned = rng.random() < 0.7
    while y < stop:
        shape = shapes[rng.integers(len(shapes))] if -32 < y < 48 and site.room > 9000 else distant[rng.integers(2)]
        wide = float(shape.bounds[1][0] - shape.bounds[0][0])
        setback = 0.0 if aligned else float(rng.uniform(0, 2.5))
        site.add(shape, side * (front + setback), y + wide / 2, -side * pi / 2)
        y += wide + (float(rng.uniform(3, 12)) if rng.random() < 0.2 else 0.05)


def kerb_life(site: Site, side: int, half: float, walk: float, parking: float) -> None:
    """What stands between road and houses: trees, lamps, signs, bins, bicycles, tables, parked cars."""
    rng, palette = site.rng, site.palette
    x = side * (half + 0.55)
    if parking or rng.random() < 0.5:
        parked(site, side * (half - 1.1), -35, 60, 0.75 if parking else 0.35)
    if rng.random() < 0.6:
        trees, step = greenery(site, 1), float(rng.uniform(7, 14))
        y = np.arange(-25, 60, step) + float(rng.uniform(0, step))
        site.scatter(trees[0], np.column_stack([y * 0 + x, y]), scale=rng.uniform(0.6, 1.1, len(y)))
    post, step = furniture.lamp_post(rng, palette), float(rng.uniform(16, 30))
    y = np.arange(-35, 90, step) + float(rng.uniform(0, 10))
    site.scatter(post, np.column_stack([y * 0 + x, y]), np.full(len(y), side * pi / 2))
    for spot in y[(y > -10) & (y < 40)][:2]:
        site.lamp_at(x - side, float(spot), float(post.bounds[1][2]) - 0.3)
    makes: Sequence[Callable[[Generator, object], Mesh]] = (  # type: ignore[assignment]
        furniture.sign_post, furniture.bench, furniture.bin_, vehicles.bicycle, furniture.table_and_chairs,
        furniture.billboard, furniture.traffic_light, furniture.bus_stop, furniture.kiosk, vehicles.motorcycle,
        furniture.barrier, furniture.parasol,
    )  # fmt: skip
    for pick in rng.integers(len(makes), size=7):
        make, where = makes[pick], float(rng.uniform(-15, 35))
        inner = side * (half + walk * float(rng.uniform(0.25, 0.85)))
        if make in (furniture.billboard, furniture.bus_stop, furniture.kiosk) and walk < 3:
            continue
        yaw = {
            furniture.sign_post: 0.0,
            furniture.traffic_light: 0.0 if side < 0 else pi,
            furniture.bus_stop: side * pi / 2,
            furniture.kiosk: side * pi / 2,
        }
        site.add(
            make(rng, palette), inner, where, yaw.get(make, float(rng.choice([0, pi / 2, pi]) + rng.normal(0, 0.1)))
        )
    posts = np.arange(-12, 25, 1.6)
    if rng.random() < 0.3:
        site.scatter(furniture.bollard(rng, palette), np.column_stack([posts * 0 + side * (half + 0.35), posts]))


def parked(site: Site, x: float, start: float, stop: float, share: float) -> None:
    """Cars parked along y at x."""
    rng = site.rng
    slots = np.arange(start, stop, 6.0)
    slots = slots[rng.random(len(slots)) < share] + rng.normal(0, 0.3)
    for index in range(4):
        group = slots[index::4]
        turn = np.where(rng.random(len(group)) < 0.8, 0.0 if x > 0 else pi, pi * (x > 0)) + rng.normal(
            0, 0.03, len(group)
        )
        if len(group):
            site.scatter(vehicles.car(rng, site.palette), np.column_stack([group * 0 + x, group]), turn)


def traffic(site: Site, half: float, lane: float, count: int | None = None) -> None:
    """Vehicles in the lanes, right-hand traffic."""
    rng = site.rng
    for _ in range(int(rng.integers(1, 6)) if count is None else count):
        side = float(rng.choice([-1, 1]))
        kind = rng.random()
        make = (
            vehicles.car
            if kind < 0.65
            else vehicles.lorry
            if kind < 0.78
            else vehicles.bus
            if kind < 0.88
            else vehicles.motorcycle
        )
        x = side * min(half - 1.2, lane * (0.5 + int(rng.integers(0, 2)) * (half > 1.9 * lane)))
        y = float(rng.choice([-1, 1])) * float(rng.uniform(5, 50))
        site.add(make(rng, site.palette), x, y, 0.0 if side > 0 else pi)


def pedestrians(site: Site, half: float, walk: float, count: int) -> None:
    """People on the pavements, some crossing."""
    rng = site.rng
    x = rng.choice([-1, 1], count) * (half + rng.uniform(0.3, 0.95, count) * walk)
    crossing = rng.random(count) < 0.15
    x = np.where(crossing, rng.uniform(-1, 1, count) * half, x)
    y = np.concatenate([rng.uniform(-8, 20, count // 2), rng.uniform(-25, 55, count - count // 2)])
    yaw = np.where(crossing, pi / 2, rng.choice([0.0, pi], count)) + rng.normal(0, 0.4, count)
    site.crowd(np.column_stack([x, y]), yaw)


def greenery(site: Site, count: int) -> list[Mesh]:
    """Tree shapes of the season, about 8 m high."""
    rng, palette = site.rng, site.palette
    bark = palette("bark")
    if rng.random() < 0.2:
        return [vegetation.bare_tree(rng, bark, float(rng.uniform(6, 10))) for _ in range(count)]
    leaf = palette.any_of("leaves", "leaves", "leaves", "autumn leaves")
    return [
        vegetation.tree(rng, bark, leaf, float(rng.uniform(5.5, 10)), 380, rng.random() < 0.3) for _ in range(count)
    ]


def front_garden(site: Site, side: int, edge: float, deep: float, y: float, bush: Mesh) -> None:
    """Fence or hedge to the pavement, a path, a car in the drive, bushes."""
    rng, palette = site.rng, site.palette
    long = float(rng.uniform(8, 12))
    if rng.random() < 0.5:
        border = vegetation.hedge(rng, palette("leaves"), long, float(rng.uniform(0.7, 1.9)), 0.7, 240)
    else:
        border = furniture.fence(rng, palette, long, str(rng.choice(["pickets", "slats", "railing", "wall", "rails"])))
    site.add(border, side * (edge + 0.35), y - 2.0, side * pi / 2)
    drive = y + long / 2
    site.marking(
        [[min(side * edge, side * (edge + deep)), max(side * edge, side * (edge + deep)), drive - 1.4, drive + 1.4]],
        palette.any_of("concrete", "gravel", "cobbles"),
        0.17,
    )
    if rng.random() < 0.5 and deep > 4.5:
        site.add(vehicles.car(rng, palette), side * (edge + deep / 2 + 0.4), drive, side * pi / 2)
    spots = np.column_stack([side * (edge + rng.uniform(0.9, max(1.2, deep - 0.5), 4)), y + rng.uniform(-5, 4, 4)])
    site.scatter(bush, spots, scale=rng.uniform(0.5, 1.3, 4))


def washing(site: Site, left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    """Clothes that hang from lines between left and right (K, 3)."""
    rng = site.rng
    for start, end in zip(left, right, strict=True):
        share = np.sort(rng.uniform(0.15, 0.85, 4))[:, None]
        top = start + share * (end - start)
        wide, long = rng.uniform(0.3, 0.7), rng.uniform(0.5, 1.1)
        along = (end - start) / np.linalg.norm(end - start) * wide
        drop = np.array([0, 0.1, -long])
        site.add(
            quads(
                np.stack([top - along / 2, top + along / 2, top + along / 2 + drop, top - along / 2 + drop], 1),
                int(rng.choice(site.clothes.cloths)),
            )
        )


def arches(columns: NDArray[np.float64], bay: float, clear: float, size: float, material: int) -> Mesh:
    """Round arches between columns along y at x = 0."""
    angle = np.linspace(0, pi, 9)
    radius = (bay - size) / 2
    y, z = -radius * np.cos(angle), clear - 0.9 + 0.9 * np.sin(angle)
    faces = []
    for x in (-size / 2, size / 2):
        low = np.stack([np.full(9, x), y, z], 1)
        high = np.stack([np.full(9, x), y, np.full(9, clear + 0.05)], 1)
        faces.append(np.stack([low[:-1], low[1:], high[1:], high[:-1]], 1))
    a, b = (np.stack([np.full(9, x), y, z], 1) for x in (-size / 2, size / 2))
    faces.append(np.stack([a[:-1], a[1:], b[1:], b[:-1]], 1))
    one = np.concatenate(faces)
    shift = np.zeros((len(columns) - 1, 1, 1, 3))
    shift[..., 1] = (columns[:-1] + bay / 2)[:, None, None]
    return quads((one[None] + shift).reshape(-1, 4, 3), material)


def facing(rng: Generator, spread: float, back: float = 0.4) -> float:
    """A yaw along the street, either way, seldom across it."""
    if rng.random() < 0.15:
        return float(rng.uniform(0, 2 * pi))
    return float(rng.normal(0, spread)) + (pi if rng.random() < back else 0.0)


def street_spots(rng: Generator, half: float, walk: float) -> Spot:
    """Camera places on pavements and in the road."""

    def spot() -> tuple[float, float, float]:
        side = float(rng.choice([-1, 1]))
        on_walk = rng.random() < 0.6
        x = (
            side * (half + float(rng.uniform(0.25, 0.85)) * walk)
            if on_walk
            else side * float(rng.uniform(0.1, 0.8)) * half
        )
        return x, float(rng.uniform(-22, 22)), facing(rng, 0.4)

    return spot


LAYOUTS: dict[str, Layout] = {
    "city street": city_street,
    "residential street": residential_street,
    "alley": alley,
    "underpass": underpass,
    "arcade": arcade,
    "outdoor steps": steps_outdoors,
}
HELD_OUT: dict[str, Layout] = {}

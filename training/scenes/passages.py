"""Layouts of narrow and covered ways: an alley, the passage under a bridge, an arcade, steps between houses.

The way runs along y; cameras stand within 25 m of the origin.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vegetation, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, grid_cells, quads, rods
from depthwire.training.scenes.people import person
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    carriageway,
    facing,
    house_row,
    kerb_life,
    parked,
    pedestrians,
    road_paint,
    traffic,
)

Generator = np.random.Generator


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
                    fences.fence(rng, palette, 5.0, str(rng.choice(["wall", "slats", "mesh"]))),
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
    site.add(rods(left, right, 0.012, palette("tyre"), sections=3))
    washing(site, left[:3], right[:3])
    for make, number in (
        (furniture.bin_, 4),
        (yard_things.pallets, 2),
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
    rail = fences.fence(rng, palette, 2 * edge + 28, "railing")
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
                        rods(posts, posts + up, 0.02, palette("dark metal")),
                        rods(line[:1] + up, line[1:] + up, 0.03, palette("dark metal")),
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
        faces.append(grid_cells([low, high]))
    a, b = (np.stack([np.full(9, x), y, z], 1) for x in (-size / 2, size / 2))
    faces.append(grid_cells([a, b]))
    one = np.concatenate(faces)
    shift = np.zeros((len(columns) - 1, 1, 1, 3))
    shift[..., 1] = (columns[:-1] + bay / 2)[:, None, None]
    return quads((one[None] + shift).reshape(-1, 4, 3), material)


LAYOUTS: dict[str, Layout] = {
    "alley": alley,
    "underpass": underpass,
    "arcade": arcade,
    "outdoor steps": steps_outdoors,
}

"""Layouts of open country: road between fields, hills with rocks, forest path, park, waterfront, snow, desert."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, copies, sticks
from depthwire.training.scenes.site import Relief, Site, Spot
from depthwire.training.scenes.streets import facing, greenery, parked, road_paint, traffic

Generator = np.random.Generator
NATURE = ("crown", "crown", "bush", "bush", "grass", "grass", "rock", "trunk", "trunk", "person", "fence")


def country_road(rng: Generator) -> Scene:
    """A road with ditches between fields: hedges, fences, single trees, power lines, farms far off."""
    site = Site(rng, "country road", Relief(slope=0.07, wavelength=120, curve=0.2))
    palette, half = site.palette, float(rng.uniform(1.6, 3.8))
    road = palette.any_of("asphalt", "asphalt", "gravel", "soil")
    verge, ditch = half + float(rng.uniform(0.5, 1.5)), float(rng.uniform(0.2, 0.8))
    left, right = palette.any_of("crop", "grass", "dry grass", "soil"), palette.any_of("crop", "grass", "dry grass")
    bank = palette.any_of("grass", "dry grass")
    x = [
        -500,
        -90,
        -30,
        -verge - 2.4,
        -verge - 1.2,
        -verge,
        -half,
        0,
        half,
        verge,
        verge + 1.2,
        verge + 2.4,
        30,
        90,
        500,
    ]
    z = [1, 0.5, 0.3, 0.1, -ditch, 0, 0, 0.05, 0, 0, -ditch, 0.1, 0.3, 0.5, 1]
    site.ground(x, z, [left, left, left, bank, bank, bank, road, road, bank, bank, bank, right, right, right])
    if road == palette("asphalt") and rng.random() < 0.7:
        road_paint(site, half, half)
    trees = [
        *greenery(site, 2),
        vegetation.conifer(rng, palette("bark"), palette("conifer"), float(rng.uniform(7, 14))),
    ]
    for side in (-1, 1):
        if rng.random() < 0.5:
            step = float(rng.uniform(6, 18))
            row = np.arange(-40, 110, step)
            site.scatter(
                trees[rng.integers(2)],
                np.column_stack([row * 0 + side * (verge + 3.2), row]),
                scale=rng.uniform(0.7, 1.3, len(row)),
            )
        kind = rng.random()
        for y in np.arange(-30, 70, 12.0):
            if kind < 0.35:
                site.add(
                    furniture.fence(rng, palette, 12.0, "wire" if rng.random() < 0.7 else "rails"),
                    side * (verge + 2.8),
                    float(y),
                    pi / 2,
                )
            elif kind < 0.6 and y < 40:
                site.add(
                    vegetation.hedge(rng, palette("leaves"), 12.0, 1.4, 0.9, 200), side * (verge + 3), float(y), pi / 2
                )
        spots = np.column_stack([side * rng.uniform(12, 150, 12), rng.uniform(-100, 180, 12)])
        site.scatter(trees[rng.integers(3)], spots[:6], scale=rng.uniform(0.7, 1.5, 6))
        site.scatter(vegetation.bush(rng, palette("leaves"), 1.4, 100), spots[6:])
        posts = np.arange(-60, 120, 25.0)
        site.scatter(furniture.bollard(rng, palette), np.column_stack([posts * 0 + side * (half + 0.35), posts]))
    grass_along(site, [-verge, verge], 260)
    if rng.random() < 0.6:
        site.add(
            furniture.power_line(rng, palette, 7, 40),
            float(rng.choice([-1, 1])) * (verge + float(rng.uniform(3, 15))),
            yaw=float(rng.normal(0, 0.1)),
        )
    for _ in range(2):
        site.add(
            buildings.cottage(rng, palette, 12, 9, 2),
            float(rng.choice([-1, 1])) * float(rng.uniform(18, 90)),
            float(rng.uniform(20, 120)),
            float(rng.uniform(0, 6)),
        )
    site.add(
        buildings.shed(rng, palette),
        float(rng.choice([-1, 1])) * float(rng.uniform(40, 120)),
        float(rng.uniform(20, 150)),
        float(rng.uniform(0, 6)),
    )
    for _ in range(int(rng.integers(0, 3))):
        site.scatter(
            hay_bale(site), np.column_stack([rng.uniform(10, 60, 5) * rng.choice([-1, 1]), rng.uniform(-20, 90, 5)])
        )
    traffic(site, half, half, int(rng.integers(0, 4)))
    if rng.random() < 0.4:
        site.add(
            vehicles.tractor(rng, palette),
            float(rng.choice([-1, 1])) * float(rng.uniform(6, 20)),
            float(rng.uniform(8, 30)),
            float(rng.uniform(0, 6)),
        )
    site.add(furniture.sign_post(rng, palette), half + 0.8, float(rng.uniform(3, 30)))
    site.crowd(np.column_stack([rng.choice([-1, 1], 2) * (half + 0.2), rng.uniform(4, 30, 2)]), kinds=2)
    site.backdrop(hills=rng.random() < 0.75, skyline=0)

    def spot() -> tuple[float, float, float]:
        x = (
            float(rng.uniform(-1, 1)) * half
            if rng.random() < 0.7
            else float(rng.choice([-1, 1])) * float(rng.uniform(verge + 3.5, verge + 9))
        )
        return x, float(rng.uniform(-22, 22)), facing(rng, 0.4)

    return site.finish(
        spot,
        ("person", "person", "car", "car", "robot", "drone"),
        near=0.4,
        foreground=(*NATURE, "post", "bicycle", "car"),
    )


def rocky_hills(rng: Generator) -> Scene:
    """Uneven open ground with rocks, scattered trees, tufts, a wanderer; long views through haze."""
    site = Site(rng, "rocky hills", Relief(slope=0.14, wavelength=110, bumps=0.12, curve=0.0), haze=0.6)
    palette = site.palette
    base = palette.any_of("grass", "dry grass", "soil", "gravel", "moss")
    site.open_ground(base, 2.4, [palette.any_of("soil", "rock", "dry grass"), palette("gravel")])
    wild(site, ["rock"] * 3, rocks=36, trees=int(rng.integers(4, 18)), tufts=260)
    site.crowd(rng.uniform(-18, 18, (4, 2)), kinds=3)
    if rng.random() < 0.4:
        site.add(furniture.power_line(rng, palette, 7, 45), float(rng.uniform(-40, 40)), yaw=float(rng.uniform(0, pi)))
    if rng.random() < 0.4:
        for x in np.arange(-24, 25, 12.0):
            site.add(furniture.fence(rng, palette, 12.0, "wire"), float(x), float(rng.uniform(6, 7)))
    site.backdrop(hills=True, skyline=0)
    return site.finish(anywhere(rng), ("person", "person", "robot", "drone"), foreground=("rock", "rock", *NATURE))


def forest_path(rng: Generator) -> Scene:
    """A path among trunks, undergrowth, fallen wood and roots; leaves overhead."""
    site = Site(rng, "forest path", Relief(slope=0.1, wavelength=70, bumps=0.08, curve=0.25), haze=0.4)
    palette, half = site.palette, float(rng.uniform(0.5, 1.6))
    litter, path = palette.any_of("litter", "moss", "soil"), palette.any_of("soil", "gravel", "sand", "litter")
    x = [-500, -120, -60, -35, -20, -12, -7, -4, -half - 0.5, -half, half, half + 0.5, 4, 7, 12, 20, 35, 60, 120, 500]
    z = [0, 0, 0, 0, 0.6, 0.4, 0.3, 0.1, 0.08, 0, 0, 0.08, 0.2, 0.5, 0.4, 0.2, 0, 0, 0, 0]
    site.ground(x, z, [litter] * 9 + [path] + [litter] * 9)
    bark, style = palette("bark"), rng.random()
    tall = float(rng.uniform(9, 18))
    if style < 0.4:
        shapes = [vegetation.conifer(rng, bark, palette("conifer"), tall, 12, 10) for _ in range(3)]
    elif style < 0.55:
        shapes = [vegetation.bare_tree(rng, bark, tall, 40) for _ in range(3)]
    else:
        leaf = palette.any_of("leaves", "leaves", "autumn leaves")
        shapes = [vegetation.tree(rng, bark, leaf, tall, 220, low=k == 2) for k in range(3)]
    count = 48
    spots = np.column_stack(
        [rng.choice([-1, 1], count) * (half + 0.7 + rng.gamma(1.5, 6, count)), rng.uniform(-30, 60, count)]
    )
    for k, shape in enumerate(shapes):
        site.scatter(
            shape,
            spots[k::3][: 9 if len(shape.faces) > 1000 else 16],
            scale=rng.uniform(0.6, 1.2, len(spots[k::3][: 9 if len(shape.faces) > 1000 else 16])),
        )
    trunks = np.column_stack(
        [rng.choice([-1, 1], 80) * (half + 0.8 + rng.gamma(2, 9, 80)), rng.uniform(-40, 90, 80), np.full(80, -0.3)]
    )
    radius = rng.uniform(0.08, 0.28, 80)
    site.add(
        sticks(
            trunks,
            trunks + np.column_stack([rng.normal(0, 0.8, (80, 2)), rng.uniform(9, 16, 80)]),
            radius,
            bark,
            radius * 0.4,
            sections=7,
        )
    )
    if style >= 0.55:
        crown = vegetation.bush(rng, palette("leaves"), 2.2, 60)
        crowns = trunks[::3][:26]
        tops = np.column_stack([crowns[:, :2], rng.uniform(5.5, 11, len(crowns))])
        site.add(copies(crown, tops, rng.uniform(0, 6, len(crowns)), rng.uniform(0.7, 1.5, len(crowns))))
    bush = vegetation.bush(rng, palette("leaves"), 0.8, 130)
    low = np.column_stack([rng.choice([-1, 1], 22) * (half + 0.6 + rng.gamma(1.2, 4, 22)), rng.uniform(-20, 40, 22)])
    site.scatter(bush, low, scale=rng.uniform(0.4, 1.4, 22))
    grass_along(site, [-half - 0.4, half + 0.4], 220)
    logs = np.column_stack(
        [rng.choice([-1, 1], 6) * (half + rng.uniform(0.8, 6, 6)), rng.uniform(-10, 25, 6), np.full(6, 0.15)]
    )
    site.add(
        sticks(
            logs,
            logs + np.column_stack([rng.normal(0, 2, (6, 2)), rng.uniform(0, 0.5, 6)]),
            rng.uniform(0.08, 0.25, 6),
            bark,
            sections=9,
        )
    )
    site.scatter(vegetation.rock(rng, palette("rock"), 0.5, 1), low[:8] + 0.7, scale=rng.uniform(0.3, 1.3, 8))
    site.crowd(
        np.column_stack([rng.uniform(-0.8, 0.8, 3) * half, rng.uniform(-15, 25, 3)]),
        rng.choice([0.0, pi], 3),
        "walk",
        2,
    )
    wall_of_trees(site, 45)

    def spot() -> tuple[float, float, float]:
        off = 0.0 if rng.random() < 0.75 else float(rng.uniform(-8, 8))
        return off + float(rng.uniform(-0.7, 0.7)) * half, float(rng.uniform(-15, 15)), facing(rng, 0.35)

    return site.finish(spot, ("person", "person", "person", "robot"), near=0.5, foreground=NATURE)


def park(rng: Generator) -> Scene:
    """Lawns and a winding path: benches with people, flower beds, trees, lamps, a pond, a playground."""
    site = Site(rng, "park", Relief(slope=0.05, wavelength=60, bumps=0.02, curve=0.3))
    palette, half = site.palette, float(rng.uniform(1, 2.5))
    lawn, path = palette("grass"), palette.any_of("gravel", "asphalt", "sand", "pavement")
    x = [-500, -100, -40, -20, -10, -half, half, 10, 20, 40, 100, 500]
    site.ground(x, [0, 0, 0.8, 0.5, 0.2, 0, 0, 0.2, 0.5, 0.8, 0, 0], [lawn] * 5 + [path] + [lawn] * 5)
    for shape in [*greenery(site, 2), vegetation.conifer(rng, palette("bark"), palette("conifer"))]:
        count = int(rng.integers(3, 8))
        spots = np.column_stack(
            [rng.choice([-1, 1], count) * (half + rng.uniform(1.2, 28, count)), rng.uniform(-28, 55, count)]
        )
        site.scatter(shape, spots, scale=rng.uniform(0.6, 1.4, count))
    for side in (-1, 1):
        y = np.sort(rng.uniform(-15, 35, 3))
        site.scatter(
            furniture.bench(rng, palette), np.column_stack([y * 0 + side * (half + 0.6), y]), y * 0 + side * pi / 2
        )
        site.crowd(np.column_stack([y[:1] * 0 + side * (half + 0.6), y[:1] + 0.3]), side * pi / 2, "sit", 1)
        for _ in range(2):
            bed = vegetation.flower_bed(
                rng,
                palette("blade"),
                palette.some("flower", 2),
                float(rng.uniform(2, 6)),
                float(rng.uniform(0.8, 2)),
                110,
            )
            site.add(
                bed, side * (half + float(rng.uniform(1.5, 5))), float(rng.uniform(-10, 20)), float(rng.uniform(0, pi))
            )
        posts = np.arange(-30, 60, 15.0) + float(rng.uniform(0, 7))
        site.scatter(
            furniture.lamp_post(rng, palette, float(rng.uniform(3, 4.2))),
            np.column_stack([posts * 0 + side * (half + 0.3), posts]),
        )
        site.add(
            vegetation.hedge(rng, palette("leaves"), float(rng.uniform(6, 14)), float(rng.uniform(0.6, 1.6))),
            side * float(rng.uniform(6, 12)),
            float(rng.uniform(-10, 20)),
            float(rng.choice([0, pi / 2])),
        )
        site.lamp_at(side * (half + 0.3), float(posts[2]), 3.6)
    if rng.random() < 0.4:
        site.add(
            furniture.swing(rng, palette),
            float(rng.choice([-8, 8])),
            float(rng.uniform(4, 18)),
            float(rng.uniform(0, 6)),
        )
    if rng.random() < 0.3:
        site.add(furniture.stall(rng, palette), half + 2, float(rng.uniform(5, 20)), pi / 2)
    site.add(furniture.bin_(rng, palette), half + 0.5, 3.0)
    site.crowd(
        np.column_stack([rng.normal(0, half * 0.7, 5), rng.uniform(-15, 35, 5)]),
        rng.choice([0.0, pi], 5) + rng.normal(0, 0.4, 5),
    )
    site.crowd(np.column_stack([rng.uniform(-20, 20, 4), rng.uniform(-15, 30, 4)]), kinds=3)
    for _ in range(2):
        site.add(
            vehicles.bicycle(rng, palette),
            float(rng.uniform(-1, 1)) * (half + 2),
            float(rng.uniform(2, 15)),
            float(rng.uniform(0, 6)),
        )
    grass_along(site, [-half - 0.2, half + 0.2], 160, 0.14)
    wall_of_trees(site, 60)
    site.backdrop(skyline=8)

    def spot() -> tuple[float, float, float]:
        x = float(rng.uniform(-0.9, 0.9)) * half if rng.random() < 0.5 else float(rng.uniform(-12, 12))
        return x, float(rng.uniform(-15, 15)), facing(rng, 0.5)

    return site.finish(
        spot,
        foreground=(
            "person",
            "person",
            "crown",
            "crown",
            "bush",
            "small",
            "small",
            "bicycle",
            "post",
            "grass",
            "trunk",
        ),
    )


def waterfront(rng: Generator) -> Scene:
    """A promenade or a beach beside water: railings, boats, benches, parasols, people, hills across."""
    site = Site(rng, "waterfront", Relief(slope=0.012, wavelength=150, curve=0.04), haze=0.5)
    palette, beach = site.palette, rng.random() < 0.45
    edge = float(rng.uniform(2.5, 9))
    water, walk = palette("water"), palette("sand") if beach else palette.any_of("pavement", "concrete", "cobbles")
    drop = -0.9 if not beach else -0.45
    back = palette.any_of("grass", "pavement", "asphalt") if not beach else palette.any_of("dry grass", "sand")
    shore = [edge, edge + 0.01] if not beach else [edge, edge + 6]
    site.ground(
        [-500, -90, -30, -9, *shore, 60, 200, 700],
        [3, 1.5, 0.6, 0, 0, drop, drop, drop, drop],
        [back, back, back, walk, palette("concrete") if not beach else walk, water, water, water],
    )
    if beach:
        spots = np.column_stack([rng.uniform(-8, edge + 1, 9), rng.uniform(-20, 40, 9)])
        for k in range(3):
            site.scatter(furniture.parasol(rng, palette), spots[k::3])
        site.scatter(
            vegetation.palm(rng, palette("bark"), palette("leaves")),
            np.column_stack([rng.uniform(-14, -2, 6), rng.uniform(-20, 50, 6)]),
            scale=rng.uniform(0.7, 1.3, 6),
        )
        site.scatter(
            vegetation.rock(rng, palette("rock"), 0.7, 1),
            np.column_stack([rng.uniform(edge - 3, edge + 9, 10), rng.uniform(-20, 60, 10)]),
            scale=rng.uniform(0.4, 1.6, 10),
        )
    else:
        rail = furniture.fence(rng, palette, 10.0, str(rng.choice(["railing", "rails", "wall", "mesh"])))
        for y in np.arange(-40, 90, 10.0):
            site.add(rail, edge - 0.2, float(y), pi / 2)
        y = np.arange(-20, 50, 9.0)
        site.scatter(furniture.bench(rng, palette), np.column_stack([y * 0 + edge - 1.6, y]), y * 0 - pi / 2)
        site.scatter(furniture.lamp_post(rng, palette), np.column_stack([y * 0 + edge - 0.7, y + 3]), y * 0 + pi / 2)
        for tree in greenery(site, 1):
            site.scatter(tree, np.column_stack([y * 0 - 4, y + 2]), scale=rng.uniform(0.6, 1.1, len(y)))
        site.lamp_at(edge - 0.7, 10, 4)
    for _ in range(int(rng.integers(2, 8))):
        long = float(rng.uniform(3, 12))
        site.add(
            vehicles.boat(rng, palette, long),
            edge + (8 if beach else 2.5) + float(rng.gamma(1.2, 14)),
            float(rng.uniform(-25, 70)),
            float(rng.uniform(0, 6)),
            drop + 0.02,
        )
    for _ in range(3):
        site.add(
            buildings.town_house(rng, palette, float(rng.uniform(8, 14)), 10, int(rng.integers(2, 6))),
            float(rng.uniform(-16, -12)) - (8 if beach else 0),
            float(rng.uniform(-10, 45)),
            pi / 2,
        )
    for y in np.arange(-60, 140, 24.0):
        site.add(buildings.block(rng, palette, 18.0, 12, float(rng.uniform(7, 22))), -30.0, float(y), pi / 2)
    site.crowd(np.column_stack([rng.uniform(-6, edge - 0.8, 9), rng.uniform(-15, 40, 9)]))
    for make in (furniture.kiosk, furniture.bin_, vehicles.bicycle, furniture.table_and_chairs, furniture.sign_post):
        site.add(
            make(rng, palette),
            float(rng.uniform(-6, edge - 1.5)),
            float(rng.uniform(-12, 25)),
            float(rng.choice([0, pi / 2, pi])),
        )
    if not beach:
        parked(site, -7.0, -30, 60, 0.5)
    site.backdrop(hills=rng.random() < 0.7, skyline=8, inner=230)

    def spot() -> tuple[float, float, float]:
        return (
            float(rng.uniform(-6, edge - 0.8)),
            float(rng.uniform(-16, 16)),
            facing(rng, 0.5) - float(rng.choice([0, 0, 0.6])),
        )

    return site.finish(spot, ("person", "person", "person", "robot", "window"))


def snow_field(rng: Generator) -> Scene:
    """Snow over fields, a ploughed road, fences half sunk, bare trees and spruces, a cottage."""
    site = Site(rng, "snow", Relief(slope=0.1, wavelength=90, bumps=0.05, curve=0.15), haze=0.6)
    palette, half = site.palette, float(rng.uniform(1.5, 3))
    snow, road = palette("snow"), palette.any_of("snow", "asphalt", "gravel")
    bank = float(rng.uniform(0.2, 0.9))
    x = [-500, -90, -35, -18, -10, -half - 2.5, -half - 0.9, -half, half, half + 0.9, half + 2.5, 10, 18, 35, 90, 500]
    site.ground(
        x, [0, 0, 0.5, 0.2, 0.3, 0.2, bank, 0, 0, bank, 0.2, 0.3, 0.2, 0.5, 0, 0], [snow] * 7 + [road] + [snow] * 7
    )
    shapes = [
        vegetation.conifer(rng, palette("bark"), palette("conifer"), float(rng.uniform(6, 13))),
        vegetation.conifer(rng, palette("bark"), snow, float(rng.uniform(6, 13)), 9, 9),
        vegetation.bare_tree(rng, palette("bark"), float(rng.uniform(6, 10))),
    ]
    for shape in shapes:
        count = int(rng.integers(4, 11))
        site.scatter(
            shape,
            np.column_stack(
                [rng.choice([-1, 1], count) * (half + 2 + rng.gamma(1.4, 10, count)), rng.uniform(-40, 80, count)]
            ),
            scale=rng.uniform(0.5, 1.3, count),
        )
    for y in np.arange(-20, 50, 10.0):
        site.add(
            furniture.fence(rng, palette, 10.0, str(rng.choice(["rails", "wire", "pickets"]))),
            half + 3.4,
            float(y),
            pi / 2,
            -0.25,
        )
    for _ in range(2):
        cottage = buildings.cottage(rng, palette, float(rng.uniform(7, 11)), 8, int(rng.integers(1, 3)))
        site.add(
            cottage,
            float(rng.choice([-1, 1])) * float(rng.uniform(10, 30)),
            float(rng.uniform(5, 45)),
            float(rng.uniform(0, 6)),
        )
    for _ in range(4):
        site.add(
            furniture.heap(rng, snow, float(rng.uniform(0.6, 2))),
            float(rng.choice([-1, 1])) * (half + 2),
            float(rng.uniform(-15, 30)),
        )
    site.scatter(
        vegetation.rock(rng, palette("rock"), 0.8, 1), rng.uniform(-30, 40, (8, 2)), scale=rng.uniform(0.4, 1.5, 8)
    )
    posts = np.arange(-40, 80, 14.0)
    stakes = np.column_stack([posts * 0 + half + 1.2, posts, posts * 0])
    site.add(sticks(stakes, stakes + np.array([0, 0, 1.8]), 0.025, palette("plastic")))
    traffic(site, half + 0.4, half, int(rng.integers(0, 3)))
    site.crowd(np.column_stack([rng.uniform(-half, half, 3), rng.uniform(-12, 30, 3)]), kinds=3)
    if rng.random() < 0.5:
        site.add(furniture.power_line(rng, palette, 6, 40), -half - 6)
    wall_of_trees(site, 90, "conifer")
    site.backdrop(skyline=0)

    def spot() -> tuple[float, float, float]:
        x = float(rng.uniform(-0.9, 0.9)) * half if rng.random() < 0.6 else float(rng.uniform(-9, 9))
        return x, float(rng.uniform(-18, 18)), facing(rng, 0.45)

    return site.finish(
        spot,
        ("person", "person", "car", "robot", "drone"),
        near=0.35,
        foreground=("person", "trunk", "rock", "fence", "post", "car"),
    )


def desert(rng: Generator) -> Scene:
    """Dunes or a gravel plain: rocks, dry bushes, a track, ruins of walls, palms, a vehicle."""
    site = Site(rng, "desert", Relief(slope=0.12, wavelength=80, bumps=0.07, bump_wavelength=20, curve=0.0), haze=0.5)
    palette = site.palette
    site.open_ground(palette("sand"), 2.4, [palette.any_of("gravel", "rock", "soil")])
    wild(site, ["rock"] * 2, rocks=30, trees=0, tufts=90)
    dry = vegetation.bush(rng, palette.any_of("blade", "dry grass"), 0.6, 120)
    site.scatter(dry, rng.normal(0, 25, (24, 2)), scale=rng.uniform(0.4, 1.4, 24))
    if rng.random() < 0.5:
        site.scatter(
            vegetation.palm(rng, palette("bark"), palette("leaves")),
            rng.normal([8, 15], 7, (6, 2)),
            scale=rng.uniform(0.7, 1.2, 6),
        )
    for _ in range(int(rng.integers(0, 4))):
        site.add(
            furniture.fence(rng, palette, float(rng.uniform(3, 10)), "wall"),
            float(rng.uniform(-15, 15)),
            float(rng.uniform(4, 25)),
            float(rng.uniform(0, pi)),
        )
    if rng.random() < 0.5:
        house = box(6, 5, 3.2).of(palette.any_of("plaster", "stone"))
        site.add(house, float(rng.uniform(-20, 20)), float(rng.uniform(14, 30)), float(rng.uniform(0, pi)))
    site.add(
        vehicles.car(rng, palette, str(rng.choice(["suv", "truck"]))),
        float(rng.uniform(-9, 9)),
        float(rng.uniform(6, 20)),
        float(rng.uniform(0, 6)),
    )
    if rng.random() < 0.5:
        site.add(furniture.power_line(rng, palette, 8, 45), float(rng.uniform(-30, 30)), yaw=float(rng.uniform(0, pi)))
    site.crowd(rng.uniform(-12, 14, (4, 2)), kinds=3)
    site.backdrop(hills=True, skyline=0)
    return site.finish(
        anywhere(rng),
        ("person", "person", "car", "robot", "drone"),
        near=0.45,
        foreground=("rock", "rock", "person", "bush", "grass", "car", "post", "trunk"),
    )


def wild(site: Site, stones: Sequence[str], rocks: int, trees: int, tufts: int) -> None:
    """Rocks of several shapes, trees, bushes and tufts, denser near the origin."""
    rng, palette = site.rng, site.palette
    for name in stones:
        shape = vegetation.rock(rng, palette(name), 1.0, 2 if rng.random() < 0.5 else 1)
        count = rocks // len(stones)
        site.scatter(
            shape,
            rng.normal(0, 1, (count, 2)) * rng.gamma(1.5, 10, (count, 1)),
            scale=np.exp(rng.normal(-0.5, 0.7, count)),
        )
    if trees:
        shapes = [
            *greenery(site, 1),
            vegetation.conifer(rng, palette("bark"), palette("conifer"), float(rng.uniform(5, 12))),
        ]
        for shape in shapes:
            site.scatter(shape, rng.normal(0, 28, (trees // 2 + 1, 2)), scale=rng.uniform(0.5, 1.3, trees // 2 + 1))
        site.scatter(
            vegetation.bush(rng, palette("leaves"), 0.8, 110),
            rng.normal(0, 22, (trees + 4, 2)),
            scale=rng.uniform(0.4, 1.5, trees + 4),
        )
    site.add(vegetation.grass(rng, palette("blade"), rng.normal(0, 9, (tufts, 2)), float(rng.uniform(0.15, 0.5)), 9))


def grass_along(site: Site, x: Sequence[float], tufts: int, height: float = 0.3) -> None:
    """Tufts along the edges of a path at x."""
    rng = site.rng
    spots = np.column_stack(
        [rng.choice(np.asarray(x), tufts) * (1 + np.abs(rng.normal(0, 0.35, tufts))), rng.normal(0, 14, tufts)]
    )
    site.add(vegetation.grass(rng, site.palette("blade"), spots, height * float(rng.uniform(0.6, 1.6)), 8))


def wall_of_trees(site: Site, distance: float, leaf: str = "leaves") -> None:
    """Crowns that close the view on all sides at about `distance` metres."""
    rng, palette = site.rng, site.palette
    count = 70
    angle = np.linspace(0, 2 * pi, count) + rng.normal(0, 0.05, count)
    away = distance * rng.uniform(0.9, 1.6, count)
    if leaf == "conifer":
        shape: Mesh = vegetation.conifer(rng, palette("bark"), palette("conifer"), 10.0, 7, 6)
    else:
        shape = join(
            [
                vegetation.bush(rng, palette(leaf), 3.2, 40).scaled(1, 1, 1.6).moved(z=1.5),
                boxes([[0, 0, 0]], (0.3, 0.3, 2.5), palette("bark")),
            ]
        )
    site.scatter(
        shape, np.column_stack([np.cos(angle) * away, np.sin(angle) * away]), scale=rng.uniform(0.7, 1.7, count)
    )


def hay_bale(site: Site) -> Mesh:
    """A round bale of hay."""
    from depthwire.training.mesh import cylinder

    return cylinder(0.65, 1.2, sections=16).moved(z=-0.6).turned(roll=pi / 2).moved(z=0.62).of(site.palette("hay"))


def anywhere(rng: Generator) -> Spot:
    """Camera places about the origin, looking anywhere."""

    def spot() -> tuple[float, float, float]:
        place: NDArray[np.float64] = rng.normal(0, 8, 2)
        return float(place[0]), float(place[1]), float(rng.uniform(0, 2 * pi))

    return spot


LAYOUTS: dict[str, Layout] = {
    "country road": country_road,
    "rocky hills": rocky_hills,
    "forest path": forest_path,
    "park": park,
    "waterfront": waterfront,
    "snow": snow_field,
    "desert": desert,
}
HELD_OUT: dict[str, Layout] = {}

"""Outdoor layouts that are never trained on: market square, harbour, farm yard, cul-de-sac.

They have arrangements, houses and palettes of their own; evaluate.py measures generalisation on them.
"""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from depthwire.training.mesh import box, cylinder, join, revolved, sphere
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, fences, vegetation, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.held_out_shapes import (
    HELD_OUT_RECIPES,
    animal,
    barns,
    bungalow,
    timbered_house,
    warehouse,
)
from depthwire.training.scenes.instances import boxes, copies, grid_cells, quads, rods
from depthwire.training.scenes.site import Relief, Site

Generator = np.random.Generator


def market_square(rng: Generator) -> Scene:
    """Lanes of stalls on flagstones between timbered gables; shoppers, crates, a church tower."""
    site = Site(rng, "market square", Relief(slope=0.035, wavelength=70, curve=0.0), haze=0.2, recipes=HELD_OUT_RECIPES)
    palette = site.palette
    site.open_ground(palette("flags"), 4.0)
    depth, width = float(rng.uniform(16, 26)), float(rng.uniform(14, 22))
    gables = [timbered_house(rng, palette, float(rng.uniform(6, 9)), int(rng.integers(2, 5))) for _ in range(4)]
    for yaw, out, span in ((0.0, depth, width), (pi, depth, width), (pi / 2, width, depth), (-pi / 2, width, depth)):
        along = -span
        while along < span - 2:
            house = gables[rng.integers(4)]
            wide = float(house.bounds[1][0] - house.bounds[0][0])
            middle = along + wide / 2
            site.add(house, middle * np.cos(yaw) - out * np.sin(yaw), middle * np.sin(yaw) + out * np.cos(yaw), yaw)
            along += wide + (3.0 if rng.random() < 0.15 else 0.0)
    stalls = [furniture.stall(rng, palette) for _ in range(4)]
    lanes = np.arange(-9.0, 10.0, 6.0)
    for x in lanes:
        for y in np.arange(-9, 13, 3.9):
            if rng.random() < 0.8:
                side = float(rng.choice([-1, 1]))
                site.add(stalls[rng.integers(4)], x + side * 0.3, float(y), side * pi / 2 + float(rng.normal(0, 0.06)))
    crates = rng.uniform([-11, -11], [11, 14], (40, 2))
    site.add(
        boxes(
            np.column_stack([crates, np.zeros(40)]),
            rng.uniform(0.25, 0.65, (40, 3)),
            palette.any_of("timber", "cardboard", "plastic"),
        )
    )
    tower = join(
        [
            box(7, 7, 24).of(palette("stone")),
            cylinder(4.9, 14, 0.1, sections=4).turned(yaw=pi / 4).moved(z=24).of(palette("roof tiles")),
            boxes([[0, -3.5, z] for z in (10, 16)], (1.2, 0.3, 2.6), palette("window")),
        ]
    )
    site.add(tower, float(rng.uniform(-15, 15)), depth + 9)
    people = np.column_stack([rng.choice(lanes, 20) + 3 + rng.normal(0, 0.8, 20), rng.uniform(-12, 15, 20)])
    site.crowd(people, kinds=9)
    site.scatter(furniture.parasol(rng, palette), rng.uniform([-11, -11], [11, 14], (5, 2)))
    site.add(vehicles.car(rng, palette, "van"), float(lanes[-1]) + 3, float(rng.uniform(-9, 12)))
    for x, y in ((-3.0, -6.0), (3.0, 6.0)):
        site.add(furniture.lamp_post(rng, palette, 4.5), x, y)
        site.lamp_at(x, y, 4.6)
    site.backdrop(skyline=5)

    def spot() -> tuple[float, float, float]:
        return (
            float(rng.choice(lanes[:-1]) + 3 + rng.normal(0, 0.6)),
            float(rng.uniform(-11, 9)),
            float(rng.normal(0, 0.6)) + float(rng.choice([0, pi])),
        )

    return site.finish(
        spot, ("person", "person", "person", "window"), near=0.35, foreground=("person", "small", "parasol")
    )


def harbour(rng: Generator) -> Scene:
    """A quay with bollards, nets, crates and a crane; moored boats, warehouses, masts against the sky."""
    site = Site(rng, "harbour", Relief(slope=0.006, wavelength=160, curve=0.02), haze=0.5, recipes=HELD_OUT_RECIPES)
    palette = site.palette
    quay, low = float(rng.uniform(5, 9)), -float(rng.uniform(1.2, 2.4))
    stone, water = palette("flags"), palette("water")
    site.ground(
        [-500, -60, -20, quay - 0.5, quay, quay + 0.01, 60, 160, 600],
        [2, 1, 0, 0, 0, low, low, low, low],
        [palette("mud"), palette("concrete"), stone, palette("stone"), palette("concrete"), water, water, water],
    )
    pier = float(rng.uniform(8, 20))
    site.add(box(26, 3.0, 0.4).of(palette("timber")), quay + 13, pier, z=-0.4)
    piles = np.column_stack(
        [np.repeat(np.linspace(quay + 2, quay + 24, 8), 2), np.tile([pier - 1.3, pier + 1.3], 8), np.full(16, low - 1)]
    )
    site.add(rods(piles, piles + np.array([0, 0, 3.6 - low]), 0.16, palette("timber"), sections=7))
    for y in (-26.0, -17.0, -8.0, 1.0, pier + 6, pier + 15, pier + 25):
        if rng.random() < 0.85:
            site.add(
                vehicles.boat(rng, palette, float(rng.uniform(5, 13))),
                quay + float(rng.uniform(2.2, 4)),
                y,
                float(rng.choice([0, pi])) + float(rng.normal(0, 0.05)),
                low + 0.05,
            )
    for _ in range(5):
        site.add(
            vehicles.boat(rng, palette, float(rng.uniform(6, 16))),
            quay + float(rng.uniform(25, 120)),
            float(rng.uniform(-80, 120)),
            float(rng.uniform(0, 6)),
            low + 0.05,
        )
    posts = np.arange(-30, 50, 5.0)
    mooring = revolved([[0.2, 0], [0.16, 0.35], [0.3, 0.45], [0.25, 0.55], [0, 0.58]], 10).of(palette("dark metal"))
    site.scatter(mooring, np.column_stack([posts * 0 + quay - 0.45, posts]))
    halls = [warehouse(rng, palette, float(rng.uniform(11, 18))) for _ in range(3)]
    y = -50.0
    while y < 90:
        hall = halls[rng.integers(3)]
        wide = float(hall.bounds[1][0] - hall.bounds[0][0])
        site.add(hall, -float(rng.uniform(8, 10)), y + wide / 2, pi / 2)
        y += wide + float(rng.uniform(0, 5))
    net = cylinder(0.9, 0.5, 0.3, sections=12).of(palette("leaves"))
    site.scatter(net, rng.uniform([-4, -15], [quay - 1.5, 25], (4, 2)), scale=rng.uniform(0.6, 1.4, 4))
    barrels = join(
        [revolved([[0.27, 0], [0.33, 0.45], [0.27, 0.9], [0, 0.9]], 12).of(palette.any_of("timber", "plastic", "rust"))]
    )
    site.scatter(barrels, rng.uniform([-5, -15], [quay - 1, 25], (12, 2)))
    crates = rng.uniform([-6, -16], [quay - 1.2, 28], (24, 2))
    site.add(boxes(np.column_stack([crates, np.zeros(24)]), rng.uniform(0.35, 1.0, (24, 3)), palette("timber")))
    mast = rods(
        [[0.0, 0.0, 0.0], [0.0, 0.0, 7.0], [0.0, 0.0, 4.0]],
        [[0.0, 0.0, 7.5], [4.0, 0.0, 9.0], [3.0, 0.0, 8.2]],
        0.14,
        palette("rust"),
        sections=6,
    )
    site.add(
        join(
            [
                mast,
                rods([4, 0, 9], [4, 0, 3], 0.02, palette("tyre"), sections=3),
                box(1.6, 1.6, 1.8).of(palette("rust")),
            ]
        ),
        quay - 2.5,
        float(rng.uniform(5, 15)),
    )
    for make in (
        yard_things.container,
        yard_things.pallets,
        yard_things.pipes,
        vehicles.lorry,
        vehicles.cart,
        fences.barrier,
    ):
        site.add(
            make(rng, palette),
            float(rng.uniform(-5, quay - 3)),
            float(rng.uniform(-12, 30)),
            float(rng.choice([0, pi / 2])) + float(rng.normal(0, 0.1)),
        )
    gulls = np.column_stack([rng.uniform(-8, 20, 12), rng.uniform(-10, 40, 12), rng.uniform(4, 18, 12)])
    site.add(
        quads(gulls[:, None] + np.array([[-0.6, 0, 0.15], [0, -0.1, 0], [0.6, 0, 0.15], [0, 0.15, 0]]), palette("snow"))
    )
    site.crowd(rng.uniform([-5, -12], [quay - 1, 28], (9, 2)))
    site.backdrop(hills=True, skyline=4, inner=240)

    def spot() -> tuple[float, float, float]:
        return (
            float(rng.uniform(-5, quay - 0.8)),
            float(rng.uniform(-14, 18)),
            float(rng.normal(-0.4, 0.6)) + float(rng.choice([0, 0, pi])),
        )

    return site.finish(
        spot, ("person", "person", "person", "car", "robot"), near=0.35, foreground=("person", "small", "post", "small")
    )


def farm_yard(rng: Generator) -> Scene:
    """A muddy yard between thatched barns: tractor, trailers, bales, animals, a silo, gates, an orchard."""
    site = Site(
        rng,
        "farm yard",
        Relief(slope=0.06, wavelength=70, bumps=0.05, bump_wavelength=9, curve=0.0),
        haze=0.3,
        recipes=HELD_OUT_RECIPES,
    )
    palette = site.palette
    site.open_ground(palette("mud"), 2.6, [palette("grass"), palette("grass"), palette("gravel")])
    barn = barns(rng, palette, float(rng.uniform(14, 22)), float(rng.uniform(3.5, 5)))
    site.add(barn, float(rng.uniform(-5, 5)), float(rng.uniform(13, 18)), float(rng.normal(0, 0.15)))
    site.add(barns(rng, palette, 12, 3.2), -float(rng.uniform(13, 17)), 0, pi / 2 + float(rng.normal(0, 0.15)))
    site.add(
        timbered_house(rng, palette, 10, 2),
        float(rng.uniform(14, 19)),
        float(rng.uniform(-3, 6)),
        -pi / 2 + float(rng.normal(0, 0.2)),
    )
    silo = join(
        [
            cylinder(2.0, 9, sections=18).of(palette("metal")),
            sphere(2.0, 2).scaled(1, 1, 0.6).moved(z=9).of(palette("metal")),
        ]
    )
    site.add(silo, float(rng.uniform(8, 12)), float(rng.uniform(12, 20)))
    site.add(
        vehicles.tractor(rng, palette), float(rng.uniform(-7, 7)), float(rng.uniform(4, 10)), float(rng.uniform(0, 6))
    )
    trailer = join(
        [
            box(2.2, 4, 0.15).moved(z=0.8).of(palette("timber")),
            boxes([[x, 0, 0.95] for x in (-1.1, 1.1)], (0.05, 4, 0.6), palette("timber")),
            copies(
                cylinder(0.45, 0.25, sections=14).moved(z=-0.12).turned(roll=pi / 2).of(palette("tyre")),
                [[-1.1, -0.8, 0.45], [1.1, -0.8, 0.45]],
            ),
            rods([0, 2, 0.8], [0, 3.6, 0.5], 0.06, palette("rust")),
        ]
    )
    site.add(trailer, float(rng.uniform(-8, 8)), float(rng.uniform(-8, 9)), float(rng.uniform(0, 6)))
    bales = np.array([[x * 0.95, 0.0, z * 0.5] for z in range(4) for x in range(5 - z)])
    site.add(
        boxes(bales, (0.92, 0.48, 0.46), palette("hay")),
        float(rng.uniform(-9, 5)),
        float(rng.uniform(-9, 10)),
        float(rng.uniform(0, 6)),
    )
    beasts = [animal(rng, palette) for _ in range(3)]
    for k, beast in enumerate(beasts):
        site.scatter(beast, rng.normal([6, 3], 7, (4 - k, 2)), scale=rng.uniform(0.6, 1.1, 4 - k))
    for x, y, yaw in ((-8.0, -10.0, 0.0), (8.0, -10.0, 0.0), (19.0, -12.0, 0.6)):
        site.add(fences.fence(rng, palette, 12.0, "rails"), x, y, yaw)
    site.add(fences.gate(rng, palette, 3.4), 0, -10.0)
    orchard = vegetation.tree(rng, palette("bark"), palette("leaves"), 4.6, 420, low=True)
    grid = np.array([(x, y) for x in np.arange(-18, 20, 6.0) for y in (-16.0, -22.0, -28.0)])
    site.scatter(orchard, grid + rng.normal(0, 0.5, grid.shape), scale=rng.uniform(0.7, 1.2, len(grid)))
    for make in (vehicles.cart, yard_things.pallets, furniture.bin_, vehicles.bicycle, yard_things.pipes, vehicles.car):
        site.add(make(rng, palette), float(rng.uniform(-9, 9)), float(rng.uniform(-7, 11)), float(rng.uniform(0, 6)))
    site.scatter(
        revolved([[0.2, 0], [0.19, 0.3], [0.21, 0.32], [0.17, 0.05]], 12).of(palette("metal")),
        rng.uniform(-8, 8, (5, 2)),
    )
    site.crowd(rng.uniform(-8, 9, (4, 2)), kinds=4)
    site.add(vegetation.grass(rng, palette("blade"), rng.normal(0, 12, (160, 2)), 0.35, 8))
    site.add(fences.power_line(rng, palette, 6, 35), -10.0, yaw=float(rng.uniform(0, pi)))
    site.backdrop(hills=True, skyline=0)

    def spot() -> tuple[float, float, float]:
        return float(rng.uniform(-8, 8)), float(rng.uniform(-8, 9)), float(rng.uniform(0, 2 * pi))

    return site.finish(
        spot, ("person", "person", "car", "robot"), near=0.4, foreground=("person", "bush", "fence", "small", "trunk")
    )


def cul_de_sac(rng: Generator) -> Scene:
    """A round end of a road: bungalows in a ring, lawns without fences, drives, mail boxes, a basketball hoop."""
    site = Site(rng, "cul-de-sac", Relief(slope=0.05, wavelength=100, curve=0.0), recipes=HELD_OUT_RECIPES)
    palette = site.palette
    radius = float(rng.uniform(9, 13))
    site.open_ground(palette("grass"), 3.0)
    angle = np.linspace(0, 2 * pi, 33)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(33)], 1)
    centre = np.zeros((32, 3))
    centre[:, 2] = 0.02
    for out, inner, height, name in ((radius + 1.6, radius, 0.09, "concrete"), (radius, 0.0, 0.03, "asphalt")):
        a, b = ring * out + [0, 0, height], ring * inner + [0, 0, height]
        site.add(quads(grid_cells([a, b]), palette(name)))
    site.marking([[-3.2, 3.2, -160.0, -radius * 0.8]], palette("asphalt"), 0.03)
    site.marking(
        [[s * 3.2 - 0.8 + s * 0.8, s * 3.2 + 0.8 + s * 0.8, -160.0, -radius] for s in (-1, 1)],
        palette("concrete"),
        0.08,
    )
    if rng.random() < 0.6:
        island = vegetation.flower_bed(rng, palette("blade"), palette.some("flower", 3), 3.0, 3.0, 120)
        site.add(
            join(
                [
                    cylinder(2.4, 0.2, sections=16).of(palette("concrete")),
                    island.moved(z=0.15),
                    vegetation.bush(rng, palette("leaves"), 1.0, 200).moved(z=0.2),
                ]
            )
        )
    models = [bungalow(rng, palette) for _ in range(4)]
    turns = np.linspace(-0.28 * pi, 1.28 * pi, 8) + rng.normal(0, 0.05, 8)
    for turn in turns:
        away = radius + float(rng.uniform(7, 10))
        yaw = float(turn) - pi / 2
        site.add(models[rng.integers(4)], away * np.cos(turn), away * np.sin(turn), yaw)
        drive = np.array([[-1.5 + 4.6, 0], [1.5 + 4.6, 0], [1.5 + 4.6, -9], [-1.5 + 4.6, -9]])
        c, s = np.cos(yaw), np.sin(yaw)
        turned = drive @ np.array([[c, s], [-s, c]]) + away * np.array([np.cos(turn), np.sin(turn)])
        site.add(quads([np.column_stack([turned, np.full(4, 0.06)])], palette("concrete")))
        if rng.random() < 0.6:
            spot_ = turned.mean(axis=0)
            site.add(vehicles.car(rng, palette), float(spot_[0]), float(spot_[1]), yaw + pi * float(rng.integers(2)))
        edge = (radius + 2.2) * np.array([np.cos(turn + 0.2), np.sin(turn + 0.2)])
        mail = join(
            [box(0.1, 0.1, 1.0).of(palette("timber")), box(0.2, 0.45, 0.22).moved(z=1.0).of(palette("plastic"))]
        )
        site.add(mail, float(edge[0]), float(edge[1]), yaw)
    for y in (-30.0, -48.0, -66.0, -85.0):
        for side in (-1, 1):
            site.add(models[rng.integers(4)], side * 13.0, y, -side * pi / 2)
    leaf = palette("leaves")
    for shape in (
        vegetation.tree(rng, palette("bark"), leaf, 6.5, 500),
        vegetation.tree(rng, palette("bark"), leaf, 4.0, 500, low=True),
    ):
        around = rng.uniform(0, 2 * pi, 5)
        away_ = radius + rng.uniform(3, 7, 5)
        site.scatter(
            shape, np.column_stack([np.cos(around) * away_, np.sin(around) * away_]), scale=rng.uniform(0.6, 1.3, 5)
        )
    hoop = join(
        [
            rods([[0, 0, 0], [0, 0, 3]], [[0, 0, 3.2], [0, -0.5, 3.2]], 0.05, palette("metal")),
            box(1.8, 0.05, 1.1).moved(y=-0.5, z=2.9).of(palette("trim")),
            revolved([[0.23, 3.05], [0.23, 3.07]], 12).moved(y=-0.78).of(palette("plastic")),
        ]
    )
    site.add(hoop, float(rng.uniform(-6, 6)), float(rng.uniform(2, 7)), float(rng.uniform(0, 6)))
    site.scatter(sphere(0.12, 2).moved(z=0.14).of(palette("plastic")), rng.uniform(-6, 6, (4, 2)))
    for make in (
        vehicles.bicycle,
        vehicles.bicycle,
        furniture.bin_,
        furniture.bin_,
        vehicles.cart,
        yard_things.swing,
        vehicles.motorcycle,
    ):
        reach, turned_to = float(rng.uniform(radius * 0.5, radius + 4)), float(rng.uniform(0, 6))
        site.add(make(rng, palette), reach * cos(turned_to), reach * sin(turned_to), float(rng.uniform(0, 6)))
    site.crowd(rng.normal(0, radius * 0.55, (7, 2)), kinds=6)
    site.backdrop(skyline=0)

    def spot() -> tuple[float, float, float]:
        if rng.random() < 0.3:
            return float(rng.uniform(-4, 4)), float(rng.uniform(-radius - 14, -radius)), float(rng.normal(0, 0.3))
        away, turn = float(rng.uniform(3, radius + 3)), float(rng.uniform(0, 2 * pi))
        return away * float(np.cos(turn)), away * float(np.sin(turn)), float(rng.uniform(0, 2 * pi))

    return site.finish(
        spot,
        ("person", "person", "car", "robot", "drone"),
        near=0.35,
        foreground=("person", "bush", "small", "car", "bicycle"),
    )


HELD_OUT: dict[str, Layout] = {
    "market square": market_square,
    "harbour": harbour,
    "farm yard": farm_yard,
    "cul-de-sac": cul_de_sac,
}

"""Layouts of work: a construction site and an industrial yard."""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.people import person
from depthwire.training.scenes.place_parts import around, yard
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    house_row,
)
from depthwire.training.scenes.undergrowth import wall_of_trees

Generator = np.random.Generator


def construction_site(rng: Generator) -> Scene:
    """A shell of concrete under scaffolding, heaps, pipes, pallets, containers, a crane, workers with hard hats."""
    site = Site(rng, "construction site", Relief(slope=0.05, bumps=0.07, bump_wavelength=10, curve=0.0))
    palette = site.palette
    site.open_ground(
        palette.any_of("soil", "gravel", "sand"), 3.0, [palette("gravel"), palette.any_of("asphalt", "concrete")]
    )
    shell_x, shell_y = float(rng.uniform(-8, 8)), float(rng.uniform(12, 17))
    floors, wide, deep = int(rng.integers(1, 5)), float(rng.uniform(12, 24)), float(rng.uniform(8, 14))
    concrete = palette("concrete")
    pillars = np.array(
        [
            (x, y, 3.2 * f)
            for x in np.arange(-wide / 2 + 0.3, wide / 2, 4.0)
            for y in (0.3, deep / 2, deep - 0.3)
            for f in range(floors)
        ]
    )
    shell = [boxes(pillars, (0.35, 0.35, 3.2), concrete)]
    shell.append(boxes([[0, deep / 2, 3.2 * f - 0.25] for f in range(1, floors + 1)], (wide, deep, 0.25), concrete))
    walls = pillars[rng.random(len(pillars)) < 0.3]
    shell.append(boxes(walls + np.array([2.0, 0, 0]), (3.7, 0.2, 3.0), palette.any_of("brick", "concrete")))
    bars = pillars[pillars[:, 2] == pillars[:, 2].max()] + [0, 0, 3.2]
    shell.append(rods(bars, bars + np.array([0, 0, 0.9]), 0.02, palette("rust"), sections=3))
    site.add(join(shell), shell_x, shell_y)
    site.add(yard_things.scaffold(rng, palette, int(wide / 2.4), max(1, floors)), shell_x, shell_y - 1.3)
    if rng.random() < 0.6:
        site.add(crane(rng, site), shell_x + wide / 2 + 5, shell_y + 6, float(rng.uniform(0, 6)))
    for name in ("sand", "gravel", "soil"):
        site.add(
            yard_things.heap(rng, palette(name), float(rng.uniform(1.2, 3.5))),
            float(rng.uniform(-16, 16)),
            float(rng.uniform(-12, 9)),
        )
    yard(site, 9, 14.0)
    site.add(
        yard_things.container(rng, palette),
        float(rng.uniform(-16, -10)),
        float(rng.uniform(-5, 8)),
        float(rng.uniform(0, pi)),
    )
    for make in (vehicles.lorry, vehicles.tractor, vehicles.car):
        site.add(
            make(rng, palette),
            float(rng.choice([-1, 1])) * float(rng.uniform(6, 16)),
            float(rng.uniform(-10, 9)),
            float(rng.uniform(0, 6)),
        )
    for _ in range(6):
        site.add(
            person(rng, site.clothes, helmet=palette("hard hat")),
            float(rng.uniform(-9, 9)),
            float(rng.uniform(-6, 9)),
            float(rng.uniform(0, 6)),
        )
    for y in (-18.0, 32.0):
        site.add(fences.fence(rng, palette, 40.0, "mesh"), 0, y)
    for side in (-1, 1):
        house_row(site, side, 30.0, 5, detailed=2)
    site.backdrop(skyline=8)
    return site.finish(
        around(rng, 11, 10),
        ("person", "person", "person", "robot", "window"),
        foreground=("person", "small", "small", "fence", "post", "car", "rock"),
    )


def crane(rng: Generator, site: Site) -> Mesh:
    """A tower crane of thin bars."""
    high, reach, side = float(rng.uniform(18, 34)), float(rng.uniform(18, 30)), 0.8
    z = np.arange(0, high, 1.6)
    corners = np.array([[-side, -side], [side, -side], [side, side], [-side, side]])
    low = np.concatenate([np.column_stack([np.tile(corners[k], (len(z), 1)), z]) for k in range(4)])
    high_ends = np.concatenate(
        [np.column_stack([np.tile(corners[(k + 1) % 4], (len(z), 1)), z + 1.6]) for k in range(4)]
    )
    masts = np.column_stack([corners, np.zeros(4)])
    steel = site.palette("yellow line")
    jib = [[0, -reach * 0.35, high], [0, -reach * 0.35, high + 1.2]]
    jib_end = [[0, reach, high], [0, reach, high + 0.8]]
    x = np.arange(-reach * 0.35, reach - 1.5, 1.6)
    lattice = np.column_stack([x * 0, x, x * 0 + high]), np.column_stack([x * 0, x + 0.8, x * 0 + high + 1.1])
    rope = rods([0, reach * 0.7, high], [0, reach * 0.7, high * 0.4], 0.03, site.palette("tyre"), sections=3)
    bars = [
        rods(low, high_ends, 0.04, steel, sections=3),
        rods(masts, masts + np.array([0, 0, high + 1]), 0.08, steel, sections=4),
        rods(jib, jib_end, 0.09, steel, sections=4),
        rods(*lattice, 0.04, steel, sections=3),
    ]
    return join([*bars, rope, box(1.6, 2.5, 1.5).moved(y=-reach * 0.3, z=high - 1).of(site.palette("concrete"))])


def industrial_yard(rng: Generator) -> Scene:
    """Halls, stacked containers, tanks, pipe racks, pallets, lorries."""
    site = Site(rng, "industrial yard", Relief(slope=0.02, curve=0.0))
    palette = site.palette
    site.open_ground(palette.any_of("concrete", "asphalt", "gravel"), 5.0, [palette("patch"), palette("gravel")])
    site.add(
        buildings.shed(rng, palette, float(rng.uniform(20, 40)), 18, float(rng.uniform(6, 11))),
        float(rng.uniform(-8, 8)),
        22.0,
    )
    site.add(buildings.shed(rng, palette, 30, 15, float(rng.uniform(5, 9))), -24.0, 0, pi / 2)
    site.add(buildings.office(rng, palette, 18, 12, 3), 26.0, 4, -pi / 2)
    stacks = [yard_things.container(rng, palette) for _ in range(4)]
    for _ in range(9):
        x, y, yaw = (
            float(rng.uniform(-16, 18)),
            float(rng.uniform(-22, 16)),
            float(rng.choice([0, pi / 2])) + float(rng.normal(0, 0.04)),
        )
        if abs(x) < 4.5 and abs(y) < 6:
            continue
        for level in range(int(rng.integers(1, 4))):
            site.add(stacks[rng.integers(4)], x + float(rng.normal(0, 0.05)), y, yaw, 2.6 * level)
    tank = join(
        [
            cylinder(2.2, 6.0, sections=20).of(palette("metal")),
            cylinder(2.2, 0.9, 0.2, sections=20).moved(z=6).of(palette("metal")),
            rods(
                [[2.3, y, 0] for y in (-0.25, 0.25)],
                [[2.3, y, 6.8] for y in (-0.25, 0.25)],
                0.03,
                palette("dark metal"),
            ),
            rods(
                [[2.3, -0.25, z] for z in np.arange(0.3, 6.6, 0.35)],
                [[2.3, 0.25, z] for z in np.arange(0.3, 6.6, 0.35)],
                0.02,
                palette("dark metal"),
            ),
        ]
    )
    for x in (12.0, 17.5):
        site.add(tank.scaled(float(rng.uniform(0.6, 1.2))), x, float(rng.uniform(12, 19)))
    rack_y, z = float(rng.uniform(-9, 9)), float(rng.uniform(3.2, 5))
    legs = np.array([[x, rack_y + s, 0] for x in np.arange(-20, 21, 5.0) for s in (-0.8, 0.8)])
    site.add(rods(legs, legs + np.array([0, 0, z]), 0.09, palette.any_of("rust", "metal")))
    for offset in np.linspace(-0.7, 0.7, 4):
        site.add(
            rods(
                [-20, rack_y + offset, z + 0.15],
                [20, rack_y + offset, z + 0.15],
                float(rng.uniform(0.06, 0.16)),
                palette.any_of("metal", "rust", "plastic"),
                sections=9,
            )
        )
    yard(site, 12, 13.0)
    for make in (vehicles.lorry, vehicles.lorry, vehicles.car, vehicles.car, vehicles.cart):
        site.add(
            make(rng, palette),
            float(rng.choice([-1, 1])) * float(rng.uniform(5, 15)),
            float(rng.uniform(-14, 14)),
            float(rng.choice([0, pi / 2, pi])),
        )
    site.crowd(rng.uniform(-10, 10, (7, 2)))
    site.add(fences.fence(rng, palette, 45.0, "mesh"), 0, -24.0)
    posts = np.array([[-9.0, -9.0], [9.0, 9.0], [-9.0, 12.0]])
    site.scatter(furniture.lamp_post(rng, palette, 8.0), posts)
    for x, y in posts:
        site.lamp_at(float(x), float(y), 7, 40)
    wall_of_trees(site, 80)
    site.backdrop(skyline=8)
    return site.finish(
        around(rng, 9, 9),
        ("person", "person", "car", "robot", "window"),
        foreground=("person", "small", "post", "fence", "car", "bicycle", "small"),
    )


LAYOUTS: dict[str, Layout] = {
    "construction site": construction_site,
    "industrial yard": industrial_yard,
}

"""Layouts of places: a car park, a town square, a courtyard, a garden with a terrace."""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import box, cylinder, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vegetation, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, leaves, quads, rods
from depthwire.training.scenes.place_parts import around, monument, walls_around
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    greenery,
    house_row,
)
from depthwire.training.scenes.undergrowth import wall_of_trees

Generator = np.random.Generator


def car_park(rng: Generator) -> Scene:
    """Rows of parked cars between marked bays, trolleys, lamps, a shop hall, people with bags."""
    site = Site(rng, "car park", Relief(slope=0.03, curve=0.0))
    palette = site.palette
    site.open_ground(palette("asphalt"), 5.0)
    rows = np.array([-18.0, -9.0, 2.0, 11.0, 22.0]) + float(rng.uniform(-2, 2))
    bays = np.arange(-30, 30, 2.6)
    for x in rows:
        bars = np.column_stack([bays * 0 + x - 2.4, bays * 0 + x + 2.4, bays - 0.05, bays + 0.05])
        site.marking(bars, palette("line"))
    shapes = [vehicles.car(rng, palette) for _ in range(8)]
    full = float(rng.uniform(0.35, 0.85))
    slots = np.array([(x, y + 1.3) for x in rows for y in bays])
    slots = slots[rng.random(len(slots)) < full * np.exp(-np.abs(slots[:, 1]) / 60)]
    slots = slots[np.argsort(np.hypot(*slots.T))][:34]
    for k, shape in enumerate(shapes):
        group = slots[k::8]
        site.scatter(
            shape,
            group + rng.normal(0, 0.12, group.shape),
            rng.choice([-pi / 2, pi / 2], len(group)) + rng.normal(0, 0.05, len(group)),
        )
    site.add(vehicles.lorry(rng, palette), float(rows[1] + 5.5), float(rng.uniform(-20, 20)))
    site.add(buildings.shed(rng, palette, 44, 20, float(rng.uniform(5, 9))), 0, 42.0)
    site.add(furniture.billboard(rng, palette), float(rng.uniform(-20, 20)), 34.0)
    posts = np.array([(x, y) for x in (rows[1] + 2.7, rows[3] + 2.7) for y in (-20.0, 0.0, 20.0)])
    site.scatter(furniture.lamp_post(rng, palette, float(rng.uniform(5, 9))), posts)
    for x, y in posts[:4]:
        site.lamp_at(float(x), float(y), 6)
    for tree in greenery(site, 2):
        site.scatter(
            tree, np.column_stack([rng.choice(rows, 4) + 2.6, rng.uniform(-28, 28, 4)]), scale=rng.uniform(0.5, 0.9, 4)
        )
    for make in (
        vehicles.cart,
        vehicles.cart,
        furniture.cone,
        fences.barrier,
        furniture.sign_post,
        furniture.bin_,
        vehicles.motorcycle,
        furniture.kiosk,
    ):
        site.add(
            make(rng, palette),
            float(rng.choice(rows) + rng.choice([-3.4, 3.4])),
            float(rng.uniform(-14, 20)),
            float(rng.uniform(0, 6)),
        )
    site.add(
        fences.fence(rng, palette, 40.0, str(rng.choice(["mesh", "railing", "rails"]))),
        float(rows[0] - 4),
        0,
        pi / 2,
    )
    site.add(vegetation.hedge(rng, palette("leaves"), 40.0, 1.2, 0.8, 400), float(rows[-1] + 4), 0, pi / 2)
    site.crowd(np.column_stack([rng.choice(rows, 8) + rng.uniform(2.8, 5, 8), rng.uniform(-14, 22, 8)]))
    for side in (-1, 1):
        house_row(site, side, 38.0, 5, detailed=2)
    site.backdrop(skyline=8)

    def spot() -> tuple[float, float, float]:
        return (
            float(rng.choice(rows) + rng.choice([-1, 1]) * rng.uniform(2.8, 4.5)),
            float(rng.uniform(-16, 16)),
            float(rng.uniform(0, 2 * pi)),
        )

    return site.finish(spot, ("person", "person", "car", "car", "robot", "window"))


def town_square(rng: Generator) -> Scene:
    """A paved square between houses: a fountain or statue, café tables, benches, trees in tubs, many people."""
    site = Site(rng, "town square", Relief(slope=0.03, curve=0.0))
    palette, half = site.palette, float(rng.uniform(13, 26))
    site.open_ground(
        palette.any_of("pavement", "cobbles", "stone"), 3.5, [palette("pavement")] if rng.random() < 0.5 else []
    )
    walls_around(site, half, 4)
    centre = float(rng.uniform(-4, 4)), float(rng.uniform(3, 10))
    site.add(monument(rng, site), *centre)
    tables = int(rng.integers(3, 9))
    corner = rng.uniform(-0.6, 0.6, 2) * half
    for k in range(tables):
        x, y = float(corner[0] + 2.6 * (k % 3)), float(corner[1] + 2.4 * (k // 3))
        site.add(furniture.table_and_chairs(rng, palette), x, y, float(rng.uniform(0, 6)))
        if rng.random() < 0.4:
            site.add(furniture.parasol(rng, palette), x + 0.3, y + 0.6)
    for tree in greenery(site, 1):
        site.scatter(tree, rng.uniform(-0.85, 0.85, (5, 2)) * half, scale=rng.uniform(0.4, 0.9, 5))
    for make in (
        furniture.bench,
        furniture.bench,
        furniture.lamp_post,
        furniture.bin_,
        furniture.kiosk,
        furniture.billboard,
        vehicles.bicycle,
        vehicles.bicycle,
        furniture.stall,
        vehicles.car,
    ):
        x, y, yaw = rng.uniform(-0.8, 0.8) * half, rng.uniform(-0.8, 0.8) * half, rng.uniform(0, 6)
        site.add(make(rng, palette), float(x), float(y), float(yaw))
    lamps = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) * half
    site.scatter(furniture.lamp_post(rng, palette, 4.0), lamps)
    for x, y in lamps:
        site.lamp_at(float(x), float(y), 4.2)
    bollards = np.arange(-8, 9, 1.8)
    site.scatter(furniture.bollard(rng, palette), np.column_stack([bollards, bollards * 0 - half * 0.7]))
    site.crowd(np.concatenate([rng.normal(0, 0.25, (9, 2)) * half, rng.uniform(-0.9, 0.9, (9, 2)) * half]), kinds=8)
    site.backdrop(skyline=6)
    return site.finish(around(rng, half * 0.6, half * 0.6), ("person", "person", "person", "robot", "window"))


def courtyard(rng: Generator) -> Scene:
    """A small yard between high walls: bicycles, bins, washing, a tree, an arch to the street."""
    site = Site(rng, "courtyard", Relief(slope=0.03, curve=0.0), haze=0.1)
    palette, half = site.palette, float(rng.uniform(4.5, 10))
    site.open_ground(
        palette.any_of("cobbles", "concrete", "pavement", "gravel"), 3.0, [palette.any_of("grass", "moss", "patch")]
    )
    walls_around(site, half, int(rng.integers(2, 6)), shop=False)
    tree = greenery(site, 1)[0]
    site.scatter(tree, rng.uniform(-0.6, 0.6, (2, 2)) * half, scale=rng.uniform(0.5, 0.9, 2))
    edge = half - 0.7
    for make in (
        furniture.bin_,
        furniture.bin_,
        vehicles.bicycle,
        vehicles.bicycle,
        vehicles.bicycle,
        furniture.bench,
        yard_things.pallets,
        vehicles.motorcycle,
        furniture.table_and_chairs,
        vehicles.car,
    ):
        side, along = int(rng.integers(4)), float(rng.uniform(-0.8, 0.8) * half)
        near = edge if make is not vehicles.car else edge - 1.2
        x, y = ((along, near), (-near, along), (along, -near), (near, along))[side]
        site.add(make(rng, palette), x, y, float(rng.choice([0, pi / 2, pi])) + float(rng.normal(0, 0.15)))
    pots = rng.uniform(-1, 1, (12, 2)) * edge
    pots[np.arange(12), rng.integers(2, size=12)] = rng.choice([-1, 1], 12) * edge
    site.scatter(
        vegetation.bush(rng, palette("leaves"), 0.5, 90, palette("flower")), pots, scale=rng.uniform(0.5, 1.6, 12)
    )
    lines_at = rng.uniform(2.2, 4.5)
    ends = rng.uniform(-0.7, 0.7, (3, 2)) * half
    left, right = (
        np.column_stack([np.full(3, -half), ends[:, 0], np.full(3, lines_at)]),
        np.column_stack([np.full(3, half), ends[:, 1], np.full(3, lines_at + 0.3)]),
    )
    site.add(rods(left, right, 0.008, palette("tyre"), sections=3))
    hung = left[:, None] + np.sort(rng.uniform(0.1, 0.9, (3, 6)), 1)[..., None] * (right - left)[:, None]
    size = rng.uniform(0.25, 0.9, (3, 6, 2))
    shift = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0.5, 0, -1], [-0.5, 0, -1]])
    cloth = hung[:, :, None] + shift * np.stack([size[..., 0], size[..., 0], size[..., 1]], -1)[:, :, None]
    site.add(quads(cloth.reshape(-1, 4, 3), int(rng.choice(site.clothes.cloths))))
    site.add(furniture.lamp_post(rng, palette, 3.4), edge, -edge + 0.5)
    site.lamp_at(edge - 0.6, -edge + 0.5, 3.2)
    site.crowd(rng.uniform(-0.75, 0.75, (5, 2)) * half, kinds=4)
    return site.finish(
        around(rng, half * 0.75, half * 0.75),
        ("person", "person", "person", "robot", "window"),
        foreground=("person", "person", "small", "bush", "bicycle", "parasol", "post", "crown"),
    )


def garden(rng: Generator) -> Scene:
    """A terrace before a house: table, chairs, grill, pots; lawn, beds, shrubs and a fence behind. Near range."""
    site = Site(rng, "garden", Relief(slope=0.05, wavelength=50, bumps=0.03, curve=0.0), haze=0.1)
    palette = site.palette
    deep, reach, wide = float(rng.uniform(2.5, 5)), float(rng.uniform(9, 18)), float(rng.uniform(6, 12))
    site.open_ground(palette("grass"), 2.0)
    site.add(
        box(wide * 1.2, deep, 0.35).of(palette.any_of("wood", "pavement", "stone", "concrete")), 0, -deep / 2, z=-0.22
    )
    site.add(buildings.cottage(rng, palette, wide * 1.3, 8, int(rng.integers(1, 3))), 0, -deep, pi)
    if rng.random() < 0.45:
        posts = np.array([[x, y, 0.1] for x in (-wide * 0.4, 0, wide * 0.4) for y in (-0.2, -deep + 0.2)])
        wood = palette.any_of("wood", "painted wood")
        beams = np.arange(-wide * 0.45, wide * 0.46, 0.6)
        site.add(
            join(
                [
                    boxes(posts, (0.12, 0.12, 2.3), wood),
                    boxes(
                        np.column_stack([beams, beams * 0 - deep / 2, beams * 0 + 2.4]), (0.07, deep + 0.5, 0.14), wood
                    ),
                ]
            )
        )
        vines = np.column_stack([rng.uniform(-0.45, 0.45, 60) * wide, rng.uniform(-deep, 0, 60), np.full(60, 2.4)])
        site.add(leaves(rng, np.repeat(vines, 8, 0) + rng.normal(0, 0.15, (480, 3)), 0.12, palette("leaves"), 0.4))
    for make in (furniture.table_and_chairs, furniture.table_and_chairs, furniture.bench):
        site.add(
            make(rng, palette),
            float(rng.uniform(-0.45, 0.45)) * wide,
            float(rng.uniform(-deep * 0.8, 1.5)),
            float(rng.uniform(0, 6)),
            0.13,
        )
    if rng.random() < 0.6:
        site.add(
            furniture.parasol(rng, palette),
            float(rng.uniform(-0.4, 0.4)) * wide,
            float(rng.uniform(-deep * 0.6, 1)),
            z=0.1,
        )
    for side in (-1, 1):
        site.add(
            fences.fence(rng, palette, reach + deep, str(rng.choice(["slats", "pickets", "wall", "mesh"]))),
            side * (wide * 0.9),
            reach / 2 - deep / 2,
            pi / 2,
        )
        site.add(
            vegetation.flower_bed(rng, palette("blade"), palette.some("flower", 3), reach * 0.6, 1.0, 130),
            side * (wide * 0.9 - 0.9),
            reach * 0.45,
            pi / 2,
        )
    site.add(vegetation.hedge(rng, palette("leaves"), wide * 1.8, float(rng.uniform(1.2, 2.4)), 0.8, 400), 0, reach)
    bush = vegetation.bush(rng, palette("leaves"), 0.7, 220, palette("flower") if rng.random() < 0.6 else None)
    rim = np.column_stack(
        [rng.choice([-1, 1], 10) * wide * rng.uniform(0.4, 0.85, 10), rng.uniform(0.5, reach - 1, 10)]
    )
    site.scatter(bush, rim, scale=rng.uniform(0.4, 1.5, 10))
    site.scatter(
        vegetation.tree(rng, palette("bark"), palette("leaves"), float(rng.uniform(3, 5)), 900, low=True),
        rng.uniform([-wide * 0.7, 3], [wide * 0.7, reach - 1], (3, 2)),
        scale=rng.uniform(0.7, 1.3, 3),
    )
    pots = np.column_stack([rng.uniform(-0.55, 0.55, 6) * wide, rng.uniform(-deep * 0.9, 0.3, 6)])
    pot = join(
        [
            cylinder(0.16, 0.35, 0.22, sections=10).of(palette.any_of("roof tiles", "plastic")),
            vegetation.bush(rng, palette("leaves"), 0.35, 90, palette("flower")).moved(z=0.3),
        ]
    )
    site.scatter(pot, pots, scale=rng.uniform(0.6, 1.6, 6))
    for make in (vehicles.bicycle, vehicles.cart, furniture.bin_, yard_things.swing, yard_things.pallets):
        if rng.random() < 0.6:
            site.add(
                make(rng, palette),
                float(rng.uniform(-0.7, 0.7)) * wide,
                float(rng.uniform(1, reach - 2)),
                float(rng.uniform(0, 6)),
            )
    site.add(
        vegetation.grass(rng, palette("blade"), rng.uniform([-wide * 0.8, 0], [wide * 0.8, reach], (220, 2)), 0.12, 6)
    )
    site.crowd(rng.uniform([-wide * 0.5, -deep * 0.6], [wide * 0.5, reach * 0.6], (4, 2)), kinds=4)
    site.add(buildings.cottage(rng, palette, 11, 8, 2), float(rng.uniform(-12, 12)), reach + 9)
    for x in (-1, 1):
        site.add(buildings.cottage(rng, palette, 9, 8, 2), x * (wide * 0.9 + 8), float(rng.uniform(-6, 8)), -x * pi / 2)
    wall_of_trees(site, 40)
    site.lamp_at(0, -deep + 0.4, 2.4)

    def spot() -> tuple[float, float, float]:
        if rng.random() < 0.6:
            return float(rng.uniform(-0.5, 0.5)) * wide, float(rng.uniform(-deep + 0.5, 1.5)), float(rng.normal(0, 0.7))
        return float(rng.uniform(-0.6, 0.6)) * wide, float(rng.uniform(3, reach - 2)), float(rng.uniform(0, 2 * pi))

    return site.finish(
        spot,
        ("person", "person", "person", "robot", "window"),
        foreground=("person", "bush", "bush", "crown", "small", "grass", "parasol"),
    )


LAYOUTS: dict[str, Layout] = {
    "car park": car_park,
    "town square": town_square,
    "courtyard": courtyard,
    "garden": garden,
}

"""Layouts among trees and by the water: a forest path, a park, a waterfront."""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vegetation, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import copies, rods
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    facing,
    greenery,
    parked,
)
from depthwire.training.scenes.undergrowth import NATURE, grass_along, wall_of_trees

Generator = np.random.Generator


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
        rods(
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
        rods(
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
            yard_things.swing(rng, palette),
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
        rail = fences.fence(rng, palette, 10.0, str(rng.choice(["railing", "rails", "wall", "mesh"])))
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


LAYOUTS: dict[str, Layout] = {
    "forest path": forest_path,
    "park": park,
    "waterfront": waterfront,
}

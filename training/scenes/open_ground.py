"""Layouts of open country: a road between fields, hills with rocks, snow, desert."""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import box
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vegetation, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import rods
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    facing,
    greenery,
    road_paint,
    traffic,
)
from depthwire.training.scenes.undergrowth import NATURE, anywhere, grass_along, hay_bale, wall_of_trees, wild

Generator = np.random.Generator


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
                    fences.fence(rng, palette, 12.0, "wire" if rng.random() < 0.7 else "rails"),
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
            fences.power_line(rng, palette, 7, 40),
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
        site.add(fences.power_line(rng, palette, 7, 45), float(rng.uniform(-40, 40)), yaw=float(rng.uniform(0, pi)))
    if rng.random() < 0.4:
        for x in np.arange(-24, 25, 12.0):
            site.add(fences.fence(rng, palette, 12.0, "wire"), float(x), float(rng.uniform(6, 7)))
    site.backdrop(hills=True, skyline=0)
    return site.finish(anywhere(rng), ("person", "person", "robot", "drone"), foreground=("rock", "rock", *NATURE))


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
            fences.fence(rng, palette, 10.0, str(rng.choice(["rails", "wire", "pickets"]))),
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
            yard_things.heap(rng, snow, float(rng.uniform(0.6, 2))),
            float(rng.choice([-1, 1])) * (half + 2),
            float(rng.uniform(-15, 30)),
        )
    site.scatter(
        vegetation.rock(rng, palette("rock"), 0.8, 1), rng.uniform(-30, 40, (8, 2)), scale=rng.uniform(0.4, 1.5, 8)
    )
    posts = np.arange(-40, 80, 14.0)
    stakes = np.column_stack([posts * 0 + half + 1.2, posts, posts * 0])
    site.add(rods(stakes, stakes + np.array([0, 0, 1.8]), 0.025, palette("plastic")))
    traffic(site, half + 0.4, half, int(rng.integers(0, 3)))
    site.crowd(np.column_stack([rng.uniform(-half, half, 3), rng.uniform(-12, 30, 3)]), kinds=3)
    if rng.random() < 0.5:
        site.add(fences.power_line(rng, palette, 6, 40), -half - 6)
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
            fences.fence(rng, palette, float(rng.uniform(3, 10)), "wall"),
            float(rng.uniform(-15, 15)),
            float(rng.uniform(4, 25)),
            float(rng.uniform(0, pi)),
        )
    if rng.random() < 0.5:
        house = box(6, 5, 3.2).of(palette.any_of("plaster", "stone"))
        site.add(house, float(rng.uniform(-20, 20)), float(rng.uniform(14, 30)), float(rng.uniform(0, pi)))
    site.add(
        vehicles.car(rng, palette, str(rng.choice(["suv", "pickup"]))),
        float(rng.uniform(-9, 9)),
        float(rng.uniform(6, 20)),
        float(rng.uniform(0, 6)),
    )
    if rng.random() < 0.5:
        site.add(fences.power_line(rng, palette, 8, 45), float(rng.uniform(-30, 30)), yaw=float(rng.uniform(0, pi)))
    site.crowd(rng.uniform(-12, 14, (4, 2)), kinds=3)
    site.backdrop(hills=True, skyline=0)
    return site.finish(
        anywhere(rng),
        ("person", "person", "car", "robot", "drone"),
        near=0.45,
        foreground=("rock", "rock", "person", "bush", "grass", "car", "post", "trunk"),
    )


LAYOUTS: dict[str, Layout] = {
    "country road": country_road,
    "rocky hills": rocky_hills,
    "snow": snow_field,
    "desert": desert,
}

"""Layouts along streets: a city street and a residential street.

The street runs along y; cameras stand within 25 m of the origin.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout, buildings, fences, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.site import Relief, Site
from depthwire.training.scenes.street_parts import (
    carriageway,
    greenery,
    house_row,
    kerb_life,
    parked,
    pedestrians,
    road_paint,
    street_spots,
    traffic,
)

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
        site.add(fences.power_line(rng, site.palette, 4, 30), half + 0.6)
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
        site.add(fences.power_line(rng, site.palette, 5, 30), -half - walk)
    traffic(site, half, half, count=1)
    pedestrians(site, half, walk, int(rng.integers(2, 6)))
    site.backdrop(skyline=3)
    return site.finish(street_spots(rng, half, walk), ("person", "person", "car", "car", "robot", "window"))


def front_garden(site: Site, side: int, edge: float, deep: float, y: float, bush: Mesh) -> None:
    """Fence or hedge to the pavement, a path, a car in the drive, bushes."""
    rng, palette = site.rng, site.palette
    long = float(rng.uniform(8, 12))
    if rng.random() < 0.5:
        border = vegetation.hedge(rng, palette("leaves"), long, float(rng.uniform(0.7, 1.9)), 0.7, 240)
    else:
        border = fences.fence(rng, palette, long, str(rng.choice(["pickets", "slats", "railing", "wall", "rails"])))
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


LAYOUTS: dict[str, Layout] = {
    "city street": city_street,
    "residential street": residential_street,
}

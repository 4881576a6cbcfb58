"""What places are put together from: houses around a square, a monument, things that lie about a yard.

The layouts of places.py and works.py call it.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, cylinder, join, revolved
from depthwire.training.scenes import buildings, fences, vehicles, yard_things
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, quads, rods
from depthwire.training.scenes.people import Wardrobe, person
from depthwire.training.scenes.site import Site, Spot

Generator = np.random.Generator


def yard(site: Site, count: int, reach: float) -> None:
    """Pallets, pipes, cones, barriers, bins and carts about the origin."""
    rng = site.rng
    makes = (
        yard_things.pallets,
        yard_things.pipes,
        furniture.cone,
        fences.barrier,
        furniture.bin_,
        vehicles.cart,
        yard_things.pallets,
    )
    for pick in rng.integers(len(makes), size=count):
        x, y, yaw = rng.uniform(-reach, reach), rng.uniform(-reach, reach), rng.uniform(0, 6)
        site.add(makes[pick](rng, site.palette), float(x), float(y), float(yaw))


def walls_around(site: Site, half: float, tall: int, shop: bool | None = None) -> None:
    """Houses along the four sides of a square of 2 × half metres, some gaps between."""
    rng, palette = site.rng, site.palette
    shapes = [
        buildings.town_house(rng, palette, float(rng.uniform(7, 13)), 9, max(1, tall + int(rng.integers(-1, 2))), shop)
        for _ in range(5)
    ]
    for yaw in (0.0, pi / 2, pi, -pi / 2):
        along = -half
        while along < half - 1:
            shape = shapes[rng.integers(5)] if site.room > 14000 else buildings.block(rng, palette, 10, 9, tall * 3.2)
            wide = float(shape.bounds[1][0] - shape.bounds[0][0])
            if rng.random() < 0.14:
                along += 4.5
                continue
            middle, out = along + wide / 2, half + float(rng.uniform(0, 0.3))
            site.add(shape, middle * np.cos(yaw) - out * np.sin(yaw), middle * np.sin(yaw) + out * np.cos(yaw), yaw)
            along += wide


def monument(rng: Generator, site: Site) -> Mesh:
    """A fountain, a statue of a person, a column or a row of flags."""
    palette, kind = site.palette, rng.integers(4)
    stone = palette("stone")
    if kind == 0:
        basin = revolved(
            [
                [2.6, 0],
                [2.8, 0.5],
                [2.5, 0.55],
                [2.4, 0.35],
                [0.3, 0.35],
                [0.25, 1.4],
                [1.0, 1.6],
                [0.9, 1.5],
                [0.12, 1.5],
                [0.1, 2.3],
                [0, 2.4],
            ],
            18,
        ).of(stone)
        return join([basin, cylinder(2.4, 0.4, sections=18).of(palette("water"))])
    if kind == 1:
        bronze = palette("rust")
        figure = person(
            rng, Wardrobe((bronze,), (bronze,), (bronze,), bronze), "raise" if rng.random() < 0.5 else "stand", 1.9
        ).scaled(1.4)
        return join(
            [
                boxes(
                    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.3], [0.0, 0.0, 0.6]],
                    [[3.0, 3.0, 0.3], [2.2, 2.2, 0.3], [1.2, 1.2, 1.5]],
                    stone,
                ),
                figure.moved(z=2.1),
            ]
        )
    if kind == 2:
        return join([revolved([[1.2, 0], [1.2, 0.5], [0.5, 0.7], [0.4, 7], [0.7, 7.3], [0, 7.5]], 14).of(stone)])
    x = np.arange(-4, 5, 2.0)
    foot = np.column_stack([x, x * 0, x * 0])
    cloth = [[[a, 0, 6.8], [a + 1.2, 0.2, 6.6], [a + 1.1, 0.1, 5.6], [a, 0, 5.8]] for a in x]
    return join([rods(foot, foot + np.array([0, 0, 7.0]), 0.05, palette("metal")), quads(cloth, palette("awning"))])


def around(rng: Generator, x: float, y: float) -> Spot:
    """Camera places within x and y of the origin, looking anywhere."""

    def spot() -> tuple[float, float, float]:
        return float(rng.uniform(-x, x)), float(rng.uniform(-y, y)), float(rng.uniform(0, 2 * pi))

    return spot

"""What streets are put together from: carriageway, paint, rows of houses, parked and moving traffic, people.

The layouts of streets.py and passages.py call it, others take single parts. The street runs along y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import numpy as np

from depthwire.training.mesh import Mesh
from depthwire.training.scenes import buildings, fences, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.site import Site, Spot

Generator = np.random.Generator


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
        fences.barrier, furniture.parasol,
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

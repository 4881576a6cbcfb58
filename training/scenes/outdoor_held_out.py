"""Outdoor layouts that are never trained on: market square, harbour, farm yard, cul-de-sac.

They have arrangements, houses and palettes of their own; evaluate.py measures generalisation on them.
"""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, revolved, sphere
from depthwire.training.scene import Pattern, Scene
from depthwire.training.scenes import Layout, vegetation, vehicles
from depthwire.training.scenes import street_furniture as furniture
from depthwire.training.scenes.instances import boxes, copies, quads, sticks
from depthwire.training.scenes.outdoor_palette import RECIPES, Palette, Recipe
from depthwire.training.scenes.site import Relief, Site

Generator = np.random.Generator


def _other(recipe: Recipe) -> Recipe:
    """A recipe whose colours are muted and warmer and whose patterns are larger."""
    muted = (tuple(0.72 * channel + 0.26 * sum(colour) / 3 for channel in colour) for colour in recipe.colours)
    tinted = tuple((red * 1.08, green * 1.02, blue * 0.84) for red, green, blue in muted)
    return recipe._replace(colours=tinted, tile_m=(recipe.tile_m[0] * 1.3, recipe.tile_m[1] * 1.4))


HELD_OUT_RECIPES: dict[str, Recipe] = {
    **{name: _other(recipe) for name, recipe in RECIPES.items()},
    "flags": Recipe((Pattern.CHECKER, Pattern.TILES), ((0.42, 0.33, 0.27), (0.22, 0.23, 0.26)), (0.6, 0.8), (0.7, 2)),
    "limewash": Recipe(
        (Pattern.STAINS, Pattern.NOISE),
        ((0.72, 0.66, 0.48), (0.55, 0.62, 0.66), (0.66, 0.45, 0.36)),
        (0.6, 0.9),
        (0.8, 3),
    ),
    "timber": Recipe((Pattern.WOOD,), ((0.08, 0.05, 0.035), (0.2, 0.12, 0.07)), (0.5, 0.8), (0.3, 0.9)),
    "thatch": Recipe((Pattern.NOISE, Pattern.STRIPES), ((0.3, 0.24, 0.15), (0.2, 0.16, 0.12)), (0.6, 0.9), (0.3, 1)),
    "mud": Recipe((Pattern.NOISE, Pattern.STAINS), ((0.14, 0.1, 0.07), (0.2, 0.15, 0.1)), (0.5, 0.9), (0.8, 2.5)),
}  # fmt: skip


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
    site.add(sticks(piles, piles + np.array([0, 0, 3.6 - low]), 0.16, palette("timber"), sections=7))
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
    mast = sticks(
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
                sticks([[4, 0, 9]], [[4, 0, 3]], 0.02, palette("tyre"), sections=3),
                box(1.6, 1.6, 1.8).of(palette("rust")),
            ]
        ),
        quay - 2.5,
        float(rng.uniform(5, 15)),
    )
    for make in (
        furniture.container,
        furniture.pallets,
        furniture.pipes,
        vehicles.lorry,
        vehicles.cart,
        furniture.barrier,
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
            sticks([[0, 2, 0.8]], [[0, 3.6, 0.5]], 0.06, palette("rust")),
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
        site.add(furniture.fence(rng, palette, 12.0, "rails"), x, y, yaw)
    site.add(furniture.gate(rng, palette, 3.4), 0, -10.0)
    orchard = vegetation.tree(rng, palette("bark"), palette("leaves"), 4.6, 420, low=True)
    grid = np.array([(x, y) for x in np.arange(-18, 20, 6.0) for y in (-16.0, -22.0, -28.0)])
    site.scatter(orchard, grid + rng.normal(0, 0.5, grid.shape), scale=rng.uniform(0.7, 1.2, len(grid)))
    for make in (vehicles.cart, furniture.pallets, furniture.bin_, vehicles.bicycle, furniture.pipes, vehicles.car):
        site.add(make(rng, palette), float(rng.uniform(-9, 9)), float(rng.uniform(-7, 11)), float(rng.uniform(0, 6)))
    site.scatter(
        revolved([[0.2, 0], [0.19, 0.3], [0.21, 0.32], [0.17, 0.05]], 12).of(palette("metal")),
        rng.uniform(-8, 8, (5, 2)),
    )
    site.crowd(rng.uniform(-8, 9, (4, 2)), kinds=4)
    site.add(vegetation.grass(rng, palette("blade"), rng.normal(0, 12, (160, 2)), 0.35, 8))
    site.add(furniture.power_line(rng, palette, 6, 35), -10.0, yaw=float(rng.uniform(0, pi)))
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
        site.add(quads(np.stack([a[:-1], a[1:], b[1:], b[:-1]], 1), palette(name)))
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
            sticks([[0, 0, 0], [0, 0, 3]], [[0, 0, 3.2], [0, -0.5, 3.2]], 0.05, palette("metal")),
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
        furniture.swing,
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


def timbered_house(rng: Generator, palette: Palette, width: float, floors: int) -> Mesh:
    """A half-timbered house: floors that jut out one over the other, a steep gable to the front."""
    storey, deep, jut = float(rng.uniform(2.5, 3)), 8.0, 0.25
    wall, beam = palette.another("limewash"), palette("timber")
    parts = []
    for level in range(floors):
        out, z = -jut * level, storey * level
        parts.append(box(width, deep - out, storey).moved(y=(deep + out) / 2, z=z).of(wall))
        x = np.linspace(-width / 2 + 0.1, width / 2 - 0.1, max(4, int(width / 1.2)))
        foot = np.column_stack([x, x * 0 + out - 0.02, x * 0 + z])
        parts.append(boxes(foot, (0.18, 0.1, storey), beam))
        parts.append(
            boxes([[0, out - 0.04, z + h] for h in (0, storey - 0.2, storey * 0.35)], (width, 0.12, 0.18), beam)
        )
        braces = foot[:-1][rng.random(len(x) - 1) < 0.3]
        parts.append(
            sticks(
                braces + np.array([0.05, 0, 0.1]),
                braces + np.array([x[1] - x[0], 0, storey * 0.9]),
                0.07,
                beam,
                sections=4,
            )
        )
        holes = (foot[:-1] + foot[1:])[rng.random(len(x) - 1) < 0.6] / 2
        parts.append(boxes(holes + np.array([0, -0.03, storey * 0.4]), (0.75, 0.06, storey * 0.45), palette("window")))
    top, rise, front = storey * floors, width * float(rng.uniform(0.5, 0.8)), -jut * floors
    parts.append(
        quads(
            [
                [[-width / 2, front, top], [width / 2, front, top], [0, front, top + rise], [0, front, top + rise]],
                [[-width / 2, deep, top], [width / 2, deep, top], [0, deep, top + rise], [0, deep, top + rise]],
            ],
            wall,
        )
    )
    over = 0.4
    slopes = [
        [
            [s * (width / 2 + over), front - over, top - over],
            [s * (width / 2 + over), deep, top - over],
            [0, deep, top + rise],
            [0, front - over, top + rise],
        ]
        for s in (-1, 1)
    ]
    parts.append(quads(slopes, palette.another("roof tiles")))
    parts.append(boxes([[width * 0.2, -0.05, 0]], (1.1, 0.14, 2.1), palette("painted wood")))
    return join(parts)


def warehouse(rng: Generator, palette: Palette, width: float) -> Mesh:
    """A brick warehouse with arched openings and a stepped gable."""
    high, deep = float(rng.uniform(6, 12)), 14.0
    wall = palette.another("brick")
    parts = [box(width, deep, high).moved(y=deep / 2).of(wall)]
    columns = max(3, int(width / 3))
    x = (np.arange(columns) + 0.5) / columns * width - width / 2
    for z in np.arange(0.0, high - 3, 3.4):
        place = np.column_stack([x, x * 0 - 0.02, x * 0 + z + (0 if z == 0 else 0.7)])
        tall = 2.3 if z == 0 else 1.5
        parts.append(boxes(place, (1.7, 0.1, tall), palette("dark metal") if z == 0 else palette("window")))
        arch = cylinder(0.85, 0.1, sections=14).turned(pitch=pi / 2)
        parts.append(copies(arch, place + np.array([0, 0.03, tall])).of(palette("window")))
    steps = np.arange(5)
    parts.append(
        boxes(
            np.column_stack([steps * 0, steps * 0 + 0.3, high + steps * 0.8]),
            np.column_stack([width * (1 - steps / 5.5), steps * 0 + 0.6, steps * 0 + 0.8]),
            wall,
        )
    )
    parts.append(
        quads(
            [
                [[s * width / 2, 0.5, high], [s * width / 2, deep, high], [0, deep, high + 4], [0, 0.5, high + 4]]
                for s in (-1, 1)
            ],
            palette("metal roof"),
        )
    )
    return join(parts)


def barns(rng: Generator, palette: Palette, width: float, high: float) -> Mesh:
    """A barn of planks with an open side, posts within, a thatched roof."""
    deep, timber = float(rng.uniform(7, 10)), palette("timber")
    parts = [
        boxes(
            [[0, deep, 0], [-width / 2, deep / 2, 0], [width / 4, 0.0, 0]],
            [[width, 0.2, high], [0.2, deep, high], [width / 2, 0.2, high]],
            palette("painted wood"),
        )
    ]
    posts = np.linspace(-width / 2, width / 2, max(3, int(width / 3)))
    parts.append(
        boxes(
            np.concatenate([np.column_stack([posts, posts * 0 + y, posts * 0]) for y in (0.0, deep / 2)]),
            (0.25, 0.25, high),
            timber,
        )
    )
    rise, over = deep * float(rng.uniform(0.35, 0.55)), 0.8
    parts.append(
        quads(
            [
                [
                    [-width / 2 - over, y, high - 0.4],
                    [width / 2 + over, y, high - 0.4],
                    [width / 2 - 0.5, deep / 2, high + rise],
                    [-width / 2 + 0.5, deep / 2, high + rise],
                ]
                for y in (-over, deep + over)
            ],
            palette("thatch"),
        )
    )
    parts.append(
        quads(
            [
                [
                    [s * (width / 2 + over), -over, high - 0.4],
                    [s * (width / 2 + over), deep + over, high - 0.4],
                    [s * (width / 2 - 0.5), deep / 2, high + rise],
                    [s * (width / 2 - 0.5), deep / 2, high + rise],
                ]
                for s in (-1, 1)
            ],
            palette("thatch"),
        )
    )
    parts.append(
        boxes(
            np.column_stack([rng.uniform(-0.4, 0.1, 5) * width, rng.uniform(2, deep - 1, 5), np.zeros(5)]),
            rng.uniform(0.6, 1.6, (5, 3)),
            palette("hay"),
        )
    )
    return join(parts)


def bungalow(rng: Generator, palette: Palette) -> Mesh:
    """A low house of two volumes with a wide garage door and a hipped roof."""
    wide, high = float(rng.uniform(10, 13)), float(rng.uniform(2.5, 2.9))
    wall, trim = palette.another("limewash"), palette("trim")
    parts = [box(wide, 8, high).moved(y=4).of(wall), box(5, 4, high).moved(4.6, -0.5).of(palette("brick"))]
    parts.append(
        boxes(
            [[4.6, -2.5, 0], [-2.5, -0.02, 0.7], [-5.0 + wide * 0.02, -0.02, 0.9], [1.2, -0.02, 0]],
            [[3.8, 0.1, 2.2], [2.2, 0.1, 1.4], [1.2, 0.1, 1.2], [1.0, 0.12, 2.1]],
            trim,
        )
    )
    parts.append(
        boxes(
            [[-2.5, -0.06, 0.78], [-5.0 + wide * 0.02, -0.06, 0.98]],
            [[2.0, 0.1, 1.24], [1.0, 0.1, 1.04]],
            palette("window"),
        )
    )
    for x, y, w, d in ((0.0, 4.0, wide, 8.0), (4.6, -0.2, 5.0, 4.8)):
        corner = np.array(
            [
                [-w / 2 - 0.5, -d / 2 - 0.5],
                [w / 2 + 0.5, -d / 2 - 0.5],
                [w / 2 + 0.5, d / 2 + 0.5],
                [-w / 2 - 0.5, d / 2 + 0.5],
            ]
        )
        inner = np.clip(corner * 0.999, [-max(0.01, w / 2 - d / 2), -0.01], [max(0.01, w / 2 - d / 2), 0.01])
        low, top = (
            np.column_stack([corner, np.full(4, high - 0.1)]),
            np.column_stack([inner, np.full(4, high + d * 0.22)]),
        )
        slopes = [[low[i], low[(i + 1) % 4], top[(i + 1) % 4], top[i]] for i in range(4)]
        parts.append(quads(slopes, palette("thatch")).moved(x, y))
    porch = sticks([[0.2, -1.6, 0], [2.2, -1.6, 0]], [[0.2, -1.6, high], [2.2, -1.6, high]], 0.08, trim)
    return join([*parts, porch, box(2.6, 2.0, 0.12).moved(1.2, -0.9, high - 0.1).of(trim)])


def animal(rng: Generator, palette: Palette) -> Mesh:
    """A cow, a horse or a sheep of ellipsoids and sticks, facing +y."""
    coat = palette.any_of("snow", "timber", "hay", "tyre")
    high, long = float(rng.uniform(0.6, 1.3)), float(rng.uniform(1.0, 1.9))
    body = sphere(0.5, 1).scaled(long * 0.38, long, long * 0.5).moved(z=high).of(coat)
    grazing = rng.random() < 0.5
    neck, head = [0, long * 0.4, high + 0.1], [0, long * 0.68, high * (0.25 if grazing else 1.35)]
    legs = np.array([[x * long * 0.11, y * long * 0.35, 0] for x in (-1, 1) for y in (-1, 1)])
    parts = [
        body,
        sticks([neck], [head], 0.16 * long, coat, 0.1 * long, sections=7),
        sphere(0.16 * long, 1).scaled(0.7, 1.3, 0.8).moved(*head).of(coat),
    ]
    parts.append(sticks(legs, legs + np.array([0, 0, high]), 0.05, coat, 0.09, sections=6))
    parts.append(sticks([[0, -long * 0.45, high + 0.2]], [[0, -long * 0.52, high * 0.4]], 0.03, coat, sections=4))
    return join(parts)


LAYOUTS: dict[str, Layout] = {}
HELD_OUT: dict[str, Layout] = {
    "market square": market_square,
    "harbour": harbour,
    "farm yard": farm_yard,
    "cul-de-sac": cul_de_sac,
}

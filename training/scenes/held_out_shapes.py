"""OutdoorPalette, houses and animals that only the held-out outdoor layouts use."""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, sphere
from depthwire.training.scene import Pattern
from depthwire.training.scenes.instances import boxes, copies, quads, rods
from depthwire.training.scenes.outdoor_palette import RECIPES, OutdoorPalette, Recipe

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
}  # fmt: skip  # fmt: skip


def timbered_house(rng: Generator, palette: OutdoorPalette, width: float, floors: int) -> Mesh:
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
            rods(
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


def warehouse(rng: Generator, palette: OutdoorPalette, width: float) -> Mesh:
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


def barns(rng: Generator, palette: OutdoorPalette, width: float, high: float) -> Mesh:
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


def bungalow(rng: Generator, palette: OutdoorPalette) -> Mesh:
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
    porch = rods([[0.2, -1.6, 0], [2.2, -1.6, 0]], [[0.2, -1.6, high], [2.2, -1.6, high]], 0.08, trim)
    return join([*parts, porch, box(2.6, 2.0, 0.12).moved(1.2, -0.9, high - 0.1).of(trim)])


def animal(rng: Generator, palette: OutdoorPalette) -> Mesh:
    """A cow, a horse or a sheep of ellipsoids and rods, facing +y."""
    coat = palette.any_of("snow", "timber", "hay", "tyre")
    high, long = float(rng.uniform(0.6, 1.3)), float(rng.uniform(1.0, 1.9))
    body = sphere(0.5, 1).scaled(long * 0.38, long, long * 0.5).moved(z=high).of(coat)
    grazing = rng.random() < 0.5
    neck, head = [0, long * 0.4, high + 0.1], [0, long * 0.68, high * (0.25 if grazing else 1.35)]
    legs = np.array([[x * long * 0.11, y * long * 0.35, 0] for x in (-1, 1) for y in (-1, 1)])
    parts = [
        body,
        rods(neck, head, 0.16 * long, coat, 0.1 * long, sections=7),
        sphere(0.16 * long, 1).scaled(0.7, 1.3, 0.8).moved(*head).of(coat),
    ]
    parts.append(rods(legs, legs + np.array([0, 0, high]), 0.05, coat, 0.09, sections=6))
    parts.append(rods([0, -long * 0.45, high + 0.2], [0, -long * 0.52, high * 0.4], 0.03, coat, sections=4))
    return join(parts)

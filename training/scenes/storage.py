"""What things are kept in: shelves with books and boxes, cupboards, kitchen rows, racks, lockers, benches.

Each stands on z = 0, centred, with its front at -y.
"""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join
from depthwire.training.scenes.clutter import Clutter
from depthwire.training.scenes.furniture import drawers
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import EVERYTHING, KITCHEN_THINGS, WORKSHOP_THINGS, Maker
from depthwire.training.scenes.shapes import square_legs, vessel


def shelf(
    clutter: Clutter,
    wide: float | None = None,
    tall: float | None = None,
    deep: float | None = None,
    makers: tuple[Maker, ...] = EVERYTHING,
) -> Mesh:
    """An open shelf of boards with rows of books and things, with or without a back."""
    palette = clutter.palette
    x, z, y = wide or palette.between(0.5, 1.8), tall or palette.between(0.7, 2.3), deep or palette.between(0.24, 0.4)
    wood = palette.one_of("furniture", 3)
    rows = max(2, round(z / palette.between(0.28, 0.42)))
    step = z / rows
    levels = np.arange(rows + 1) * step - 0.01
    bays = max(1, round(x / palette.between(0.6, 0.95)))
    uprights = np.linspace(-x / 2 + 0.01, x / 2 - 0.01, bays + 1)
    sizes = [[x, y, 0.02]] * len(levels) + [[0.02, y, z]] * len(uprights)
    places = [[0, 0, max(float(level), 0)] for level in levels] + [[float(u), 0, 0] for u in uprights]
    parts = [boxes(places, sizes, wood)]
    if palette.chance(0.6):
        parts.append(
            box(x, 0.01, z).moved(0, y / 2 - 0.005).of(wood if palette.chance(0.7) else palette.one_of("lacquer"))
        )
    bay = x / bays - 0.04
    for level in levels[:-1]:
        for k in range(bays):
            middle, bottom = float(uprights[0] + (k + 0.5) * (x / bays)), max(float(level), 0) + 0.021
            draw = palette.rng.random()
            if draw < 0.55:
                parts.append(clutter.row(bay, step - 0.05, y - 0.02).moved(middle, 0, bottom))
            elif draw < 0.85:
                parts.append(_low(clutter.spread(bay, y, 4, makers), step - 0.04).moved(middle, 0, bottom))
    return join(parts)


def _low(things: Mesh, height: float) -> Mesh:
    """The same things pressed so that they fit under the next board."""
    if not len(things.faces):
        return things
    tallest = float(things.bounds[1][2])
    return things.scaled(1, 1, height / tallest) if tallest > height else things


def cupboard(clutter: Clutter, wide: float | None = None, tall: float | None = None, deep: float | None = None) -> Mesh:
    """A wardrobe, a sideboard or a locker with doors and handles, things on its top."""
    palette = clutter.palette
    x, z, y = wide or palette.between(0.5, 2.0), tall or palette.between(0.7, 2.2), deep or palette.between(0.35, 0.62)
    foot = palette.between(0, 0.12)
    chest = drawers(clutter, x, y, z - foot, int(palette.rng.integers(1, 3 if z > 1.2 else 4)), max(1, round(x / 0.5)))
    parts = [chest.moved(z=foot), square_legs(x * 0.95, y * 0.9, foot + 0.01, 0.05, palette.one_of("furniture", 3))]
    if z < 1.3 or palette.chance(0.4):
        parts.append(clutter.spread(x * 0.95, y * 0.9, int(palette.rng.integers(0, 7)), EVERYTHING).moved(z=z))
    return join(parts)


def kitchen_row(clutter: Clutter, length: float, upper: bool = True) -> Mesh:
    """Base units with a worktop, sink, stove and clutter, wall units above, perhaps a hood and a tall fridge."""
    palette = clutter.palette
    front, top = palette.one_of("furniture", 2), palette.lino()
    metal, black = palette.one_of("metal", 2), palette.one_of("dark_plastic", 2)
    tall, deep = palette.between(0.86, 0.95), palette.between(0.58, 0.65)
    count = max(2, round(length / 0.55))
    step = length / count
    x = (np.arange(count) - (count - 1) / 2) * step
    sizes = [[length, deep - 0.05, tall - 0.12], [length + 0.02, deep + 0.02, 0.04]]
    places = [[0, 0.02, 0.08], [0, 0, tall - 0.04]]
    materials = [front, top]
    for k in range(count):
        sizes += [[step - 0.012, 0.02, tall - 0.15], [0.14, 0.02, 0.014]]
        places += [[float(x[k]), -deep / 2 + 0.035, 0.1], [float(x[k]), -deep / 2 + 0.015, tall - 0.12]]
        materials += [front, metal]
    oven, sink = (float(v) for v in palette.rng.choice(x, 2, replace=False))
    sizes += [[step - 0.02, 0.03, 0.5], [step * 0.95, deep * 0.8, 0.01], [step * 0.8, deep * 0.55, 0.006]]
    places += [[oven, -deep / 2 + 0.025, 0.2], [oven, 0, tall + 0.001], [sink, 0, tall + 0.001]]
    materials += [black, black, metal]
    parts = [boxes(places, sizes, materials)]
    parts.append(
        rods(
            [[sink, deep * 0.4, tall], [sink, deep * 0.4, tall + 0.27]],
            [[sink, deep * 0.4, tall + 0.28], [sink, deep * 0.1, tall + 0.24]],
            0.014,
            metal,
            sections=6,
        )
    )
    parts.append(clutter.spread(length * 0.97, deep * 0.85, int(length * 5), KITCHEN_THINGS).moved(z=tall + 0.012))
    if upper:
        bottom, height, shallow = palette.between(1.35, 1.5), palette.between(0.5, 0.8), palette.between(0.3, 0.38)
        kept = x[(np.abs(x - oven) > 0.01) & (palette.rng.random(count) < 0.8)]
        if len(kept):
            at = np.stack([kept, np.full(len(kept), deep / 2 - shallow / 2), np.full(len(kept), bottom)], 1)
            parts.append(boxes(at, (step - 0.008, shallow, height), palette.one_of("furniture", 2)))
            parts.append(boxes(at + np.array([step * 0.38, -shallow / 2 - 0.01, 0.06]), (0.012, 0.02, 0.14), metal))
        hood = vessel([[0.42, 0], [0.42, 0.06], [0.16, 0.25], [0.14, 0.9]], metal, 4).turned(yaw=np.pi / 4)
        parts.append(hood.scaled(step * 1.4, 0.8, 1).moved(oven, deep / 2 - 0.26, bottom + 0.05))
    if palette.chance(0.5):
        side = float(palette.rng.choice([-1, 1])) * (length / 2 + 0.32)
        sizes = [[0.6, 0.64, 1.8], [0.58, 0.02, 0.6], [0.58, 0.02, 1.14], [0.02, 0.03, 0.3], [0.02, 0.03, 0.4]]
        places = [
            [side, 0, 0.02],
            [side, -0.33, 1.2],
            [side, -0.33, 0.04],
            [side - 0.25, -0.35, 1.25],
            [side - 0.25, -0.35, 0.7],
        ]
        parts.append(
            boxes(
                places,
                sizes,
                [palette.one_of("lacquer"), palette.one_of("lacquer"), palette.one_of("lacquer"), metal, metal],
            )
        )
    return join(parts)


def rack(clutter: Clutter, wide: float, tall: float, deep: float, levels: int, filled: float = 0.8) -> Mesh:
    """A warehouse rack of thin steel with cartons, drums and pallets on its levels."""
    palette = clutter.palette
    post, beam = palette.one_of("machine_paint", 2), palette.one_of("machine_paint", 3)
    step = tall / levels
    parts = [square_legs(wide, deep, tall, 0.07, post)]
    front, back = (
        [[s * (wide / 2 - 0.035), y, (z + rise) * step] for s in (-1, 1) for z in range(levels)]
        for y, rise in ((-deep / 2, 0), (deep / 2, 0.8))
    )
    parts.append(rods(front, back, 0.015, post, sections=4))
    heights = np.arange(levels) * step + 0.06
    sizes = [[wide, 0.05, 0.1]] * (2 * levels)
    places = [[0, s * (deep / 2 - 0.03), float(h)] for h in heights for s in (-1, 1)]
    parts.append(boxes(places, sizes, beam))
    if palette.chance(0.7):
        parts.append(
            boxes([[0, 0, float(h) + 0.085] for h in heights], (wide, deep * 0.95, 0.02), palette.one_of("wood", 2))
        )
    for height in heights:
        at = -wide / 2 + 0.1
        while at < wide / 2 - 0.3:
            broad = palette.between(0.25, min(1.2, wide / 2))
            if at + broad > wide / 2 - 0.05:
                break
            if palette.chance(filled):
                parts.append(
                    load(clutter, broad, deep * palette.between(0.6, 1), palette.between(0.25, 0.85) * step).moved(
                        at + broad / 2, 0, float(height) + 0.105
                    )
                )
            at += broad + palette.between(0.03, 0.25)
    return join(parts)


def load(clutter: Clutter, wide: float, deep: float, tall: float) -> Mesh:
    """A carton, a stack of them, a drum or a crate that fills a box of this size."""
    palette = clutter.palette
    draw = palette.rng.random()
    if draw < 0.15:
        radius = min(wide, deep) / 2
        return vessel(
            [
                [0, 0],
                [radius, 0],
                [radius, tall * 0.5],
                [radius * 1.04, tall * 0.52],
                [radius, tall * 0.54],
                [radius, tall],
                [0, tall],
            ],
            palette.one_of("machine_paint", 4),
            16,
        )
    kind = palette.one_of("cardboard", 4) if draw < 0.65 else palette.one_of("plastic" if draw < 0.8 else "print", 4)
    if draw < 0.45:
        label = boxes(
            [[wide * palette.between(-0.25, 0.25), -deep / 2, tall * 0.4]],
            [[wide * 0.35, 0.006, tall * 0.3]],
            palette.one_of("paper", 3),
        )
        return join([box(wide, deep, tall).of(kind), label])
    across, up = int(palette.rng.integers(1, 4)), int(palette.rng.integers(1, 4))
    x, z = np.meshgrid((np.arange(across) - (across - 1) / 2) * wide / across, np.arange(up) * tall / up)
    places = np.stack([x.ravel(), palette.rng.normal(0, 0.02, x.size), z.ravel()], 1)
    return boxes(
        places, (wide / across * 0.96, deep * 0.95, tall / up * 0.98), kind, palette.rng.normal(0, 0.03, x.size)
    )


def pallet(clutter: Clutter, tall: float | None = None) -> Mesh:
    """A pallet of 1.2 × 0.8 m, empty or with a load."""
    palette = clutter.palette
    wood = palette.one_of("wood", 2)
    boards = [[1.2, 0.1, 0.022]] * 5 + [[1.2, 0.1, 0.022]] * 3 + [[0.1, 0.8, 0.08]] * 3
    at = (
        [[0, y, 0.122] for y in np.linspace(-0.35, 0.35, 5)]
        + [[0, y, 0] for y in (-0.35, 0, 0.35)]
        + [[x, 0, 0.03] for x in (-0.5, 0, 0.5)]
    )
    parts = [boxes(at, boards, wood)]
    height = palette.between(0, 1.4) if tall is None else tall
    if height > 0.2:
        parts.append(load(clutter, 1.15, 0.76, height).moved(z=0.145))
    return join(parts)


def workbench(clutter: Clutter, length: float | None = None) -> Mesh:
    """A heavy bench with tools, a vice or a machine, boxes below."""
    palette = clutter.palette
    wide, deep, tall = length or palette.between(1.4, 2.6), palette.between(0.6, 0.85), palette.between(0.8, 0.98)
    parts = [
        box(wide, deep, 0.06).moved(z=tall - 0.06).of(palette.one_of("wood", 2)),
        square_legs(wide * 0.96, deep * 0.92, tall - 0.06, 0.08, palette.one_of("machine_paint")),
    ]
    parts.append(box(wide * 0.9, deep * 0.8, 0.03).moved(z=0.2).of(palette.one_of("wood", 2)))
    parts.append(_low(clutter.spread(wide * 0.85, deep * 0.7, 5, EVERYTHING), tall - 0.35).moved(z=0.23))
    parts.append(
        clutter.spread(wide * 0.95, deep * 0.9, int(palette.rng.integers(5, 16)), WORKSHOP_THINGS).moved(z=tall)
    )
    if palette.chance(0.5):
        parts.append(
            machine(clutter, palette.between(0.25, 0.45)).moved(wide * palette.between(-0.35, 0.35), deep * 0.15, tall)
        )
    return join(parts)


def machine(clutter: Clutter, size: float = 1.0) -> Mesh:
    """Something with a body, a head, a column, knobs, a panel and pipes: a drill, a lathe, a printer, an instrument."""
    palette, rng = clutter.palette, clutter.palette.rng
    body, other, black = (
        palette.one_of("machine_paint", 3),
        palette.one_of("metal", 3),
        palette.one_of("dark_plastic", 2),
    )
    count = int(rng.integers(3, 7))
    sizes = rng.uniform(0.15, 0.75, (count, 3)) * [1.3, 0.9, 0.7]
    sizes[0] = [rng.uniform(0.7, 1.4), rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.9)]
    places = np.concatenate([rng.uniform(-0.35, 0.35, (count, 2)), rng.uniform(0.0, 0.9, (count, 1))], 1)
    places[0] = 0
    places[1:, 2] = np.minimum(places[1:, 2], sizes[0, 2])
    parts = [boxes(places, sizes, rng.choice([body, body, other, black], count))]
    height = float(rng.uniform(0.9, 1.7))
    parts.append(cylinder(0.08, height).moved(0.1, 0.15).of(other))
    parts.append(box(0.35, 0.5, 0.35).moved(0.1, -0.02, height - 0.2).of(body))
    parts.append(cylinder(0.04, 0.35).moved(0.1, -0.2, height - 0.45).of(other))
    front = -float(sizes[0, 1]) / 2
    parts.append(
        boxes(
            [[-0.1, front, sizes[0, 2] * 0.5], [0.15, front, sizes[0, 2] * 0.6], [0.22, front, sizes[0, 2] * 0.6]],
            [[0.3, 0.02, 0.2], [0.04, 0.04, 0.04], [0.04, 0.04, 0.04]],
            [palette.screen(), black, palette.one_of("machine_paint")],
        )
    )
    parts.append(
        rods(
            [[0.3, 0.2, 0.1], [0.3, 0.2, height], [0.3, -0.1, height - 0.1]],
            [[0.3, 0.2, height], [0.1, 0.15, height], [0.45, -0.35, height - 0.3]],
            0.018,
            black,
            sections=6,
        )
    )
    return join(parts).scaled(size)

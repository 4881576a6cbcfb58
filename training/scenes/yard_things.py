"""What lies in yards, on sites and playgrounds: containers, pallets, pipes, scaffolds, heaps, swings.

Each function makes one shape about the origin on z = 0.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, revolved, tube
from depthwire.training.scenes.instances import boxes, copies, quads, rods
from depthwire.training.scenes.outdoor_palette import OutdoorPalette


def container(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A shipping container of 20 or 40 feet along x, with ribs and door bars."""
    long = 6.06 if rng.random() < 0.6 else 12.19
    paint = palette.another("container")
    ribs = np.arange(-long / 2 + 0.2, long / 2, 0.5)
    rib = np.concatenate([np.column_stack([ribs, ribs * 0 + s * 1.21, ribs * 0 + 0.15]) for s in (-1, 1)])
    bars = rods(
        [[long / 2 + 0.04, y, 0.15] for y in (-0.8, -0.3, 0.3, 0.8)],
        [[long / 2 + 0.04, y, 2.45] for y in (-0.8, -0.3, 0.3, 0.8)],
        0.025,
        palette("metal"),
    )
    return join([box(long, 2.42, 2.59).of(paint), boxes(rib, (0.25, 0.06, 2.3), paint), bars])


def pallets(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A stack of pallets, some under cartons."""
    layers = int(rng.integers(1, 9))
    wood = palette("wood")
    z = np.arange(layers) * 0.145
    boards = np.array([[x, 0, 0.12] for x in np.linspace(-0.55, 0.55, 5)])
    blocks = np.array([[0, y, 0.0] for y in (-0.36, 0, 0.36)])
    parts = [
        boxes((boards[None] + z[:, None, None] * [0, 0, 1]).reshape(-1, 3), (0.14, 0.8, 0.022), wood),
        boxes((blocks[None] + z[:, None, None] * [0, 0, 1]).reshape(-1, 3), (1.2, 0.1, 0.12), wood),
    ]
    if rng.random() < 0.5:
        tall = float(rng.uniform(0.4, 1.3))
        parts.append(
            box(1.1, 0.75, tall).moved(z=layers * 0.145).of(palette.any_of("cardboard", "plastic", "concrete", "brick"))
        )
    return join(parts)


def pipes(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A stack of pipes along x."""
    radius, long, base = float(rng.uniform(0.1, 0.5)), float(rng.uniform(3, 8)), int(rng.integers(2, 6))
    one = cylinder(radius, long, sections=12).moved(z=-long / 2).turned(roll=pi / 2)
    if rng.random() < 0.5:
        one = tube(np.array([[-long / 2, 0, 0], [0, 0, 0], [long / 2, 0, 0]]), radius, 12)
    spots = [
        [0, (i - (base - row) / 2) * 2 * radius, radius + row * radius * 1.74]
        for row in range(base)
        for i in range(base - row)
    ]
    return copies(one, spots).of(palette.any_of("concrete", "rust", "metal", "plastic"))


def scaffold(rng: np.random.Generator, palette: OutdoorPalette, bays: int = 4, lifts: int = 3) -> Mesh:
    """Scaffolding along x: standards, ledgers, braces, decks, some with netting behind."""
    metal, wood = palette("metal"), palette("wood")
    bay, lift, deep = 2.4, 2.0, 0.9
    x = (np.arange(bays + 1) - bays / 2) * bay
    feet = np.array([[a, b, 0] for a in x for b in (0, deep)])
    parts = [rods(feet, feet + np.array([0, 0, lifts * lift + 1]), 0.025, metal)]
    z = np.arange(1, lifts + 1) * lift
    levels = np.concatenate([z, z + 1.0, z + 0.5])
    front = np.array([[x[0], b, c] for c in levels for b in (0, deep)])
    parts.append(rods(front, front + np.array([bays * bay, 0, 0]), 0.022, metal))
    cross = np.array([[a, 0, c] for a in x[:-1] for c in z - lift])
    up = rng.random(len(cross)) < 0.5
    parts.append(
        rods(
            cross + np.where(up[:, None], [0, 0, 0], [bay, 0, 0]),
            cross + np.where(up[:, None], [bay, 0, lift], [0, 0, lift]),
            0.02,
            metal,
        )
    )
    parts.append(boxes([[0, deep / 2, c - 0.05] for c in z], (bays * bay, deep, 0.05), wood))
    if rng.random() < 0.35:
        parts.append(
            quads(
                [[[x[0], deep, 0], [x[-1], deep, 0], [x[-1], deep, lifts * lift], [x[0], deep, lifts * lift]]],
                palette("awning"),
            )
        )
    return join(parts)


def heap(rng: np.random.Generator, material: int, radius: float = 2.0) -> Mesh:
    """A heap of sand, gravel, earth or snow."""
    share = np.linspace(1, 0, 6)
    mound = revolved(np.column_stack([radius * share, radius * rng.uniform(0.4, 0.65) * (1 - share) ** 0.85]), 14)
    noise = rng.normal(0, 0.05 * radius, mound.vertices.shape) * (mound.vertices[:, 2:] > 0)
    mound = Mesh((mound.vertices + noise).astype(np.float32), mound.faces, mound.material, mound.smooth)
    return mound.moved(z=-0.05).of(material)


def swing(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A playground frame: a swing, a slide with a ladder."""
    metal, bright = palette.any_of("metal", "wood"), palette.another("plastic")
    frame = rods(
        [[-1.5, -0.8, 0], [-1.5, 0.8, 0], [1.5, -0.8, 0], [1.5, 0.8, 0], [-1.5, 0, 2.2]],
        [[-1.5, 0, 2.2], [-1.5, 0, 2.2], [1.5, 0, 2.2], [1.5, 0, 2.2], [1.5, 0, 2.2]], 0.045, metal,
    )  # fmt: skip
    ropes = rods(
        [[x, 0, 2.2] for x in (-0.9, -0.5, 0.4, 0.8)],
        [[x, 0.1, 0.5] for x in (-0.9, -0.5, 0.4, 0.8)],
        0.01,
        palette("tyre"),
        sections=3,
    )
    seats = boxes([[-0.7, 0.1, 0.47], [0.6, 0.1, 0.47]], (0.45, 0.2, 0.04), bright)
    slide = quads([[[2.4, -0.3, 1.8], [2.9, -0.3, 1.8], [2.9, 2.6, 0.2], [2.4, 2.6, 0.2]]], bright)
    ladder = rods(
        [[2.4, -0.3, 0], [2.9, -0.3, 0], *[[2.4, -0.3, z] for z in (0.4, 0.8, 1.2, 1.6)]],
        [[2.4, -0.3, 2.4], [2.9, -0.3, 2.4], *[[2.9, -0.3, z] for z in (0.4, 0.8, 1.2, 1.6)]],
        0.025,
        metal,
    )
    return join([frame, ropes, seats, slide, ladder])

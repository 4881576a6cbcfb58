"""What runs in a line: fences, walls, gates, barriers along x, power lines along y.

Each function makes one shape about the origin on z = 0.
"""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scenes.instances import boxes, grid_cells, quads, rods
from depthwire.training.scenes.outdoor_palette import OutdoorPalette


def barrier(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A crowd barrier, a concrete barrier or a striped board on legs; about 2 m along x."""
    kind = rng.integers(3)
    if kind == 0:
        metal = palette("metal")
        x = np.linspace(-1, 1, 14)
        upright = rods(
            np.column_stack([x, x * 0, x * 0 + 0.15]), np.column_stack([x, x * 0, x * 0 + 1.1]), 0.01, metal, sections=4
        )
        return join(
            [
                upright,
                rods([[-1, 0, 1.1], [-1, 0, 0.15]], [[1, 0, 1.1], [1, 0, 0.15]], 0.02, metal),
                boxes([[-0.8, 0, 0], [0.8, 0, 0]], (0.05, 0.6, 0.05), metal),
            ]
        )
    if kind == 1:
        profile = np.array(
            [[-0.3, 0], [-0.3, 0.15], [-0.1, 0.4], [-0.08, 0.85], [0.08, 0.85], [0.1, 0.4], [0.3, 0.15], [0.3, 0]]
        )
        ends = np.stack([np.column_stack([np.full(8, x), profile]) for x in (-1, 1)])
        sides = quads(grid_cells(ends.swapaxes(0, 1)), palette("concrete"))
        return join(
            [sides, quads(ends[:, [0, 2, 5, 7]], palette("concrete")), quads(ends[:, 2:6], palette("concrete"))]
        )
    board = boxes([[0, 0, 0.75], [0, 0, 0.4]], (1.9, 0.03, 0.22), palette.another("awning"))
    return join(
        [
            board,
            boxes([[x, 0, 0] for x in (-0.8, 0.8)], (0.06, 0.5, 0.05), palette("plastic")),
            boxes([[x, 0, 0] for x in (-0.8, 0.8)], (0.05, 0.05, 1.0), palette("plastic")),
        ]
    )


def fence(rng: np.random.Generator, palette: OutdoorPalette, length: float, kind: str | None = None) -> Mesh:
    """A fence or wall along x, centred: slats, pickets, wire, mesh, railing, rails, wall."""
    kind = ("slats", "pickets", "wire", "mesh", "railing", "rails", "wall")[rng.integers(7)] if kind is None else kind
    high = {"slats": 1.8, "pickets": 1.0, "wire": 1.2, "mesh": 2.0, "railing": 1.1, "rails": 1.2, "wall": 1.3}[
        kind
    ] * float(rng.uniform(0.8, 1.2))
    if kind == "wall":
        wall = box(length, 0.28, high).of(palette.any_of("brick", "stone", "plaster"))
        return join([wall, box(length + 0.1, 0.38, 0.1).moved(z=high).of(palette("kerb"))])
    material = {"slats": "wood", "pickets": "painted wood", "rails": "wood", "railing": "dark metal"}.get(kind, "metal")
    stuff = palette(material)
    posts = np.linspace(-length / 2, length / 2, max(2, int(length / 2.5) + 1))
    feet = np.column_stack([posts, posts * 0 + 0.04, posts * 0 - 0.2])
    thick = 0.09 if material in ("wood", "painted wood") else 0.05
    parts = [boxes(feet, (thick, thick, high + 0.25), palette("wood") if kind == "wire" else stuff)]
    if kind in ("slats", "pickets", "railing"):
        step = {"slats": 0.15, "pickets": 0.17, "railing": 0.13}[kind]
        x = np.arange(-length / 2, length / 2, max(step, length / 160))
        size = {
            "slats": (step * 0.85, 0.02, high),
            "pickets": (step * 0.55, 0.02, high),
            "railing": (0.02, 0.02, high),
        }[kind]
        jitter = rng.normal(0, 0.01, len(x)) if kind != "railing" else x * 0
        parts.append(boxes(np.column_stack([x, x * 0, jitter]), size, stuff))
        parts.append(boxes([[0, 0.03, high * 0.2], [0, 0.03, high * 0.82]], (length, 0.04, 0.07), stuff))
    elif kind == "rails":
        parts.append(boxes([[0, 0, z * high] for z in (0.3, 0.62, 0.92)], (length, 0.04, 0.11), stuff))
    elif kind == "wire":
        levels = np.linspace(0.25, 0.97, 4) * high
        parts.append(
            rods([[-length / 2, 0, z] for z in levels], [[length / 2, 0, z] for z in levels], 0.006, stuff, sections=3)
        )
    else:
        step = max(0.12, length / 120)
        x = np.arange(-length / 2 - high, length / 2, step)
        for sign in (1, -1):
            low = np.column_stack([sign * x, x * 0, x * 0])
            top = low + np.array([sign * high, 0, high])
            cut_low, cut_top = low.copy(), top.copy()
            over = np.abs(cut_top[:, 0]) > length / 2
            cut_top[over, 2] = high - (np.abs(top[over, 0]) - length / 2)
            cut_top[over, 0] = sign * length / 2
            under = np.abs(cut_low[:, 0]) > length / 2
            cut_low[under, 2] = np.abs(low[under, 0]) - length / 2
            cut_low[under, 0] = -sign * length / 2
            parts.append(rods(cut_low, cut_top, 0.004, stuff, sections=3))
        parts.append(
            rods(
                [[-length / 2, 0, high], [-length / 2, 0, 0.05]],
                [[length / 2, 0, high], [length / 2, 0, 0.05]],
                0.02,
                stuff,
            )
        )
    return join(parts)


def gate(rng: np.random.Generator, palette: OutdoorPalette, width: float = 3.0) -> Mesh:
    """Two pillars and a leaf between them that stands open or shut."""
    pillars = boxes(
        [[x * (width / 2 + 0.2), 0, 0] for x in (-1, 1)],
        (0.4, 0.4, float(rng.uniform(1.3, 2.2))),
        palette.any_of("brick", "stone"),
    )
    leaf = fence(rng, palette, width, str(rng.choice(["railing", "slats", "rails"]))).moved(x=width / 2)
    return join([pillars, leaf.turned(yaw=float(rng.choice([0, 0.6, 1.4]))).moved(x=-width / 2)])


def power_line(rng: np.random.Generator, palette: OutdoorPalette, spans: int = 5, span: float = 38.0) -> Mesh:
    """Poles along y with sagging wires, centred."""
    wood, wire = palette.any_of("wood", "concrete"), palette("tyre")
    high = float(rng.uniform(6.5, 9.5))
    y = (np.arange(spans + 1) - spans / 2) * span
    foot = np.column_stack([y * 0, y, y * 0 - 0.5])
    parts = [
        rods(foot, foot + np.array([0, 0, high + 0.5]), 0.15, wood, 0.1, sections=7),
        boxes(foot + np.array([0, 0, high]), (1.8, 0.1, 0.12), wood),
    ]
    share = np.linspace(0, 1, 9)
    sag = float(rng.uniform(0.5, 1.3))
    for x in (-0.8, 0.0, 0.8):
        along = (y[:-1, None] + span * share).ravel()
        drop = np.tile(-4 * sag * share * (1 - share), spans)
        points = np.column_stack([along * 0 + x, along, high + 0.15 + drop]).reshape(spans, 9, 3)
        parts.append(rods(points[:, :-1], points[:, 1:], 0.012, wire, sections=3))
    return join(parts)

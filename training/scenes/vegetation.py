"""Plants of the outdoor layouts: broad-leaved trees, bare trees, conifers, palms, bushes, hedges, grass, flower beds.

Each function makes one shape about the origin, on z = 0; layouts copy a shape with other scales and turns.
"""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depthwire.training.mesh import Mesh, cylinder, join, sphere, tube
from depthwire.training.scenes.instances import copies, leaves, quads, rods

Points = NDArray[np.float64]


def tree(
    rng: np.random.Generator, bark: int, leaf: int, height: float = 9.0, foliage: int = 700, low: bool = False
) -> Mesh:
    """A broad-leaved tree; low: it branches near the ground. About 2 × foliage + 1,500 faces."""
    trunk_top = rng.uniform(0.16, 0.24) * height if low else rng.uniform(0.25, 0.42) * height
    width = height * rng.uniform(0.22, 0.42)
    parts = [_trunk(rng, bark, trunk_top + height * 0.25, height * rng.uniform(0.016, 0.028))]
    tips = _crown_points(rng, int(rng.integers(9, 16)), trunk_top, height, width)
    foot = np.stack([np.zeros(len(tips)), np.zeros(len(tips)), rng.uniform(0.75, 1.1, len(tips)) * trunk_top], axis=1)
    parts.append(_branches(rng, foot, tips, height * 0.011, bark))
    radius = height * (rng.uniform(0.12, 0.17) if low else rng.uniform(0.1, 0.15))
    blob = _rough_ball(rng, 1.0, 1).of(leaf)
    turn = rng.uniform(0, 6, len(tips))
    parts.append(copies(blob, tips, turn, radius * rng.uniform(0.45, 0.95, (len(tips), 1)) * [1, 1, 0.75]))
    if rng.random() < 0.6:  # a closed crown, else one that lets the sky through
        middle, half = tips.mean(axis=0), tips.std(axis=0) * rng.uniform(0.9, 1.3)
        core = _rough_ball(rng, 1.0, 2, 0.3).of(leaf)
        parts.append(core.scaled(*map(float, half)).moved(*map(float, middle)))
        shell = rng.normal(size=(foliage // 3, 3))
        shell = middle + shell / np.linalg.norm(shell, axis=1, keepdims=True) * half * rng.uniform(
            0.95, 1.3, (len(shell), 1)
        )
        parts.append(leaves(rng, shell, height * 0.035, leaf, droop=0.2))
        foliage -= foliage // 3
    parts.append(_foliage(rng, tips, radius * 1.3, foliage, min(0.28, height * rng.uniform(0.013, 0.028)), leaf))
    return join(parts)


def bare_tree(rng: np.random.Generator, bark: int, height: float = 9.0, twigs: int = 90) -> Mesh:
    """A tree without leaves: branches, twigs; about 10 × (20 + 2 × twigs) faces."""
    trunk_top = rng.uniform(0.2, 0.35) * height
    parts = [_trunk(rng, bark, height * 0.62, height * rng.uniform(0.014, 0.024))]
    tips = _crown_points(rng, 14, trunk_top, height, height * rng.uniform(0.22, 0.38))
    foot = np.stack([np.zeros(14), np.zeros(14), rng.uniform(0.7, 1.6, 14) * trunk_top], axis=1)
    parts.append(_branches(rng, foot, tips, height * 0.008, bark))
    which = rng.integers(len(tips), size=twigs)
    share = rng.uniform(0.35, 1.0, (twigs, 1))
    begin = foot[which] * (1 - share) + tips[which] * share
    middle = begin + rng.normal(size=(twigs, 3)) * height * 0.05 + [0, 0, height * 0.04]
    end = middle + (middle - begin) * rng.uniform(0.4, 1.2, (twigs, 1)) + rng.normal(size=(twigs, 3)) * height * 0.03
    thick = height * 0.0022
    parts.append(rods(begin, middle, thick, bark, thick * 0.7, sections=3))
    parts.append(rods(middle, end, thick * 0.7, bark, thick * 0.3, sections=3))
    return join(parts)


def conifer(
    rng: np.random.Generator, bark: int, needle: int, height: float = 12.0, tiers: int = 11, fans: int = 11
) -> Mesh:
    """A spruce: drooping fans in tiers about a trunk; 4 × tiers × fans + ~40 faces."""
    base = height * rng.uniform(0.06, 0.2)
    level = np.repeat(base + (height - base) * np.linspace(0, 0.97, tiers) ** 0.9, fans)
    level = level + rng.normal(0, height * 0.012, len(level))
    reach = (1 - (level - base) / (height - base)).clip(0.03) ** 0.8 * height * rng.uniform(0.16, 0.27)
    reach = reach * rng.uniform(0.75, 1.15, len(level))
    angle = np.tile(np.arange(fans) * 2 * pi / fans, tiers) + rng.uniform(0, 2 * pi, len(level))
    out = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    side = np.stack([-np.sin(angle), np.cos(angle), np.zeros_like(angle)], axis=1)
    root = np.stack([np.zeros_like(level), np.zeros_like(level), level + reach * 0.15], axis=1)
    droop = np.stack([np.zeros_like(level)] * 2 + [reach * rng.uniform(0.2, 0.5, len(level))], axis=1)
    tip = root + out * reach[:, None] - droop
    middle = (root + tip) / 2 + [0, 0, 0.02 * height]
    width = side * (reach * 0.42)[:, None]
    hang = np.array([0, 0, 0.12]) * reach[:, None]
    left = quads(np.stack([root, middle + width - hang, tip, middle], axis=1), needle)
    right = quads(np.stack([root, middle, tip, middle - width - hang], axis=1), needle)
    return join([cylinder(height * 0.018, height * 0.95, height * 0.003, sections=7).of(bark), left, right])


def palm(rng: np.random.Generator, bark: int, leaf: int, height: float = 7.0) -> Mesh:
    """A palm: a leaning trunk and a head of fronds; about 500 faces."""
    lean = rng.normal(0, 0.08, 2) * height
    rise = np.linspace(0, 1, 6)
    path = np.stack([lean[0] * rise**2, lean[1] * rise**2, height * rise], axis=1)
    fronds, steps = 16, 5
    angle = np.linspace(0, 2 * pi, fronds, endpoint=False) + rng.uniform(0, 0.4, fronds)
    arc = np.linspace(0, 1, steps + 1)
    span, lift = rng.uniform(1.6, 2.6, (fronds, 1)), rng.uniform(0.0, 1.4, (fronds, 1))
    distance, up = span * arc, lift * np.sin(arc * 2.2) - 1.3 * arc**2
    spine = np.stack([np.cos(angle)[:, None] * distance, np.sin(angle)[:, None] * distance, up], axis=-1) + path[-1]
    side = np.stack([-np.sin(angle), np.cos(angle), np.full(fronds, -0.35)], axis=1)[:, None] * 0.3
    side = side * np.sin(np.pi * (0.15 + 0.85 * arc))[None, :, None].clip(0.05)
    other = side * [-1, -1, 1]
    blades = [
        np.stack([spine[:, :-1], spine[:, 1:], spine[:, 1:] + s[:, 1:], spine[:, :-1] + s[:, :-1]], 2)
        for s in (side, other)
    ]
    trunk = tube(path, list(height * np.linspace(0.03, 0.018, 6)), 8).of(bark)
    return join([trunk, *(quads(blade.reshape(-1, 4, 3), leaf) for blade in blades)])


def bush(
    rng: np.random.Generator, leaf: int, radius: float = 0.8, foliage: int = 220, flower: int | None = None
) -> Mesh:
    """Rough blobs under leaves; 2 × foliage + ~300 faces."""
    count = int(rng.integers(2, 5))
    middles = rng.uniform(-0.5, 0.5, (count, 3)) * radius
    middles[:, 2] = radius * rng.uniform(0.35, 0.7, count)
    parts = [copies(_rough_ball(rng, radius * 0.62, 1).of(leaf), middles, rng.uniform(0, 6, count))]
    parts.append(_foliage(rng, middles, radius * 0.75, foliage, radius * rng.uniform(0.1, 0.22), leaf))
    if flower is not None:
        parts.append(_foliage(rng, middles, radius * 0.78, foliage // 5, radius * 0.12, flower))
    return join(parts)


def hedge(
    rng: np.random.Generator, leaf: int, length: float, height: float = 1.3, width: float = 0.6, foliage: int = 260
) -> Mesh:
    """A clipped hedge along x, its faces uneven; 2 × foliage + ~10 a metre."""
    steps = max(3, int(length / 0.8))
    outline = np.array([[-0.5, 0], [-0.5, 0.6], [-0.42, 1.0], [0.42, 1.0], [0.5, 0.6], [0.5, 0]]) * [width, height]
    along = np.linspace(-length / 2, length / 2, steps + 1)
    section = np.concatenate(
        [np.broadcast_to(along[:, None, None], (steps + 1, 6, 1)), np.tile(outline, (steps + 1, 1, 1))], 2
    )
    section[:, 1:5, 1:] += rng.normal(0, 0.035 * height, (steps + 1, 4, 2))
    corners = np.stack([section[:-1, :-1], section[1:, :-1], section[1:, 1:], section[:-1, 1:]], 2).reshape(-1, 4, 3)
    ends = np.stack([section[[0, -1]][:, [0, 1, 4, 5]], section[[0, -1]][:, [1, 2, 3, 4]]], 1).reshape(-1, 4, 3)
    x = rng.uniform(-length / 2, length / 2, foliage)
    place = rng.integers(1, 5, foliage)
    surface = outline[place] + (outline[(place + 1) % 6] - outline[place]) * rng.uniform(0, 1, (foliage, 1))
    spots = np.stack([x, surface[:, 0], surface[:, 1]], 1) + rng.normal(0, 0.02, (foliage, 3))
    return join([quads(corners, leaf), quads(ends, leaf), leaves(rng, spots, rng.uniform(0.06, 0.16, foliage), leaf)])


def grass(rng: np.random.Generator, blade: int, spots: ArrayLike, height: float = 0.25, blades: int = 10) -> Mesh:
    """Tufts at spots (K, 2): upright thin triangles, 1 × blades faces a tuft (each seen from both sides)."""
    centre = np.asarray(spots, np.float64).reshape(-1, 2)
    count = len(centre) * blades
    foot = np.repeat(centre, blades, axis=0) + rng.normal(0, 0.07, (count, 2))
    tall = height * rng.uniform(0.4, 1.2, count)
    angle = rng.uniform(0, 2 * pi, count)
    half = np.stack([np.cos(angle), np.sin(angle)], 1) * (0.006 + 0.02 * height)
    tip = foot + rng.normal(0, 0.35, (count, 2)) * tall[:, None]
    low = np.full((count, 1), -0.02)
    corners = np.stack(
        [np.hstack([foot - half, low]), np.hstack([foot + half, low]), np.hstack([tip, tall[:, None]])], axis=1
    ).astype(np.float32)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    return Mesh(corners.reshape(-1, 3), faces, np.full(count, blade, np.int32), np.zeros(count, bool))


def flower_bed(
    rng: np.random.Generator, leaf: int, flowers: list[int], length: float, width: float, plants: int = 120
) -> Mesh:
    """Low plants with blossoms over length × width metres; 10 faces a plant."""
    spots = rng.uniform(-0.5, 0.5, (plants, 2)) * [length, width]
    tall = rng.uniform(0.12, 0.4, plants)
    parts = [grass(rng, leaf, spots, 0.35, blades=4)]
    low = np.column_stack([spots, tall * 0.5])
    parts.append(leaves(rng, low, 0.16, leaf))
    for index, flower in enumerate(flowers):
        top = np.column_stack([spots, tall])[index :: len(flowers)]
        parts.append(leaves(rng, top, rng.uniform(0.06, 0.13, len(top)), flower))
        parts.append(leaves(rng, top, rng.uniform(0.06, 0.13, len(top)), flower))
    return join(parts)


def rock(rng: np.random.Generator, material: int, size: float = 1.0, subdivisions: int = 2) -> Mesh:
    """A boulder sunk a little into the ground; 20 × 4^subdivisions faces."""
    ball = _rough_ball(rng, size, subdivisions, 0.22).scaled(
        1, float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.45, 0.9))
    )
    return replace(ball, smooth=np.full(len(ball.faces), rng.random() < 0.4)).moved(z=size * 0.25).of(material)


def _trunk(rng: np.random.Generator, bark: int, height: float, radius: float) -> Mesh:
    rise = np.array([-0.02, 0.03, 0.15, 0.5, 1.0])
    sway = rng.normal(0, 0.02, (5, 2)) * height * rise.clip(0)[:, None]
    path = np.column_stack([sway, rise * height])
    return tube(path, list(radius * np.array([1.7, 1.25, 1.0, 0.8, 0.35])), 9).of(bark)


def _crown_points(rng: np.random.Generator, count: int, low: float, high: float, width: float) -> Points:
    """Middles of the leaf blobs, spread over an egg between two heights."""
    turn = np.arange(count) * 2.4 + rng.uniform(0, 6)
    rise = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count
    girth = width * np.sqrt(np.clip(1 - (rise * 1.6 - 0.6) ** 2, 0.08, 1)) * rng.uniform(0.55, 1.0, count)
    return np.stack([np.cos(turn) * girth, np.sin(turn) * girth, low + (high - low) * (0.15 + 0.75 * rise)], axis=1)


def _branches(rng: np.random.Generator, foot: Points, tips: Points, radius: float, bark: int) -> Mesh:
    """From foot to tips (K, 3) with a bend on the way."""
    knee = (
        foot
        + (tips - foot) * 0.5
        + rng.normal(0, 0.06, foot.shape) * np.linalg.norm(tips - foot, axis=1, keepdims=True)
    )
    thick = radius * rng.uniform(0.7, 1.2, len(foot))
    lower = rods(foot, knee, thick, bark, thick * 0.7)
    return join([lower, rods(knee, tips, thick * 0.7, bark, thick * 0.25)])


def _foliage(rng: np.random.Generator, middles: Points, radius: float, count: int, size: float, leaf: int) -> Mesh:
    """Leaves on and within balls about the middles."""
    out = rng.normal(size=(count, 3))
    out *= (rng.uniform(0.45, 1.0, count) ** 0.5 / np.linalg.norm(out, axis=1))[:, None]
    spots = middles[rng.integers(len(middles), size=count)] + out * radius * [1, 1, 0.8]
    return leaves(rng, spots, size * rng.uniform(0.6, 1.7, count), leaf, droop=0.2)


def _rough_ball(rng: np.random.Generator, radius: float, subdivisions: int, roughness: float = 0.15) -> Mesh:
    ball = sphere(radius, subdivisions)
    waves = rng.normal(0, 1.4 / radius, (5, 3))
    swell = np.sin(ball.vertices @ waves.T + rng.uniform(0, 6, 5)).mean(axis=1) * 2 * roughness
    swell += rng.normal(0, roughness * 0.2, len(ball.vertices))
    return replace(ball, vertices=(ball.vertices * (1 + swell)[:, None]).astype(np.float32))

"""Close-ups and scattered things: something near that fills the picture, with what is behind it much farther away.

Cameras here hold to no ground: the network learns from occlusion, size, texture and haze instead of from the height in
the picture. dataset.py draws from LAYOUTS; evaluation alone sees HELD_OUT.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats, Mesh, box, floor, join, terrain
from depthwire.training.scene import Lamp, Light, Material, Pattern, Scene, Sky, Viewpoint
from depthwire.training.scenes import Layout
from depthwire.training.scenes.instances import copies, leaves, quads
from depthwire.training.scenes.people import person, wardrobe
from depthwire.training.scenes.subjects import (
    Stock,
    conglomerate,
    creature,
    flower,
    heap,
    potted_plant,
    railing,
    scrap,
    sign,
    wheel,
)
from depthwire.training.scenes.vegetation import bare_tree, bush, conifer, grass, tree
from depthwire.training.scenes.views import Probe
from depthwire.training.scenes.weather import weather

Subject = Callable[[Stock], Mesh]


def _person(stock: Stock) -> Mesh:
    return person(stock.rng, wardrobe(stock.rng, stock.materials, 4)).scaled(1 / 1.7)


SUBJECTS: dict[str, tuple[Subject, float, float]] = {
    "flower": (flower, 0.05, 0.25),
    "creature": (creature, 0.12, 1.2),
    "heap": (heap, 0.15, 0.8),
    "plant": (potted_plant, 0.3, 1.0),
    "sign": (sign, 0.4, 1.6),
    "wheel": (wheel, 0.5, 0.75),
    "railing": (railing, 0.5, 1.3),
    "person": (_person, 1.5, 1.9),
    "thing": (conglomerate, 0.1, 2.0),
}
"""What is photographed from near, with its smallest and largest size in metres."""


def closeup(rng: np.random.Generator) -> Scene:
    """A subject before a backdrop, outdoors or in; cameras around it at 0.7 to 2.4 times its size."""
    stock = Stock(rng)
    make, small, large = SUBJECTS[list(SUBJECTS)[rng.integers(len(SUBJECTS))]]
    size = float(np.exp(rng.uniform(np.log(small), np.log(large))))
    company = int(rng.choice([0, 1, 3, 6, 12]))
    parts = [make(stock).scaled(size)]
    for _ in range(company):
        angle, away = rng.uniform(0, 2 * pi), size * float(np.exp(rng.uniform(np.log(0.9), np.log(6))))
        other = make(stock).scaled(size * float(rng.uniform(0.7, 1.3))).turned(yaw=float(rng.uniform(0, 2 * pi)))
        parts.append(other.moved(float(np.cos(angle) * away), float(np.sin(angle) * away)))
    reach = size * float(np.exp(rng.uniform(np.log(2.5), np.log(14))))
    parts.append(_ground(stock, size, reach))
    if rng.random() < 0.3:
        tall = min(size * float(rng.uniform(0.3, 1.2)), 0.8)
        parts.append(grass(rng, stock.green(), rng.normal(0, 2.5 * size, (300, 2)), tall, 8))
    outdoors = bool(rng.random() < 0.65)
    parts.append(_backdrop(stock, reach, outdoors))
    return _scene(stock, "closeup", outdoors, join(parts), size)


def scattered(rng: np.random.Generator) -> Scene:
    """Shapes of every size at all distances and heights around the camera, in a hall or under the sky."""
    stock = Stock(rng)
    paints = [stock.of(tile=(0.05, 2.0)) for _ in range(28)]
    pool = [scrap(rng, int(rng.choice(paints)), 1.0) for _ in range(26)]
    pool += [conglomerate(stock), potted_plant(stock), creature(stock), railing(stock)]
    reach = float(np.exp(rng.uniform(np.log(4), np.log(45))))
    parts: list[Mesh] = []
    for shape in pool:
        count = int(rng.integers(2, 12))
        away = np.exp(rng.uniform(np.log(0.9), np.log(reach), count))
        turn, rise = rng.uniform(0, 2 * pi, count), rng.normal(0, 0.35, count)
        spots = np.stack([np.cos(turn) * away, np.sin(turn) * away, 1.5 + rise * away], 1)
        parts.append(copies(shape, spots, rng.uniform(0, 6, count), (away**0.8 * rng.uniform(0.08, 0.5, count))))
    outdoors = bool(rng.random() < 0.5)
    if outdoors:
        parts.append(_hills(stock, reach * 2).moved(z=-float(rng.uniform(0, 1.5))))
    else:
        parts.append(_hall(stock, reach * 1.1))
    return _scene(stock, "scattered", outdoors, join(parts), None)


def foliage(rng: np.random.Generator) -> Scene:
    """Within branches, bushes or high grass: leaves near the lens, more behind, the sky in the gaps."""
    stock = Stock(rng)
    greens = [stock.green() for _ in range(5)]
    bark = stock.of(
        Pattern.NOISE, Pattern.SPECKLE, hue=(0.02, 0.13), saturation=(0.05, 0.5), value=(0.1, 0.5), tag="bark"
    )
    reach = float(rng.uniform(5, 25))
    parts = [_hills(stock, reach * 3)]
    shapes = [
        tree(rng, bark, greens[0], float(rng.uniform(4, 9)), 500, low=True),
        bush(rng, greens[1], float(rng.uniform(0.5, 1.2)), 200, stock.bright()),
        conifer(rng, bark, greens[2], float(rng.uniform(3, 9))),
        bare_tree(rng, bark, float(rng.uniform(3, 8)), 60),
    ]
    for shape in shapes:
        count = int(rng.integers(2, 7))
        away, turn = np.exp(rng.uniform(np.log(1.6), np.log(reach), count)), rng.uniform(0, 2 * pi, count)
        spots = np.stack([np.cos(turn) * away, np.sin(turn) * away, np.zeros(count)], 1)
        parts.append(copies(shape, spots, rng.uniform(0, 6, count), rng.uniform(0.7, 1.2, count)))
    near = rng.normal(0, 1.0, (150, 3)) * [1.4, 1.4, 0.7] + [0, 0, 1.3]
    near = near[np.linalg.norm(near - [0, 0, 1.3], axis=1) > 0.5]
    parts.append(leaves(rng, near, rng.uniform(0.05, 0.16, len(near)), greens[3]))
    parts.append(grass(rng, greens[4], rng.uniform(-5, 5, (260, 2)), float(rng.uniform(0.15, 0.7)), 8))
    return _scene(stock, "foliage", True, join(parts), None)


def still_life(rng: np.random.Generator) -> Scene:
    """Held out: several subjects in a row on a shelf or a wall before a far backdrop, under one lamp or the sky."""
    stock = Stock(rng)
    size = float(rng.uniform(0.15, 0.6))
    makers = (creature, heap, potted_plant, sign, conglomerate)
    row = [
        makers[rng.integers(len(makers))](stock).scaled(size).moved(x * 1.3 * size, float(rng.normal(0, 0.3)) * size)
        for x in range(-2, 3)
    ]
    ledge = (
        box(9 * size, 1.6 * size, 0.4 * size)
        .of(stock.of(Pattern.WOOD, Pattern.BRICK, Pattern.STAINS))
        .moved(z=-0.4 * size)
    )
    outdoors = bool(rng.random() < 0.5)
    behind = _backdrop(stock, size * float(rng.uniform(4, 20)), outdoors)
    return _scene(stock, "still life", outdoors, join([*row, ledge, behind]), size)


LAYOUTS: dict[str, Layout] = {"closeup": closeup, "scattered": scattered, "foliage": foliage}
HELD_OUT: dict[str, Layout] = {"still life": still_life}


def _ground(stock: Stock, size: float, reach: float) -> Mesh:
    """What the subject stands on: ground, a table, a branch-high nothing with the ground far below."""
    rng = stock.rng
    paint = stock.of(tile=(0.1, 2.0))
    below = 0.0 if rng.random() < 0.65 else -size * float(rng.uniform(0.5, 4))
    if rng.random() < 0.5:
        return floor(14 * reach, 14 * reach).of(paint).moved(z=below)
    heights = np.cumsum(rng.normal(0, 0.05 * size, (24, 24)), axis=1)
    heights -= heights[10:14, 10:14].mean() + 0.1 * size
    return terrain(np.minimum(heights, 0.3 * size), 14 * reach, 14 * reach).of(paint).moved(z=below)


def _backdrop(stock: Stock, reach: float, outdoors: bool) -> Mesh:
    """What is behind, from `reach` metres on, all around."""
    rng = stock.rng
    if not outdoors:
        return _hall(stock, reach)
    kind = rng.integers(5)
    if kind == 0:
        return _hills(stock, max(reach, 8.0) * 2)
    if kind == 1:  # a wall of leaves
        count = 2200
        turn, away = rng.uniform(0, 2 * pi, count), reach * rng.uniform(1, 2.5, count)
        spots = np.stack([np.cos(turn) * away, np.sin(turn) * away, rng.uniform(-0.3, 1.2, count) * reach], 1)
        greens = [stock.green() for _ in range(3)]
        return join(
            leaves(rng, part, reach * rng.uniform(0.05, 0.3, len(part)), green)
            for part, green in zip(np.array_split(spots, 3), greens, strict=True)
        )
    if kind == 2:  # people in rows that rise
        clothes = wardrobe(rng, stock.materials)
        models = [person(rng, clothes) for _ in range(7)]
        scale, parts = max(reach, 3.0), list[Mesh]()
        for model in models:
            around, row = rng.uniform(0, 2 * pi, 14), rng.integers(0, 6, 14)
            distance = scale + row * 0.9
            seats = np.stack([np.cos(around) * distance, np.sin(around) * distance, row * 0.4], 1)
            parts.append(copies(model, seats, around + pi / 2, 1.0))
        return join([*parts, _hills(stock, scale * 6)])
    if kind == 3:  # walls of houses
        sides = [
            box(reach * float(rng.uniform(0.8, 3)), reach * 0.5, reach * float(rng.uniform(0.8, 3))).of(
                stock.of(Pattern.BRICK, Pattern.NOISE, Pattern.STAINS, Pattern.TILES, Pattern.PLANKS, tile=(0.3, 2))
            )
            for _ in range(6)
        ]
        placed = [
            side.moved(y=reach * 1.6).turned(yaw=float(k * pi / 3 + rng.normal(0, 0.2))) for k, side in enumerate(sides)
        ]
        return join([*placed, _hills(stock, reach * 6)])
    shapes = [scrap(rng, stock.of(tile=(0.1, 2)), reach * float(rng.uniform(0.2, 1.0))) for _ in range(40)]
    turn, away = rng.uniform(0, 2 * pi, 40), reach * rng.uniform(1, 4, 40)
    return join(
        [
            *(
                shape.moved(float(np.cos(t) * a), float(np.sin(t) * a), float(rng.uniform(0, 0.6)) * reach)
                for shape, t, a in zip(shapes, turn, away, strict=True)
            ),
            _hills(stock, reach * 8),
        ]
    )


def _hills(stock: Stock, reach: float) -> Mesh:
    """Ground to the horizon."""
    rng = stock.rng
    paint = stock.of(
        Pattern.NOISE,
        Pattern.SPECKLE,
        Pattern.STRIPES,
        Pattern.PHOTO,
        hue=(0.05, 0.4),
        saturation=(0.05, 0.7),
        value=(0.15, 0.8),
        tile=(0.5, 4),
        tag="grass",
    )
    x, y = np.meshgrid(np.linspace(-1, 1, 28), np.linspace(-1, 1, 28))
    rise = np.clip(np.hypot(x, y) - 0.3, 0, 1)
    waves = sum(np.sin(x * a + b) * np.cos(y * c + d) for a, b, c, d in rng.uniform([1, 0, 1, 0], [7, 6, 7, 6], (4, 4)))
    return terrain(rise * waves * float(rng.uniform(0, 0.15)) * reach, 2 * reach, 2 * reach).of(paint)


def _hall(stock: Stock, reach: float) -> Mesh:
    """Walls, floor and ceiling, with pictures, shelves and boxes along them."""
    rng = stock.rng
    wide, deep, high = (
        reach * float(rng.uniform(1, 1.8)),
        reach * float(rng.uniform(1, 1.8)),
        max(reach, float(rng.uniform(1, 1.6)) * reach),
    )
    low = -float(rng.uniform(0.2, 0.6)) * reach
    room = box(2 * wide, 2 * deep, high - low).of(stock.of(tile=(0.3, 3))).moved(z=low)
    lining = (
        floor(2 * wide, 2 * deep)
        .of(stock.of(Pattern.WOOD, Pattern.PLANKS, Pattern.TILES, Pattern.NOISE, Pattern.WEAVE, tile=(0.3, 3)))
        .moved(z=low + 0.01)
    )
    parts = [room, lining]
    for _ in range(int(rng.integers(4, 14))):
        paint, tall = stock.of(tile=(0.1, 1.5)), float(rng.uniform(0.15, 0.9)) * reach
        thing = box(float(rng.uniform(0.1, 0.8)) * reach, float(rng.uniform(0.02, 0.4)) * reach, tall).of(paint)
        north = rng.random() < 0.5
        along, sign_ = float(rng.uniform(-0.9, 0.9)), float(rng.choice([-1.0, 1.0]))
        level = low if rng.random() < 0.6 else float(rng.uniform(0, 0.6)) * reach
        spot = (along * wide, sign_ * deep * 0.94) if north else (sign_ * wide * 0.94, along * deep)
        parts.append(thing.turned(yaw=0.0 if north else pi / 2).moved(*spot, level))
    half = 0.06 * reach
    lamp = quads(
        [
            [
                [-half, -half, high - 0.02],
                [half, -half, high - 0.02],
                [half, half, high - 0.02],
                [-half, half, high - 0.02],
            ]
        ],
        len(stock.materials),
    )
    white = (0.95, 0.92, 0.85)
    stock.materials.append(Material(Pattern.PLAIN, white, white, 1.0, glow=3.0))
    return join([*parts, lamp])


def _scene(stock: Stock, kind: str, outdoors: bool, mesh: Mesh, size: float | None) -> Scene:
    rng = stock.rng
    if outdoors:
        air = weather(rng)
        light, sky, fog_m, fog_colour = air.light, air.sky, air.fog_m, air.fog_colour
    else:
        warm = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.5, 1.0)])
        reach = 1.0 if size is None else size
        span = float(np.median(np.linalg.norm(mesh.vertices, axis=1)))
        lamps = []
        for _ in range(int(rng.integers(1, 4))):
            spot = rng.uniform([-1, -1, 0.3], [1, 1, 1]) * span
            red, green, blue = warm * span**2 * rng.uniform(0.3, 1.5)
            lamps.append(
                Lamp(
                    (float(spot[0]), float(spot[1]), float(spot[2]) + 2 * reach),
                    (float(red), float(green), float(blue)),
                )
            )
        red, green, blue = warm[::-1] * rng.uniform(0.15, 0.7)
        light = Light(None, (0.0, 0.0, 0.0), (float(red), float(green), float(blue)), tuple(lamps))
        sky, fog_m, fog_colour = Sky((0.1, 0.1, 0.1), (0.1, 0.1, 0.1)), None, (0.7, 0.75, 0.8)
    views = _around_subject(rng, mesh, size) if size is not None else _from_within(rng, mesh)
    return Scene(kind, outdoors, mesh, stock.materials, light, sky, fog_m, fog_colour, views)


def _around_subject(rng: np.random.Generator, mesh: Mesh, size: float) -> list[Viewpoint]:
    """Cameras that see the subject at the origin and pass nothing on the way to it."""

    def drawn() -> list[Viewpoint]:
        batch = []
        for _ in range(16):
            turn, away = rng.uniform(0, 2 * pi), size * float(np.exp(rng.uniform(np.log(0.75), np.log(2.4))))
            rise = float(rng.normal(0.15, 0.35))
            aim = np.array([0, 0, 0.5 * size]) + rng.normal(0, 0.3, 3) * size
            eye = aim + away * np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
            batch.append(_looking(rng, eye, aim))
        return batch

    def fine(distances: Floats) -> NDArray[np.bool_]:
        nearest = distances.reshape(len(distances), -1).min(axis=1)
        upper = distances[:, : distances.shape[1] * 2 // 3].reshape(len(distances), -1)  # seldom the ground
        subject = (upper < 3.2 * size).mean(axis=1)
        return np.asarray((nearest > 0.3 * size) & (subject > 0.12) & (subject < 0.9))

    return _kept(mesh, drawn, fine, 7)


def _from_within(rng: np.random.Generator, mesh: Mesh) -> list[Viewpoint]:
    """Cameras near the middle of the scene, in any direction."""

    def drawn() -> list[Viewpoint]:
        eyes = rng.normal(0, 0.25, (24, 3)) + [0, 0, 1.4]
        turns, rises = rng.uniform(0, 2 * pi, 24), rng.normal(0, 0.3, 24)
        aims = eyes + np.stack([np.cos(turns) * np.cos(rises), np.sin(turns) * np.cos(rises), np.sin(rises)], 1)
        return [_looking(rng, eye, aim) for eye, aim in zip(eyes, aims, strict=True)]

    def fine(distances: Floats) -> NDArray[np.bool_]:
        every = distances.reshape(len(distances), -1)
        low, high = np.percentile(np.minimum(every, 200), [10, 90], axis=1)
        return np.asarray((every.min(axis=1) > 0.25) & (np.isinf(every).mean(axis=1) < 0.5) & (high > 1.5 * low))

    return _kept(mesh, drawn, fine, 8)


def _kept(
    mesh: Mesh, drawn: Callable[[], list[Viewpoint]], fine: Callable[[Floats], NDArray[np.bool_]], count: int
) -> list[Viewpoint]:
    """The first `count` of the drawn viewpoints whose distances (as Probe.look gives them) are fine, of ten draws."""
    kept: list[Viewpoint] = []
    probe = Probe(mesh)
    for _ in range(10):
        batch = drawn()
        kept += [view for view, good in zip(batch, fine(probe.look(batch)), strict=True) if good]
        if len(kept) >= count:
            break
    return kept[:count]


def _looking(rng: np.random.Generator, eye: NDArray[np.floating], aim: NDArray[np.floating]) -> Viewpoint:
    """From eye to aim."""
    x, y, z = (float(value) for value in aim - eye)
    return Viewpoint(
        (float(eye[0]), float(eye[1]), float(eye[2])),
        float(np.arctan2(-x, y)),
        float(np.arctan2(z, np.hypot(x, y))),
        float(rng.normal(0, 0.05 if rng.random() < 0.8 else 0.25)),
        float(np.radians(rng.uniform(35, 85))),
    )

"""Cameras close over hand-sized things: tabletops, worktops, shelves seen from near, floors with heaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from depthwire.training.mesh import box, join
from depthwire.training.scene import Scene, Viewpoint
from depthwire.training.scenes import Layout
from depthwire.training.scenes.fittings import ceiling_lights, floor_lamp, people, plant, wall_things
from depthwire.training.scenes.furniture import chair, desk, monitor, sofa, table
from depthwire.training.scenes.objects import (
    DESK_THINGS,
    EVERYTHING,
    KITCHEN_THINGS,
    TABLE_THINGS,
    TOYS,
    WORKSHOP_THINGS,
    Maker,
)
from depthwire.training.scenes.people import person, wardrobe
from depthwire.training.scenes.rooms import furnish, stage_of
from depthwire.training.scenes.shapes import hanging_cloth
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import Stage, aimed
from depthwire.training.scenes.storage import cupboard, shelf

_KINDS: tuple[tuple[Maker, ...], ...] = (TABLE_THINGS, DESK_THINGS, KITCHEN_THINGS, WORKSHOP_THINGS, TOYS, EVERYTHING)


def _background(rng: np.random.Generator) -> Stage:
    """A furnished room around a free middle."""
    stage = stage_of(rng, (3.0, 7.0), (3.0, 6.0), (2.3, 3.2))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=1.4, doorways=0.5).build()
    stage.reserve(box(1.6, 1.4, 1.3))
    for make in (shelf, cupboard, sofa, desk, shelf, chair):
        if rng.random() < 0.6:
            stage.against(make(clutter))
    if rng.random() < 0.4:
        stage.somewhere(plant(palette))
    if rng.random() < 0.3:
        stage.against(floor_lamp(stage, False), gap=0.1)
    ceiling_lights(stage)
    wall_things(stage, int(rng.integers(1, 7)))
    people(stage, int(rng.random() < 0.25))
    return stage


def tabletop(rng: np.random.Generator) -> Scene:
    """A table in the middle of a room, with few or very many things on it, seen from 0.3 to 1.2 m above."""
    stage = _background(rng)
    clutter = stage.clutter
    wide, deep, tall = float(rng.uniform(0.7, 1.9)), float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.55, 0.95))
    makers = _KINDS[int(rng.integers(len(_KINDS)))]
    count = int(np.exp(rng.uniform(np.log(4), np.log(45))))
    parts = [table(clutter, wide, deep, tall, count, makers)]
    if rng.random() < 0.35:
        parts.append(monitor(clutter).moved(float(rng.uniform(-0.2, 0.2)) * wide, deep * 0.35, tall))
    if rng.random() < 0.3:
        heap = clutter.heap(float(rng.uniform(0.12, 0.3)), int(rng.integers(5, 14)), makers)
        parts.append(heap.moved(float(rng.uniform(-0.25, 0.25)) * wide, float(rng.uniform(-0.15, 0.15)) * deep, tall))
    if rng.random() < 0.3:
        cloth = hanging_cloth(
            wide * 1.02, float(rng.uniform(0.1, 0.5)), 0.02, wide * 6, stage.palette.one_of("fabric", 6)
        )
        parts.append(cloth.moved(0, -deep / 2 - 0.02, tall - 0.3))
    seat = chair(clutter)
    for _ in range(int(rng.integers(0, 4))):
        side = float(rng.choice([-1, 1]))
        turn = 0.0 if side > 0 else np.pi
        parts.append(seat.turned(yaw=turn).moved(float(rng.uniform(-0.4, 0.4)) * wide, side * (deep / 2 + 0.25)))
    if rng.random() < 0.35:
        sitter = person(rng, wardrobe(rng, stage.palette.materials), "sit")
        parts.append(sitter.turned(yaw=np.pi).moved(float(rng.uniform(-0.3, 0.3)) * wide, deep / 2 + 0.3))
    stage.place(join(parts), 0, 0, 0, 0, force=True)
    return stage.finish("tabletop", _over(stage, wide, deep, tall))


def _over(stage: Stage, wide: float, deep: float, tall: float) -> Iterator[Viewpoint]:
    """Candidates above a table: most look steeply down, some across it into the room, few straight down."""
    rng = stage.rng
    for _ in range(168):
        angle, reach = rng.uniform(-np.pi, np.pi), rng.uniform(0.05, 0.65)
        across, along = reach * np.cos(angle) * (0.4 + wide), reach * np.sin(angle) * (0.4 + deep)
        above = float(rng.uniform(0.18, min(1.2, stage.height - tall - 0.2)))
        target = (float(rng.uniform(-0.35, 0.35) * wide), float(rng.uniform(-0.35, 0.35) * deep), tall)
        position = (float(across), float(along), tall + above)
        flat = float(np.hypot(target[0] - across, target[1] - along))
        draw = rng.random()
        pitch = -float(np.arctan2(above, flat)) if draw < 0.6 else float(np.radians(rng.uniform(-60, -8)))
        yield aimed(position, target, rng, pitch, (40, 85))


def near_shelf(rng: np.random.Generator) -> Scene:
    """Shelves and cupboards seen from 0.4 to 1.5 m: things above, below and beside the camera."""
    stage = stage_of(rng, (3.0, 7.0), (3.0, 6.0), (2.3, 3.2))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=0.8, doorways=0.5).build()
    wall = int(rng.integers(4))
    spots: list[float] = []
    for _ in range(6):
        if stage.against(shelf(clutter, float(rng.uniform(0.6, 1.6)), float(rng.uniform(1.2, 2.2))), wall):
            low, high = stage.last_bounds()
            axis = wall % 2
            spots.append(float(low[axis] + high[axis]) / 2)
    furnish(stage, plants=1, lamps=1, pictures=5)
    people(stage, int(rng.random() < 0.15))
    return stage.finish("near_shelf", _facing(stage, wall, spots or [0.0]))


def _facing(stage: Stage, wall: int, spots: list[float]) -> Iterator[Viewpoint]:
    """Candidates in front of a wall's furniture, facing it more or less; some look up or down along it."""
    rng = stage.rng
    for _ in range(168):
        spot, off = spots[int(rng.integers(len(spots)))], float(rng.uniform(0.75, 2.0))
        far = stage.wall_distance(wall)
        slant = float(rng.uniform(-1.0, 1.0))
        place = {
            0: (spot + slant, far - off),
            1: (-far + off, spot + slant),
            2: (spot + slant, -far + off),
            3: (far - off, spot + slant),
        }[wall]
        aim = {0: (spot, far), 1: (-far, spot), 2: (spot, -far), 3: (far, spot)}[wall]
        z, target = float(rng.uniform(0.2, 2.0)), float(rng.uniform(0.2, 2.0))
        yield aimed((*place, min(z, stage.height - 0.3)), (*aim, target), rng)


def floor_heap(rng: np.random.Generator) -> Scene:
    """Things strewn over a floor and in heaps: a nursery, a move, a workshop; seen from above and from the floor."""
    stage = _background(rng)
    clutter = stage.clutter
    makers = _KINDS[int(rng.integers(len(_KINDS)))]
    extent = float(rng.uniform(1.0, 2.4))
    stage.add(clutter.spread(extent, extent, int(rng.integers(10, 50)), makers))
    for _ in range(int(rng.integers(0, 3))):
        x, y = (float(v) for v in rng.uniform(-0.3, 0.3, 2) * extent)
        stage.add(clutter.heap(float(rng.uniform(0.15, 0.4)), int(rng.integers(5, 16)), makers).moved(x, y))
    return stage.finish("floor_heap", _over(stage, extent, extent, 0.0))


LAYOUTS: dict[str, Layout] = {"tabletop": tabletop, "near_shelf": near_shelf, "floor_heap": floor_heap}
HELD_OUT: dict[str, Layout] = {}

"""Passages and stairs: corridors with doors, lamps and side openings; staircases seen from below, above and aside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from depthwire.training.mesh import box, floor
from depthwire.training.scene import Scene, Viewpoint
from depthwire.training.scenes import Layout
from depthwire.training.scenes.fittings import (
    bin_,
    ceiling_lights,
    people,
    picture,
    pipes,
    plant,
    radiator,
    railing,
    stairs,
    wall_things,
)
from depthwire.training.scenes.furniture import chair, sofa, stool
from depthwire.training.scenes.instances import boxes
from depthwire.training.scenes.objects import EVERYTHING
from depthwire.training.scenes.rooms import stage_of
from depthwire.training.scenes.shell import Shell, closed_door, outside
from depthwire.training.scenes.stage import Stage, aimed
from depthwire.training.scenes.storage import cupboard, load, shelf


def corridor(rng: np.random.Generator) -> Scene:
    """A long passage: doors on both sides, some open, lamps in a row, things along the walls."""
    stage = stage_of(rng, (1.3, 3.2), (7.0, 28.0), (2.3, 3.6))
    palette, clutter = stage.palette, stage.clutter
    ground = palette.floor() if rng.random() < 0.8 else palette.concrete()
    Shell(stage, palette.wall(), palette.ceiling(), ground, windows=1.2, doorways=2.0, doors=0).build()
    door = closed_door(palette)
    pace = float(rng.uniform(1.8, 4.5))
    for y in np.arange(-stage.depth / 2 + 1.0, stage.depth / 2 - 0.8, pace).tolist():
        for wall in (1, 3):
            if rng.random() < 0.75:
                stage.against(door, wall, y * (1 if wall == 1 else -1), gap=-0.05)
    if rng.random() < 0.6:
        stage.against(closed_door(palette, float(rng.uniform(0.8, min(1.1, stage.width - 0.3)))), 0, gap=-0.05)
    if rng.random() < 0.35:
        dado = [[0.012, stage.depth, float(rng.uniform(0.8, 1.3))]] * 2
        stage.add(boxes([[-stage.width / 2, 0, 0], [stage.width / 2, 0, 0]], dado, palette.wall()))
    for _ in range(int(rng.integers(2, 10))):
        draw = rng.random()
        if draw < 0.25:
            stage.against(cupboard(clutter, None, None, float(rng.uniform(0.25, 0.5))), int(rng.choice([1, 3])))
        elif draw < 0.45:
            stage.against(shelf(clutter, None, None, 0.25), int(rng.choice([1, 3])))
        elif draw < 0.7:
            stage.against(
                (chair, stool, sofa)[int(rng.integers(2 if stage.width < 2.2 else 3))](clutter), int(rng.choice([1, 3]))
            )
        elif draw < 0.85:
            stage.against(
                load(clutter, float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.3, 1.3)))
            )
        else:
            stage.against((plant, bin_, radiator)[int(rng.integers(3))](palette), gap=0.04)
    for z, high in ((0.02, 0.0), (0.9, 0.0)):
        if rng.random() < 0.12:
            rail = (
                box(0.05, stage.depth, 0.1).moved(-stage.width / 2 + 0.05, 0, z + high).of(palette.one_of("metal", 2))
            )
            stage.add(rail)
    ceiling_lights(stage, 0.95)
    wall_things(stage, int(rng.integers(2, 12)))
    if rng.random() < 0.35:
        pipes(stage, int(rng.integers(2, 7)))
    people(stage, int(rng.poisson(0.8)))
    return stage.finish("corridor", _along(stage))


def _along(stage: Stage) -> Iterator[Viewpoint]:
    """Candidates that look down the passage, aslant, or at its walls."""
    rng = stage.rng
    for _ in range(168):
        x, y = stage.point(0.35)
        ahead = 1.0 if (y < 0) == (rng.random() < 0.85) else -1.0
        aim = (float(rng.uniform(-0.5, 0.5) * stage.width), y + ahead * float(rng.uniform(0.8, 8.0)))
        z = float(
            rng.choice(
                [rng.uniform(1.3, 1.8), rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.4), rng.uniform(1.9, 2.4)],
                p=[0.45, 0.22, 0.23, 0.1],
            )
        )
        pitch = float(np.radians(rng.uniform(-25, 8) if z > 0.5 else rng.uniform(-3, 14)))
        yield aimed((x, y, min(z, stage.height - 0.25)), (*aim, 0.0), rng, pitch)


def staircase(rng: np.random.Generator) -> Scene:
    """One or two flights with railings in a well or in a hall; looked at from below, from above and along."""
    stage = stage_of(rng, (2.4, 6.5), (5.5, 9.0), (5.2, 7.5))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=1.5, doorways=0.8, doors=1).build()
    rise, going = float(rng.uniform(0.15, 0.19)), float(rng.uniform(0.25, 0.31))
    wide = float(rng.uniform(0.9, min(1.8, stage.width / 2 - 0.15)))
    steps = min(int(rng.integers(9, 17)), int((stage.depth - 2.4) / going))
    solid = bool(rng.random() < 0.65)
    x = -stage.width / 2 + wide / 2
    foot = stage.depth / 2 - 1.2 - steps * going
    flight = stairs(palette, wide, steps, rise, going, solid).moved(x, foot)
    stage.add(flight)
    level = steps * rise
    landing = box(stage.width, 1.2, 0.18).moved(0, stage.depth / 2 - 0.6, level - 0.18).of(palette.one_of("floor", 2))
    stage.add(landing)
    side = x + wide / 2 - 0.03
    stage.add(railing(palette, [(side, foot, rise), (side, foot + steps * going, level + rise * 0.5)]))
    if rng.random() < 0.65:
        back = (
            stairs(palette, wide, steps, rise, going, False)
            .turned(yaw=np.pi)
            .moved(x + wide + 0.12, stage.depth / 2 - 1.2, level)
        )
        stage.add(back)
        edge = x + wide / 2 + 0.15
        top = stage.depth / 2 - 1.2
        stage.add(railing(palette, [(edge, top, level + rise), (edge, top - steps * going, 2 * level + rise * 0.5)]))
    else:
        stage.add(
            railing(palette, [(side, stage.depth / 2 - 1.2, level), (stage.width / 2, stage.depth / 2 - 1.2, level)])
        )
    stage.reserve(
        box(stage.width, steps * going + 1.2, stage.height - 0.5).moved(0, stage.depth / 2 - (steps * going + 1.2) / 2)
    )
    for make in (cupboard, shelf, chair):
        if rng.random() < 0.6:
            stage.against(make(clutter))
    if rng.random() < 0.6:
        stage.somewhere(plant(palette))
    stage.add(clutter.spread(wide * 0.5, 0.25, 2, EVERYTHING).moved(x, foot + going * 2.5, rise * 3))
    for z in (1.4, 2.6, 3.8):
        stage.against(picture(palette), int(rng.choice([1, 3])), z=z, gap=0.002)
    ceiling_lights(stage)
    wall_things(stage, int(rng.integers(1, 6)))
    people(stage, int(rng.poisson(0.6)))
    return stage.finish("staircase", _about_stairs(stage, x, wide, foot, steps * going, level))


def _about_stairs(stage: Stage, x: float, wide: float, foot: float, run: float, level: float) -> Iterator[Viewpoint]:
    """Candidates before the flight looking up, on the landing looking down, on the steps, and beside."""
    rng = stage.rng
    for _ in range(192):
        draw = rng.random()
        over = float(
            rng.choice([rng.uniform(1.3, 1.75), rng.uniform(0.3, 1.0), rng.uniform(0.12, 0.4)], p=[0.6, 0.25, 0.15])
        )
        across = x + float(rng.uniform(-0.3, 0.3)) * wide
        if draw < 0.35:
            spot = (
                float(rng.uniform(x - wide / 2 + 0.3, stage.width / 2 - 0.3)),
                float(rng.uniform(-stage.depth / 2 + 0.3, foot - 0.2)),
                over,
            )
            yield aimed(
                spot,
                (across, foot + run * float(rng.uniform(0.2, 1)), level * float(rng.uniform(0.2, 1.1))),
                rng,
                None,
                (50, 95),
            )
        elif draw < 0.6:
            spot = (
                float(rng.uniform(x - wide * 0.3, stage.width / 2 - 0.4)),
                stage.depth / 2 - float(rng.uniform(0.4, 1.1)),
                level + over,
            )
            yield aimed(
                spot,
                (across, foot + run * float(rng.uniform(-0.3, 0.7)), level * float(rng.uniform(0, 0.5))),
                rng,
                None,
                (50, 95),
            )
        elif draw < 0.85:
            share = float(rng.uniform(0.1, 0.9))
            up = rng.random() < 0.5
            spot = (across, foot + run * share, level * share + over + 0.1)
            target = (across, foot + run * (1.3 if up else -0.4), (level + over if up else 0.3))
            yield aimed(spot, target, rng, None, (50, 100))
        else:
            spot_x, spot_y = stage.point(0.35)
            yield aimed(
                (spot_x, spot_y, over),
                (x, foot + run / 2, level / 2),
                rng,
                float(np.radians(rng.uniform(-15, 30))),
                (50, 100),
            )


def loggia(rng: np.random.Generator) -> Scene:
    """A passage that is open on one side between pillars: light and shadow in stripes, the open air beyond."""
    stage = stage_of(rng, (2.2, 4.5), (9.0, 26.0), (2.6, 4.5))
    palette, clutter = stage.palette, stage.clutter
    stage.add(floor(stage.width + 1.5, stage.depth).of(palette.tiles() if rng.random() < 0.5 else palette.concrete()))
    stage.add(box(stage.width + 0.8, stage.depth, 0.3).moved(z=stage.height).of(palette.ceiling()))
    wall = palette.wall()
    for side in (0, 1, 2):
        length = stage.wall_length(side)
        stage.add(stage.to_wall(box(length, 0.02, stage.height).moved(y=0.01), side).of(wall))
    pace, thick = float(rng.uniform(1.8, 4.0)), float(rng.uniform(0.2, 0.55))
    y = np.arange(-stage.depth / 2 + 0.3, stage.depth / 2, pace)
    places = np.stack([np.full(len(y), stage.width / 2), y, np.zeros(len(y))], 1)
    stage.add(boxes(places, (thick, thick, stage.height), palette.one_of("wall", 3)))
    stage.add(
        boxes([[stage.width / 2, 0, stage.height - 0.5]], [[thick * 0.9, stage.depth, 0.5]], palette.one_of("wall", 3))
    )
    if rng.random() < 0.5:
        stage.add(
            railing(palette, [(stage.width / 2, -stage.depth / 2, 0), (stage.width / 2, stage.depth / 2, 0)], every=0.3)
        )
    stage.windows = 4
    outside(stage, float(rng.choice([0.1, 3.0, 9.0])))
    door = closed_door(palette)
    for spot in np.arange(-stage.depth / 2 + 1.2, stage.depth / 2 - 1, float(rng.uniform(2.5, 5))).tolist():
        stage.against(door, 1, spot, gap=-0.05)
    for _ in range(int(rng.integers(2, 8))):
        make = (chair, cupboard, stool, sofa)[int(rng.integers(4))]
        stage.against(make(clutter), int(rng.choice([0, 1, 2])))
        stage.against(plant(palette), int(rng.choice([0, 1, 2])), gap=0.05)
    ceiling_lights(stage, 0.4)
    wall_things(stage, 4)
    people(stage, int(rng.integers(0, 4)))
    return stage.finish("loggia", _along(stage), float(rng.uniform(0.35, 0.8)))


LAYOUTS: dict[str, Layout] = {"corridor": corridor, "staircase": staircase, "loggia": loggia}
HELD_OUT: dict[str, Layout] = {}

"""Rooms of homes and offices: living room, bedroom, kitchen, bathroom, office, hall."""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout
from depthwire.training.scenes.fittings import (
    bin_,
    ceiling_lights,
    floor_lamp,
    people,
    pipes,
    plant,
    radiator,
    rug,
    wall_things,
)
from depthwire.training.scenes.furniture import bed, chair, desk, drawers, monitor, office_chair, sofa, stool, table
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import DESK_THINGS, EVERYTHING, KITCHEN_THINGS, TOYS, Maker
from depthwire.training.scenes.people import person, wardrobe
from depthwire.training.scenes.shapes import hanging_cloth, vessel
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import Stage
from depthwire.training.scenes.storage import cupboard, kitchen_row, load, shelf


def stage_of(
    rng: np.random.Generator, width: tuple[float, float], depth: tuple[float, float], height: tuple[float, float]
) -> Stage:
    """An empty room of a size within bounds, metres."""
    return Stage(rng, float(rng.uniform(*width)), float(rng.uniform(*depth)), float(rng.uniform(*height)))


def dining_group(
    stage: Stage, x: float, y: float, yaw: float, things: int = 9, makers: tuple[Maker, ...] = KITCHEN_THINGS
) -> None:
    """A table with chairs around it, some of them occupied or pulled out."""
    rng, clutter = stage.rng, stage.clutter
    wide, deep = float(rng.uniform(1.0, 2.2)), float(rng.uniform(0.7, 1.0))
    seat = chair(clutter)
    parts = [table(clutter, wide, deep, things=things, makers=makers)]
    clothes = wardrobe(rng, stage.palette.materials) if rng.random() < 0.3 else None
    for side in (0, 1):
        for k in range(max(1, int(wide / 0.65))):
            if rng.random() < 0.2:
                continue
            at = (k + 0.5) * wide / max(1, int(wide / 0.65)) - wide / 2
            turn = np.pi * side + float(rng.normal(0, 0.15))
            back = deep / 2 + float(rng.uniform(0.05, 0.4))
            shift = back if side == 0 else -back
            parts.append(seat.turned(yaw=turn).moved(at, shift))
            if clothes is not None and rng.random() < 0.5:
                parts.append(person(rng, clothes, "sit").turned(yaw=turn + np.pi).moved(at, shift))
    stage.place(join(parts), x, y, 0.0, yaw)


def toys(stage: Stage, count: int) -> None:
    """Small things on the floor."""
    for _ in range(count):
        stage.somewhere(stage.clutter.thing(TOYS if stage.rng.random() < 0.6 else EVERYTHING), tries=3)


def living_room(rng: np.random.Generator) -> Scene:
    """Sofas about a low table, a screen, shelves, plants, curtains; sometimes a dining table."""
    stage = stage_of(rng, (3.2, 8.0), (3.0, 6.5), (2.25, 3.4))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=1.8, doorways=0.8).build()
    side = int(rng.integers(4))
    stage.against(sofa(clutter, int(rng.integers(2, 4))), side, gap=0.04)
    low, high = stage.last_bounds()
    middle = ((low + high) / 2)[:2] * 0.35
    stage.add(
        rug(palette, float(rng.uniform(1.4, 2.6)), float(rng.uniform(1.2, 2.0)))
        .turned(yaw=float(rng.normal(0, 0.15)))
        .moved(float(middle[0]), float(middle[1]), 0.001)
    )
    stage.place(
        table(clutter, float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.35, 0.48)), 7),
        float(middle[0]),
        float(middle[1]),
        0,
        side * np.pi / 2,
    )
    television = join([cupboard(clutter, float(rng.uniform(1.2, 2.0)), float(rng.uniform(0.4, 0.6)), 0.42)])
    screen = monitor(clutter, float(rng.uniform(0.9, 1.5))).moved(z=float(television.bounds[1][2]))
    stage.against(join([television, screen]), (side + 2) % 4, gap=0.03)
    for _ in range(int(rng.integers(1, 4))):
        stage.against(shelf(clutter))
    for make in (cupboard, sofa):
        if rng.random() < 0.6:
            stage.against(make(clutter))
    if rng.random() < 0.5:
        dining_group(stage, *stage.point(1.2), float(rng.uniform(0, np.pi)))
    furnish(stage, plants=3, lamps=2, pictures=8)
    toys(stage, int(rng.integers(0, 9)))
    people(stage, int(rng.poisson(0.5)))
    return stage.finish("living_room")


def furnish(stage: Stage, plants: int, lamps: int, pictures: int) -> None:
    """Ceiling lights, and up to so many plants, floor lamps, radiators and things on the walls."""
    rng, palette = stage.rng, stage.palette
    ceiling_lights(stage)
    for _ in range(int(rng.integers(0, plants + 1))):
        stage.somewhere(plant(palette), tries=4)
    for _ in range(int(rng.integers(0, lamps + 1))):
        lit = rng.random() < 0.5
        if stage.against(floor_lamp(stage, lit), gap=0.1) and lit:
            low, high = stage.last_bounds()
            stage.lamp(
                (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(high[2]) + 0.1),
                float(rng.uniform(0.3, 1.2)),
            )
    if rng.random() < 0.6:
        stage.against(radiator(palette), gap=0.03)
    if rng.random() < 0.5:
        stage.somewhere(bin_(palette))
    wall_things(stage, int(rng.integers(1, pictures + 1)))
    extras(stage)


def extras(stage: Stage) -> None:
    """More furniture and boxes along the walls and in the way, more in some rooms than in others."""
    rng, clutter = stage.rng, stage.clutter
    area = stage.width * stage.depth
    for _ in range(int(rng.uniform(0.0, 0.55) * area**0.75)):
        draw = rng.random()
        if draw < 0.45:
            stage.against((cupboard, shelf, stool, chair)[int(rng.integers(4))](clutter), gap=0.02)
        elif draw < 0.7:
            sides = (float(side) for side in rng.uniform(0.2, 0.7, 3))
            stage.against(load(clutter, *sides), gap=float(rng.uniform(0.01, 0.2)))
        elif draw < 0.85:
            stage.somewhere((chair, stool, office_chair)[int(rng.integers(3))](clutter), tries=4)
        else:
            stage.somewhere(
                table(clutter, float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.4, 0.6)), None, 5), tries=4
            )


def bedroom(rng: np.random.Generator) -> Scene:
    """A bed with side tables, a wardrobe, a desk, clothes on the floor."""
    stage = stage_of(rng, (2.4, 5.5), (2.6, 5.0), (2.2, 3.0))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=1.3, doorways=0.4).build()
    side = int(rng.integers(4))
    for _ in range(1 if rng.random() < 0.8 else 2):
        stage.against(bed(clutter), side, gap=0.03)
    low, high = stage.last_bounds()
    at = float(low[side % 2] + high[side % 2]) / 2 * (1, 1, -1, -1)[side]
    for shift in (-1, 1):
        stand = join([drawers(clutter, 0.45, 0.4, 0.5, 2), clutter.spread(0.4, 0.35, 4, DESK_THINGS).moved(z=0.5)])
        reach = float(max(high[side % 2] - low[side % 2], 0.9)) / 2 + 0.28
        stage.against(stand, side, at + shift * reach)
    stage.against(cupboard(clutter, None, float(rng.uniform(1.8, 2.15)), 0.58))
    for make in (shelf, desk, cupboard, chair, sofa):
        if rng.random() < 0.45:
            stage.against(make(clutter))
    if rng.random() < 0.5:
        stage.add(
            rug(palette, float(rng.uniform(0.8, 2)), float(rng.uniform(0.7, 1.5)))
            .turned(yaw=float(rng.uniform(0, 3)))
            .moved(*stage.point(1.0), 0.001)
        )
    furnish(stage, plants=1, lamps=1, pictures=7)
    for _ in range(int(rng.integers(0, 5))):
        x, y = stage.point(0.4)
        stage.add(clutter.heap(0.25, 2, TOYS).moved(x, y)) if rng.random() < 0.3 else toys(stage, 1)
    people(stage, int(rng.random() < 0.2))
    return stage.finish("bedroom")


def kitchen(rng: np.random.Generator) -> Scene:
    """Kitchen rows on one to three walls, tiles above the worktop, a table or an island."""
    stage = stage_of(rng, (2.2, 5.5), (2.4, 5.5), (2.3, 3.2))
    palette, clutter = stage.palette, stage.clutter
    ground = palette.tiles() if rng.random() < 0.6 else palette.floor()
    Shell(
        stage, palette.wall(), palette.ceiling(), ground, windows=1.2, doorways=0.7, window_bottom=(0.95, 1.2)
    ).build()
    first = int(rng.integers(4))
    for wall in [first, first + 1, first + 2][: int(rng.integers(1, 4))]:
        length = min(stage.wall_length(wall % 4) - 1.5, float(rng.uniform(1.2, 4.0)))
        if length > 1.1:
            stage.against(kitchen_row(clutter, length), wall % 4, gap=0.0)
    splash = box(stage.wall_length(first) * 0.98, 0.006, 0.6).moved(z=0.9).of(palette.tiles())
    stage.add(stage.to_wall(splash.moved(y=-0.004), first)) if not stage.windows else None
    if stage.width * stage.depth > 9:
        dining_group(stage, *stage.point(1.1), float(rng.choice([0, np.pi / 2])))
    for make in (shelf, cupboard, stool, chair, stool):
        if rng.random() < 0.5:
            stage.against(make(clutter))
    hooks = rods([-0.5, -0.04, 0.0], [0.5, -0.04, 0.0], 0.008, palette.one_of("metal", 2), sections=6)
    cloths = [hanging_cloth(0.25, 0.4, 0.02, 2, palette.one_of("linen", 3)).moved(x, -0.06, -0.4) for x in (-0.3, 0.2)]
    stage.against(join([hooks, *cloths]).moved(z=0.4), z=0.8, gap=0.0)
    furnish(stage, plants=2, lamps=0, pictures=5)
    people(stage, int(rng.random() < 0.3))
    return stage.finish("kitchen")


def bathroom(rng: np.random.Generator) -> Scene:
    """Tiles, a tub or a shower, a basin with a shelf, a toilet, towels, a washing machine."""
    stage = stage_of(rng, (1.9, 3.8), (2.0, 4.0), (2.2, 2.8))
    palette, clutter = stage.palette, stage.clutter
    coat = palette.tiles() if rng.random() < 0.7 else palette.wall()
    Shell(stage, coat, palette.ceiling(), palette.tiles(), windows=0.6, doorways=0.4, window_bottom=(1.1, 1.4)).build()
    white, metal = palette.sanitary(), palette.one_of("metal", 2)
    if rng.random() < 0.7:
        stage.against(_tub(white, metal), gap=0.0)
    toilet = join([
        vessel([[0.1, 0], [0.12, 0.2], [0.19, 0.38], [0.2, 0.41], [0.1, 0.42], [0, 0.42]], white).scaled(0.95, 1.3, 1),
        box(0.4, 0.18, 0.38).moved(0, 0.3, 0.4).of(white),
    ])  # fmt: skip
    stage.against(toilet, gap=0.0)
    basin = join([
        vessel([[0.08, 0], [0.08, 0.6], [0.28, 0.85], [0.25, 0.85], [0.1, 0.75], [0, 0.74]], white).scaled(1, 0.85, 1),
        rods([[0, 0.18, 0.84], [0, 0.18, 0.96]], [[0, 0.18, 0.97], [0, 0.05, 0.94]], 0.013, metal, sections=6),
    ])  # fmt: skip
    if stage.against(basin if rng.random() < 0.5 else join([cupboard(clutter, 0.9, 0.8, 0.45)]), gap=0.0):
        stage.against(box(0.6, 0.02, 0.8).of(palette.one_of("lacquer")), z=1.1, gap=0.0)
    for make in (shelf, cupboard):
        if rng.random() < 0.6:
            stage.against(make(clutter, float(rng.uniform(0.3, 0.6))))
    if rng.random() < 0.5:
        drum = (
            cylinder(0.2, 0.03, sections=20)
            .turned(pitch=np.pi / 2)
            .moved(0, -0.29, 0.45)
            .of(palette.one_of("dark_plastic", 2))
        )
        stage.against(join([box(0.6, 0.58, 0.85).of(palette.one_of("lacquer")), drum]), gap=0.02)
    for _ in range(3):
        rail = rods([-0.3, 0, 0], [0.3, 0, 0], 0.01, metal, sections=6)
        towel = hanging_cloth(0.4, 0.6, 0.02, 2, palette.one_of("linen", 3)).moved(0, -0.02, -0.6)
        stage.against(join([rail, towel]).moved(z=0.6), z=0.7, gap=0.04)
    furnish(stage, plants=1, lamps=0, pictures=4)
    return stage.finish("bathroom")


def _tub(white: int, metal: int) -> Mesh:
    """A bath, its walls thin, with a tap."""
    sizes = [[1.65, 0.7, 0.12], [1.65, 0.07, 0.56], [1.65, 0.07, 0.56], [0.09, 0.7, 0.56], [0.09, 0.7, 0.56]]
    places = [[0, 0, 0], [0, 0.32, 0], [0, -0.32, 0], [0.78, 0, 0], [-0.78, 0, 0]]
    tap = rods([[0.6, 0.3, 0.56], [0.6, 0.3, 0.74]], [[0.6, 0.3, 0.75], [0.6, 0.12, 0.72]], 0.014, metal, sections=6)
    return join([boxes(places, sizes, white), tap])


def office(rng: np.random.Generator) -> Scene:
    """Desks in rows or along the walls with screens and chairs, shelves, partitions, cables."""
    stage = stage_of(rng, (3.0, 11.0), (3.0, 9.0), (2.4, 3.6))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=2.0, doorways=0.6).build()
    work, seat = desk(clutter, 8), office_chair(clutter)
    places = [
        join(
            [
                desk(clutter, int(rng.integers(4, 12))) if rng.random() < 0.6 else work,
                seat.turned(yaw=np.pi + float(rng.normal(0, 0.6))).moved(
                    float(rng.normal(0, 0.15)), -float(rng.uniform(0.55, 0.9))
                ),
            ]
        )
        for _ in range(4)
    ]
    if rng.random() < 0.5 and stage.width > 4.5:
        pair = join(
            [
                places[0].moved(y=-0.45),
                places[1].turned(yaw=np.pi).moved(y=0.45),
                box(1.8, 0.03, 1.2).of(palette.one_of("fabric", 6)),
            ]
        )
        for x in np.arange(-stage.width / 2 + 1.6, stage.width / 2 - 1.2, 2.4).tolist():
            for y in np.arange(-stage.depth / 2 + 2.0, stage.depth / 2 - 1.6, 3.6).tolist():
                stage.place(pair, x, y, 0, float(rng.choice([0.0, np.pi])))
    for _ in range(int(rng.integers(2, 6))):
        stage.against(places[int(rng.integers(4))])
    for make in (shelf, shelf, cupboard, cupboard):
        if rng.random() < 0.7:
            stage.against(make(clutter))
    if rng.random() < 0.35:
        dining_group(stage, *stage.point(1.4), float(rng.uniform(0, np.pi)), 8, DESK_THINGS)
    furnish(stage, plants=3, lamps=1, pictures=8)
    if rng.random() < 0.3:
        pipes(stage, 4)
    toys(stage, int(rng.integers(0, 4)))
    people(stage, int(rng.poisson(0.8)))
    return stage.finish("office")


def hall(rng: np.random.Generator) -> Scene:
    """A large, high room: lobby, gym or gallery, with pillars, groups of seats, people."""
    stage = stage_of(rng, (9.0, 22.0), (9.0, 25.0), (3.5, 8.0))
    palette, clutter = stage.palette, stage.clutter
    Shell(
        stage,
        palette.wall(),
        palette.ceiling(),
        palette.floor() if rng.random() < 0.7 else palette.concrete(),
        windows=4.0,
        doorways=1.0,
        doors=3,
    ).build()
    pillar = cylinder(float(rng.uniform(0.2, 0.4)), stage.height, sections=20).of(palette.one_of("wall"))
    if rng.random() < 0.5:
        pillar = box(float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.7)), stage.height).of(
            palette.one_of("wall")
        )
    if rng.random() < 0.7:
        for x in np.arange(-stage.width / 2 + 2.5, stage.width / 2 - 1, float(rng.uniform(3.5, 6))).tolist():
            for side in (-1, 1):
                stage.place(pillar, x, side * stage.depth * 0.28)
    for _ in range(int(rng.integers(2, 7))):
        dining_group(stage, *stage.point(1.5), float(rng.uniform(0, np.pi)), 3)
    for _ in range(int(rng.integers(3, 9))):
        make = (sofa, cupboard, shelf, chair, table)[int(rng.integers(5))]
        stage.somewhere(make(clutter)) if rng.random() < 0.4 else stage.against(make(clutter))
    furnish(stage, plants=6, lamps=3, pictures=10)
    pipes(stage, int(rng.integers(0, 7)))
    people(stage, int(rng.integers(0, 7)))
    return stage.finish("hall")


LAYOUTS: dict[str, Layout] = {
    "living_room": living_room,
    "bedroom": bedroom,
    "kitchen": kitchen,
    "bathroom": bathroom,
    "office": office,
    "hall": hall,
}
HELD_OUT: dict[str, Layout] = {}

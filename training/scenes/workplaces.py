"""Where people work with their hands: warehouse, laboratory, workshop, garage."""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import cylinder, join, sphere
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout
from depthwire.training.scenes.equipment import beams, lab_bench, lift_truck, tool_board
from depthwire.training.scenes.fittings import bin_, ceiling_lights, ladder, people, pipes, wall_things
from depthwire.training.scenes.furniture import office_chair, stool
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.outdoor_palette import OutdoorPalette
from depthwire.training.scenes.rooms import furnish, stage_of, toys
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import room_views
from depthwire.training.scenes.storage import cupboard, load, machine, pallet, rack, shelf, workbench
from depthwire.training.scenes.vehicles import bicycle, car


def warehouse(rng: np.random.Generator) -> Scene:
    """Rows of high racks with aisles, pallets on the floor, pipes and beams above."""
    stage = stage_of(rng, (8.0, 20.0), (8.0, 26.0), (3.5, 8.0))
    palette, clutter = stage.palette, stage.clutter
    Shell(
        stage,
        palette.concrete(),
        palette.concrete(),
        palette.concrete(),
        windows=1.5,
        doorways=0.4,
        doors=2,
        window_bottom=(1.0, 1.8),
    ).build()
    wide, deep = float(rng.uniform(1.8, 2.7)), float(rng.uniform(0.6, 1.1))
    tall = float(rng.uniform(2.0, stage.height - 0.6))
    levels = max(2, round(tall / rng.uniform(0.8, 1.5)))
    kinds = [
        rack(clutter, wide, tall, deep, levels, float(rng.uniform(0.5, 0.95))).turned(yaw=np.pi / 2) for _ in range(2)
    ]
    aisle = deep + float(rng.uniform(1.4, 3.0))
    for x in np.arange(-stage.width / 2 + deep / 2 + 0.1, stage.width / 2 - deep / 2, aisle).tolist():
        for y in np.arange(-stage.depth / 2 + wide / 2 + 1.5, stage.depth / 2 - wide / 2, wide + 0.05).tolist():
            if rng.random() < 0.8:
                stage.place(kinds[int(rng.integers(2))], x, y, 0, float(rng.choice([0.0, np.pi])))
    for _ in range(int(rng.integers(3, 12))):
        stage.somewhere(
            pallet(clutter)
            if rng.random() < 0.6
            else load(clutter, float(rng.uniform(0.3, 1)), float(rng.uniform(0.3, 1)), float(rng.uniform(0.3, 1.2)))
        )
    if rng.random() < 0.6:
        stage.somewhere(lift_truck(clutter), tries=20)
    beams(stage)
    ceiling_lights(stage, 0.95)
    pipes(stage, int(rng.integers(1, 8)))
    people(stage, int(rng.integers(0, 4)))
    return stage.finish("warehouse", room_views(stage, 240))


def workshop(rng: np.random.Generator) -> Scene:
    """Benches, machines, racks, tools on the wall, ladders, pipes and cables."""
    stage = stage_of(rng, (4.0, 11.0), (4.0, 10.0), (2.6, 5.0))
    palette, clutter = stage.palette, stage.clutter
    wall = palette.brick() if rng.random() < 0.35 else palette.concrete() if rng.random() < 0.5 else palette.wall()
    Shell(
        stage,
        wall,
        palette.ceiling() if rng.random() < 0.5 else palette.concrete(),
        palette.concrete(),
        windows=1.5,
        doorways=0.5,
    ).build()
    for _ in range(int(rng.integers(2, 5))):
        stage.against(workbench(clutter))
    for _ in range(int(rng.integers(1, 4))):
        stage.against(tool_board(clutter), z=1.2, gap=0.0)
    for _ in range(int(rng.integers(1, 5))):
        stage.somewhere(machine(clutter, float(rng.uniform(0.6, 1.3))), tries=12)
    stage.against(
        rack(clutter, float(rng.uniform(1.0, 2.2)), float(rng.uniform(1.6, 2.4)), 0.5, int(rng.integers(3, 6)))
    )
    for make in (shelf, cupboard, workbench, stool, stool):
        if rng.random() < 0.5:
            stage.against(make(clutter))
    if rng.random() < 0.6:
        stage.against(ladder(palette, min(2.6, stage.height - 0.1)), gap=0.02)
    if rng.random() < 0.5:
        stage.somewhere(workbench(clutter))
    x = rng.uniform(-0.4, 0.4, 9)
    feet, tops = np.stack([x, x * 0, x * 0], 1), np.stack([x * 0.8, x * 0 + 0.35, x * 0 + 2.3], 1)
    bars = rods(feet, tops, 0.015, palette.one_of("metal", 3), sections=6)
    stage.against(bars, gap=0.02)
    for _ in range(int(rng.integers(0, 5))):
        stage.somewhere(
            load(clutter, float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.2, 0.9)))
        )
    ceiling_lights(stage, 0.95)
    pipes(stage, int(rng.integers(2, 9)))
    toys(stage, int(rng.integers(0, 4)))
    wall_things(stage, 5)
    people(stage, int(rng.poisson(0.7)))
    return stage.finish("workshop")


def laboratory(rng: np.random.Generator) -> Scene:
    """Benches in rows with instruments, bottles, screens, shelves over the benches, gas cylinders, cables."""
    stage = stage_of(rng, (4.0, 10.0), (4.5, 10.0), (2.5, 3.8))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.lino(), windows=1.5, doorways=0.5).build()
    benches = [lab_bench(clutter, float(rng.uniform(1.8, 3.2))) for _ in range(2)]
    for y in np.arange(-stage.depth / 2 + 1.8, stage.depth / 2 - 1.4, float(rng.uniform(2.2, 3))).tolist():
        stage.place(benches[int(rng.integers(2))], float(rng.uniform(-0.4, 0.4)), y)
    for _ in range(int(rng.integers(2, 5))):
        stage.against(benches[int(rng.integers(2))])
    tank = join(
        [cylinder(0.115, 1.35, sections=14), sphere(0.115, 1).moved(z=1.35), cylinder(0.04, 0.2).moved(z=1.4)]
    ).of(palette.one_of("machine_paint"))
    for _ in range(int(rng.integers(0, 4))):
        stage.against(tank, gap=0.03)
    for make in (cupboard, shelf, cupboard, office_chair, stool, stool):
        if rng.random() < 0.6:
            stage.somewhere(make(clutter)) if make in (office_chair, stool) else stage.against(make(clutter))
    for _ in range(int(rng.integers(0, 3))):
        stage.somewhere(machine(clutter, float(rng.uniform(0.7, 1.2))))
    furnish(stage, plants=1, lamps=0, pictures=6)
    pipes(stage, int(rng.integers(0, 8)))
    people(stage, int(rng.poisson(0.8)))
    return stage.finish("laboratory")


def garage(rng: np.random.Generator) -> Scene:
    """A car or bicycles, shelves with cans, tools, a wide gate that is open or shut."""
    stage = stage_of(rng, (3.0, 7.5), (5.5, 9.0), (2.2, 3.2))
    palette, clutter = stage.palette, stage.clutter
    Shell(
        stage,
        palette.concrete() if rng.random() < 0.6 else palette.brick(),
        palette.concrete(),
        palette.concrete(),
        windows=0.8,
        doorways=0.5,
    ).build()
    gate = boxes([[0, 0, 0.41 * k] for k in range(5)], (2.4, 0.05, 0.4), palette.one_of("lacquer"))
    stage.against(gate, 2, 0.0, gap=0.02)
    paints = OutdoorPalette(rng, materials=palette.materials)
    if rng.random() < 0.75:
        stage.place(
            car(rng, paints),
            float(rng.uniform(-0.3, 0.3)) * max(stage.width - 2.6, 0),
            0.3,
            0,
            float(rng.choice([0.0, np.pi])),
        )
    for _ in range(int(rng.integers(0, 4))):
        stage.against(bicycle(rng, paints).turned(yaw=np.pi / 2), gap=0.05)
    for _ in range(int(rng.integers(1, 4))):
        stage.against(
            rack(clutter, float(rng.uniform(0.8, 1.6)), float(rng.uniform(1.4, 2.0)), 0.4, int(rng.integers(3, 6)), 0.7)
        )
    for make in (workbench, cupboard, shelf, tool_board):
        if rng.random() < 0.6:
            stage.against(make(clutter), z=1.2 if make is tool_board else 0.0)
    for _ in range(int(rng.integers(1, 8))):
        stage.somewhere(
            load(clutter, float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.2, 0.7)))
            if rng.random() < 0.6
            else bin_(palette)
        )
    if rng.random() < 0.6:
        stage.against(ladder(palette, stage.height - 0.1), gap=0.02)
    ceiling_lights(stage, 0.9)
    pipes(stage, int(rng.integers(0, 5)))
    people(stage, int(rng.random() < 0.25))
    return stage.finish("garage", room_views(stage, 240))


LAYOUTS: dict[str, Layout] = {
    "warehouse": warehouse,
    "workshop": workshop,
    "laboratory": laboratory,
    "garage": garage,
}
HELD_OUT: dict[str, Layout] = {}

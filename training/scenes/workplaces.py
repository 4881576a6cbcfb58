"""Halls where people work or buy: warehouse, laboratory, workshop, garage, shop, lecture hall."""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, sphere
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout
from depthwire.training.scenes.fittings import bin_, ceiling_lights, ladder, people, picture, pipes, wall_things
from depthwire.training.scenes.furniture import chair, desk, monitor, office_chair, stool, table
from depthwire.training.scenes.objects import DESK_THINGS, EVERYTHING, KITCHEN_THINGS, WORKSHOP_THINGS, Clutter
from depthwire.training.scenes.people import person, wardrobe
from depthwire.training.scenes.rooms import furnish, stage_of, toys
from depthwire.training.scenes.shapes import boxes, rods, vessel
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import Stage, room_views
from depthwire.training.scenes.storage import cupboard, load, machine, pallet, rack, shelf, workbench


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


def beams(stage: Stage) -> None:
    """Steel trusses or beams under the ceiling."""
    rng, palette = stage.rng, stage.palette
    steel, high = palette.one_of("metal", 3), stage.height - float(rng.uniform(0.25, 0.7))
    half = stage.width / 2
    for y in np.arange(-stage.depth / 2 + 1, stage.depth / 2, float(rng.uniform(2.5, 5))).tolist():
        if stage.height > 4.5:
            x = np.linspace(-half, half, max(int(stage.width / 0.9), 4))
            web = [
                [[a, y, high if k % 2 else stage.height], [b, y, stage.height if k % 2 else high]]
                for k, (a, b) in enumerate(zip(x[:-1], x[1:], strict=True))
            ]
            stage.add(rods([[[-half, y, high], [half, y, high]], *web], 0.04, steel, 4))
        else:
            stage.add(box(stage.width, 0.15, 0.25).moved(0, y, stage.height - 0.25).of(steel))


def lift_truck(clutter: Clutter) -> Mesh:
    """A fork lift: body, mast, forks, roof on thin posts, wheels."""
    palette = clutter.palette
    coat, black = palette.machine_paint(), palette.dark_plastic()
    body = boxes(
        [[1.0, 1.5, 0.7], [0.9, 0.5, 0.35], [0.12, 1.1, 0.05], [0.12, 1.1, 0.05], [0.5, 0.5, 0.1]],
        [[0, 0.2, 0.25], [0, 0.7, 0.9], [0.25, -1.3, 0.12], [-0.25, -1.3, 0.12], [0, 0.1, 0.95]],
        [coat, coat, black, black, black],
    )
    posts = [[[s * 0.45, y, 0.9], [s * 0.42, y * 0.7, 2.1]] for s in (-1, 1) for y in (-0.5, 0.8)]
    mast = [[[s * 0.3, -0.72, 0.1], [s * 0.3, -0.72, 2.1]] for s in (-1, 1)]
    wheel = cylinder(0.28, 0.2).turned(roll=np.pi / 2).of(black)
    wheels = [wheel.moved(x, y, 0.28) for x in (-0.6, 0.4) for y in (-0.4, 0.7)]
    return join(
        [
            body,
            rods(posts, 0.03, black),
            rods(mast, 0.05, black),
            box(0.95, 1.1, 0.04).moved(0, 0.1, 2.1).of(black),
            *wheels,
        ]
    )


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
        if stage.against(workbench(clutter)) and rng.random() < 0.6:
            low, high = stage.last_bounds()
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
    bars = rods(
        [[[x, 0.0, 0.0], [x * 0.8, 0.35, 2.3]] for x in rng.uniform(-0.4, 0.4, 9).tolist()],
        0.015,
        palette.one_of("metal", 3),
    )
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


def tool_board(clutter: Clutter) -> Mesh:
    """A board with tools that hang on it."""
    palette, rng = clutter.palette, clutter.palette.rng
    wide, tall = float(rng.uniform(0.8, 2.0)), float(rng.uniform(0.5, 0.9))
    parts = [box(wide, 0.02, tall).of(palette.one_of("wood", 3))]
    for x in np.arange(-wide / 2 + 0.1, wide / 2 - 0.05, 0.14).tolist():
        for z in (0.2, 0.6):
            if z < tall - 0.1 and rng.random() < 0.75:
                hung = clutter.thing(WORKSHOP_THINGS[:2]).turned(roll=np.pi / 2).moved(x, -0.05, z)
                parts.append(hung)
    return join(parts)


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


def lab_bench(clutter: Clutter, wide: float) -> Mesh:
    """A bench with cupboards below, a reagent shelf above, instruments and glass on it."""
    palette, rng = clutter.palette, clutter.palette.rng
    deep, tall = float(rng.uniform(0.7, 1.4)), 0.9
    parts = [
        cupboard_block(clutter, wide, deep, tall),
        box(wide + 0.04, deep + 0.04, 0.03).moved(z=tall).of(palette.one_of("lacquer", 3)),
    ]
    things = (*KITCHEN_THINGS[:3], *DESK_THINGS)
    parts.append(clutter.spread(wide, deep, int(rng.integers(8, 22)), things).moved(z=tall + 0.03))
    if rng.random() < 0.6:
        posts = [[[x, 0, tall], [x, 0, tall + 0.9]] for x in np.linspace(-wide / 2 + 0.05, wide / 2 - 0.05, 3).tolist()]
        boards = boxes(
            [[wide, 0.25, 0.02]] * 2, [[0, 0, tall + 0.45], [0, 0, tall + 0.85]], palette.one_of("lacquer", 3)
        )
        bottles = [clutter.spread(wide, 0.22, 9, things[:3]).moved(z=z) for z in (tall + 0.47, tall + 0.87)]
        parts += [rods(posts, 0.02, palette.one_of("metal", 2)), boards, *bottles]
    else:
        parts.append(
            machine(clutter, float(rng.uniform(0.3, 0.55))).moved(float(rng.uniform(-0.3, 0.3)) * wide, 0, tall + 0.03)
        )
        parts.append(monitor(clutter).moved(float(rng.uniform(-0.3, 0.3)) * wide, deep * 0.2, tall + 0.03))
    return join(parts)


def cupboard_block(clutter: Clutter, wide: float, deep: float, tall: float) -> Mesh:
    """Cupboards that can be opened from both sides."""
    front = cupboard(clutter, wide, tall, deep / 2)
    low, high = front.bounds
    body = front.scaled(1, 1, tall / float(high[2])) if high[2] > tall else front
    return join([body.moved(y=-deep / 4), body.turned(yaw=np.pi).moved(y=deep / 4)])


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
    gate = boxes([[2.4, 0.05, 0.4]] * 5, [[0, 0, 0.41 * k] for k in range(5)], palette.one_of("lacquer"))
    stage.against(gate, 2, 0.0, gap=0.02)
    if rng.random() < 0.75:
        stage.place(
            car(clutter),
            float(rng.uniform(-0.3, 0.3)) * max(stage.width - 2.6, 0),
            0.3,
            0,
            float(rng.choice([0.0, np.pi])),
        )
    for _ in range(int(rng.integers(0, 4))):
        stage.against(bicycle(clutter), gap=0.05)
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


def car(clutter: Clutter) -> Mesh:
    """A car from a swept outline, narrower at the roof, with dark windows and wheels; 4 m long along y."""
    palette = clutter.palette
    coat, glass, black = palette.machine_paint(), palette.dark_plastic(), palette.one_of("dark_plastic", 2)
    y = np.array([-2.0, -1.95, -1.0, -0.45, 0.2, 1.2, 1.8, 2.0])
    top = np.array([0.55, 0.75, 0.9, 1.4, 1.46, 1.38, 0.95, 0.6]) * palette.between(0.95, 1.15)
    half = np.array([0.7, 0.8, 0.85, 0.6, 0.62, 0.6, 0.82, 0.7])
    waist = np.array([0.5, 0.7, 0.82, 0.88, 0.9, 0.9, 0.88, 0.6])
    rings = [
        [[-h, a, t], [-0.87, a, w], [-0.87, a, 0.25], [0.87, a, 0.25], [0.87, a, w], [h, a, t]]
        for a, t, h, w in zip(y, top, half, waist, strict=True)
    ]
    ring = np.array(rings, np.float32)
    sheets = np.concatenate(
        [np.stack([ring[:-1, k], ring[1:, k], ring[1:, (k + 1) % 6], ring[:-1, (k + 1) % 6]], axis=1) for k in range(6)]
    )
    from depthwire.training.scenes.instances import quads

    body = quads(sheets, coat)
    faces = body.material.copy()
    for k in (2, 3, 4, 5):
        for strip in (0, 4) if k in (3, 4) else (5,):
            faces[(strip * 7 + k) * 2 : (strip * 7 + k) * 2 + 2] = glass
    body = Mesh(body.vertices, body.faces, faces, body.smooth)
    ends = quads([ring[0, [0, 1, 4, 5]], ring[-1, [0, 1, 4, 5]], ring[0, [1, 2, 3, 4]], ring[-1, [1, 2, 3, 4]]], coat)
    wheel = cylinder(0.32, 0.2, sections=20).turned(roll=np.pi / 2).of(black)
    hub = cylinder(0.18, 0.22, sections=12).turned(roll=np.pi / 2).of(palette.one_of("metal", 3))
    wheels = [
        join([wheel.moved(x, 0, 0), hub.moved(x - 0.01, 0, 0)]).moved(0, at, 0.32)
        for x in (-0.9, 0.7)
        for at in (-1.25, 1.25)
    ]
    return join([body, ends, *wheels])


def bicycle(clutter: Clutter) -> Mesh:
    """A bicycle of thin tubes, along x."""
    palette = clutter.palette
    coat, black = palette.machine_paint(), palette.one_of("dark_plastic", 2)
    angle = np.linspace(0, 2 * np.pi, 21)
    circle = np.stack([0.33 * np.cos(angle), np.zeros(21), 0.33 * np.sin(angle) + 0.34], 1)
    rims = [np.stack([circle[:-1] + [x, 0, 0], circle[1:] + [x, 0, 0]], axis=1) for x in (-0.52, 0.52)]
    spokes = [
        [[x, 0, 0.34], [x + 0.33 * np.cos(a), 0, 0.34 + 0.33 * np.sin(a)]]
        for x in (-0.52, 0.52)
        for a in angle[:-1:2].tolist()
    ]
    bottom, seat, head = [-0.08, 0, 0.3], [-0.2, 0, 0.85], [0.38, 0, 0.82]
    frame = [
        [bottom, seat],
        [bottom, head],
        [seat, head],
        [[-0.52, 0, 0.34], bottom],
        [[-0.52, 0, 0.34], seat],
        [[0.52, 0, 0.34], head],
        [head, [0.36, 0, 1.0]],
    ]
    bar = [[[0.36, -0.28, 1.0], [0.36, 0.28, 1.0]], [bottom, [0.02, -0.1, 0.18]], [bottom, [-0.18, 0.1, 0.42]]]
    saddle = box(0.26, 0.14, 0.06).moved(-0.22, 0, 0.92).of(black)
    return join(
        [
            rods(np.concatenate(rims), 0.018, black, 5),
            rods(spokes, 0.002, black, 3),
            rods(frame, 0.018, coat),
            rods(bar, 0.013, black),
            saddle,
        ]
    )


def shop(rng: np.random.Generator) -> Scene:
    """Aisles of shelves full of packs, tables with goods, signs that hang, a counter, customers."""
    stage = stage_of(rng, (6.0, 15.0), (6.0, 16.0), (2.6, 4.5))
    palette, clutter = stage.palette, stage.clutter
    Shell(
        stage,
        palette.wall(),
        palette.ceiling(),
        palette.tiles() if rng.random() < 0.5 else palette.floor(),
        windows=1.5,
        doorways=0.8,
    ).build()
    units = [goods_shelf(clutter, float(rng.uniform(1.3, 2.2))) for _ in range(3)]
    aisle = float(rng.uniform(1.8, 2.6))
    for x in np.arange(-stage.width / 2 + 1.8, stage.width / 2 - 1.5, aisle).tolist():
        for y in np.arange(-stage.depth / 2 + 2.2, stage.depth / 2 - 1.6, 1.9).tolist():
            if rng.random() < 0.75:
                stage.place(units[int(rng.integers(3))], x, y, 0, np.pi / 2 + float(rng.choice([0.0, np.pi])))
    for _ in range(int(rng.integers(3, 9))):
        stage.against(units[int(rng.integers(3))])
    for _ in range(int(rng.integers(1, 5))):
        stage.somewhere(table(clutter, things=20, makers=KITCHEN_THINGS))
    stage.somewhere(join([cupboard(clutter, 1.8, 1.0, 0.6)]), tries=15)
    for _ in range(int(rng.integers(0, 8))):
        x, y = stage.point(1.0)
        sign = picture(palette, float(rng.uniform(0.4, 1.2)), float(rng.uniform(0.2, 0.5)))
        cords = rods([[[s * 0.15, 0, 0.2], [s * 0.15, 0, 1.0]] for s in (-1, 1)], 0.003, palette.one_of("metal", 2), 4)
        drop = min(1.0, stage.height - 2.0)
        stage.add(join([sign, cords]).turned(yaw=float(rng.choice([0, np.pi / 2]))).moved(x, y, stage.height - drop))
    furnish(stage, plants=2, lamps=0, pictures=8)
    people(stage, int(rng.integers(0, 6)))
    return stage.finish("shop", room_views(stage, 240))


def goods_shelf(clutter: Clutter, wide: float) -> Mesh:
    """A shop's shelf: each level holds rows of the same pack, bottle or tin."""
    palette, rng = clutter.palette, clutter.palette.rng
    tall, deep, levels = float(rng.uniform(1.3, 2.1)), float(rng.uniform(0.35, 0.5)), int(rng.integers(3, 6))
    step, coat = tall / levels, palette.one_of("lacquer", 2)
    parts = [
        boxes(
            [[wide, deep, 0.025]] * levels + [[wide, 0.03, tall]],
            [[0, 0, k * step + 0.08] for k in range(levels)] + [[0, deep / 2, 0]],
            coat,
        )
    ]
    for k in range(levels):
        x = -wide / 2 + 0.02
        while x < wide / 2 - 0.1:
            pack = [float(v) for v in rng.uniform([0.06, 0.05, 0.08], [0.2, 0.15, step * 0.8])]
            across, behind = int(rng.integers(1, 5)), max(1, int(deep * 0.85 / pack[1]))
            across = min(across, int((wide / 2 - x) / (pack[0] + 0.008)))
            if across < 1:
                break
            grid_x, grid_y = np.meshgrid(
                x + (np.arange(across) + 0.5) * (pack[0] + 0.008),
                -deep / 2 + (np.arange(behind) + 0.5) * pack[1] + 0.01,
            )
            kept = (rng.random(grid_x.size) < 0.92) & (grid_y.ravel() < deep / 2)
            places = np.stack([grid_x.ravel(), grid_y.ravel(), np.full(grid_x.size, k * step + 0.106)], 1)[kept]
            if len(places) and rng.random() < 0.92:
                parts.append(
                    boxes(
                        np.tile([pack[0], pack[1] * 0.93, pack[2]], (len(places), 1)),
                        places,
                        palette.one_of("print", 12),
                    )
                )
            x += across * (pack[0] + 0.008) + 0.01
    return join(parts)


def lecture_hall(rng: np.random.Generator) -> Scene:
    """Rows of benches that rise towards the back, a board and a desk at the front, listeners."""
    stage = stage_of(rng, (6.0, 14.0), (8.0, 15.0), (3.6, 7.0))
    palette, clutter = stage.palette, stage.clutter
    Shell(stage, palette.wall(), palette.ceiling(), palette.floor(), windows=2.0, doorways=0.3, doors=2).build()
    rows, rise, pitch = (
        int(rng.integers(4, 10)),
        float(rng.choice([0.0, rng.uniform(0.12, 0.35)])),
        float(rng.uniform(0.9, 1.15)),
    )
    wood, seatcloth = palette.one_of("furniture", 2), palette.one_of("cover", 2)
    clothes = wardrobe(rng, palette.materials)
    crowd = float(rng.choice([0.0, 0.12, 0.4]))
    sitters = [person(rng, clothes, "sit") for _ in range(5)]
    half = stage.width / 2 - 0.9
    for k in range(rows):
        y = -stage.depth / 2 + 3.2 + k * pitch
        if y > stage.depth / 2 - 0.6:
            break
        z = k * rise
        if z + 1.9 > stage.height:
            break
        last = y + pitch > stage.depth / 2 - 0.6
        long = pitch if not last else stage.depth / 2 - y + 0.3
        step = [[2 * half, long, max(z, 0.001)]]
        stage.add(boxes(step, [[0, y + long / 2 - 0.25, 0]], palette.one_of("floor", 2)))
        sizes = [[2 * half, 0.35, 0.04], [2 * half, 0.03, 0.65], [2 * half, 0.05, 0.35]]
        stage.add(boxes(sizes, [[0, y, z + 0.72], [0, y - 0.15, z + 0.07], [0, y + 0.75, z + 0.55]], wood))
        seats = np.arange(-half + 0.3, half - 0.2, 0.6)
        places = np.stack([seats, np.full(len(seats), y + 0.5), np.full(len(seats), z + 0.4)], 1)
        stage.add(boxes(np.tile([0.46, 0.4, 0.05], (len(seats), 1)), places, seatcloth))
        for x in seats.tolist():
            if rng.random() < crowd:
                stage.add(sitters[int(rng.integers(5))].turned(yaw=np.pi).moved(x, y + 0.5, z))
        stage.add(clutter.spread(2 * half, 0.3, int(rng.integers(1, 5)), DESK_THINGS).moved(0, y, z + 0.76))
    stage.against(
        box(float(rng.uniform(2.0, 4.5)), 0.03, 1.3).of(
            palette.poster() if rng.random() < 0.4 else palette.one_of("dark_plastic")
        ),
        2,
        0.0,
        z=0.95,
        gap=0.0,
    )
    stage.reserve(box(stage.width, stage.depth - 3.0, 2.0).moved(0, 1.5))
    stage.place(desk(clutter), float(rng.uniform(-1, 1)), -stage.depth / 2 + 1.5, 0, np.pi)
    stage.somewhere(chair(clutter))
    stage.somewhere(vessel_bin(clutter))
    ceiling_lights(stage, 0.95)
    wall_things(stage, 6, low=1.4)
    people(stage, int(rng.integers(0, 3)))
    return stage.finish("lecture_hall", room_views(stage, 240, high=0.3))


def vessel_bin(clutter: Clutter) -> Mesh:
    """A bin with things thrown beside."""
    palette = clutter.palette
    pot = vessel([[0, 0.01], [0.14, 0], [0.18, 0.4], [0.17, 0.4], [0.13, 0.05]], palette.one_of("metal", 3))
    return join([pot, clutter.thing(EVERYTHING).moved(0.4, 0.1)])


LAYOUTS: dict[str, Layout] = {
    "warehouse": warehouse,
    "workshop": workshop,
    "laboratory": laboratory,
    "garage": garage,
    "shop": shop,
    "lecture_hall": lecture_hall,
}
HELD_OUT: dict[str, Layout] = {}

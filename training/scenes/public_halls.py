"""Rooms with rows: a shop with aisles of shelves, a lecture hall with rising benches."""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, join
from depthwire.training.scene import Scene
from depthwire.training.scenes import Layout
from depthwire.training.scenes.clutter import Clutter
from depthwire.training.scenes.equipment import goods_shelf
from depthwire.training.scenes.fittings import ceiling_lights, people, picture, wall_things
from depthwire.training.scenes.furniture import chair, desk, table
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import DESK_THINGS, EVERYTHING, KITCHEN_THINGS
from depthwire.training.scenes.people import person, wardrobe
from depthwire.training.scenes.rooms import furnish, stage_of
from depthwire.training.scenes.shapes import vessel
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import MOST_TRIANGLES, room_views
from depthwire.training.scenes.storage import cupboard


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
        cords = rods(
            [[s * 0.15, 0, 0.2] for s in (-1, 1)],
            [[s * 0.15, 0, 1.0] for s in (-1, 1)],
            0.003,
            palette.one_of("metal", 2),
            sections=4,
        )
        drop = min(1.0, stage.height - 2.0)
        stage.add(join([sign, cords]).turned(yaw=float(rng.choice([0, np.pi / 2]))).moved(x, y, stage.height - drop))
    furnish(stage, plants=2, lamps=0, pictures=8)
    people(stage, int(rng.integers(0, 6)))
    return stage.finish("shop", room_views(stage, 240))


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
        stage.add(boxes([[0, y + long / 2 - 0.25, 0]], step, palette.one_of("floor", 2)))
        sizes = [[2 * half, 0.35, 0.04], [2 * half, 0.03, 0.65], [2 * half, 0.05, 0.35]]
        stage.add(boxes([[0, y, z + 0.72], [0, y - 0.15, z + 0.07], [0, y + 0.75, z + 0.55]], sizes, wood))
        seats = np.arange(-half + 0.3, half - 0.2, 0.6)
        places = np.stack([seats, np.full(len(seats), y + 0.5), np.full(len(seats), z + 0.4)], 1)
        stage.add(boxes(places, (0.46, 0.4, 0.05), seatcloth))
        for x in seats.tolist():
            if rng.random() < crowd and stage.triangles < MOST_TRIANGLES - 4_000:
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


LAYOUTS: dict[str, Layout] = {"shop": shop, "lecture_hall": lecture_hall}
HELD_OUT: dict[str, Layout] = {}

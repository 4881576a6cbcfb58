"""Equipment of workplaces and shops: beams, a fork lift, tool boards, laboratory benches, shelves of goods."""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join
from depthwire.training.scenes.clutter import Clutter
from depthwire.training.scenes.furniture import monitor
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import DESK_THINGS, KITCHEN_THINGS, WORKSHOP_THINGS
from depthwire.training.scenes.stage import Stage
from depthwire.training.scenes.storage import cupboard, machine


def beams(stage: Stage) -> None:
    """Steel trusses or beams under the ceiling."""
    rng, palette = stage.rng, stage.palette
    steel, high = palette.one_of("metal", 3), stage.height - float(rng.uniform(0.25, 0.7))
    half = stage.width / 2
    for y in np.arange(-stage.depth / 2 + 1, stage.depth / 2, float(rng.uniform(2.5, 5))).tolist():
        if stage.height > 4.5:
            x = np.linspace(-half, half, max(int(stage.width / 0.9), 4))
            web = np.stack([x, np.full(len(x), y), np.where(np.arange(len(x)) % 2, high, stage.height)], 1)
            stage.add(rods([[-half, y, high], *web[:-1]], [[half, y, high], *web[1:]], 0.04, steel, sections=4))
        else:
            stage.add(box(stage.width, 0.15, 0.25).moved(0, y, stage.height - 0.25).of(steel))


def lift_truck(clutter: Clutter) -> Mesh:
    """A fork lift: body, mast, forks, roof on thin posts, wheels."""
    palette = clutter.palette
    coat, black = palette.machine_paint(), palette.dark_plastic()
    body = boxes(
        [[0, 0.2, 0.25], [0, 0.7, 0.9], [0.25, -1.3, 0.12], [-0.25, -1.3, 0.12], [0, 0.1, 0.95]],
        [[1.0, 1.5, 0.7], [0.9, 0.5, 0.35], [0.12, 1.1, 0.05], [0.12, 1.1, 0.05], [0.5, 0.5, 0.1]],
        [coat, coat, black, black, black],
    )
    corners = [(s, y) for s in (-1, 1) for y in (-0.5, 0.8)]
    feet, tops = [[s * 0.45, y, 0.9] for s, y in corners], [[s * 0.42, y * 0.7, 2.1] for s, y in corners]
    mast = [[-0.3, -0.72, 0.1], [0.3, -0.72, 0.1]], [[-0.3, -0.72, 2.1], [0.3, -0.72, 2.1]]
    wheel = cylinder(0.28, 0.2).turned(roll=np.pi / 2).of(black)
    wheels = [wheel.moved(x, y, 0.28) for x in (-0.6, 0.4) for y in (-0.4, 0.7)]
    return join(
        [
            body,
            rods(feet, tops, 0.03, black, sections=6),
            rods(*mast, 0.05, black, sections=6),
            box(0.95, 1.1, 0.04).moved(0, 0.1, 2.1).of(black),
            *wheels,
        ]
    )


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
        posts = np.linspace(-wide / 2 + 0.05, wide / 2 - 0.05, 3)
        feet, tops = ([[x, 0, z] for x in posts] for z in (tall, tall + 0.9))
        boards = boxes([[0, 0, tall + 0.45], [0, 0, tall + 0.85]], (wide, 0.25, 0.02), palette.one_of("lacquer", 3))
        bottles = [clutter.spread(wide, 0.22, 9, things[:3]).moved(z=z) for z in (tall + 0.47, tall + 0.87)]
        parts += [rods(feet, tops, 0.02, palette.one_of("metal", 2), sections=6), boards, *bottles]
    else:
        parts.append(
            machine(clutter, float(rng.uniform(0.3, 0.55))).moved(float(rng.uniform(-0.3, 0.3)) * wide, 0, tall + 0.03)
        )
        parts.append(monitor(clutter).moved(float(rng.uniform(-0.3, 0.3)) * wide, deep * 0.2, tall + 0.03))
    return join(parts)


def cupboard_block(clutter: Clutter, wide: float, deep: float, tall: float) -> Mesh:
    """Cupboards that can be opened from both sides."""
    front = cupboard(clutter, wide, tall, deep / 2)
    _, high = front.bounds
    body = front.scaled(1, 1, tall / float(high[2])) if high[2] > tall else front
    return join([body.moved(y=-deep / 4), body.turned(yaw=np.pi).moved(y=deep / 4)])


def goods_shelf(clutter: Clutter, wide: float) -> Mesh:
    """A shop's shelf: each level holds rows of the same pack, bottle or tin."""
    palette, rng = clutter.palette, clutter.palette.rng
    tall, deep, levels = float(rng.uniform(1.3, 2.1)), float(rng.uniform(0.35, 0.5)), int(rng.integers(3, 6))
    step, coat = tall / levels, palette.one_of("lacquer", 2)
    parts = [
        boxes(
            [[0, 0, k * step + 0.08] for k in range(levels)] + [[0, deep / 2, 0]],
            [[wide, deep, 0.025]] * levels + [[wide, 0.03, tall]],
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
                parts.append(boxes(places, (pack[0], pack[1] * 0.93, pack[2]), palette.one_of("print", 12)))
            x += across * (pack[0] + 0.008) + 0.01
    return join(parts)

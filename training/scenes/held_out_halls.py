"""Held-out interiors, never trained on: a hospital ward and a library; see held_out_rooms.py."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, sphere
from depthwire.training.scene import Pattern, Scene, Viewpoint
from depthwire.training.scenes import Layout
from depthwire.training.scenes.held_out_rooms import coat
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import TABLE_THINGS
from depthwire.training.scenes.people import Wardrobe, person, wardrobe
from depthwire.training.scenes.shapes import cushion, hanging_cloth
from depthwire.training.scenes.shell import Shell
from depthwire.training.scenes.stage import Stage, aimed, room_views


def ward(rng: np.random.Generator) -> Scene:
    """Beds on wheels with rails in two rows, curtains on ceiling rails, drip stands, trolleys, monitors on arms."""
    stage = Stage(rng, float(rng.uniform(5.0, 7.5)), float(rng.uniform(5, 14)), float(rng.uniform(2.5, 3.2)))
    palette, clutter = stage.palette, stage.clutter
    wall = coat(palette, Pattern.PLAIN, float(rng.choice([0.15, 0.35, 0.55])), 0.12, 0.85, 2.0, 0.97)
    Shell(
        stage,
        wall,
        coat(palette, Pattern.TILES, 0.1, 0.02, 0.9, 0.6, 0.85),
        coat(palette, Pattern.SPECKLE, 0.5, 0.12, 0.65, 0.8, 0.85, 0.5),
        windows=2.0,
        doorways=0.6,
        doors=2,
        window_bottom=(0.8, 1.1),
        accent=0.1,
    ).build()
    metal, cloth = (
        coat(palette, Pattern.PLAIN, 0.6, 0.03, 0.75, 1, shine=0.6),
        coat(palette, Pattern.PRINT, 0.5, 0.2, 0.8, 0.6, 0.85, 0),
    )
    cot = _ward_bed(palette, metal)
    clothes = wardrobe(rng, palette.materials)
    for side in (1, 3):
        for spot in np.arange(-stage.depth / 2 + 1.2, stage.depth / 2 - 1, float(rng.uniform(1.9, 2.6))).tolist():
            if rng.random() < 0.8 and stage.against(cot, side, spot):
                stand = join(
                    [
                        rods(
                            [[0, 0, 0.05], [-0.12, 0, 1.88], [-0.2, 0, 0.05], [0, -0.2, 0.05]],
                            [[0, 0, 1.9], [0.12, 0, 1.88], [0.2, 0, 0.05], [0, 0.2, 0.05]],
                            0.012,
                            metal,
                        ),
                        cushion(0.1, 0.04, 0.2, palette.linen(), 0.5).moved(0.1, 0, 1.65),
                    ]
                )
                stage.against(stand, side, spot + 0.75, gap=0.2)
                stage.against(
                    join(
                        [
                            box(0.4, 0.4, 0.75).of(palette.lacquer()),
                            clutter.spread(0.35, 0.35, 3, TABLE_THINGS).moved(z=0.75),
                        ]
                    ),
                    side,
                    spot - 0.8,
                )
            if rng.random() < 0.5:
                curtain = hanging_cloth(float(rng.uniform(0.4, 1.9)), stage.height - 0.6, 0.05, 7, cloth).turned(
                    yaw=np.pi / 2
                )
                x = (-1 if side == 1 else 1) * (stage.width / 2 - 1.1)
                stage.add(curtain.turned(yaw=np.pi / 2).moved(x, spot * (1 if side == 1 else -1) + 1.0, 0.35))
    trolley = join(
        [
            boxes([[0, 0, z] for z in (0.2, 0.55, 0.9)], (0.7, 0.45, 0.03), metal),
            rods(
                [[i * 0.33, j * 0.2, 0.03] for i in (-1, 1) for j in (-1, 1)],
                [[i * 0.33, j * 0.2, 1.0] for i in (-1, 1) for j in (-1, 1)],
                0.014,
                metal,
                sections=6,
            ),
            clutter.spread(0.65, 0.4, 7, TABLE_THINGS[1:3]).moved(z=0.93),
            clutter.spread(0.65, 0.4, 3, TABLE_THINGS[6:7]).moved(z=0.23),
        ]
    )
    for _ in range(int(rng.integers(1, 4))):
        stage.somewhere(trolley)
    panel = box(0.6, 1.2, 0.02).moved(z=-0.02).of(palette.glow((1.5, 4)))
    for y in np.arange(-stage.depth / 2 + 1.2, stage.depth / 2, 2.4).tolist():
        stage.hang(panel, 0, y)
        stage.lamp((0.0, y, stage.height - 0.3), float(rng.uniform(0.5, 1.2)), 0.1)
    for _ in range(int(rng.integers(0, 5))):
        stage.somewhere(person(rng, clothes, "stand" if rng.random() < 0.5 else "bend"))
    return stage.finish("ward", brightness=float(rng.uniform(0.25, 0.6)))


def _ward_bed(palette: IndoorPalette, metal: int) -> Mesh:
    """A bed whose back part is raised, with boards, side rails and wheels; its head at +y."""
    lift = palette.between(0.1, 0.8)
    board = coat(palette, Pattern.PLAIN, 0.1, 0.3, 0.75, 1)
    linen = palette.linen()
    parts = [
        box(0.92, 2.0, 0.08).moved(z=0.45).of(metal),
        box(0.95, 0.05, 0.65).moved(0, 1.05, 0.45).of(board),
        box(0.95, 0.05, 0.45).moved(0, -1.05, 0.4).of(board),
    ]
    parts += [
        cushion(0.9, 1.2, 0.16, linen, 0.15).moved(0, -0.4, 0.53),
        cushion(0.9, 0.8, 0.16, linen, 0.15).moved(y=0.4).turned(pitch=lift).moved(0, 0.2, 0.53),
    ]
    parts.append(cushion(0.95, 1.25, 0.14, palette.fabric(), 0.3).moved(0, -0.4, 0.6))
    pillow = cushion(0.6, 0.4, 0.14, linen, 0.5).moved(0, 0.55, 0.16).turned(pitch=lift).moved(0, 0.2, 0.53)
    near, far = ([[s * 0.48, y, 0.55 + z] for s in (-1, 1) for z in (0.12, 0.24, 0.36)] for y in (-0.6, 0.3))
    feet, tops = ([[s * 0.48, y, z] for s in (-1, 1) for y in (-0.6, 0.3)] for z in (0.5, 0.92))
    guard = rods([*near, *feet], [*far, *tops], 0.012, metal)
    corners = [(s, y) for s in (-1, 1) for y in (-0.85, 0.85)]
    legs = rods(
        [[s * 0.35, y, 0.06] for s, y in corners],
        [[s * 0.2, y * 0.7, 0.45] for s, y in corners],
        0.025,
        metal,
        sections=6,
    )
    wheel = cylinder(0.06, 0.03, sections=10).turned(roll=np.pi / 2).of(palette.dark_plastic())
    wheels = [wheel.moved(s * 0.35, y, 0.06) for s, y in corners]
    return join(
        [
            *parts,
            pillow,
            guard,
            legs,
            *wheels,
        ]
    )


def library(rng: np.random.Generator) -> Scene:
    """Tall double bookcases in rows, long reading tables with green lamps, steps, a book cart, readers."""
    stage = Stage(rng, float(rng.uniform(7, 14)), float(rng.uniform(7, 16)), float(rng.uniform(3.4, 6.0)))
    palette, clutter = stage.palette, stage.clutter
    oak = coat(palette, Pattern.WOOD, 0.07, 0.6, 0.4, 0.9, 0.6, 0.3)
    Shell(
        stage,
        coat(palette, Pattern.NOISE, 0.11, 0.2, 0.75, 2, 0.9),
        coat(palette, Pattern.PLANKS, 0.08, 0.4, 0.5, 1.5),
        coat(palette, Pattern.WEAVE, float(rng.choice([0.0, 0.4, 0.62])), 0.5, 0.35, 0.4),
        windows=2.5,
        doorways=0.4,
        window_bottom=(0.5, 1.3),
    ).build()
    tall = float(rng.uniform(2.0, min(3.0, stage.height - 0.4)))
    cases = [_bookcase(stage, oak, 1.9, tall) for _ in range(2)]
    split = float(rng.uniform(-0.1, 0.3)) * stage.depth
    for y in np.arange(split, stage.depth / 2 - 0.8, float(rng.uniform(1.3, 1.8))).tolist():
        for x in np.arange(-stage.width / 2 + 1.6, stage.width / 2 - 1.4, 1.95).tolist():
            if rng.random() < 0.88:
                stage.place(cases[int(rng.integers(2))], x, y)
    for _ in range(5):
        stage.against(cases[int(rng.integers(2))])
    clothes = wardrobe(rng, palette.materials)
    for y in np.arange(-stage.depth / 2 + 1.5, split - 0.8, 2.4).tolist():
        stage.place(_reading_table(stage, oak, clothes), float(rng.uniform(-0.5, 0.5)), y)
    steps = join(
        [
            boxes([[0, -0.5 + 0.13 * k, 0.25 * (k + 1)] for k in range(5)], (0.5, 0.18, 0.03), oak),
            rods(
                [[x, y, 0] for y in (-0.62, 0.3) for x in (-0.25, 0.25)],
                [[x, y, z] for y, z in ((0.12, 1.5), (0.1, 1.45)) for x in (-0.25, 0.25)],
                0.02,
                oak,
                sections=6,
            ),
        ]
    )
    stage.somewhere(steps)
    cart = join(
        [
            boxes([[0, 0, 0.3], [0, 0, 0.75]], (0.9, 0.4, 0.03), oak),
            clutter.row(0.85, 0.3, 0.4).moved(z=0.33),
            clutter.row(0.85, 0.3, 0.4).moved(z=0.78),
            boxes([[-0.45, 0, 0.05], [0.45, 0, 0.05]], (0.03, 0.42, 1.05), oak),
        ]
    )
    stage.somewhere(cart)
    globe = sphere(0.25, 2).of(palette.glow((0.7, 2)))
    for x in (-0.3, 0.3):
        for y in (-0.3, 0.0, 0.3):
            drop = stage.height - max(2.4, stage.height * 0.7)
            stage.hang(
                join([rods([0, 0, 0], [0, 0, -drop], 0.008, oak, sections=4), globe.moved(z=-drop)]),
                x * stage.width,
                y * stage.depth,
            )
            stage.lamp((x * stage.width, y * stage.depth, stage.height - drop - 0.4), float(rng.uniform(0.4, 1.2)), 0.7)
    for _ in range(int(rng.integers(0, 4))):
        stage.somewhere(person(rng, clothes, "stand"))
    return stage.finish("library", _among_cases(stage))


def _bookcase(stage: Stage, oak: int, wide: float, tall: float) -> Mesh:
    """A case that holds books on both sides of its middle board."""
    levels = max(4, round(tall / 0.36))
    step = tall / levels
    sizes = [[wide, 0.6, 0.03]] * (levels + 1) + [[0.04, 0.62, tall]] * 2 + [[wide, 0.02, tall]]
    places = [[0, 0, max(k * step - 0.03, 0)] for k in range(levels + 1)] + [
        [-wide / 2, 0, 0],
        [wide / 2, 0, 0],
        [0, 0, 0],
    ]
    parts = [boxes(places, sizes, oak)]
    for k in range(levels):
        row = stage.clutter.row(wide - 0.08, step - 0.06, 0.28)
        other = stage.clutter.row(wide - 0.08, step - 0.06, 0.28)
        parts += [row.moved(0, -0.15, k * step + 0.005), other.turned(yaw=np.pi).moved(0, 0.15, k * step + 0.005)]
    return join(parts)


def _reading_table(stage: Stage, oak: int, clothes: Wardrobe) -> Mesh:
    rng, palette = stage.rng, stage.palette
    long = float(rng.uniform(2.2, 3.6))
    shade = coat(palette, Pattern.PLAIN, 0.4, 0.7, 0.4, 1, shine=0.7)
    brass = coat(palette, Pattern.PLAIN, 0.12, 0.6, 0.6, 1, shine=0.8)
    parts = [
        boxes(
            [[0, 0, 0.72], [-long * 0.42, 0, 0], [long * 0.42, 0, 0], [0, 0, 0.3]],
            [[long, 1.1, 0.05], [0.1, 0.9, 0.72], [0.1, 0.9, 0.72], [long * 0.8, 0.06, 0.1]],
            oak,
        )
    ]
    for x in np.arange(-long / 2 + 0.5, long / 2, 0.9).tolist():
        parts.append(join([cylinder(0.08, 0.02), cylinder(0.012, 0.35, sections=6)]).of(brass).moved(x, 0, 0.77))
        parts.append(
            cylinder(0.07, 0.3, sections=10)
            .moved(z=-0.15)
            .turned(roll=np.pi / 2)
            .scaled(1, 1, 0.7)
            .moved(x, 0, 1.12)
            .of(shade)
        )
    parts.append(stage.clutter.spread(long, 0.9, int(rng.integers(4, 14)), TABLE_THINGS[4:6]).moved(z=0.77))
    seat = join(
        [
            boxes(
                [[0, 0, 0.42], [0, 0.2, 0.45]],
                [[0.42, 0.42, 0.05], [0.42, 0.04, 0.5]],
                [palette.one_of("leather", 2), oak],
            ),
            rods(
                [[i * 0.18, j * 0.18, 0.42] for i in (-1, 1) for j in (-1, 1)],
                [[i * 0.2, j * 0.2, 0] for i in (-1, 1) for j in (-1, 1)],
                0.018,
                oak,
                sections=6,
            ),
        ]
    )
    for side in (0.0, np.pi):
        for x in np.arange(-long / 2 + 0.4, long / 2 - 0.2, 0.7).tolist():
            if rng.random() < 0.75:
                parts.append(seat.moved(x, float(rng.uniform(0.55, 0.85))).turned(yaw=side))
                if rng.random() < 0.3:
                    parts.append(person(rng, clothes, "sit").turned(yaw=np.pi).moved(x, 0.72).turned(yaw=side))
    return join(parts)


def _among_cases(stage: Stage) -> Iterator[Viewpoint]:
    """The usual candidates, and some along the aisles between the cases."""
    rng = stage.rng
    for number, view in enumerate(room_views(stage, 240)):
        if number % 3:
            yield view
        else:
            x, y, z = view.position
            side = float(rng.choice([-1, 1]))
            yield aimed((x, y, z), (x + side * 3, y + float(rng.uniform(-0.6, 0.6)), 0.0), rng, view.pitch)


LAYOUTS: dict[str, Layout] = {}
HELD_OUT: dict[str, Layout] = {"ward": ward, "library": library}

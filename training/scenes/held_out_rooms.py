"""Held-out interiors, never trained on: an attic and a café; furniture and materials of their own.

dataset.py makes the fixed evaluation set of them; they share only shapes, small things and the shell's openings with
the layouts that are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, floor, join, sphere, tube
from depthwire.training.scene import Material, Pattern, Scene, Viewpoint
from depthwire.training.scenes import Layout
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes, quads, rods
from depthwire.training.scenes.objects import EVERYTHING, KITCHEN_THINGS, TABLE_THINGS
from depthwire.training.scenes.palette import darker, hsv
from depthwire.training.scenes.people import Wardrobe, person, wardrobe
from depthwire.training.scenes.shapes import cushion, hanging_cloth, vessel
from depthwire.training.scenes.shell import Opening, Shell, outside, pierced, window_frame
from depthwire.training.scenes.stage import Stage, room_views


def coat(
    palette: IndoorPalette,
    pattern: Pattern,
    hue: float,
    saturation: float,
    value: float,
    tile: float,
    second: float = 0.7,
    shine: float = 0.1,
) -> int:
    """A material of a chosen colour, a little different in each scene."""
    colour = hsv(
        hue + palette.between(-0.03, 0.03),
        saturation * palette.between(0.6, 1.3),
        min(value * palette.between(0.8, 1.15), 0.97),
    )
    return palette.add(Material(pattern, colour, darker(colour, second), tile * palette.between(0.7, 1.4), shine))


def attic(rng: np.random.Generator) -> Scene:
    """A room under a pitched roof: slopes down to a knee wall, rafters, roof windows, trunks, a mattress, clothes."""
    width, depth, knee, ridge = (float(rng.uniform(*span)) for span in ((4.5, 7.5), (4.0, 9.0), (0.5, 1.3), (2.5, 3.6)))
    stage = Stage(rng, width, depth, ridge)
    palette = stage.palette
    slope = coat(palette, Pattern.PLANKS, 0.09, 0.4, 0.65, 1.0)
    wall, ground = (
        coat(palette, Pattern.NOISE, 0.1, 0.08, 0.85, 2.0, 0.92),
        coat(palette, Pattern.PLANKS, 0.07, 0.5, 0.45, 1.3),
    )
    stage.add(floor(width, depth).of(ground))
    for side in (0, 2):
        _gable(stage, side, knee, ridge, wall)
    for side in (-1, 1):
        stage.add(
            quads(
                [
                    [
                        [side * width / 2, -depth / 2, 0],
                        [side * width / 2, depth / 2, 0],
                        [side * width / 2, depth / 2, knee],
                        [side * width / 2, -depth / 2, knee],
                    ]
                ],
                wall,
            )
        )
        _roof_side(stage, side, knee, ridge, slope)
    beam = coat(palette, Pattern.WOOD, 0.08, 0.5, 0.4, 0.6)
    for y in np.arange(-depth / 2 + 0.4, depth / 2, float(rng.uniform(0.9, 1.5))).tolist():
        stage.add(rods([[s * width / 2, y, knee] for s in (-1, 1)], [0, y, ridge], 0.06, beam, sections=4))
        if rng.random() < 0.5:
            high = knee + (ridge - knee) * 0.7
            stage.add(box(width * 0.3, 0.1, 0.14).moved(0, y, high).of(beam))
    for _ in range(int(rng.integers(1, 3))):
        stage.add(
            rods(
                [0, float(rng.uniform(-0.4, 0.4)) * depth, 0],
                [0, float(rng.uniform(-0.4, 0.4)) * depth, ridge],
                0.07,
                beam,
                sections=4,
            )
        ) if rng.random() < 0.3 else None
    _attic_things(stage, knee)
    stage.lamp((0.0, float(rng.uniform(-0.3, 0.3)) * depth, ridge - 0.5), float(rng.uniform(0.5, 2.0)))
    outside(stage, 6.0)
    return stage.finish("attic", _under_roof(stage, knee, ridge))


def _gable(stage: Stage, side: int, knee: float, ridge: float, wall: int) -> None:
    """An end wall with its triangle, and a window in one of them."""
    rng, half = stage.rng, stage.width / 2
    holes = []
    if side == 0 or rng.random() < 0.5:
        holes = [Opening(-0.5, 0.5, min(knee, 0.9), min(knee, 0.9) + float(rng.uniform(0.8, 1.2)))]
    rise = (ridge - knee) / half
    top = holes[0].top if holes else knee
    flat = max(half - max(top - knee, 0.0) / rise, 0.6)
    parts = [pierced(2 * flat, top, holes, 0.2, wall)]
    corners = [[[s * flat, 0, 0], [s * half, 0, 0], [s * half, 0, knee], [s * flat, 0, top]] for s in (-1, 1)]
    parts.append(quads([*corners, [[-flat, 0, top], [flat, 0, top], [0, 0, ridge], [0, 0, ridge]]], wall))
    for hole in holes:
        stage.windows += 1
        parts.append(window_frame(hole, 2, 2, 0.1, coat(stage.palette, Pattern.PLAIN, 0.1, 0.05, 0.9, 1.0)))
    stage.add(stage.to_wall(join(parts), side))


def _roof_side(stage: Stage, side: int, knee: float, ridge: float, material: int) -> None:
    """One slope with up to two roof windows: a wall that is laid over."""
    rng = stage.rng
    length = float(np.hypot(stage.width / 2, ridge - knee))
    lean = float(np.arctan2(stage.width / 2, ridge - knee))
    holes = []
    for y in (-0.25, 0.25):
        if rng.random() < 0.55:
            middle = y * stage.depth
            holes.append(Opening(middle - 0.4, middle + 0.4, length * 0.3, min(length * 0.3 + 1.1, length - 0.2)))
    stage.windows += len(holes)
    frame = coat(stage.palette, Pattern.WOOD, 0.1, 0.4, 0.7, 0.5)
    sheet = join(
        [
            pierced(stage.depth, length, holes, 0.15, material),
            *(window_frame(hole, 1, 1, 0.05, frame, 0.06) for hole in holes),
        ]
    )
    stage.add(sheet.turned(pitch=lean).turned(yaw=-side * np.pi / 2).moved(side * stage.width / 2, 0, knee))


def _attic_things(stage: Stage, knee: float) -> None:
    """Trunks, a mattress, a rail of clothes, crates, an armchair of blocks, bags, a rocking horse of tubes."""
    rng, palette, clutter = stage.rng, stage.palette, stage.clutter
    leather, wood = (
        coat(palette, Pattern.NOISE, 0.05, 0.6, 0.35, 0.4),
        coat(palette, Pattern.WOOD, 0.07, 0.55, 0.5, 0.7),
    )
    cloth = coat(palette, Pattern.CHECKER, 0.6, 0.4, 0.6, 0.25)
    trunk = join(
        [
            box(0.9, 0.5, 0.38).of(leather),
            cylinder(0.25, 0.9, sections=14).turned(roll=np.pi / 2).scaled(1, 1, 0.6).moved(-0.45, 0, 0.38).of(leather),
            boxes([[-0.3, 0, 0], [0.3, 0, 0]], (0.04, 0.52, 0.4), wood),
        ]
    )
    mattress = join(
        [
            cushion(1.4, 2.0, 0.22, palette.linen(), 0.12),
            cushion(1.45, 1.3, 0.18, cloth, 0.3).moved(0, -0.4, 0.12),
            cushion(0.6, 0.45, 0.18, palette.linen(), 0.5).moved(0.2, 0.7, 0.2),
        ]
    )
    rail = rods(
        [[-0.7, 0, 0], [0.7, 0, 0], [-0.7, 0, 1.58], [-0.7, -0.25, 0.02], [0.7, -0.25, 0.02]],
        [[-0.7, 0, 1.6], [0.7, 0, 1.6], [0.7, 0, 1.58], [-0.7, 0.25, 0.02], [0.7, 0.25, 0.02]],
        0.016,
        palette.metal(),
        sections=6,
    )
    coats = [
        hanging_cloth(0.4, float(rng.uniform(0.6, 1.1)), 0.04, 2, palette.one_of("fabric", 5)).turned(yaw=1.2)
        for _ in range(7)
    ]
    wardrobe_ = join(
        [
            rail,
            *(
                coat.moved(x, 0, 1.55 - float(coat.bounds[1][2]))
                for coat, x in zip(coats, np.linspace(-0.6, 0.6, 7).tolist(), strict=True)
            ),
        ]
    )
    chair_ = join(
        [
            cushion(0.8, 0.8, 0.42, cloth, 0.2),
            cushion(0.8, 0.25, 0.6, cloth, 0.3).moved(0, 0.3, 0.3),
            cushion(0.2, 0.8, 0.25, cloth, 0.3).moved(0.35, 0, 0.35),
            cushion(0.2, 0.8, 0.25, cloth, 0.3).moved(-0.35, 0, 0.35),
        ]
    )
    stage.reserve(box(0.5, 0.5, 2.0).moved(stage.width / 2 + 5))
    for mesh in (mattress, wardrobe_, chair_, trunk, trunk.scaled(0.8)):
        for _ in range(10):
            x, y = stage.point(0.9 if mesh.bounds[1][2] > knee else 0.4)
            if mesh.bounds[1][2] < knee + 0.9 * (1 - abs(x) / (stage.width / 2)) * 2 and stage.place(
                mesh, x, y, 0, float(rng.uniform(-np.pi, np.pi))
            ):
                break
    for _ in range(int(rng.integers(3, 12))):
        size = rng.uniform(0.2, 0.55, 3)
        crate = box(float(size[0]), float(size[1]), float(size[2])).of(palette.one_of("cardboard", 3))
        stage.somewhere(join([crate, clutter.thing(EVERYTHING).moved(z=float(size[2]))]))
    for _ in range(int(rng.integers(1, 6))):
        stage.somewhere(clutter.thing(EVERYTHING))


def _under_roof(stage: Stage, knee: float, ridge: float) -> Iterator[Viewpoint]:
    for view in room_views(stage, 260):
        x, y, z = view.position
        if z < knee + (ridge - knee) * (1 - abs(x) / (stage.width / 2)) - 0.3:
            yield Viewpoint((x, y, z), view.yaw, view.pitch + 0.08, view.roll, view.horizontal_fov)


def cafe(rng: np.random.Generator) -> Scene:
    """Small round tables on one foot, bistro chairs of bent tube, a bar with stools, shelves of bottles, guests."""
    stage = Stage(rng, float(rng.uniform(5, 11)), float(rng.uniform(5, 10)), float(rng.uniform(2.8, 4.2)))
    palette = stage.palette
    wall = coat(
        palette,
        (Pattern.BRICK, Pattern.TILES, Pattern.PLAIN)[int(rng.integers(3))],
        float(rng.choice([0.03, 0.4, 0.58])),
        0.4,
        0.55,
        0.8,
    )
    Shell(
        stage,
        wall,
        coat(palette, Pattern.PLAIN, 0.1, 0.1, 0.5, 2),
        coat(palette, Pattern.CHECKER, 0.1, 0.2, 0.7, 0.6, 0.25, 0.4),
        windows=2.5,
        doorways=0.5,
        window_bottom=(0.3, 0.9),
        accent=0.6,
    ).build()
    bar = _bar(stage, float(rng.uniform(2.0, 3.6)))
    stage.against(bar, int(rng.integers(4)), gap=0.0)
    top, metal = (
        coat(palette, Pattern.NOISE, 0.1, 0.05, 0.85, 0.5, 0.6, 0.6),
        coat(palette, Pattern.PLAIN, 0.1, 0.1, 0.15, 1, shine=0.6),
    )
    seat = _bistro_chair(palette, metal)
    clothes = wardrobe(rng, palette.materials)
    for _ in range(int(rng.integers(5, 16))):
        stage.somewhere(_bistro_table(stage, seat, top, metal, clothes if rng.random() < 0.5 else None), tries=5)
    shade = palette.glow((0.8, 2.5))
    for k in range(int(rng.integers(4, 12))):
        x, y = stage.point(0.6)
        drop = float(rng.uniform(0.4, min(1.3, stage.height - 2.0)))
        stage.hang(
            join([rods([0, 0, 0], [0, 0, -drop], 0.006, metal, sections=4), sphere(0.11, 1).moved(z=-drop).of(shade)]),
            x,
            y,
        )
        if k < 6:
            stage.lamp((x, y, stage.height - drop - 0.25), float(rng.uniform(0.25, 0.8)), 0.8)
    for _ in range(int(rng.integers(2, 9))):
        stage.against(
            box(float(rng.uniform(0.3, 1.6)), 0.02, float(rng.uniform(0.3, 0.8))).of(palette.poster()), z=1.4, gap=0.003
        )
    for _ in range(int(rng.integers(0, 3))):
        stage.somewhere(person(rng, clothes, "hold"))
    return stage.finish("cafe")


def _bistro_chair(palette: IndoorPalette, metal: int) -> Mesh:
    angle = np.linspace(0, np.pi, 9)
    back = np.stack([0.19 * np.cos(angle), np.full(9, 0.19), 0.45 + 0.43 * np.sin(angle) ** 0.6], 1)
    inner = np.stack([0.11 * np.cos(angle), np.full(9, 0.19), 0.45 + 0.3 * np.sin(angle) ** 0.6], 1)
    tops, feet = (
        [[i * x, j * y, z] for i in (-1, 1) for j in (-1, 1)] for x, y, z in ((0.14, 0.14, 0.45), (0.19, 0.2, 0))
    )
    return join(
        [
            cylinder(0.21, 0.03, sections=18).moved(z=0.44).of(palette.furniture()),
            tube(back, 0.013, 6).of(metal),
            tube(inner, 0.009, 5).of(metal),
            rods(tops, feet, 0.013, metal, sections=6),
        ]
    )


def _bistro_table(stage: Stage, seat: Mesh, top: int, metal: int, clothes: Wardrobe | None) -> Mesh:
    rng = stage.rng
    radius = float(rng.uniform(0.28, 0.42))
    foot = vessel([[0.24, 0], [0.22, 0.02], [0.03, 0.06], [0.025, 0.7], [0.1, 0.72]], metal)
    parts = [foot, cylinder(radius, 0.03, sections=24).moved(z=0.72).of(top)]
    parts.append(
        stage.clutter.spread(radius * 1.5, radius * 1.5, int(rng.integers(1, 6)), TABLE_THINGS[:4]).moved(z=0.75)
    )
    start = float(rng.uniform(0, 6))
    for k in range(int(rng.integers(1, 4))):
        turn = start + k * 2.1
        parts.append(seat.moved(0, radius + 0.2).turned(yaw=turn))
        if clothes is not None and rng.random() < 0.6:
            parts.append(person(rng, clothes, "sit").turned(yaw=np.pi).moved(0, radius + 0.2).turned(yaw=turn))
    return join(parts)


def _bar(stage: Stage, length: float) -> Mesh:
    """A counter 1.1 m high, stools before it, a wall of bottles behind."""
    palette, rng, clutter = stage.palette, stage.rng, stage.clutter
    wood, top = (
        coat(palette, Pattern.PLANKS, 0.07, 0.5, 0.35, 0.5),
        coat(palette, Pattern.WOOD, 0.06, 0.6, 0.4, 0.8, shine=0.6),
    )
    steel = palette.metal()
    parts = [boxes([[0, -0.95, 0], [0, -0.98, 1.05]], [[length, 0.5, 1.05], [length + 0.15, 0.65, 0.06]], [wood, top])]
    parts.append(clutter.spread(length, 0.5, int(length * 4), KITCHEN_THINGS).moved(0, -0.95, 1.11))
    stool = join(
        [
            cylinder(0.17, 0.06, sections=16).moved(z=0.74).of(palette.leather()),
            cylinder(0.025, 0.74, sections=8).of(steel),
            cylinder(0.2, 0.02).of(steel),
        ]
    )
    parts += [
        stool.moved(x, -1.55 - float(rng.uniform(0, 0.2)))
        for x in np.arange(-length / 2 + 0.3, length / 2, 0.65).tolist()
        if rng.random() < 0.85
    ]
    parts.append(box(length, 0.04, 1.3).moved(0, -0.02, 1.0).of(palette.tiles()))
    for z in (1.1, 1.5, 1.9):
        parts += [
            box(length, 0.22, 0.02).moved(0, -0.13, z).of(top),
            clutter.spread(length * 0.97, 0.15, int(length * 8), TABLE_THINGS[1:3]).moved(0, -0.13, z + 0.02),
        ]
    return join(parts)


LAYOUTS: dict[str, Layout] = {}
HELD_OUT: dict[str, Layout] = {"attic": attic, "cafe": cafe}

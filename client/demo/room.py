"""The demo's room: its materials, its furniture and where they stand. scene.py draws it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depthwire.client.demo.raycaster import Floats, Group, Material, Shape, World, rotation
from depthwire.client.demo.textures import (
    SEED,
    book,
    cardboard,
    floorboards,
    globe,
    outdoors,
    painting,
    plaster,
    rug,
    tiles,
    wood,
)

WEST, EAST, SOUTH, NORTH, CEILING = -2.5, 2.4, -1.8, 5.8, 2.6
CORRIDOR_WEST, CORRIDOR_EAST, CORRIDOR_END = 0.55, 1.95, 10.4
DOOR_WEST, DOOR_EAST, DOOR_TOP = 0.72, 1.66, 2.08
WINDOW_LOW, WINDOW_HIGH, WINDOW_SOUTH, WINDOW_NORTH = 0.9, 2.25, 2.7, 5.0
LAMP_CENTRE, LAMP_RADIUS = np.array([-0.72, 1.86, 2.75]), 0.13

WALL = Material((0.66, 0.62, 0.55), plaster((0.66, 0.62, 0.55)))
ACCENT = Material((0.28, 0.37, 0.36), plaster((0.28, 0.37, 0.36)))
WHITE = Material((0.74, 0.73, 0.70), plaster((0.74, 0.73, 0.70)))
PAINT = Material((0.72, 0.71, 0.68), reflectance=0.03, roughness=0.15)
BOARDS = Material((0.40, 0.235, 0.125), floorboards, reflectance=0.04, roughness=0.07)
TILES = Material((0.42, 0.40, 0.36), tiles, reflectance=0.05, roughness=0.04)
OAK = Material((0.46, 0.27, 0.13), wood((0.46, 0.27, 0.13), 0), reflectance=0.04, roughness=0.06)
OAK_LEG = Material((0.42, 0.24, 0.12), wood((0.42, 0.24, 0.12), 1), reflectance=0.02, roughness=0.2)
WALNUT = Material((0.17, 0.085, 0.045), wood((0.17, 0.085, 0.045), 0), reflectance=0.03, roughness=0.12)
WALNUT_POST = Material((0.17, 0.085, 0.045), wood((0.17, 0.085, 0.045), 1), reflectance=0.03, roughness=0.12)
CARDBOARD = Material((0.42, 0.27, 0.145), cardboard)
RUG = Material((0.3, 0.28, 0.26), rug)
METAL = Material((0.05, 0.05, 0.05), reflectance=0.06, roughness=0.1)
LEAF = Material((0.07, 0.19, 0.05), reflectance=0.03, roughness=0.3)
CLAY = Material((0.46, 0.20, 0.11), plaster((0.46, 0.20, 0.11)))
PANE = Material((0.0, 0.0, 0.0), outdoors, glow=(9.0, 10.2, 11.5))
GLOBE = Material((0.8, 0.8, 0.8), globe, glow=(5.2, 3.9, 2.5))
PANEL = Material((0.8, 0.8, 0.8), glow=(7.0, 6.4, 5.4))
SUN_IRRADIANCE = np.array([8.0, 6.7, 4.9], np.float32)
TO_SUN = np.array([-0.80, 0.60, 0.21])
AMBIENT = np.array([0.30, 0.28, 0.25], np.float32)  # what all further bounces add, as irradiance


def glazed(*colour: float) -> Material:
    """Glossy ceramic of one linear RGB colour."""
    return Material((colour[0], colour[1], colour[2]), reflectance=0.05, roughness=0.03)


def box(low: Sequence[float], high: Sequence[float], material: Material, *, casts_shadow: bool = True) -> Shape:
    """An axis-aligned box between two corners, metres."""
    a, b = np.asarray(low, float), np.asarray(high, float)
    return Shape("box", (a + b) / 2, (b - a) / 2, material, casts_shadow=casts_shadow)


def ball(centre: Sequence[float], radius: float, material: Material) -> Shape:
    """A ball, metres."""
    return Shape("ball", np.asarray(centre, float), np.full(3, radius), material)


def tube(foot: Sequence[float], radius: float, height: float, material: Material) -> Shape:
    """An upright cylinder standing on `foot`, metres."""
    centre = np.asarray(foot, float) + np.array([0, height / 2, 0])
    return Shape("cylinder", centre, np.array([radius, height / 2, radius]), material)


def placed(shapes: Sequence[Shape], x: float, z: float, yaw_deg: float, y: float = 0.0) -> list[Shape]:
    """The same shapes turned about the vertical axis through their origin and moved there."""
    turn = rotation(yaw_deg)
    offset = np.array([x, y, z])
    return [
        Shape(s.kind, turn @ s.centre_m + offset, s.half_m, s.material, turn @ s.turn, s.casts_shadow) for s in shapes
    ]


def _walls() -> list[Shape]:
    """Floor, ceiling and walls, 20 cm thick, with the openings left out."""
    t = 0.2
    return [
        box([WEST, -t, SOUTH], [EAST, 0, NORTH + t / 2], BOARDS, casts_shadow=False),
        box([CORRIDOR_WEST - 1, -t, NORTH + t / 2], [CORRIDOR_EAST + 1, 0, CORRIDOR_END], TILES, casts_shadow=False),
        box([WEST - t, CEILING, SOUTH], [EAST + t, CEILING + t, CORRIDOR_END + t], WHITE, casts_shadow=False),
        box([EAST, 0, SOUTH], [EAST + t, CEILING, NORTH], WALL, casts_shadow=False),
        box([WEST - t, 0, SOUTH - t], [EAST + t, CEILING, SOUTH], WALL, casts_shadow=False),
        # west, around the window
        box([WEST - t, 0, SOUTH], [WEST, CEILING, WINDOW_SOUTH], WALL),
        box([WEST - t, 0, WINDOW_NORTH], [WEST, CEILING, NORTH], WALL),
        box([WEST - t, 0, WINDOW_SOUTH], [WEST, WINDOW_LOW, WINDOW_NORTH], WALL),
        box([WEST - t, WINDOW_HIGH, WINDOW_SOUTH], [WEST, CEILING, WINDOW_NORTH], WALL),
        box(
            [WEST - t, WINDOW_LOW, WINDOW_SOUTH],
            [WEST - t + 0.02, WINDOW_HIGH, WINDOW_NORTH],
            PANE,
            casts_shadow=False,
        ),
        # north, around the doorway
        box([WEST - t, 0, NORTH], [DOOR_WEST, CEILING, NORTH + t / 2], ACCENT),
        box([DOOR_EAST, 0, NORTH], [EAST + t, CEILING, NORTH + t / 2], ACCENT),
        box([DOOR_WEST, DOOR_TOP, NORTH], [DOOR_EAST, CEILING, NORTH + t / 2], ACCENT),
        # the corridor behind it
        box([CORRIDOR_WEST - t, 0, NORTH + t / 2], [CORRIDOR_WEST, CEILING, CORRIDOR_END], WALL, casts_shadow=False),
        box([CORRIDOR_EAST, 0, NORTH + t / 2], [CORRIDOR_EAST + t, CEILING, CORRIDOR_END], WALL, casts_shadow=False),
        box([CORRIDOR_WEST, 0, CORRIDOR_END], [CORRIDOR_EAST, CEILING, CORRIDOR_END + t], WALL, casts_shadow=False),
    ]


def _trim() -> list[Group]:
    """Window bars, sill, door frame and skirting boards."""
    bar, deep, z = 0.045, WEST - 0.13, (WINDOW_SOUTH + WINDOW_NORTH) / 2
    window = [
        box([deep, WINDOW_LOW, z - bar], [deep + 0.06, WINDOW_HIGH, z + bar], PAINT),
        box([deep, 1.72, WINDOW_SOUTH], [deep + 0.05, 1.75, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_LOW, WINDOW_SOUTH], [deep + 0.06, WINDOW_LOW + bar, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_HIGH - bar, WINDOW_SOUTH], [deep + 0.06, WINDOW_HIGH, WINDOW_NORTH], PAINT),
        box([deep, WINDOW_LOW, WINDOW_NORTH - bar], [deep + 0.06, WINDOW_HIGH, WINDOW_NORTH], PAINT),
        box([WEST - 0.1, WINDOW_LOW - 0.04, WINDOW_SOUTH - 0.06], [WEST + 0.1, WINDOW_LOW, WINDOW_NORTH + 0.06], PAINT),
    ]
    y, w = DOOR_TOP, 0.07
    door = [
        box([DOOR_WEST - w, 0, NORTH - 0.025], [DOOR_WEST + 0.015, y + w, NORTH + 0.12], PAINT),
        box([DOOR_EAST - 0.015, 0, NORTH - 0.025], [DOOR_EAST + w, y + w, NORTH + 0.12], PAINT),
        box([DOOR_WEST, y - 0.015, NORTH - 0.025], [DOOR_EAST, y + w, NORTH + 0.12], PAINT),
    ]
    skirting = [
        box([WEST, 0, NORTH - 0.02], [DOOR_WEST - w, 0.1, NORTH], PAINT, casts_shadow=False),
        box([DOOR_EAST + w, 0, NORTH - 0.02], [EAST, 0.1, NORTH], PAINT, casts_shadow=False),
        box([WEST, 0, SOUTH], [WEST + 0.02, 0.1, NORTH], PAINT, casts_shadow=False),
        box([EAST - 0.02, 0, SOUTH], [EAST, 0.1, NORTH], PAINT, casts_shadow=False),
    ]
    x = CORRIDOR_WEST
    corridor = [
        box([x, 0, NORTH + 0.1], [x + 0.02, 0.1, CORRIDOR_END], PAINT, casts_shadow=False),
        box([CORRIDOR_EAST - 0.02, 0, NORTH + 0.1], [CORRIDOR_EAST, 0.1, CORRIDOR_END], PAINT, casts_shadow=False),
        box([0.85, 0, CORRIDOR_END - 0.05], [1.65, 2.0, CORRIDOR_END], WALNUT_POST, casts_shadow=False),
        ball([1.56, 1.0, CORRIDOR_END - 0.09], 0.035, METAL),
        box([1.0, CEILING - 0.03, 7.6], [1.5, CEILING, 8.8], PANEL, casts_shadow=False),
    ]
    return [Group(window), Group(door), Group(skirting), Group(corridor)]


def _table() -> list[Group]:
    """A dining table with fruit, a mug, a vase and books, and a lamp hanging over it."""
    top = 0.74
    table = [box([-0.8, top - 0.035, -0.42], [0.8, top, 0.42], OAK)]
    table += [
        box([x - 0.03, 0, z - 0.03], [x + 0.03, top - 0.035, z + 0.03], OAK_LEG)
        for x in (-0.74, 0.74)
        for z in (-0.36, 0.36)
    ]
    table += [box([-0.71, top - 0.11, z - 0.012], [0.71, top - 0.035, z + 0.012], OAK) for z in (-0.36, 0.36)]
    books = [
        Shape(
            "box",
            np.array([0.42, top + 0.016, 0.12]),
            np.array([0.13, 0.016, 0.09]),
            glazed(0.35, 0.05, 0.04),
            rotation(12),
        ),
        Shape(
            "box",
            np.array([0.43, top + 0.046, 0.12]),
            np.array([0.12, 0.014, 0.085]),
            glazed(0.06, 0.15, 0.24),
            rotation(-9),
        ),
        Shape(
            "box",
            np.array([0.42, top + 0.072, 0.12]),
            np.array([0.105, 0.012, 0.075]),
            glazed(0.62, 0.52, 0.30),
            rotation(25),
        ),
    ]
    mug = [
        tube([0.30, top, -0.20], 0.042, 0.095, glazed(0.72, 0.71, 0.66)),
        tube([0.30, top + 0.0945, -0.20], 0.036, 0.001, glazed(0.05, 0.022, 0.01)),
        box([0.335, top + 0.025, -0.207], [0.372, top + 0.035, -0.193], glazed(0.72, 0.71, 0.66)),
        box([0.335, top + 0.065, -0.207], [0.372, top + 0.075, -0.193], glazed(0.72, 0.71, 0.66)),
        box([0.362, top + 0.025, -0.207], [0.372, top + 0.075, -0.193], glazed(0.72, 0.71, 0.66)),
    ]
    plate = glazed(0.70, 0.70, 0.66)
    fruit = [
        tube([-0.12, top, -0.02], 0.08, 0.012, plate),
        tube([-0.12, top + 0.012, -0.02], 0.165, 0.012, plate),
        ball([-0.18, top + 0.064, -0.05], 0.040, glazed(0.62, 0.22, 0.02)),
        ball([-0.08, top + 0.066, -0.07], 0.042, glazed(0.45, 0.035, 0.02)),
        ball([-0.10, top + 0.062, 0.03], 0.038, glazed(0.30, 0.40, 0.04)),
        ball([-0.18, top + 0.062, 0.035], 0.038, glazed(0.62, 0.24, 0.02)),
        ball([-0.128, top + 0.125, -0.02], 0.038, glazed(0.66, 0.46, 0.03)),
    ]
    vase = [
        Shape("ball", np.array([-0.50, top + 0.10, 0.14]), np.array([0.085, 0.10, 0.085]), glazed(0.04, 0.14, 0.21)),
        tube([-0.50, top + 0.17, 0.14], 0.035, 0.07, glazed(0.04, 0.14, 0.21)),
        *_leaves(14, np.array([-0.50, top + 0.23, 0.14]), 0.17, (0.012, 0.055, 0.028), seed=4),
    ]
    groups = [Group(placed(part, -0.72, 2.75, 14)) for part in (table, books, mug, fruit, vase)]
    x, y, z = LAMP_CENTRE
    lamp = [
        Shape("ball", LAMP_CENTRE, np.full(3, LAMP_RADIUS), GLOBE, casts_shadow=False),
        tube([x, y + LAMP_RADIUS - 0.01, z], 0.035, 0.05, METAL),
        tube([x, y + LAMP_RADIUS, z], 0.004, CEILING - y - LAMP_RADIUS, METAL),
    ]
    return [*groups, Group(lamp)]


def _leaves(count: int, root: Floats, spread: float, size: tuple[float, float, float], seed: int) -> list[Shape]:
    """Flat ellipsoids that fan out from one point."""
    rng = np.random.default_rng(seed)
    leaves = []
    for number in range(count):
        yaw, lean = number * 137.5, rng.uniform(8, 62)
        turn = rotation(yaw, lean)
        length = rng.uniform(0.75, 1.2)
        shade = rng.uniform(0.75, 1.25)
        material = Material((0.07 * shade, 0.19 * shade, 0.05), reflectance=0.03, roughness=0.3)
        half = np.array([size[2], size[1] * length, size[0] * 0.5])
        centre = root + turn @ np.array([0, spread * rng.uniform(0.45, 1.0), 0])
        leaves.append(Shape("ball", centre, half, material, turn))
    return leaves


def _chair() -> Group:
    """A wooden chair turned away from the table."""
    parts = [box([-0.21, 0.43, -0.21], [0.21, 0.46, 0.21], OAK)]
    parts += [box([x - 0.018, 0, -0.2], [x + 0.018, 0.43, -0.164], OAK_LEG) for x in (-0.185, 0.185)]
    parts += [box([x - 0.018, 0, 0.168], [x + 0.018, 0.92, 0.204], OAK_LEG) for x in (-0.185, 0.185)]
    parts += [box([-0.185, y, 0.176], [0.185, y + 0.075, 0.196], OAK) for y in (0.58, 0.705, 0.83)]
    parts += [box([x - 0.01, 0.2, -0.18], [x + 0.01, 0.225, 0.18], OAK_LEG) for x in (-0.185, 0.185)]
    cushion = Material((0.40, 0.12, 0.07), plaster((0.40, 0.12, 0.07)))
    parts.append(Shape("ball", np.array([0, 0.465, 0]), np.array([0.2, 0.03, 0.19]), cushion))
    return Group(placed(parts, 0.52, 2.62, 68))


def _bookcase() -> list[Group]:
    """Shelves on the north wall, filled with books in a few runs."""
    rng = np.random.default_rng(SEED + 3)
    width, depth, height, board = 1.05, 0.3, 1.95, 0.024
    case = [box([-width / 2, 0, depth - 0.01], [width / 2, height, depth], WALNUT)]
    case += [box([x - board / 2, 0, 0], [x + board / 2, height, depth], WALNUT_POST) for x in (-width / 2, width / 2)]
    levels = [0.06, 0.43, 0.80, 1.17, 1.54, height - board]
    case += [box([-width / 2, y, 0], [width / 2, y + board, depth], WALNUT) for y in levels]
    colours = [(0.22, 0.045, 0.035), (0.05, 0.10, 0.16), (0.34, 0.26, 0.13), (0.06, 0.12, 0.085), (0.42, 0.38, 0.31)]
    colours += [(0.10, 0.055, 0.08), (0.34, 0.15, 0.05), (0.05, 0.06, 0.07), (0.16, 0.10, 0.06)]
    groups = [case]
    for level in levels[:-1]:
        books: list[Shape] = []
        x = -width / 2 + 0.03 + (0.24 if rng.random() < 0.3 else 0.0)
        stop = width / 2 - (0.31 if level == levels[3] else rng.choice([0.04, 0.3, 0.42]))
        while x < stop:
            thick, tall, back = rng.uniform(0.018, 0.05), rng.uniform(0.2, 0.31), rng.uniform(0.02, 0.06)
            cover, band = colours[rng.integers(len(colours))], max(0.0, rng.uniform(-0.02, 0.03))
            low = [x, level + board, back]
            books.append(box(low, [x + thick, level + board + tall, depth - 0.03], Material(cover, book(cover, band))))

            x += thick + 0.002
        groups.append(books)
    ornament = [ball([0.36, levels[3] + board + 0.1, 0.12], 0.1, glazed(0.60, 0.42, 0.10))]
    return [Group(placed(part, -0.62, NORTH - depth - 0.01, 0)) for part in [*groups, ornament]]


def _east_side() -> list[Group]:
    """Cardboard boxes in front; behind them a low cabinet with a plant and a jar."""
    cartons = placed([box([-0.26, 0, -0.2], [0.26, 0.36, 0.2], CARDBOARD)], 1.52, 3.05, -18)
    cartons += placed([box([-0.16, 0, -0.14], [0.16, 0.23, 0.14], CARDBOARD)], 1.48, 3.08, 21, y=0.36)
    cabinet = [
        box([-0.2, 0.14, -0.65], [0.2, 0.72, 0.65], WALNUT),
        box([-0.215, 0.72, -0.67], [0.2, 0.745, 0.67], OAK),
        *(box([-0.212, 0.17, z - 0.3], [-0.2, 0.69, z + 0.3], PAINT) for z in (-0.32, 0.32)),
        *(tube([-0.225, 0.43, z], 0.012, 0.10, METAL) for z in (-0.07, 0.07)),
        *(tube([x, 0, z], 0.018, 0.14, METAL) for x in (-0.15, 0.15) for z in (-0.58, 0.58)),
    ]
    pot = [tube([0, 0.745, 0.34], 0.12, 0.2, CLAY), tube([0, 0.925, 0.34], 0.13, 0.035, CLAY)]
    plant = _leaves(34, np.array([0.0, 0.93, 0.34]), 0.42, (0.05, 0.16, 0.045), seed=9)
    jar = [
        Shape("ball", np.array([-0.02, 0.845, -0.28]), np.array([0.09, 0.10, 0.09]), glazed(0.62, 0.58, 0.50)),
        tube([-0.02, 0.93, -0.28], 0.04, 0.03, glazed(0.62, 0.58, 0.50)),
    ]
    groups = [placed(part, EAST - 0.21, 4.55, 0) for part in (cabinet, pot, plant, jar)]
    return [Group(cartons), *(Group(part) for part in groups)]


def room() -> World:
    """The demo's room: table, chair, bookcase, cabinet, boxes, rug, ball, and a corridor that ends 10.4 m away."""
    rug = placed([box([-1.35, 0, -0.95], [1.35, 0.008, 0.95], RUG, casts_shadow=False)], -0.25, 3.15, 4)
    toys = [
        ball([0.40, 0.17, 4.55], 0.17, glazed(0.55, 0.06, 0.03)),
        ball([0.98, 0.06, 3.35], 0.06, glazed(0.04, 0.2, 0.30)),
    ]
    frame = [
        box([-2.02, 1.17, NORTH - 0.03], [-1.28, 1.73, NORTH], WALNUT),
        box([-1.98, 1.21, NORTH - 0.034], [-1.32, 1.69, NORTH - 0.01], Material((0.2, 0.2, 0.2), painting)),
    ]
    groups = [Group(rug), Group(toys), Group(frame), *_trim(), *_table(), _chair(), *_bookcase(), *_east_side()]
    return World(_walls(), groups)

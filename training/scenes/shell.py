"""What encloses a room: floor, ceiling, walls with windows and doorways, and what is seen through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, floor, join, sphere
from depthwire.training.scenes.indoor_palette import IndoorPalette
from depthwire.training.scenes.instances import boxes, quads
from depthwire.training.scenes.shapes import hanging_cloth
from depthwire.training.scenes.stage import Stage


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, metres along it and above the floor."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def middle(self) -> float:
        """Metres along the wall."""
        return (self.left + self.right) / 2


def pierced(length: float, height: float, openings: list[Opening], thickness: float, material: int) -> Mesh:
    """A wall in the plane y = 0 with holes, whose reveals go back to y = thickness."""
    sheets: list[list[list[float]]] = []

    def sheet(left: float, right: float, bottom: float, top: float) -> None:
        if right - left > 1e-3 and top - bottom > 1e-3:
            sheets.append([[left, 0, bottom], [right, 0, bottom], [right, 0, top], [left, 0, top]])

    edge = -length / 2
    for hole in sorted(openings, key=lambda opening: opening.left):
        sheet(edge, hole.left, 0, height)
        sheet(hole.left, hole.right, 0, hole.bottom)
        sheet(hole.left, hole.right, hole.top, height)
        rim = [(hole.left, hole.bottom), (hole.right, hole.bottom), (hole.right, hole.top), (hole.left, hole.top)]
        for (x, z), (to_x, to_z) in zip(rim, rim[1:] + rim[:1], strict=True):
            sheets.append([[x, 0, z], [to_x, 0, to_z], [to_x, thickness, to_z], [x, thickness, z]])
        edge = hole.right
    sheet(edge, length / 2, 0, height)
    return quads(sheets, material)


def window_frame(hole: Opening, columns: int, rows: int, y: float, material: int, thick: float = 0.05) -> Mesh:
    """Frame and bars of a window, and its sill."""
    wide, tall = hole.right - hole.left, hole.top - hole.bottom
    x = np.linspace(hole.left + thick / 2, hole.right - thick / 2, columns + 1)
    z = np.linspace(hole.bottom, hole.top - thick, rows + 1)
    sizes = [[thick, thick, tall]] * len(x) + [[wide, thick, thick]] * len(z)
    places = [[float(s), y, hole.bottom] for s in x] + [[hole.middle, y, float(h)] for h in z]
    return boxes([*places, [hole.middle, 0.03, hole.bottom - 0.03]], [*sizes, [wide + 0.1, 0.25, 0.03]], material)


def door_leaf(palette: IndoorPalette, width: float = 0.85, height: float = 2.02) -> Mesh:
    """A door, its frame not included; hinged at x = 0, it reaches to x = width in the plane y = 0."""
    coat, metal = palette.one_of("furniture"), palette.one_of("metal", 2)
    sizes, places, materials = [[width, 0.04, height]], [[width / 2, 0, 0.005]], [coat]
    style = palette.rng.random()
    if style < 0.6:
        for z, tall in ((0.15, 0.35 * height), (0.55 * height, 0.36 * height)):
            sizes.append([width * 0.7, 0.055, tall])
            places.append([width / 2, 0, z])
            materials.append(coat if style < 0.4 else palette.one_of("glass", 2))
    for y in (-0.05, 0.05):
        sizes += [[0.12, 0.015, 0.02], [0.03, 0.01, 0.2]]
        places += [[width - 0.11, y, 1.02], [width - 0.07, y * 0.5, 0.95]]
        materials += [metal, metal]
    return boxes(places, sizes, materials)


def closed_door(palette: IndoorPalette, width: float | None = None, height: float | None = None) -> Mesh:
    """A shut door with its frame, to be put against a wall."""
    wide, tall = width or palette.between(0.75, 0.98), height or palette.between(1.95, 2.15)
    frame = boxes(
        [[-wide / 2 - 0.04, 0, 0], [wide / 2 + 0.04, 0, 0], [0, 0, tall]],
        [[0.08, 0.08, tall + 0.08]] * 2 + [[wide + 0.16, 0.08, 0.08]],
        palette.one_of("lacquer"),
    )
    return join([frame, door_leaf(palette, wide, tall).moved(-wide / 2)])


def outside(stage: Stage, below: float) -> None:
    """Ground, houses and trees around, the ground so many metres below the floor."""
    palette, rng = stage.palette, stage.rng
    stage.add(floor(500, 500).moved(z=-below - 0.03).of(palette.ground()))
    count = int(rng.integers(8, 22))
    angle, far = rng.uniform(-np.pi, np.pi, count), rng.uniform(14, 90, count) + max(stage.width, stage.depth)
    sizes = np.stack([rng.uniform(6, 25, count), rng.uniform(6, 14, count), rng.uniform(3, 22, count)], 1)
    places = np.stack([far * np.cos(angle), far * np.sin(angle), np.full(count, -below - 0.05)], 1)
    kinds = np.array([palette.facade() for _ in range(4)])
    stage.add(boxes(places, sizes, rng.choice(kinds, count), angle + rng.normal(0, 0.2, count)))
    crown = sphere(1, 1).scaled(2.0, 2.0, 2.4).moved(z=4.4).of(palette.leaf())
    tree = join([crown, crown.scaled(0.7).moved(1.1, 0.6, 1.2), cylinder(0.2, 3.2, 0.13, 8).of(palette.wood())])
    for _ in range(int(rng.integers(2, 9))):
        turn, reach = rng.uniform(-np.pi, np.pi), rng.uniform(6, 30) + max(stage.width, stage.depth)
        x, y = float(reach * np.cos(turn)), float(reach * np.sin(turn))
        stage.add(tree.scaled(float(rng.uniform(0.6, 1.6))).moved(x, y, -below))


def neighbour(stage: Stage, wall: int, hole: Opening, thickness: float) -> None:
    """The room behind a doorway: floor, walls, ceiling, something at its far end, a lamp."""
    palette, rng = stage.palette, stage.rng
    wide, deep, tall = (
        float(rng.uniform(1.6, 5)),
        float(rng.uniform(1.5, 6)),
        max(hole.top + 0.15, min(stage.height, 2.8)),
    )
    shift = hole.middle + float(rng.uniform(-0.5, 0.5)) * max(wide - (hole.right - hole.left) - 0.3, 0)
    left, right = shift - wide / 2, shift + wide / 2
    y, far = thickness, thickness + deep
    coat = palette.one_of("wall", 3)
    front = pierced(wide, tall, [Opening(hole.left - shift, hole.right - shift, 0.0, hole.top)], 0.0, coat).moved(
        shift, y
    )
    sides = [
        [[left, y, 0], [left, far, 0], [left, far, tall], [left, y, tall]],
        [[right, y, 0], [right, far, 0], [right, far, tall], [right, y, tall]],
        [[left, far, 0], [right, far, 0], [right, far, tall], [left, far, tall]],
    ]
    top = [[[left, y, tall], [right, y, tall], [right, far, tall], [left, far, tall]]]
    ground = [[[left, 0, 0.002], [right, 0, 0.002], [right, far, 0.002], [left, far, 0.002]]]
    sizes = np.stack([rng.uniform(0.3, 1.0, 3), rng.uniform(0.3, 0.6, 3), rng.uniform(0.4, 2.0, 3)], 1)
    fill = boxes(
        np.stack(
            [
                rng.uniform(left + 0.5, right - 0.5, 3) if wide > 1.2 else np.full(3, shift),
                rng.uniform(far - 0.6, far - 0.32, 3),
                np.zeros(3),
            ],
            1,
        ),
        sizes,
        [palette.one_of("furniture") for _ in range(3)],
    )
    picture = (
        box(float(rng.uniform(0.3, 0.9)), 0.02, float(rng.uniform(0.3, 0.9)))
        .moved(shift, far - 0.012, 1.3)
        .of(palette.poster())
    )
    made = join(
        [
            front,
            quads(sides, coat),
            quads(top, palette.one_of("ceiling", 2)),
            quads(ground, palette.one_of("floor", 2)),
            fill,
            picture,
        ]
    )
    stage.add(stage.to_wall(made, wall))
    light = stage.to_wall(box(0.3, 0.3, 0.05).moved(shift, y + deep / 2, tall - 0.06).of(palette.glow()), wall)
    stage.add(light)
    x, y_, z = (float(v) for v in light.bounds[0])
    stage.lamp((x + 0.15, y_ + 0.15, z - 0.15), float(rng.uniform(0.4, 2.5)))


@dataclass
class Shell:
    """How a room is enclosed; build() adds it to the stage."""

    stage: Stage
    wall: int
    ceiling: int
    floor: int
    windows: float = 1.5
    """Expected number of windows."""
    doorways: float = 0.7
    """Expected number of open doorways."""
    doors: int = 1
    """Closed doors."""
    window_bottom: tuple[float, float] = (0.0, 1.1)
    accent: float = 0.3
    """How often one wall is made of something else."""

    def build(self) -> None:
        """Floor, ceiling, four walls, their openings and skirting."""
        stage, rng = self.stage, self.stage.rng
        stage.add(floor(stage.width, stage.depth).of(self.floor))
        stage.add(floor(stage.width, stage.depth).turned(roll=np.pi).moved(z=stage.height).of(self.ceiling))
        holes: list[list[Opening]] = [[], [], [], []]
        doorways = [self._cut(holes, 0.0, (1.95, 2.3), (0.8, 1.6)) for _ in range(int(rng.poisson(self.doorways)))]
        sunny = int(rng.integers(4))
        windows = [
            self._cut(
                holes,
                float(rng.uniform(*self.window_bottom)),
                (1.9, 2.9),
                (0.6, 2.8),
                sunny if rng.random() < 0.7 else None,
            )
            for _ in range(int(rng.poisson(self.windows)))
        ]
        thickness = float(rng.uniform(0.1, 0.35))
        accent = int(rng.integers(4)) if rng.random() < self.accent else -1
        other = stage.palette.wall()
        for wall in range(4):
            sheet = pierced(
                stage.wall_length(wall), stage.height, holes[wall], thickness, other if wall == accent else self.wall
            )
            stage.add(stage.to_wall(sheet, wall))
            self._skirting(wall, holes[wall])
        for place in doorways:
            if place is not None:
                self._doorway(*place, thickness)
        for place in windows:
            if place is not None:
                self._window(*place, thickness)
        if stage.windows:
            outside(stage, float(rng.choice([0.2, 0.5, 3.0, 6.0, 12.0])))
        for _ in range(self.doors):
            door = closed_door(stage.palette)
            if stage.against(door, gap=-0.05):
                stage.reserve(stage_front(stage, 0.7))

    def _cut(
        self,
        holes: list[list[Opening]],
        bottom: float,
        tops: tuple[float, float],
        widths: tuple[float, float],
        wall: int | None = None,
    ) -> tuple[int, Opening] | None:
        """A new hole where the wall is still whole, or None."""
        stage, rng = self.stage, self.stage.rng
        for _ in range(6):
            side = int(rng.integers(4)) if wall is None else wall
            top = min(float(rng.uniform(*tops)), stage.height - 0.1)
            wide = min(float(rng.uniform(*widths)), stage.wall_length(side) - 0.6)
            if wide < 0.5 or top - bottom < 0.4:
                continue
            reach = stage.wall_length(side) / 2 - wide / 2 - 0.15
            middle = float(rng.uniform(-reach, reach))
            hole = Opening(middle - wide / 2, middle + wide / 2, bottom, top)
            if all(hole.right + 0.15 < other.left or hole.left - 0.15 > other.right for other in holes[side]):
                holes[side].append(hole)
                return side, hole
        return None

    def _skirting(self, wall: int, holes: list[Opening]) -> None:
        """A board along the foot of the wall, broken at doorways."""
        half = self.stage.wall_length(wall) / 2
        cuts = sorted([hole for hole in holes if hole.bottom < 0.12], key=lambda hole: hole.left)
        starts, ends = [-half, *(hole.right for hole in cuts)], [*(hole.left for hole in cuts), half]
        pieces = [(start, end) for start, end in zip(starts, ends, strict=True) if end - start > 0.02]
        if pieces:
            sizes = [[end - start, 0.016, 0.09] for start, end in pieces]
            board = boxes(
                [[(start + end) / 2, -0.008, 0] for start, end in pieces], sizes, self.stage.palette.one_of("lacquer")
            )
            self.stage.add(self.stage.to_wall(board, wall))

    def _doorway(self, wall: int, hole: Opening, thickness: float) -> None:
        stage = self.stage
        neighbour(stage, wall, hole, thickness)
        stage.reserve(stage.to_wall(box(hole.right - hole.left, 0.9, hole.top).moved(y=-0.45), wall, hole.middle))
        if stage.rng.random() < 0.5:
            leaf = door_leaf(stage.palette, min(hole.right - hole.left, 1.0) - 0.04, hole.top - 0.03)
            opened = leaf.turned(yaw=-float(stage.rng.uniform(0.9, 2.6))).moved(hole.left, -0.03)
            stage.add(stage.to_wall(opened, wall))
            stage.reserve(stage.to_wall(opened, wall))

    def _window(self, wall: int, hole: Opening, thickness: float) -> None:
        stage, rng, palette = self.stage, self.stage.rng, self.stage.palette
        stage.windows += 1
        wide, tall = hole.right - hole.left, hole.top - hole.bottom
        columns, rows = max(1, round(wide / rng.uniform(0.5, 1.3))), max(1, round(tall / rng.uniform(0.7, 2.0)))
        made = [
            window_frame(hole, columns, rows, thickness * float(rng.uniform(0.3, 0.9)), palette.one_of("lacquer", 2))
        ]
        draw = rng.random()
        if draw < 0.4:
            drop = hole.top + 0.12 - (0.03 if rng.random() < 0.6 else max(hole.bottom - 0.1, 0.03))
            cloth = palette.one_of("fabric", 3)
            for side in (-1, 1):
                broad = wide * float(rng.uniform(0.15, 0.5))
                curtain = hanging_cloth(broad, drop, float(rng.uniform(0.02, 0.05)), broad * 9 + 2, cloth)
                made.append(
                    curtain.moved(hole.middle + side * (wide / 2 + 0.1 - broad / 2), -0.09, hole.top + 0.12 - drop)
                )
            made.append(
                box(wide + 0.5, 0.025, 0.025).moved(hole.middle, -0.09, hole.top + 0.12).of(palette.one_of("metal", 2))
            )
        elif draw < 0.6:
            count = int(tall * float(rng.uniform(0.2, 1.0)) / 0.045) + 1
            slats = [[hole.middle, 0.03, hole.top - 0.045 * (k + 1)] for k in range(count)]
            made.append(boxes(slats, (wide * 0.98, 0.03, 0.006), palette.one_of("plastic", 2)))
        whole = stage.to_wall(join(made), wall)
        stage.add(whole)
        if rng.random() < 0.75:
            stage.reserve(stage.to_wall(box(wide, 0.3, tall).moved(y=-0.15), wall, hole.middle, hole.bottom))


def stage_front(stage: Stage, deep: float) -> Mesh:
    """Free floor before the thing that was placed last, as a mesh for Stage.reserve."""
    low, high = stage.last_bounds()
    size = high - low
    middle = (low + high) / 2
    grown = np.where(size[:2] < 0.3, size[:2] + 2 * deep, size[:2])
    return box(float(grown[0]), float(grown[1]), 1.9).moved(float(middle[0]), float(middle[1]))

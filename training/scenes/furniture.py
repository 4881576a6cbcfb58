"""Tables, chairs, sofas and beds: plausible sizes and several builds of each, in metres.

Each stands on z = 0, centred, with its front at -y.
"""

from __future__ import annotations

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join
from depthwire.training.scenes.clutter import Clutter
from depthwire.training.scenes.instances import boxes, rods
from depthwire.training.scenes.objects import DESK_THINGS, TABLE_THINGS, Maker, keyboard
from depthwire.training.scenes.shapes import cushion, splayed_legs, square_legs, vessel


def table(
    clutter: Clutter,
    x: float | None = None,
    y: float | None = None,
    height: float | None = None,
    things: int = 8,
    makers: tuple[Maker, ...] = TABLE_THINGS,
) -> Mesh:
    """A rectangular or round table with things on it."""
    palette = clutter.palette
    wide, deep = x or palette.between(0.9, 2.2), y or palette.between(0.6, 1.0)
    tall = height or palette.between(0.7, 0.78)
    top, frame = palette.one_of("furniture"), palette.one_of("furniture" if palette.chance(0.5) else "metal", 3)
    thick = palette.between(0.018, 0.05)
    if x is None and palette.chance(0.25):
        radius = palette.between(0.35, 0.65)
        foot = vessel([[radius * 0.6, 0], [radius * 0.5, 0.03], [0.05, 0.08], [0.04, tall - thick]], frame)
        parts = [cylinder(radius, thick, sections=28).moved(z=tall - thick).of(top), foot]
        wide = deep = radius * 1.4
    else:
        slab = box(wide, deep, thick).moved(z=tall - thick).of(top)
        if palette.chance(0.55):
            legs = square_legs(wide * 0.95, deep * 0.92, tall - thick, palette.between(0.03, 0.08), frame)
        else:
            legs = splayed_legs(
                wide * 0.8, deep * 0.75, tall - thick, palette.between(0.012, 0.03), frame, palette.between(0, 0.06)
            )
        apron = boxes([[0, deep * 0.42, tall - 0.1], [0, -deep * 0.42, tall - 0.1]], (wide * 0.88, 0.02, 0.08), frame)
        parts = [slab, legs, apron]
    if things:
        parts.append(clutter.spread(wide * 0.95, deep * 0.92, things, makers).moved(z=tall))
    return join(parts)


def chair(clutter: Clutter) -> Mesh:
    """A chair with four legs and a back of slats, a panel or a frame."""
    palette = clutter.palette
    wide, deep, seat = palette.between(0.38, 0.5), palette.between(0.38, 0.48), palette.between(0.42, 0.48)
    high = palette.between(0.75, 1.05)
    frame = palette.one_of("furniture" if palette.chance(0.65) else "metal", 3)
    top = palette.one_of("cover", 3) if palette.chance(0.5) else frame
    thick = 0.03 if top == frame else palette.between(0.03, 0.08)
    parts = [box(wide, deep, thick).moved(z=seat - thick).of(top)]
    if palette.chance(0.5):
        parts.append(square_legs(wide * 0.96, deep * 0.96, seat - thick, palette.between(0.025, 0.045), frame))
    else:
        parts.append(
            splayed_legs(
                wide * 0.85, deep * 0.85, seat - thick, palette.between(0.01, 0.02), frame, palette.between(0, 0.06)
            )
        )
    x, y, lean = wide / 2 - 0.02, deep / 2 - 0.02, palette.between(0.02, 0.12)
    parts.append(
        rods(
            [[s * x, y, seat - 0.03] for s in (-1, 1)],
            [[s * x, y + lean, high] for s in (-1, 1)],
            0.016,
            frame,
            sections=6,
        )
    )
    style = palette.rng.random()
    if style < 0.4:
        levels = np.linspace(seat + 0.1, high - 0.03, int(palette.rng.integers(2, 5)))
        left, right = ([[end, y + lean * (z - seat) / (high - seat), z] for z in levels] for end in (-x, x))
        parts.append(rods(left, right, 0.014, frame, sections=6))
    elif style < 0.6:
        across = np.linspace(-0.8, 0.8, 5) * x
        feet, tops = [[a, y, seat] for a in across], [[a, y + lean, high - 0.03] for a in across]
        parts += [
            rods(feet, tops, 0.009, frame),
            box(wide, 0.03, 0.06).moved(0, y + lean, high - 0.06).of(frame),
        ]
    else:
        panel = box(wide, 0.03, (high - seat) * palette.between(0.4, 0.9)).of(top)
        parts.append(panel.turned(pitch=-lean).moved(0, y + lean * 0.7, seat + (high - seat) * 0.12))
    return join(parts)


def stool(clutter: Clutter) -> Mesh:
    """A stool or a pouffe, low or as high as a bar."""
    palette = clutter.palette
    radius, tall = palette.between(0.15, 0.24), palette.between(0.4, 0.78)
    if palette.chance(0.3):
        return cylinder(radius * 1.2, min(tall, 0.48), sections=18).of(palette.one_of("cover", 3))
    legs = splayed_legs(radius, radius, tall - 0.03, 0.013, palette.one_of("metal"), 0.06)
    return join([cylinder(radius, 0.04, sections=18).moved(z=tall - 0.04).of(palette.one_of("furniture")), legs])


def office_chair(clutter: Clutter) -> Mesh:
    """A swivel chair on five castors."""
    palette = clutter.palette
    seat, cloth = palette.between(0.43, 0.55), palette.one_of("cover", 2)
    black = palette.one_of("dark_plastic", 2)
    angle = np.arange(5) * 2 * np.pi / 5
    ends = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(5, 0.06)], 1)
    star = rods([0, 0, 0.11], ends, 0.02, black, sections=6)
    castors = boxes(ends * [1, 1, 0], (0.05, 0.05, 0.06), black, angle)
    back = cushion(0.46, 0.1, palette.between(0.4, 0.75), cloth, 0.4).turned(pitch=-0.12).moved(0, 0.25, seat + 0.1)
    parts = [
        star,
        castors,
        cylinder(0.03, seat - 0.1).moved(z=0.1).of(palette.one_of("metal")),
        cushion(0.5, 0.48, 0.1, cloth, 0.3).moved(z=seat - 0.08),
        back,
    ]
    parts.append(box(0.06, 0.02, 0.25).moved(0, 0.24, seat - 0.05).of(black))
    if palette.chance(0.6):
        parts.append(
            boxes(
                [[-0.27, 0, seat + 0.2], [0.27, 0, seat + 0.2], [-0.27, 0.02, seat - 0.02], [0.27, 0.02, seat - 0.02]],
                [[0.06, 0.25, 0.03]] * 2 + [[0.03, 0.04, 0.22]] * 2,
                black,
            )
        )
    return join(parts)


def sofa(clutter: Clutter, seats: int | None = None) -> Mesh:
    """An armchair or a sofa with cushions."""
    palette = clutter.palette
    count = seats or int(palette.rng.integers(1, 4))
    each, deep, seat = palette.between(0.55, 0.8), palette.between(0.75, 1.0), palette.between(0.36, 0.46)
    arm, back = palette.between(0.1, 0.25), palette.between(0.65, 0.95)
    cloth = palette.one_of("cover", 3)
    wide = count * each + 2 * arm
    soft = palette.between(0.12, 0.4)
    parts = [
        box(wide, deep, seat - 0.2).moved(z=0.08).of(cloth),
        square_legs(wide * 0.95, deep * 0.9, 0.08, 0.05, palette.one_of("wood", 2)),
    ]
    parts += [
        cushion(arm, deep, palette.between(0.5, 0.66), cloth, soft * 0.6).moved(s * (wide - arm) / 2, 0, 0.06)
        for s in (-1, 1)
    ]
    for k in range(count):
        x = (k - (count - 1) / 2) * each
        parts.append(cushion(each * 0.98, deep * 0.75, 0.2, cloth, soft * 0.7).moved(x, -deep * 0.1, seat - 0.17))
        parts.append(
            cushion(each * 0.97, 0.24, back - seat + 0.12, cloth, soft)
            .turned(pitch=-0.15)
            .moved(x, deep / 2 - 0.2, seat - 0.08)
        )
    parts.append(box(wide - 0.05, 0.12, back - 0.12).moved(0, deep / 2 - 0.06, 0.06).of(cloth))
    for _ in range(int(palette.rng.integers(0, 4))):
        pillow = cushion(0.42, 0.14, 0.4, palette.one_of("fabric", 6), 0.5).turned(
            float(palette.rng.normal(0, 0.4)), -0.35
        )
        parts.append(pillow.moved(palette.between(-0.4, 0.4) * count * each, deep * 0.1, seat + 0.02))
    if palette.chance(0.25):
        parts.append(
            box(palette.between(0.3, 0.8), deep * 0.8, 0.02)
            .moved(palette.between(-0.3, 0.3) * each * count, -deep * 0.1, seat + 0.035)
            .of(palette.one_of("fabric", 6))
        )
    return join(parts)


def bed(clutter: Clutter, wide: float | None = None, long: float = 2.05) -> Mesh:
    """A bed, its head at +y, with pillows and a rumpled cover."""
    palette = clutter.palette
    x = wide or float(palette.rng.choice([0.9, 1.2, 1.4, 1.6, 1.8]))
    seat, frame = palette.between(0.35, 0.6), palette.one_of("furniture", 3)
    linen, cover = palette.one_of("linen", 3), palette.one_of("fabric", 6)
    parts = [
        box(x + 0.06, long, palette.between(0.08, 0.25)).moved(z=seat - 0.32 if seat > 0.5 else 0.04).of(frame),
        square_legs(x, long * 0.96, seat - 0.2, 0.06, frame),
        cushion(x, long * 0.98, 0.24, linen, 0.15).moved(z=seat - 0.22),
        box(x + 0.08, 0.06, palette.between(0.6, 1.25))
        .moved(0, long / 2 + 0.02)
        .of(frame if palette.chance(0.6) else cover),
    ]
    if palette.chance(0.4):
        parts.append(box(x + 0.08, 0.05, seat + 0.1).moved(0, -long / 2 - 0.02).of(frame))
    drawn = palette.between(0.5, 0.8)
    blanket = cushion(x + 0.1, long * drawn, 0.2, cover, 0.25, 3)
    ripple = 0.02 * np.sin(blanket.vertices[:, 0] * 9 + palette.between(0, 6)) * np.cos(blanket.vertices[:, 1] * 7)
    blanket.vertices[:, 2] += ripple.astype(np.float32)
    parts.append(
        blanket.moved(palette.between(-0.05, 0.05), -long * (1 - drawn) / 2 * palette.between(0.6, 1), seat - 0.1)
    )
    for k in range(1 if x < 1.3 else 2):
        pillow = cushion(0.62, 0.42, 0.16, palette.one_of("linen", 3), 0.45)
        across = 0.0 if x < 1.3 else (k - 0.5) * x * 0.47
        parts.append(pillow.turned(float(palette.rng.normal(0, 0.12)), 0.25).moved(across, long / 2 - 0.32, seat))
    return join(parts)


def monitor(clutter: Clutter, wide: float | None = None) -> Mesh:
    """A screen on a foot; it faces -y."""
    palette = clutter.palette
    x = wide or palette.between(0.42, 0.8)
    y, lift = x * 0.6, palette.between(0.08, 0.2)
    black = palette.one_of("dark_plastic", 2)
    sizes = [[x, 0.035, y], [x * 0.96, 0.006, y * 0.93], [0.05, 0.03, lift + 0.1], [0.24, 0.18, 0.015]]
    places = [[0, 0, lift], [0, -0.019, lift + y * 0.035], [0, 0.03, 0.01], [0, 0.02, 0]]
    return boxes(places, sizes, [black, palette.screen(), black, black])


def desk(clutter: Clutter, things: int = 7) -> Mesh:
    """A desk with screens, a keyboard, papers; drawers below on one side."""
    palette = clutter.palette
    wide, deep, tall = palette.between(1.1, 1.9), palette.between(0.6, 0.85), palette.between(0.7, 0.77)
    top = palette.one_of("furniture", 3)
    parts = [box(wide, deep, 0.03).moved(z=tall - 0.03).of(top)]
    frame = palette.one_of("metal", 2) if palette.chance(0.6) else top
    parts.append(square_legs(wide * 0.97, deep * 0.95, tall - 0.03, 0.045, frame))
    if palette.chance(0.6):
        side = float(palette.rng.choice([-1, 1]))
        chest = drawers(clutter, 0.4, deep * 0.85, tall - 0.08, int(palette.rng.integers(2, 5)))
        parts.append(chest.moved(side * (wide / 2 - 0.25)))
    count = int(palette.rng.choice([0, 1, 1, 1, 2, 2]))
    for k in range(count):
        x = (k - (count - 1) / 2) * 0.62 + palette.between(-0.1, 0.1)
        parts.append(
            monitor(clutter, palette.between(0.45, 0.6))
            .turned(yaw=palette.between(-0.3, 0.3))
            .moved(x, deep * 0.24, tall)
        )
    if count:
        parts.append(
            keyboard(palette)
            .turned(yaw=palette.between(-0.15, 0.15))
            .moved(palette.between(-0.1, 0.1), -deep * 0.18, tall)
        )
        parts.append(clutter.spread(wide * 0.3, deep * 0.8, things // 2, DESK_THINGS).moved(wide * 0.34, 0, tall))
        parts.append(clutter.spread(wide * 0.25, deep * 0.8, things // 2, DESK_THINGS).moved(-wide * 0.36, 0, tall))
    else:
        parts.append(clutter.spread(wide * 0.95, deep * 0.9, things, DESK_THINGS).moved(z=tall))
    return join(parts)


def drawers(clutter: Clutter, wide: float, deep: float, tall: float, rows: int, columns: int = 1) -> Mesh:
    """A chest with fronts and handles."""
    palette = clutter.palette
    body, metal = palette.one_of("furniture", 3), palette.one_of("metal", 3)
    front = body if palette.chance(0.6) else palette.one_of("furniture", 4)
    across, high = wide / columns, tall / rows
    x, z = np.meshgrid((np.arange(columns) - (columns - 1) / 2) * across, np.arange(rows) * high)
    places = np.stack([x.ravel(), np.full(x.size, -deep / 2 - 0.004), z.ravel() + 0.008], 1)
    fronts = boxes(places, (across - 0.014, 0.022, high - 0.016), front)
    handles = boxes(places + np.array([0, -0.02, high * 0.6]), (min(0.12, across * 0.4), 0.02, 0.014), metal)
    return join([box(wide, deep, tall).of(body), fronts, handles])

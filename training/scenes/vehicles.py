"""Vehicles of the outdoor layouts: cars, vans, lorries, buses, trams, bicycles, motorcycles, tractors.

Each stands on z = 0 about the origin with its front towards +y, 200–1,000 faces.
"""

from __future__ import annotations

from math import pi

import numpy as np

from depthwire.training.mesh import Mesh, box, cylinder, join, quad, revolved, sheet, sphere, tube
from depthwire.training.scenes.instances import boxes, copies, quads, rods
from depthwire.training.scenes.outdoor_palette import OutdoorPalette

_CARS: dict[str, tuple[tuple[float, float], ...]] = {
    # length, width, height, bonnet height; ends of cabin, then of roof, as shares of the length: rear, front
    "hatch": ((3.7, 4.3), (1.68, 1.8), (1.42, 1.55), (0.88, 0.98), (0.02, 0.06), (0.74, 0.8), (0.1, 0.18), (0.5, 0.58)),
    "saloon": ((4.3, 5.0), (1.75, 1.9), (1.4, 1.5), (0.85, 0.95), (0.12, 0.18), (0.7, 0.76), (0.28, 0.33), (0.5, 0.6)),
    "estate": ((4.4, 4.9), (1.75, 1.9), (1.4, 1.5), (0.88, 0.98), (0.01, 0.04), (0.72, 0.77), (0.06, 0.1), (0.5, 0.6)),
    "suv": ((4.2, 5.0), (1.8, 2.0), (1.6, 1.85), (1.02, 1.18), (0.01, 0.05), (0.73, 0.79), (0.06, 0.14), (0.55, 0.62)),
    "van": ((4.8, 6.0), (1.9, 2.05), (1.9, 2.6), (1.15, 1.35), (0.0, 0.01), (0.86, 0.93), (0.005, 0.02), (0.72, 0.8)),
    "pickup": ((5.0, 5.6), (1.85, 2.0), (1.75, 1.9), (1.05, 1.2), (0.4, 0.44), (0.72, 0.78), (0.43, 0.47), (0.57, 0.6)),
}  # fmt: skip


def car(rng: np.random.Generator, palette: OutdoorPalette, kind: str | None = None) -> Mesh:
    """A passenger car or van of one of the kinds hatch, saloon, estate, suv, van, pickup."""
    kind = list(_CARS)[rng.choice(6, p=[0.28, 0.2, 0.16, 0.2, 0.1, 0.06])] if kind is None else kind
    length, width, height, bonnet, rear, front, roof_rear, roof_front = (
        float(rng.uniform(*span)) for span in _CARS[kind]
    )
    paint, glass = palette.another("car paint"), palette("car glass")
    ground, half = float(rng.uniform(0.16, 0.24)), width / 2
    parts = [_hull(length, half, ground, bonnet, float(rng.uniform(0.7, 0.92))).of(paint)]
    y = (np.array([rear, front, roof_rear, roof_front]) - 0.5) * length
    parts += _cabin(y, half, bonnet - 0.04, height, paint, glass, panel_van=kind == "van" and rng.random() < 0.6)
    radius = height * rng.uniform(0.205, 0.225)
    parts.append(_wheels(palette, half, [-0.31 * length, 0.31 * length], float(radius)))
    shine = palette("headlight"), palette("tail light")
    front_lights = boxes(
        [[x * half * 0.72, length / 2 - 0.07, bonnet * 0.68] for x in (-1, 1)], (0.3, 0.12, 0.12), shine[0]
    )
    rear_lights = boxes(
        [[x * half * 0.78, -length / 2 + 0.05, bonnet * 0.75] for x in (-1, 1)], (0.22, 0.1, 0.16), shine[1]
    )
    dark = palette("tyre")
    bars = boxes(
        [[0, length / 2 - 0.06, bonnet * 0.42], [0, 0, ground - 0.02]],
        [[width * 0.6, 0.12, 0.16], [width * 0.8, length * 0.7, 0.1]],
        dark,
    )
    plates = boxes([[0, s * (length / 2 - 0.01), 0.5] for s in (-1, 1)], (0.5, 0.03, 0.11), palette("line"))
    mirrors = boxes(
        [[s * (half + 0.08), y[1] - 0.25 * length * 0.3, bonnet] for s in (-1, 1)], (0.18, 0.1, 0.13), paint
    )
    return join([*parts, front_lights, rear_lights, bars, plates, mirrors])


def _hull(length: float, half: float, ground: float, bonnet: float, nose: float) -> Mesh:
    """The lower body: rounded rings from rear to front."""
    station = np.array([-0.5, -0.485, -0.42, -0.2, 0.2, 0.4, 0.475, 0.5]) * length
    wide = np.array([0.75, 0.92, 0.98, 1.0, 1.0, 0.97, 0.88, 0.7]) * half
    top = bonnet * np.array([0.8, 0.95, 1.0, 1.0, 1.0, (1 + nose) / 2, nose, nose * 0.8])
    low = ground + np.array([0.2, 0.08, 0.0, 0.0, 0.0, 0.0, 0.06, 0.18])
    across = np.array([-1, -1, -0.9, -0.75, 0.75, 0.9, 1, 1, 0.9, -0.9])
    rise = np.array([0.15, 0.7, 0.9, 1, 1, 0.9, 0.7, 0.15, 0, 0])
    rings = np.empty((8, 10, 3))
    rings[..., 0] = wide[:, None] * across
    rings[..., 1] = station[:, None]
    rings[..., 2] = low[:, None] + (top - low)[:, None] * rise
    caps = [quads(np.stack([ring[[0, 1, 6, 7]], ring[[1, 3, 4, 6]]]), 0) for ring in rings[[0, -1]]]
    return join([sheet(rings), *caps])


def _cabin(y: np.ndarray, half: float, low: float, high: float, paint: int, glass: int, panel_van: bool) -> list[Mesh]:
    """Windows, roof and pillars above the hull; y: foot rear, foot front, roof rear, roof front."""
    foot, head = half * 0.94, half * 0.76
    corner = np.array(
        [[[-foot, y[0], low], [foot, y[0], low], [foot, y[1], low], [-foot, y[1], low]],
         [[-head, y[2], high - 0.06], [head, y[2], high - 0.06], [head, y[3], high - 0.06], [-head, y[3], high - 0.06]]]
    )  # fmt: skip
    sides = np.stack([[corner[0, i], corner[0, (i + 1) % 4], corner[1, (i + 1) % 4], corner[1, i]] for i in range(4)])
    roof_top = corner[1] * [0.8, 1, 1] + [0, 0, 0.06]
    slopes = np.stack([[corner[1, i], corner[1, (i + 1) % 4], roof_top[(i + 1) % 4], roof_top[i]] for i in range(4)])
    pillars = rods(corner[0], corner[1], 0.045, paint, sections=4)
    share = 0.52
    middle = (
        corner[0] + (corner[0][[3, 2, 1, 0]] - corner[0]) * share,
        corner[1] + (corner[1][[3, 2, 1, 0]] - corner[1]) * share,
    )
    doors = rods(middle[0][:2], middle[1][:2], 0.04, paint, sections=4)
    windows = quads(sides, glass)
    if panel_van:
        cargo = sides[[1, 3]].copy()
        ahead = share + 0.1
        cargo[0, [1, 2]] = cargo[0, [0, 3]] + (cargo[0, [1, 2]] - cargo[0, [0, 3]]) * ahead
        cargo[1, [0, 3]] = cargo[1, [1, 2]] + (cargo[1, [0, 3]] - cargo[1, [1, 2]]) * ahead
        windows = join(
            [windows, quads(cargo * [1.015, 1, 1], paint), quads(sides[:1] + np.array([0, -0.01, 0]), paint)]
        )
    return [windows, quads(np.concatenate([slopes, roof_top[None]]), paint), pillars, doors]


def _wheels(palette: OutdoorPalette, half: float, axles: list[float], radius: float, width: float = 0.22) -> Mesh:
    tyre = cylinder(radius, width, sections=14).moved(z=-width / 2).turned(roll=pi / 2).of(palette("tyre"))
    hub = (
        cylinder(radius * 0.62, width + 0.03, sections=8)
        .moved(z=-width / 2 - 0.015)
        .turned(roll=pi / 2)
        .of(palette("chrome"))
    )
    arch = (
        cylinder(radius * 1.18, width - 0.03, sections=12)
        .moved(z=-width / 2)
        .turned(roll=pi / 2)
        .of(palette("dark metal"))
    )
    spots = [[side * (half - width / 2 + 0.015), axle, radius] for side in (-1, 1) for axle in axles]
    return copies(join([tyre, hub, arch.moved(z=0.02)]), spots)


def lorry(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A lorry with a box, a tank or an open platform with a load, 6–12 m long."""
    length, half = float(rng.uniform(6, 12)), 1.24
    paint, dark = palette.another("car paint"), palette("dark metal")
    cab_y = length / 2 - 1.0
    high = float(rng.uniform(2.5, 3.2))
    parts = [
        box(2 * half * 0.97, 2.0, high - 0.5).moved(y=cab_y, z=0.5).of(paint),
        box(1.0, length - 0.4, 0.35).moved(z=0.65).of(dark),
    ]
    glass = palette("car glass")
    parts.append(
        boxes(
            [[0, cab_y + 0.99, high * 0.55], [0, cab_y + 0.25, high * 0.56]],
            [[2.1, 0.05, high * 0.3], [2.44, 0.9, high * 0.26]],
            glass,
        )
    )
    parts.append(boxes([[x * 0.9, cab_y + 1.0, 0.7] for x in (-1, 1)], (0.35, 0.08, 0.2), palette("headlight")))
    parts.append(boxes([[x * 1.4, cab_y + 0.9, high * 0.55] for x in (-1, 1)], (0.2, 0.12, 0.5), dark))
    bed, middle = length - 2.3, -1.15
    kind = rng.integers(3)
    if kind == 0:
        cargo = palette.another("container") if rng.random() < 0.5 else palette.another("poster")
        parts.append(box(2.5, bed, float(rng.uniform(2.2, 2.9))).moved(y=middle, z=1.0).of(cargo))
    elif kind == 1:
        tank = cylinder(1.15, bed, sections=16).moved(z=-bed / 2).turned(pitch=pi / 2).moved(y=middle, z=2.1)
        parts.append(tank.of(palette("metal")))
    else:
        parts.append(
            boxes(
                [[0, middle, 1.0], [-1.2, middle, 1.1], [1.2, middle, 1.1]],
                [[2.5, bed, 0.1], [0.06, bed, 0.5], [0.06, bed, 0.5]],
                paint,
            )
        )
        spots = np.column_stack([rng.uniform(-0.6, 0.6, 5), np.linspace(-0.4, 0.4, 5) * bed + middle, np.full(5, 1.1)])
        parts.append(boxes(spots, rng.uniform(0.6, 1.4, (5, 3)), palette.any_of("wood", "cardboard", "rust")))
    parts.append(_wheels(palette, half, [cab_y - 0.2, -length / 2 + 1.0, -length / 2 + 2.1], 0.5, 0.35))
    parts.append(boxes([[x * 1.0, -length / 2 + 0.1, 0.75] for x in (-1, 1)], (0.4, 0.08, 0.18), palette("tail light")))
    return join(parts)


def bus(rng: np.random.Generator, palette: OutdoorPalette, tram: bool = False) -> Mesh:
    """A bus of 9–13 m or a tram carriage of 14–22 m."""
    length, high, half = float(rng.uniform(14, 22) if tram else rng.uniform(9, 13)), float(rng.uniform(2.9, 3.3)), 1.26
    low = 0.3
    paint, glass = palette.another("car paint"), palette("car glass")
    parts = [box(2 * half, length, high - low).moved(z=low).of(paint)]
    bays = int(length / 1.5)
    along = (np.arange(bays) + 0.5) / bays * (length - 0.4) - length / 2 + 0.2
    windows = [[side * half, y, 1.25] for side in (-1, 1) for y in along]
    parts.append(boxes(windows, (0.03, length / bays * 0.88, 1.2), glass))
    parts.append(
        boxes([[side * half, y, 0.42] for side, y in ((1, along[-1]), (1, along[bays // 2]))], (0.05, 1.2, 2.05), glass)
    )
    parts.append(boxes([[0, side * length / 2, 1.1] for side in (-1, 1)], (2.2, 0.04, 1.5), glass))
    parts.append(boxes([[0, length / 2, high - 0.42]], (1.6, 0.06, 0.28), palette("sign")))
    parts.append(boxes([[x * 0.95, length / 2, 0.6] for x in (-1, 1)], (0.3, 0.06, 0.2), palette("headlight")))
    parts.append(boxes([[x * 0.95, -length / 2, 0.8] for x in (-1, 1)], (0.25, 0.06, 0.4), palette("tail light")))
    parts.append(boxes([[0, 0.1 * length, high]], (1.6, length * 0.3, 0.3), palette("trim")))
    stripe = palette.another("car paint") if rng.random() < 0.6 else palette.another("poster")
    parts.append(boxes([[side * half, -0.1 * length, 0.6] for side in (-1, 1)], (0.02, length * 0.6, 0.5), stripe))
    parts.append(_wheels(palette, half, [-0.3 * length, 0.33 * length], 0.48, 0.32))
    return join(parts)


def bicycle(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A bicycle that stands upright, about 1.7 m long, thin tubes."""
    frame, dark = palette.another("car paint"), palette("tyre")
    radius = 0.34
    angle = np.linspace(0, 2 * pi, 17)
    ring = np.stack([np.zeros(17), radius * np.cos(angle), radius * np.sin(angle)], 1)
    wheel = tube(ring, 0.018, 4).of(dark)
    spoke = angle[:16:2]
    rim = np.stack([np.zeros(8), radius * np.cos(spoke), radius * np.sin(spoke)], 1)
    wheel = join([wheel, rods([0, 0, 0], rim, 0.004, palette("chrome"), sections=3)])
    saddle_height = float(rng.uniform(0.85, 1.0))
    rear, front, crank = [0, -0.52, radius], [0, 0.52, radius], [0, -0.08, 0.3]
    seat, head, bar = [0, -0.24, saddle_height - 0.08], [0, 0.36, 0.78], [0, 0.33, saddle_height + 0.08]
    tubes = rods(
        [rear, rear, crank, crank, seat, head, head],
        [crank, seat, seat, head, head, front, bar],
        0.019,
        frame,
    )
    handle = rods([-0.29, 0.28, saddle_height + 0.08], [0.29, 0.28, saddle_height + 0.08], 0.014, dark)
    saddle = box(0.15, 0.26, 0.06).moved(y=-0.27, z=saddle_height - 0.06).of(dark)
    parts = [copies(wheel, [rear, front]), tubes, handle, saddle]
    if rng.random() < 0.4:
        wire = palette("dark metal")
        parts.append(boxes([[0, 0.55, 0.75], [0, -0.5, 0.72]], [[0.35, 0.28, 0.24], [0.14, 0.4, 0.02]], wire))
    return join(parts)


def motorcycle(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A motorcycle or a scooter on its stand."""
    paint, dark = palette.another("car paint"), palette("tyre")
    radius = float(rng.uniform(0.24, 0.33))
    wheel = cylinder(radius, 0.14, sections=14).moved(z=-0.07).turned(roll=pi / 2).of(dark)
    body = sphere(0.26, 1).scaled(0.65, 1.5, 0.75).moved(y=0.12, z=0.72).of(paint)
    engine = box(0.34, 0.55, 0.36).moved(z=0.28).of(palette("chrome"))
    seat = box(0.26, 0.7, 0.12).moved(y=-0.42, z=0.72).of(dark)
    forks = rods(
        [[-0.08, 0.68, radius], [0.08, 0.68, radius]], [[-0.1, 0.4, 0.98], [0.1, 0.4, 0.98]], 0.025, palette("chrome")
    )
    bar = rods([-0.36, 0.34, 1.02], [0.36, 0.34, 1.02], 0.018, dark)
    lamp = sphere(0.1, 1).moved(y=0.55, z=0.88).of(palette("headlight"))
    shield = quad([[-0.18, 0.5, 0.95], [0.18, 0.5, 0.95], [0.14, 0.36, 1.25], [-0.14, 0.36, 1.25]]).of(
        palette("car glass")
    )
    guard = box(0.16, 0.4, 0.05).moved(y=0.7, z=2 * radius).of(paint)
    return join(
        [copies(wheel, [[0, -0.68, radius], [0, 0.7, radius]]), body, engine, seat, forks, bar, lamp, shield, guard]
    )


def tractor(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A farm tractor: big rear wheels, bonnet, glazed cab."""
    paint = palette.another("car paint")
    big = cylinder(0.8, 0.45, sections=18).moved(z=-0.22).turned(roll=pi / 2).of(palette("tyre"))
    small = cylinder(0.5, 0.32, sections=14).moved(z=-0.16).turned(roll=pi / 2).of(palette("tyre"))
    hub = cylinder(0.42, 0.49, sections=10).moved(z=-0.245).turned(roll=pi / 2).of(paint)
    wheels = [
        copies(join([big, hub]), [[-0.85, -0.9, 0.8], [0.85, -0.9, 0.8]]),
        copies(small, [[-0.75, 1.2, 0.5], [0.75, 1.2, 0.5]]),
    ]
    body = boxes([[0, 0.9, 0.75], [0, -0.5, 0.5]], [[0.8, 1.7, 0.75], [1.0, 1.4, 0.6]], paint)
    cab = box(1.35, 1.35, 1.3).moved(y=-0.65, z=1.25).of(palette("car glass"))
    frame = boxes([[0, -0.65, 2.5]], (1.5, 1.55, 0.12), paint)
    posts = rods(
        [[x, y, 1.2] for x in (-0.7, 0.7) for y in (-1.35, 0.05)],
        [[x, y, 2.55] for x in (-0.7, 0.7) for y in (-1.35, 0.05)],
        0.05,
        paint,
    )
    pipe = rods([0.3, 1.0, 1.4], [0.3, 1.0, 2.5], 0.05, palette("dark metal"))
    return join([*wheels, body, cab, frame, posts, pipe])


def boat(rng: np.random.Generator, palette: OutdoorPalette, length: float = 6.0) -> Mesh:
    """A boat whose waterline is z = 0: hull, cabin or mast with rigging."""
    paint, wood = palette.another("car paint"), palette("wood")
    share = np.linspace(0, 1, 7)
    wide = length * 0.17 * np.array([0.75, 0.95, 1, 0.97, 0.8, 0.45, 0.03])
    sheer = length * (0.09 + 0.05 * share**2)
    rings = np.zeros((7, 6, 3))
    rings[..., 0] = wide[:, None] * np.array([-1, -0.75, -0.1, 0.1, 0.75, 1])
    rings[..., 1] = ((share - 0.5) * length)[:, None]
    rings[..., 2] = np.stack([sheer, sheer * 0, sheer * 0 - 0.3, sheer * 0 - 0.3, sheer * 0, sheer], 1)
    parts = [sheet(rings).of(paint), box(float(wide[0]) * 2, 0.05, float(sheer[0])).moved(y=-length / 2).of(paint)]
    deck = rings[:, [0, 5]] * [0.97, 1, 0.85]
    parts.append(quads(np.stack([deck[:-1, 0], deck[:-1, 1], deck[1:, 1], deck[1:, 0]], 1), wood))
    top = float(sheer[3]) * 0.85
    if rng.random() < 0.5:
        cabin = boxes(
            [[0, -0.05 * length, top], [0, -0.05 * length, top + 0.16 * length]],
            [[length * 0.2, length * 0.3, 0.16 * length], [length * 0.22, length * 0.33, 0.05]],
            palette("trim"),
        )
        glazing = boxes(
            [[0, -0.05 * length, top + 0.08 * length]],
            [[length * 0.205, length * 0.31, 0.06 * length]],
            palette("car glass"),
        )
        parts += [cabin, glazing]
    if rng.random() < 0.7:
        mast = length * float(rng.uniform(0.9, 1.4))
        foot, head = [0, 0.1 * length, top], [0, 0.1 * length, top + mast]
        stays = [[0, length / 2, top], [0, -length / 2, top], [wide[3], 0, top], [-wide[3], 0, top]]
        parts.append(rods(foot, head, 0.06, palette("metal")))
        parts.append(rods(stays, head, 0.012, palette("dark metal"), sections=3))
        parts.append(rods([0, 0.1 * length, top + 0.9], [0, -0.35 * length, top + 0.9], 0.07, palette("awning")))
    return join(parts)


def cart(rng: np.random.Generator, palette: OutdoorPalette) -> Mesh:
    """A hand cart, trailer or stroller: a tub on wheels with a handle."""
    tub = (
        revolved([[0.22, 0.35], [0.32, 0.4], [0.38, 0.85]], 4)
        .turned(yaw=pi / 4)
        .scaled(1, 1.5, 1)
        .of(palette.any_of("plastic", "metal"))
    )
    handle = rods(
        [[-0.25, -0.5, 0.8], [0.25, -0.5, 0.8], [-0.25, -0.85, 1.0]],
        [[-0.25, -0.85, 1.0], [0.25, -0.85, 1.0], [0.25, -0.85, 1.0]],
        0.018,
        palette("dark metal"),
    )
    wheel = cylinder(0.17, 0.06, sections=12).moved(z=-0.03).turned(roll=pi / 2).of(palette("tyre"))
    return join([tub, handle, copies(wheel, [[x, y, 0.17] for x in (-0.3, 0.3) for y in (-0.35, 0.35)])])

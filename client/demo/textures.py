"""What surfaces look like: procedural textures, functions of local points and normals. room.py puts them on things."""

from __future__ import annotations

import numpy as np

from depthwire.client.demo.raycaster import Floats, Texture

SEED = 20

_LATTICE = np.random.default_rng(SEED).random((32, 32, 32)).astype(np.float32)


def _noise(x: Floats, y: Floats, z: Floats | float = 0.0) -> Floats:
    """Value noise in 0…1: random values on the integer lattice, smoothly interpolated."""
    cells, weights = [], []
    for value in np.broadcast_arrays(x, y, np.asarray(z, np.float32)):
        floor = np.floor(value)
        part = value - floor
        cells.append(floor.astype(np.int32))
        weights.append(part * part * (3 - 2 * part))
    total = np.zeros(cells[0].shape, np.float32)
    for corner in range(8):
        steps = [corner >> axis & 1 for axis in range(3)]
        share = np.ones_like(total)
        for weight, step in zip(weights, steps, strict=True):
            share = share * (weight if step else 1 - weight)
        where = tuple((cell + step) & 31 for cell, step in zip(cells, steps, strict=True))
        total += share * _LATTICE[where]
    return total


def _tinted(colour: tuple[float, float, float], tone: Floats) -> Floats:
    """(3, N): one colour, brighter or darker by `tone` (N,)."""
    return np.asarray(colour, np.float32)[:, None] * tone


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    return first * (1 - share) + second * share


def _step(low: float, high: float, value: Floats) -> Floats:
    part = np.clip((value - low) / (high - low), 0, 1)
    smooth: Floats = part * part * (3 - 2 * part)
    return smooth


def wood(colour: tuple[float, float, float], along: int, contrast: float = 1.0) -> Texture:
    """Solid timber with its grain along one local axis."""

    def texture(p: Floats, _: Floats) -> Floats:
        a, b = (p[i] for i in range(3) if i != along)
        length = p[along]
        rings = np.sin(
            38 * (a + 1.3 * b) + 9 * _noise(a * 5, b * 5, length * 0.9) + 3 * _noise(a * 22, b * 22, length * 2)
        )
        fibre = _noise(a * 260, b * 260, length * 9) - 0.5
        return _tinted(
            colour, 1 + contrast * (0.11 * rings + 0.22 * fibre + 0.2 * (_noise(a * 4, b * 4, length) - 0.5))
        )

    return texture


def floorboards(p: Floats, _: Floats) -> Floats:
    """Oak boards 13 cm wide and 1.6 m long, staggered, running into the room."""
    across, width, length = p[0] / 0.13, 0.13, 1.6
    row = np.floor(across)
    along = p[2] / length + 0.37 * row + 0.21 * np.sin(row * 12.9)
    board = row * 7.31 + np.floor(along) * 3.17
    tone = _noise(board * 1.7 + 0.5, board * 0.61 + 0.5)
    grain = _noise(p[0] * 130, p[2] * 3.2, board) - 0.5
    figure = np.sin(30 * p[0] + 11 * _noise(p[0] * 9, p[2] * 0.9, board) + board)
    colour = _tinted((0.40, 0.235, 0.125), 1 + 0.55 * (tone - 0.5) + 0.34 * grain + 0.09 * figure)
    edge = np.minimum(across - row, 1 - (across - row)) * width
    end = np.minimum(along - np.floor(along), 1 - (along - np.floor(along))) * length
    gap = _step(0.0008, 0.0028, np.minimum(edge, end))
    return colour * (0.35 + 0.65 * gap)


def tiles(p: Floats, _: Floats) -> Floats:
    """Stone tiles of 33 cm with pale grout."""
    x, z = p[0] / 0.33 + 0.5, p[2] / 0.33
    number = np.floor(x) * 5.7 + np.floor(z) * 3.3
    dark = (np.floor(x) + np.floor(z)) % 2
    tone = 0.85 + 0.2 * _noise(number, number * 0.7) + 0.25 * (_noise(x * 5, z * 5, number) - 0.5)
    stone = _mix(_tinted((0.55, 0.50, 0.43), tone), _tinted((0.24, 0.25, 0.25), tone), dark)
    edge = np.minimum.reduce([x - np.floor(x), 1 - x + np.floor(x), z - np.floor(z), 1 - z + np.floor(z)])
    return _mix(_tinted((0.6, 0.58, 0.54), tone), stone, _step(0.010, 0.018, edge))


def plaster(colour: tuple[float, float, float]) -> Texture:
    """A painted wall: faint clouds and the fine bumps a roller leaves."""

    def texture(p: Floats, _: Floats) -> Floats:
        clouds, bumps = _noise(*(p * 1.6)) - 0.5, _noise(*(p * 41)) - 0.5
        return _tinted(colour, 1 + 0.07 * clouds + 0.025 * bumps + 0.03 * (_noise(*(p * 11)) - 0.5))

    return texture


def rug(p: Floats, _: Floats) -> Floats:
    """Woven checks of 20 cm with a border."""
    x, z = p[0] / 0.2, p[2] / 0.2
    level = (np.floor(x) % 2 + np.floor(z) % 2) / 2
    weave = 1 + 0.30 * (_noise(p[0] * 240, p[2] * 240) - 0.5) + 0.25 * (_noise(x, z) - 0.5)
    checks = _mix(_tinted((0.52, 0.46, 0.37), weave), _tinted((0.055, 0.13, 0.19), weave), level)
    border = _step(0.0, 0.004, np.maximum(np.abs(p[0]) - 1.22, np.abs(p[2]) - 0.82))
    return _mix(checks, _tinted((0.34, 0.085, 0.05), weave), border)


def cardboard(p: Floats, n: Floats) -> Floats:
    """Brown board with faint corrugation and a strip of tape over the top and down the sides."""
    tone = 1 + 0.05 * np.sin(p[0] * 520) + 0.14 * (_noise(*(p * 14)) - 0.5) + 0.08 * (_noise(*(p * 130)) - 0.5)
    taped = np.where(np.abs(n[0]) > 0.5, 0, (np.abs(p[0]) < 0.03) & ((n[1] > 0.5) | (p[1] > 0.06)))
    seam = np.where((n[1] > 0.5) & (np.abs(p[0]) < 0.0015), 0.6, 1.0)
    board: Floats = (
        _mix(_tinted((0.42, 0.27, 0.145), tone), _tinted((0.55, 0.43, 0.28), 0.94 + 0.06 * tone), taped) * seam
    )
    return board


def book(colour: tuple[float, float, float], band_m: float) -> Texture:
    """A book standing up, with a dull gold band of that height on its spine."""

    def texture(p: Floats, _: Floats) -> Floats:
        tone = 1 + 0.15 * (_noise(*(p * 120)) - 0.5)
        band = np.abs(p[1] - 0.055) < band_m / 2
        cover: Floats = _mix(_tinted(colour, tone), _tinted((0.42, 0.33, 0.17), tone), band.astype(np.float32))
        return cover

    return texture


def painting(p: Floats, _: Floats) -> Floats:
    """Three ranges of hills under an evening sky, on a canvas about 0.9 m by 0.6 m facing the room."""
    height = p[1] / 0.6 + 0.5
    sky = _mix(
        _tinted((0.85, 0.50, 0.25), np.ones_like(height)),
        _tinted((0.16, 0.28, 0.45), np.ones_like(height)),
        _step(0.4, 1, height),
    )
    sun = _step(0.062, 0.056, np.hypot(p[0] - 0.15, p[1] - 0.06))
    picture = _mix(sky, _tinted((0.95, 0.80, 0.5), np.ones_like(height)), sun)
    for layer, (base, colour) in enumerate(
        [(0.50, (0.22, 0.20, 0.30)), (0.36, (0.10, 0.15, 0.20)), (0.2, (0.03, 0.07, 0.07))]
    ):
        ridge = base + 0.22 * (_noise(p[0] * 5 + layer * 7.7, np.full_like(height, layer + 0.5)) - 0.4)
        picture = _mix(picture, _tinted(colour, np.ones_like(height)), _step(0.004, -0.004, height - ridge))
    painted: Floats = picture * (0.9 + 0.2 * _noise(p[0] * 180, p[1] * 180))
    return painted


def outdoors(p: Floats, _: Floats) -> Floats:
    """What a bright window shows: overexposed sky over a soft hedge (a factor on the pane's glow)."""
    hedge = _step(0.06, -0.06, p[1] + 0.38 - 0.22 * _noise(p[2] * 5, p[1] * 3))
    leaves = 0.7 + 0.6 * _noise(p[2] * 17, p[1] * 17)
    return _mix(np.ones_like(p), _tinted((0.20, 0.27, 0.12), leaves), hedge)


def globe(_: Floats, n: Floats) -> Floats:
    """Frosted glass, dimmer towards its rim and far below what it gives, so that the picture keeps its roundness."""
    return _tinted((1.0, 1.0, 1.0), 0.13 + 0.27 * np.maximum(-n[2], 0) ** 1.5)

"""Square periodic tiles that say how a material varies over its surface, one drawer for each pattern.

materials.py draws a pool of them once per process. A tile is (SIDE, SIDE, 4): the share of the second colour (0…1),
and by what factor red, green and blue are brighter than the mix of both colours.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats
from depthwire.training.scene import Pattern

SIDE = 256
"""Texels along a tile."""

Draw = Callable[[np.random.Generator], Floats]


def cloudy(rng: np.random.Generator, roughness: float, stretch: float = 1.0) -> Floats:
    """(SIDE, SIDE) periodic noise of mean 0 and deviation 1, amplitude ∝ 1 / frequency^roughness.

    stretch: how many times longer its features are along the rows.
    """
    along = np.fft.rfftfreq(SIDE) * SIDE * stretch
    across = np.fft.fftfreq(SIDE)[:, None] * SIDE
    frequency = np.hypot(along, across)
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) / frequency**roughness, (SIDE, SIDE))
    return np.asarray(noise / noise.std(), np.float32)


def _tile(share: NDArray[np.floating], gain: NDArray[np.floating]) -> Floats:
    """Share of the second colour (SIDE, SIDE) and gain (SIDE, SIDE) or (SIDE, SIDE, 3) as one tile."""
    tile = np.empty((SIDE, SIDE, 4), np.float32)
    tile[..., 0] = np.clip(share, 0, 1)
    tile[..., 1:] = gain[..., None] if gain.ndim == 2 else gain
    return tile


def _soft(noise: NDArray[np.floating], sharpness: float, level: float = 0.0) -> Floats:
    """Noise squeezed into 0…1 around a level."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * sharpness * (noise - level)), np.float32)


def _grid() -> tuple[Floats, Floats]:
    """Column and row of each texel as 0…1."""
    step = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    return np.broadcast_to(step, (SIDE, SIDE)), np.broadcast_to(step[:, None], (SIDE, SIDE))


def _cells(
    rng: np.random.Generator, u: NDArray[np.floating], v: NDArray[np.floating], columns: int, rows: int
) -> tuple[Floats, Floats, Floats]:
    """Cells of a grid over the tile: distance to the nearest joint in cells of u and of v, and a random number each."""
    across, along = u * columns, v * rows
    number = rng.random((rows, columns), np.float32)[along.astype(int) % rows, across.astype(int) % columns]
    return np.abs(across - np.round(across)), np.abs(along - np.round(along)), number


def _plain(rng: np.random.Generator) -> Floats:
    return _tile(_soft(cloudy(rng, 2), 1, 3), 1 + 0.02 * cloudy(rng, 1) + rng.uniform(0, 0.015) * cloudy(rng, 0.2))


def _noise(rng: np.random.Generator) -> Floats:
    share = _soft(cloudy(rng, rng.uniform(0.6, 1.9)), rng.uniform(0.8, 2.5), rng.uniform(-0.5, 0.8))
    return _tile(share, np.exp(rng.uniform(0.04, 0.25) * cloudy(rng, rng.uniform(0.2, 1.1))))


def _speckle(rng: np.random.Generator) -> Floats:
    grains = rng.random((SIDE, SIDE), np.float32)
    size = rng.uniform(0.6, 2.6)
    blurred = cv2.GaussianBlur(np.tile(grains, (3, 3)), (0, 0), size)[SIDE : 2 * SIDE, SIDE : 2 * SIDE]
    blurred = (blurred - blurred.mean()) / blurred.std()
    spread = rng.uniform(0.08, 0.3)
    return _tile(_soft(blurred, 4, rng.uniform(-0.2, 1.6)), np.exp(spread * blurred + 0.05 * cloudy(rng, 1.2)))


def _grain(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Wood grain along u as 0…1: year rings bent by slow noise, with fine fibres."""
    rings = rng.integers(3, 12)
    bend = rng.uniform(0.3, 1.2) * cloudy(rng, 2, 5)
    lines = 0.5 + 0.5 * np.sin(2 * np.pi * rings * v + 2 * bend)
    return np.asarray(np.clip(0.55 * lines**2 + 0.12 * cloudy(rng, 0.6, 24) + 0.2, 0, 1), np.float32)


def _wood(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    grain = _grain(rng, u, v)
    return _tile(grain, 1 + 0.06 * cloudy(rng, 0.5, 16) + 0.05 * cloudy(rng, 1.8))


def _planks(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    rows = int(rng.integers(4, 9))
    row = (v * rows).astype(int) % rows
    shifted = (u + rng.random(rows, np.float32)[row]) % 1
    du, dv, number = _cells(rng, shifted, v, int(rng.integers(1, 3)), rows)
    grain = _grain(rng, u, v)
    rolled = np.take_along_axis(grain, ((shifted * SIDE).astype(int) + (number * 977).astype(int)) % SIDE, 1)
    joint = (dv < rng.uniform(0.015, 0.05)) | (du < 0.006)
    gain = (1 + 0.05 * cloudy(rng, 0.5, 16)) * (0.75 + 0.5 * number * rng.uniform(0.3, 1))
    return _tile(rolled, np.where(joint, rng.uniform(0.15, 0.5), gain))


def _brick(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    rows, columns = 12, 4
    row = (v * rows).astype(int) % rows
    du, dv, number = _cells(rng, (u + 0.5 / columns * (row % 2)) % 1, v, columns, rows)
    ragged = 0.02 * cloudy(rng, 0.8)
    mortar = _soft(np.minimum(du * 3, dv) + ragged - rng.uniform(0.05, 0.1), -60)
    gain = 1 + rng.uniform(0.2, 0.6) * (number - 0.5) * (1 - mortar) + 0.1 * cloudy(rng, 0.6)
    return _tile(mortar, np.maximum(gain, 0.1))


def _tiles(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    du, dv, number = _cells(rng, u, v, 4, 4)
    joint = _soft(np.minimum(du, dv) - rng.uniform(0.012, 0.035), -300)
    veins = rng.uniform(0, 0.12) * cloudy(rng, rng.uniform(0.8, 2))
    return _tile(joint, (1 + rng.uniform(0, 0.25) * (number - 0.5) + veins) * (1 - 0.15 * joint))


def _stripes(rng: np.random.Generator) -> Floats:
    _, v = _grid()
    wave = np.sin(2 * np.pi * 4 * v) + rng.uniform(0, 0.9) * np.sin(2 * np.pi * 8 * v + rng.uniform(0, 6))
    return _tile(_soft(wave, 25, rng.uniform(-0.6, 0.8)), 1 + 0.04 * cloudy(rng, 0.5))


def _checker(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    odd = ((u * 8).astype(int) + (v * 8).astype(int)) % 2
    return _tile(odd * rng.uniform(0.7, 1), 1 + 0.06 * cloudy(rng, rng.uniform(0.3, 1.5)))


def _weave(rng: np.random.Generator) -> Floats:
    u, v = _grid()
    threads = int(rng.integers(24, 60))
    over = np.sin(np.pi * threads * 2 * u) * np.sin(np.pi * threads * 2 * v)
    folds = rng.uniform(0.03, 0.15) * cloudy(rng, 1.8)
    return _tile(0.5 + 0.5 * over * rng.uniform(0.3, 1), 1 + 0.15 * over + folds + 0.06 * cloudy(rng, 0.2))


def _print(rng: np.random.Generator) -> Floats:
    """A page: blocks, discs and lines of text in strong colours."""
    page = np.full((SIDE, SIDE, 3), 100, np.uint8)  # per cent
    for _ in range(int(rng.integers(2, 9))):
        x, y, wide, high = (int(n) for n in rng.integers(0, SIDE, 4) // [1, 1, 2, 3])
        ink = tuple(float(c) for c in rng.uniform(0, 1, 3) ** 2 * 220)
        shape = rng.integers(3)
        if shape == 0:
            cv2.rectangle(page, (x, y), (x + wide, y + high), ink, -1)
        elif shape == 1:
            cv2.circle(page, (x, y), 8 + wide // 3, ink, -1, cv2.LINE_AA)
        else:
            cv2.line(page, (x, y), (x + wide, y + high), ink, int(rng.integers(2, 20)), cv2.LINE_AA)
    ink = tuple(float(c) for c in rng.uniform(0, 40, 3))
    for line in range(int(rng.integers(1, 12))):
        text = "".join(chr(c) for c in rng.integers(65, 91, int(rng.integers(3, 24))))
        size = float(rng.choice([0.35, 0.5, 1.2, 2.5]))
        place = (int(rng.integers(0, 60)), 20 + line * 22)
        cv2.putText(page, text, place, int(rng.integers(5)), size, ink, 1 + int(size), cv2.LINE_AA)
    return _tile(_soft(cloudy(rng, 2), 1, 4), page.astype(np.float32) / 100)


def _stains(rng: np.random.Generator) -> Floats:
    share = _soft(cloudy(rng, rng.uniform(1, 1.8)), rng.uniform(2, 6), rng.uniform(0.5, 1.6))
    runs = np.maximum(cloudy(rng, 1.1, 1 / rng.uniform(8, 24)) - rng.uniform(0.8, 1.8), 0)
    scratches = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(0, 14))):
        x, y, dx, dy = (int(n) for n in rng.integers([0, 0, -50, -50], [SIDE, SIDE, 50, 50]))
        cv2.line(scratches, (x, y), (x + dx, y + dy), float(rng.uniform(-0.3, 0.3)), 1, cv2.LINE_AA)
    return _tile(share + 0.4 * runs, np.maximum(1 + scratches - 0.15 * runs + 0.04 * cloudy(rng, 0.4), 0.1))


def photographed(picture: NDArray[np.uint8]) -> Floats:
    """A tile from an RGB picture of a surface (H, W, 3): its colours relative to their mean, share 0."""
    linear = cv2.resize((picture.astype(np.float32) / 255) ** 2.2, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = linear.mean(axis=2, keepdims=True)
    hue = (
        linear / linear.mean(axis=(0, 1)) * (grey.mean() / np.maximum(grey, 1e-3))
    )  # white where it has the mean's hue
    contrast = np.clip(grey / grey.mean(), 0.05, 3) ** 0.8  # pictures are often more contrasty than their surface
    return _tile(np.zeros((SIDE, SIDE)), contrast * np.clip(hue, 0.4, 2.5))


DRAW: dict[Pattern, Draw] = {
    Pattern.PLAIN: _plain,
    Pattern.NOISE: _noise,
    Pattern.SPECKLE: _speckle,
    Pattern.WOOD: _wood,
    Pattern.PLANKS: _planks,
    Pattern.BRICK: _brick,
    Pattern.TILES: _tiles,
    Pattern.STRIPES: _stripes,
    Pattern.CHECKER: _checker,
    Pattern.WEAVE: _weave,
    Pattern.PRINT: _print,
    Pattern.STAINS: _stains,
}

REPETITIONS: dict[Pattern, float] = {Pattern.TILES: 4, Pattern.CHECKER: 4, Pattern.STRIPES: 4}
"""How many of a material's `tile_m` a tile spans, where it is not one: cells and stripes are drawn by the handful."""

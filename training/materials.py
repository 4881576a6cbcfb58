"""A scene's materials as the tables and mip-mapped tiles that shading.py reads.

The tiles come from a pool, one for the scenes to train on and one for those held out: a material picks one, and gives
its colours, size and turn to it. render.py calls `Palette.of` once for each scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthwire.training.assets import photographed_surfaces
from depthwire.training.mesh import Floats, Ints
from depthwire.training.scene import Material, Pattern
from depthwire.training.tiles import DRAW, REPETITIONS, SIDE, photographed

LEVELS = SIDE.bit_length()
"""Mip levels of a tile, from SIDE texels down to one."""
VARIANTS = 8
"""Tiles drawn for each pattern."""

_UPRIGHT = {Pattern.PHOTO, Pattern.BRICK, Pattern.TILES, Pattern.CHECKER, Pattern.PRINT, Pattern.STAINS}
_BUMP = {Pattern.BRICK: 0.012, Pattern.PLANKS: 0.006, Pattern.NOISE: 0.008, Pattern.SPECKLE: 0.006}


_is_held_out = False


class Pool(NamedTuple):
    """All tiles, each with its mip levels behind one another."""

    texels: NDArray[np.uint8]
    """(tiles, texels of all levels, 4): share × 255, and the gains as 128 √gain."""
    starts: NDArray[np.int64]
    """(LEVELS,) where each level begins."""


class Palette(NamedTuple):
    """The materials of one scene, a row each."""

    tile: Ints
    """Which tile of the pool."""
    colours: Floats
    """(N, 2, 3), linear RGB."""
    per_metre: Floats
    """Repetitions of the tile in a metre."""
    turn: Floats
    """(N, 2, 2) cosine and sine of the tile's angle on walls and on floors."""
    offset: Floats
    """(N, 2), in repetitions."""
    shine: Floats
    glow: Floats
    bump: Floats
    """Height of the tile's relief for a gain of one, in repetitions."""
    dirt: Floats
    """How much lightness varies from metre to metre."""

    @classmethod
    def of(cls, materials: Sequence[Material], rng: np.random.Generator) -> Palette:
        """The tables of these materials: tiles, turns and offsets are drawn from rng."""
        size = np.array([REPETITIONS.get(m.pattern, 1.0) * m.tile_m for m in materials], np.float32)
        return cls(
            np.array([_pick(m, rng) for m in materials], np.int32),
            np.array([[m.colour, m.second] for m in materials], np.float32),
            np.asarray(1 / np.maximum(size, 1e-3), np.float32),
            np.array([_turns(m.pattern, rng) for m in materials], np.float32),
            rng.random((len(materials), 2), np.float32),
            np.array([m.shine for m in materials], np.float32),
            np.array([m.glow for m in materials], np.float32),
            np.array([_BUMP.get(m.pattern, 0.003) for m in materials], np.float32),
            rng.uniform(0.01, 0.11, len(materials)).astype(np.float32),
        )


def choose_pool(held_out: bool) -> None:
    """Which pool this process takes its tiles from, from now on; that of the scenes to train on at the beginning."""
    global _is_held_out
    _is_held_out = held_out


def pool() -> Pool:
    """The tiles of this process: the same in each that chose alike."""
    return _pool_and_photos(_is_held_out)[0]


@cache
def _pool_and_photos(held_out: bool) -> tuple[Pool, list[tuple[int, frozenset[str]]]]:
    """The tiles, and which of them show photographed surfaces, with what each may stand for.

    What is held out shows no tile that was trained on, and no photographed one at all: so it depends on no package.
    """
    rng = np.random.default_rng(21 if held_out else 20)
    tiles = [draw(rng) for draw in DRAW.values() for _ in range(VARIANTS)]
    surfaces = [] if held_out else photographed_surfaces()
    photos = [(len(tiles) + number, surface.tags) for number, surface in enumerate(surfaces)]
    tiles += [photographed(surface.picture) for surface in surfaces]
    texels = np.stack([_with_levels(tile) for tile in tiles])
    starts = np.cumsum([0, *((SIDE >> level) ** 2 for level in range(LEVELS - 1))])
    return Pool(texels, starts.astype(np.int64)), photos


def _with_levels(tile: Floats) -> NDArray[np.uint8]:
    levels = []
    while True:
        stored = np.concatenate([tile[..., :1] * 255, 128 * np.sqrt(np.maximum(tile[..., 1:], 0))], axis=2)
        levels.append(np.clip(stored + 0.5, 0, 255).astype(np.uint8).reshape(-1, 4))
        if tile.shape[0] == 1:
            return np.concatenate(levels)
        half = tile.shape[0] // 2
        tile = tile.reshape(half, 2, half, 2, 4).mean(axis=(1, 3))


def _pick(material: Material, rng: np.random.Generator) -> int:
    """A tile of the pool that suits a material: a photograph that shares a word with its tag, else any."""
    _, photos = _pool_and_photos(_is_held_out)
    if material.pattern is Pattern.PHOTO and photos:
        words = set(material.tag.lower().replace("_", " ").split())
        fitting = [tile for tile, tags in photos if tags & words] or [tile for tile, _ in photos]
        return fitting[int(rng.integers(len(fitting)))]
    pattern = Pattern.NOISE if material.pattern is Pattern.PHOTO else material.pattern
    return first_tile(pattern) + int(rng.integers(VARIANTS))


def first_tile(pattern: Pattern) -> int:
    """Where the tiles of a drawn pattern begin in the pool."""
    return list(DRAW).index(pattern) * VARIANTS


def _turns(pattern: Pattern, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Cosine and sine of a tile's angle on walls and on floors: what hangs or is laid level stays so."""
    quarter = rng.integers(2) * np.pi / 2
    wall = 0.0 if pattern in _UPRIGHT else quarter
    ground = rng.integers(4) * np.pi / 2 if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    return [(float(np.cos(angle)), float(np.sin(angle))) for angle in (wall, ground)]

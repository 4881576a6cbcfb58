# ruff: noqa: E501  one line a material, as a table
"""The materials of the outdoor layouts: asphalt, grass, brick, bark, car paint, …, each scene in its own shades.

site.py makes one OutdoorPalette for each scene; the outdoor layouts and their parts ask it for materials by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthwire.training.scene import Colour, Material, Pattern
from depthwire.training.scenes.palette import Palette


class Recipe(NamedTuple):
    """What variants of a material look like; a variant draws one pattern, one colour and numbers from the ranges."""

    patterns: tuple[Pattern, ...]
    colours: tuple[Colour, ...]
    second: tuple[float, float]
    """Brightness of the second colour in units of the first, range."""
    tile_m: tuple[float, float]
    shine: tuple[float, float] = (0.0, 0.05)
    tag: str = ""
    glow: float = 0.0


_NOISE, _SPECKLE, _PLAIN, _STAINS = (Pattern.NOISE,), (Pattern.SPECKLE,), (Pattern.PLAIN,), (Pattern.STAINS,)
_ROUGH = (Pattern.NOISE, Pattern.SPECKLE, Pattern.PHOTO)
_COAT = (Pattern.NOISE, Pattern.STAINS, Pattern.PLAIN)

RECIPES: dict[str, Recipe] = {
    "asphalt": Recipe(_ROUGH, ((0.06, 0.06, 0.065), (0.12, 0.115, 0.11), (0.03, 0.03, 0.032)), (0.6, 1.5), (0.6, 3), (0, 0.25), "asphalt"),
    "patch": Recipe(_ROUGH, ((0.035, 0.035, 0.038), (0.09, 0.088, 0.085)), (0.6, 1.4), (0.4, 2), (0, 0.3), "asphalt"),
    "pavement": Recipe((Pattern.TILES, Pattern.NOISE, Pattern.SPECKLE, Pattern.TILES), ((0.3, 0.29, 0.27), (0.2, 0.2, 0.2), (0.36, 0.3, 0.25)), (0.45, 0.8), (0.4, 1.6), (0, 0.15), "pavement"),
    "cobbles": Recipe((Pattern.TILES, Pattern.BRICK, Pattern.CHECKER), ((0.18, 0.17, 0.16), (0.25, 0.2, 0.16), (0.12, 0.12, 0.13)), (0.3, 0.6), (0.3, 0.9), (0, 0.3), "cobblestone"),
    "kerb": Recipe(_ROUGH, ((0.35, 0.34, 0.32), (0.22, 0.22, 0.22)), (0.6, 0.9), (0.4, 1.5), tag="concrete"),
    "line": Recipe(_COAT, ((0.75, 0.75, 0.72), (0.6, 0.6, 0.58)), (0.5, 0.9), (0.4, 1.5)),
    "yellow line": Recipe(_COAT, ((0.7, 0.45, 0.05),), (0.5, 0.9), (0.4, 1.5)),
    "grass": Recipe(_ROUGH, ((0.07, 0.13, 0.025), (0.1, 0.15, 0.04), (0.05, 0.085, 0.02), (0.17, 0.17, 0.06)), (0.4, 1.6), (0.5, 3), tag="grass"),
    "dry grass": Recipe(_ROUGH, ((0.3, 0.24, 0.1), (0.2, 0.17, 0.08)), (0.5, 1.4), (0.5, 3), tag="grass"),
    "crop": Recipe((Pattern.STRIPES, Pattern.NOISE, Pattern.SPECKLE), ((0.12, 0.17, 0.04), (0.35, 0.28, 0.1), (0.14, 0.09, 0.05)), (0.4, 0.8), (0.6, 3), tag="field"),
    "soil": Recipe(_ROUGH, ((0.12, 0.075, 0.045), (0.2, 0.14, 0.09), (0.07, 0.05, 0.035)), (0.5, 1.4), (0.5, 3), tag="soil"),
    "gravel": Recipe((Pattern.SPECKLE, Pattern.SPECKLE, Pattern.PHOTO), ((0.3, 0.28, 0.25), (0.2, 0.19, 0.18), (0.36, 0.3, 0.22)), (0.4, 1.5), (0.3, 1.2), tag="gravel"),
    "sand": Recipe(_ROUGH, ((0.5, 0.38, 0.22), (0.6, 0.5, 0.36), (0.42, 0.26, 0.14)), (0.75, 1.1), (0.6, 4), tag="sand"),
    "snow": Recipe(_NOISE, ((0.82, 0.84, 0.88), (0.75, 0.76, 0.78)), (0.85, 1.0), (1, 6), (0, 0.1), "snow"),
    "rock": Recipe(_ROUGH, ((0.25, 0.24, 0.22), (0.15, 0.14, 0.14), (0.36, 0.28, 0.2)), (0.4, 1.3), (0.5, 3), tag="rock"),
    "litter": Recipe(_ROUGH, ((0.16, 0.09, 0.045), (0.22, 0.13, 0.06), (0.09, 0.08, 0.035)), (0.4, 1.5), (0.4, 1.5), tag="forest floor"),
    "moss": Recipe(_ROUGH, ((0.07, 0.1, 0.025), (0.1, 0.12, 0.04)), (0.4, 1.2), (0.3, 2), tag="grass"),
    "water": Recipe(_NOISE, ((0.03, 0.06, 0.07), (0.05, 0.07, 0.05), (0.02, 0.035, 0.06)), (0.7, 1.4), (2, 8), (0.5, 0.95), "water"),
    "puddle": Recipe(_PLAIN, ((0.03, 0.03, 0.03),), (0.9, 1.1), (1, 3), (0.7, 0.95)),
    "brick": Recipe((Pattern.BRICK, Pattern.BRICK, Pattern.PHOTO), ((0.3, 0.1, 0.06), (0.38, 0.22, 0.13), (0.42, 0.32, 0.22), (0.2, 0.09, 0.07), (0.45, 0.42, 0.38)), (0.6, 2.2), (0.5, 1.2), tag="brick"),
    "plaster": Recipe((Pattern.NOISE, Pattern.STAINS, Pattern.PLAIN, Pattern.PHOTO), ((0.65, 0.6, 0.5), (0.7, 0.68, 0.65), (0.6, 0.42, 0.22), (0.5, 0.25, 0.18), (0.35, 0.45, 0.5), (0.62, 0.5, 0.45), (0.4, 0.45, 0.33)), (0.75, 0.95), (1, 4), tag="plaster"),
    "concrete": Recipe((Pattern.NOISE, Pattern.STAINS, Pattern.TILES, Pattern.PHOTO), ((0.35, 0.34, 0.32), (0.25, 0.25, 0.25), (0.45, 0.43, 0.4)), (0.6, 0.95), (1, 4), (0, 0.1), "concrete"),
    "stone": Recipe((Pattern.BRICK, Pattern.TILES, Pattern.NOISE, Pattern.PHOTO), ((0.4, 0.36, 0.28), (0.3, 0.29, 0.27), (0.5, 0.45, 0.36)), (0.5, 0.85), (0.8, 2), tag="stone"),
    "cladding": Recipe((Pattern.PLANKS, Pattern.STRIPES, Pattern.PLANKS), ((0.5, 0.5, 0.48), (0.25, 0.12, 0.06), (0.2, 0.3, 0.35), (0.62, 0.6, 0.52), (0.3, 0.05, 0.04)), (0.4, 0.8), (0.6, 1.6), tag="wood"),
    "trim": Recipe(_COAT, ((0.75, 0.74, 0.7), (0.2, 0.2, 0.2), (0.45, 0.4, 0.33), (0.1, 0.16, 0.12)), (0.8, 0.95), (0.5, 2), (0, 0.2)),
    "window": Recipe((Pattern.PLAIN, Pattern.NOISE), ((0.02, 0.025, 0.03), (0.05, 0.06, 0.07), (0.015, 0.02, 0.02)), (0.6, 2.5), (1, 3), (0.5, 0.95), "glass"),
    "lit window": Recipe((Pattern.PLAIN, Pattern.PRINT), ((0.9, 0.65, 0.35), (0.85, 0.8, 0.7)), (0.5, 0.9), (1, 3), (0.2, 0.5), "glass", glow=1.2),
    "curtain": Recipe((Pattern.STRIPES, Pattern.WEAVE), ((0.55, 0.52, 0.48), (0.4, 0.3, 0.25)), (0.6, 0.9), (0.2, 0.6), (0.2, 0.5), "fabric"),
    "facade glass": Recipe((Pattern.PLAIN, Pattern.NOISE), ((0.06, 0.1, 0.13), (0.04, 0.07, 0.07), (0.1, 0.12, 0.14)), (0.7, 1.5), (1, 4), (0.6, 0.98), "glass"),
    "shop": Recipe((Pattern.PRINT,), ((0.3, 0.25, 0.2), (0.1, 0.12, 0.14), (0.5, 0.45, 0.4)), (0.2, 3), (1, 3), (0.3, 0.8)),
    "roof tiles": Recipe((Pattern.TILES, Pattern.BRICK, Pattern.STRIPES), ((0.32, 0.11, 0.06), (0.2, 0.1, 0.07), (0.12, 0.12, 0.13), (0.28, 0.18, 0.12)), (0.5, 0.8), (0.6, 1.6), (0, 0.2), "roof"),
    "metal roof": Recipe((Pattern.STRIPES, Pattern.STAINS), ((0.4, 0.42, 0.44), (0.15, 0.2, 0.18), (0.3, 0.12, 0.08)), (0.7, 0.9), (0.5, 1.2), (0.2, 0.6), "metal"),
    "bark": Recipe(_ROUGH, ((0.1, 0.075, 0.055), (0.17, 0.14, 0.11), (0.06, 0.05, 0.04), (0.3, 0.29, 0.27)), (0.4, 1.6), (0.3, 1.2), tag="bark"),
    "leaves": Recipe(_NOISE, ((0.06, 0.12, 0.02), (0.1, 0.17, 0.03), (0.035, 0.07, 0.018), (0.15, 0.19, 0.05), (0.07, 0.1, 0.04)), (0.4, 1.5), (0.2, 1.0), (0, 0.15), "leaves"),
    "autumn leaves": Recipe(_NOISE, ((0.35, 0.15, 0.03), (0.4, 0.28, 0.05), (0.25, 0.07, 0.03)), (0.5, 1.5), (0.2, 1.0), (0, 0.1), "leaves"),
    "conifer": Recipe(_NOISE, ((0.025, 0.055, 0.025), (0.04, 0.07, 0.03), (0.05, 0.08, 0.06)), (0.3, 1.5), (0.2, 0.8), tag="leaves"),
    "blade": Recipe(_NOISE, ((0.1, 0.17, 0.03), (0.17, 0.2, 0.06), (0.3, 0.26, 0.12)), (0.5, 1.3), (0.2, 1), tag="grass"),
    "flower": Recipe(_PLAIN, ((0.6, 0.05, 0.05), (0.7, 0.55, 0.05), (0.5, 0.1, 0.45), (0.75, 0.72, 0.7), (0.2, 0.15, 0.6), (0.75, 0.25, 0.05)), (0.7, 1), (0.2, 1)),
    "wood": Recipe((Pattern.WOOD, Pattern.PLANKS, Pattern.PHOTO), ((0.25, 0.15, 0.08), (0.14, 0.08, 0.045), (0.3, 0.28, 0.25), (0.4, 0.26, 0.14)), (0.5, 0.8), (0.4, 1.2), (0, 0.2), "wood"),
    "painted wood": Recipe((Pattern.PLANKS, Pattern.STAINS, Pattern.PLAIN), ((0.7, 0.7, 0.67), (0.1, 0.2, 0.12), (0.35, 0.08, 0.05), (0.1, 0.17, 0.3)), (0.6, 0.9), (0.4, 1.2), (0, 0.2), "wood"),
    "metal": Recipe(_COAT, ((0.35, 0.36, 0.37), (0.12, 0.12, 0.13), (0.55, 0.56, 0.57), (0.06, 0.09, 0.07)), (0.7, 0.95), (0.5, 2), (0.2, 0.7), "metal"),
    "dark metal": Recipe(_COAT, ((0.03, 0.03, 0.035), (0.06, 0.07, 0.06), (0.1, 0.1, 0.1)), (0.8, 1.2), (0.5, 2), (0.1, 0.5), "metal"),
    "rust": Recipe(_STAINS, ((0.25, 0.11, 0.05), (0.18, 0.09, 0.06)), (0.4, 1.2), (0.5, 2), (0, 0.15), "rust"),
    "car paint": Recipe(_PLAIN, ((0.02, 0.02, 0.022), (0.6, 0.6, 0.6), (0.3, 0.31, 0.32), (0.1, 0.11, 0.12), (0.35, 0.03, 0.03), (0.03, 0.08, 0.3), (0.05, 0.15, 0.1), (0.45, 0.4, 0.3), (0.6, 0.35, 0.03), (0.75, 0.75, 0.73)), (0.8, 1.0), (1, 3), (0.5, 0.95), "car paint"),
    "car glass": Recipe(_PLAIN, ((0.015, 0.018, 0.02), (0.04, 0.05, 0.055)), (0.9, 1.1), (1, 3), (0.7, 0.98), "glass"),
    "tyre": Recipe(_PLAIN, ((0.015, 0.015, 0.016), (0.03, 0.03, 0.03)), (0.9, 1.1), (0.3, 1), (0, 0.15), "rubber"),
    "chrome": Recipe(_PLAIN, ((0.5, 0.5, 0.52), (0.3, 0.3, 0.32)), (0.9, 1), (0.3, 1), (0.6, 1), "metal"),
    "headlight": Recipe(_PLAIN, ((0.8, 0.8, 0.78),), (0.9, 1), (0.3, 1), (0.5, 0.9)),
    "tail light": Recipe(_PLAIN, ((0.5, 0.02, 0.02),), (0.9, 1), (0.3, 1), (0.4, 0.8)),
    "lamp": Recipe(_PLAIN, ((0.9, 0.85, 0.7),), (0.9, 1), (0.3, 1), (0.2, 0.5)),
    "sign": Recipe((Pattern.PRINT, Pattern.PLAIN, Pattern.PRINT), ((0.05, 0.12, 0.5), (0.6, 0.05, 0.04), (0.75, 0.74, 0.7), (0.04, 0.25, 0.1), (0.7, 0.5, 0.05), (0.03, 0.03, 0.03)), (0.3, 3), (0.5, 1.5), (0.1, 0.5), "sign"),
    "poster": Recipe((Pattern.PRINT,), ((0.6, 0.55, 0.5), (0.1, 0.2, 0.4), (0.5, 0.1, 0.1), (0.1, 0.3, 0.15)), (0.3, 2), (0.6, 2), (0, 0.4), "poster"),
    "container": Recipe((Pattern.STRIPES, Pattern.STAINS), ((0.35, 0.06, 0.04), (0.04, 0.12, 0.3), (0.05, 0.22, 0.12), (0.55, 0.3, 0.05), (0.45, 0.45, 0.44)), (0.7, 0.9), (0.3, 0.6), (0.05, 0.3), "metal"),
    "awning": Recipe((Pattern.STRIPES, Pattern.WEAVE, Pattern.PLAIN), ((0.5, 0.06, 0.05), (0.05, 0.2, 0.1), (0.6, 0.55, 0.45), (0.05, 0.1, 0.3), (0.7, 0.5, 0.1)), (0.3, 2), (0.3, 0.8), tag="fabric"),
    "plastic": Recipe(_PLAIN, ((0.65, 0.15, 0.02), (0.6, 0.03, 0.03), (0.05, 0.2, 0.5), (0.05, 0.25, 0.08), (0.7, 0.55, 0.03), (0.06, 0.06, 0.06)), (0.8, 1), (0.5, 1), (0.2, 0.5), "plastic"),
    "hard hat": Recipe(_PLAIN, ((0.7, 0.5, 0.03), (0.75, 0.75, 0.75), (0.6, 0.15, 0.02)), (0.9, 1), (0.5, 1), (0.3, 0.5), "plastic"),
    "cardboard": Recipe((Pattern.PRINT, Pattern.NOISE, Pattern.PHOTO), ((0.35, 0.24, 0.14),), (0.6, 0.9), (0.5, 1.5), tag="cardboard"),
    "hay": Recipe(_ROUGH, ((0.45, 0.34, 0.14),), (0.5, 1.2), (0.3, 1), tag="straw"),
    "far hill": Recipe(_NOISE, ((0.07, 0.1, 0.05), (0.12, 0.13, 0.1), (0.2, 0.19, 0.16), (0.05, 0.08, 0.06)), (0.5, 1.4), (20, 80), tag="hill"),
}  # fmt: skip


class OutdoorPalette(Palette):
    """Its kinds are recipes by name, so that a held-out layout can bring others."""

    def __init__(
        self,
        rng: np.random.Generator,
        recipes: Mapping[str, Recipe] = RECIPES,
        materials: list[Material] | None = None,
    ) -> None:
        super().__init__(rng, materials)
        self._recipes = recipes

    def another(self, kind: str) -> int:
        """One more variant of a kind. KeyError for an unknown name."""
        return self.add(self._drawn(self._recipes[kind]))

    def _drawn(self, recipe: Recipe) -> Material:
        rng = self.rng
        pattern = recipe.patterns[rng.integers(len(recipe.patterns))]
        base = np.array(recipe.colours[rng.integers(len(recipe.colours))])
        if rng.random() < 0.4:  # between two of the given colours, so that they are no fixed set
            base = base + (np.array(recipe.colours[rng.integers(len(recipe.colours))]) - base) * rng.uniform(0, 0.7)
        base = base * rng.uniform(0.7, 1.35) * rng.uniform(0.9, 1.1, 3)
        second = base * rng.uniform(*recipe.second) * rng.uniform(0.92, 1.08, 3)
        shine, tile = float(rng.uniform(*recipe.shine)), float(rng.uniform(*recipe.tile_m))
        return Material(pattern, _colour(base), _colour(second), tile, shine, recipe.glow, recipe.tag)


def _colour(channels: NDArray[np.floating]) -> Colour:
    red, green, blue = np.clip(channels, 0.005, 0.92)
    return float(red), float(green), float(blue)

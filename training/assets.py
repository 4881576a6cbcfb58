"""Photographed surfaces from packages that the `training` extra installs; nothing of them is part of this repository.

materials.py makes tiles of them for Pattern.PHOTO. Packages: miniworld (Apache-2.0), and robosuite (MIT) where somebody
has installed it. They are found, not imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Photographed(NamedTuple):
    """A picture of a surface that repeats."""

    tags: frozenset[str]
    """What the surface is: wood, brick, grass, …"""
    picture: NDArray[np.uint8]
    """(H, W, 3) RGB."""


_FOLDERS = {"miniworld": "textures", "robosuite": "models/assets/textures"}

_TAGS = {
    "asphalt_1": "asphalt road ground",
    "brick_wall_1": "brick wall",
    "cardboard_1": "cardboard paper box",
    "cardboard_3": "cardboard paper box",
    "cardboard_4": "cardboard paper fabric cloth",
    "ceiling_tile_noborder_1": "ceiling",
    "ceiling_tiles_1": "ceiling tiles",
    "cinder_blocks_1": "brick concrete block wall",
    "concrete_1": "concrete plaster pavement",
    "concrete_2": "concrete plaster pavement",
    "concrete_3": "concrete plaster pavement",
    "concrete_tiles_1": "concrete tiles pavement",
    "drywall_1": "plaster wall paint",
    "floor_tiles_white": "tiles ceramic",
    "grass_1": "grass ground leaves lawn",
    "grass_2": "grass ground leaves lawn",
    "marble_1": "marble stone",
    "marble_2": "marble stone",
    "metal_grill_1": "metal",
    "metal_grill_2": "metal",
    "rock_1": "rock stone soil ground dirt",
    "stucco_1": "plaster wall stucco carpet",
    "wood_1": "wood",
    "wood_2": "wood",
    "wood_planks_1": "wood planks bark fence",
    "blue-wood": "wood",
    "brass-ambra": "metal",
    "ceramic": "ceramic tiles",
    "clay": "soil ground dirt clay",
    "cream-plaster": "plaster wall",
    "dark-wood": "wood",
    "dirt": "soil ground dirt gravel",
    "gray-felt": "fabric carpet cloth",
    "gray-plaster": "plaster wall concrete",
    "gray-woodgrain": "wood",
    "light-wood": "wood",
    "red-wood": "wood",
    "steel-brushed": "metal",
    "steel-scratched": "metal",
    "white-bricks": "brick wall",
    "wood-tiles": "wood planks parquet",
    "wood-varnished-panels": "wood planks",
}


def photographed_surfaces() -> list[Photographed]:
    """The pictures of the installed packages, in the order of their names; empty without the packages."""
    found = {path.stem: path for folder in _folders() for path in sorted(folder.glob("*.png"))}
    surfaces = []
    for name in sorted(_TAGS.keys() & found.keys()):
        picture = cv2.imread(str(found[name]), cv2.IMREAD_COLOR)
        if picture is not None:
            surfaces.append(Photographed(frozenset(_TAGS[name].split()), np.ascontiguousarray(picture[..., ::-1])))
    return surfaces


def _folders() -> Iterator[Path]:
    for package, inside in _FOLDERS.items():
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / inside

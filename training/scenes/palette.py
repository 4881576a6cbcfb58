"""How a scene keeps the materials that its layout asks for by name, and what its colours are made with.

indoor_palette.py, outdoor_palette.py and subjects.py say which materials there are; the layouts draw from those.
"""

from __future__ import annotations

import colorsys

import numpy as np

from depthwire.training.scene import Colour, Material


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A display colour as linear RGB, value being the brightness as seen on a screen."""
    red, green, blue = (channel**2.2 for channel in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
    return (red, green, blue)


def darker(colour: Colour, factor: float) -> Colour:
    """The same hue with another strength, kept within what a surface can reflect."""
    red, green, blue = (min(channel * factor, 0.95) for channel in colour)
    return (red, green, blue)


class Palette:
    """The materials of one scene, made as they are asked for; every method gives an index into `materials`.

    Its kinds are its methods without arguments, by their names; a palette with a table of kinds has its own `another`.
    """

    def __init__(self, rng: np.random.Generator, materials: list[Material] | None = None) -> None:
        """materials: the list of the scene's other palette, where two have to share one."""
        self.rng = rng
        self.materials: list[Material] = [] if materials is None else materials
        self._kept: dict[str, list[int]] = {}

    def add(self, material: Material) -> int:
        """The index of a material of one's own."""
        self.materials.append(material)
        return len(self.materials) - 1

    def another(self, kind: str) -> int:
        """One more variant of a kind."""
        return int(getattr(self, kind)())

    def some(self, kind: str, count: int) -> list[int]:
        """Several more variants."""
        return [self.another(kind) for _ in range(count)]

    def __call__(self, kind: str) -> int:
        """The scene's first variant of a kind."""
        if kind not in self._kept:
            self._kept[kind] = [self.another(kind)]
        return self._kept[kind][0]

    def any_of(self, *kinds: str) -> int:
        """The scene's first variant of one of the kinds, by chance."""
        return self(kinds[self.rng.integers(len(kinds))])

    def one_of(self, kind: str, most: int = 4) -> int:
        """A variant of a kind, kept or new; a scene keeps at most so many, as real rooms do."""
        kept = self._kept.setdefault(kind, [])
        if len(kept) < most and (not kept or self.rng.random() < 0.6):
            kept.append(self.another(kind))
            return kept[-1]
        return kept[int(self.rng.integers(len(kept)))]

    def between(self, low: float, high: float) -> float:
        """A number drawn evenly."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < probability)

    def colour(
        self,
        saturation: tuple[float, float] = (0.0, 0.9),
        value: tuple[float, float] = (0.1, 0.95),
        hue: tuple[float, float] = (0.0, 1.0),
    ) -> Colour:
        """A colour within these ranges, of any hue where none is given."""
        return hsv(self.between(*hue), self.between(*saturation), self.between(*value))

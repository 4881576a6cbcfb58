"""Materials of indoor scenes by purpose: what walls, floors, furniture and small things are made of.

stage.py makes one IndoorPalette for each room, and the indoor layouts and their furniture take materials from it.
"""

from __future__ import annotations

from depthwire.training.scene import Colour, Material, Pattern
from depthwire.training.scenes.palette import Palette, darker, hsv


class IndoorPalette(Palette):
    """Each purpose is a method that makes a new variant; `one_of` shares variants between the things of a room."""

    def _make(
        self,
        patterns: tuple[Pattern, ...],
        colour: Colour,
        tile: tuple[float, float],
        contrast: tuple[float, float],
        shine: tuple[float, float],
        tag: str,
    ) -> int:
        """A material whose second colour is the first one, stronger or weaker by a factor."""
        pattern = patterns[int(self.rng.integers(len(patterns)))]
        second = darker(colour, self.between(*contrast))
        return self.add(Material(pattern, colour, second, self.between(*tile), self.between(*shine), 0.0, tag))

    def wall(self) -> int:
        """Paint mostly, else wallpaper, plaster, brick, panels."""
        draw = self.rng.random()
        light = hsv(self.between(0.03, 0.18), self.between(0.0, 0.18), self.between(0.6, 0.95))
        if draw < 0.45:
            return self._make(
                (Pattern.PLAIN, Pattern.NOISE, Pattern.STAINS), light, (0.7, 3), (0.93, 1.04), (0, 0.1), "wall"
            )
        if draw < 0.65:
            paint = self.colour((0.1, 0.6), (0.25, 0.9))
            return self._make(
                (Pattern.PLAIN, Pattern.NOISE, Pattern.STAINS), paint, (0.7, 3), (0.9, 1.08), (0, 0.15), "wall"
            )
        if draw < 0.82:
            paper = self.colour((0.02, 0.45), (0.4, 0.95))
            kinds = (Pattern.STRIPES, Pattern.PRINT, Pattern.WEAVE, Pattern.CHECKER, Pattern.SPECKLE)
            return self._make(kinds, paper, (0.1, 1.2), (0.4, 1.5), (0, 0.05), "wallpaper")
        if draw < 0.88:
            return self.brick()
        if draw < 0.94:
            return self._make((Pattern.PHOTO, Pattern.NOISE), light, (1, 3), (0.6, 0.9), (0, 0.05), "plaster")
        return self.panels()

    def brick(self) -> int:
        """Bare or painted brickwork."""
        stone = hsv(self.between(0.0, 0.07), self.between(0.2, 0.65), self.between(0.3, 0.75))
        if self.chance(0.3):
            stone = hsv(0.1, 0.03, self.between(0.7, 0.95))
        return self._make((Pattern.BRICK,), stone, (0.6, 1.2), (0.5, 1.8), (0, 0.1), "brick")

    def panels(self) -> int:
        """Boards on a wall."""
        return self._make((Pattern.PLANKS, Pattern.WOOD), self._timber(), (0.8, 2), (0.4, 0.8), (0.05, 0.4), "wood")

    def _timber(self) -> Colour:
        return hsv(self.between(0.04, 0.11), self.between(0.2, 0.7), self.between(0.2, 0.85))

    def ceiling(self) -> int:
        """Light, sometimes boards or tiles."""
        white = hsv(0.12, self.between(0, 0.1), self.between(0.7, 0.97))
        if self.chance(0.15):
            return self._make((Pattern.TILES,), white, (0.6, 1.2), (0.5, 0.8), (0, 0.05), "ceiling")
        if self.chance(0.12):
            return self.panels()
        return self._make(
            (Pattern.PLAIN, Pattern.NOISE, Pattern.STAINS), white, (1, 3), (0.88, 1.05), (0, 0.05), "plaster"
        )

    def floor(self) -> int:
        """Any floor of a home or an office."""
        kinds = (self.wood_floor, self.wood_floor, self.carpet, self.tiles, self.lino)
        return kinds[int(self.rng.integers(len(kinds)))]()

    def wood_floor(self) -> int:
        """Boards or parquet."""
        kinds = (Pattern.PLANKS, Pattern.PLANKS, Pattern.WOOD, Pattern.PHOTO)
        return self._make(kinds, self._timber(), (0.6, 1.8), (0.5, 0.85), (0.05, 0.5), "wood")

    def carpet(self) -> int:
        """Fitted carpet."""
        wool = self.colour((0.0, 0.5), (0.2, 0.75))
        kinds = (Pattern.SPECKLE, Pattern.WEAVE, Pattern.NOISE, Pattern.PHOTO)
        return self._make(kinds, wool, (0.1, 0.6), (0.55, 1.4), (0, 0), "carpet")

    def tiles(self) -> int:
        """Tiles for floors, kitchens and bathrooms."""
        glaze = self.colour((0.0, 0.35), (0.3, 0.95))
        kinds = (Pattern.TILES, Pattern.TILES, Pattern.TILES, Pattern.CHECKER)
        return self._make(kinds, glaze, (0.15, 0.9), (0.35, 1.5), (0.1, 0.7), "tiles")

    def lino(self) -> int:
        """Linoleum, vinyl, terrazzo."""
        coat = self.colour((0.0, 0.22), (0.3, 0.85))
        return self._make(
            (Pattern.SPECKLE, Pattern.NOISE, Pattern.STAINS), coat, (0.3, 1.5), (0.7, 1.25), (0.1, 0.5), "floor"
        )

    def concrete(self) -> int:
        """Floors and walls of halls and garages."""
        grey = hsv(self.between(0.05, 0.6), self.between(0, 0.08), self.between(0.35, 0.75))
        kinds = (Pattern.NOISE, Pattern.STAINS, Pattern.STAINS, Pattern.PHOTO)
        return self._make(kinds, grey, (1, 4), (0.5, 0.9), (0, 0.3), "concrete")

    def wood(self) -> int:
        """Furniture wood."""
        return self._make((Pattern.WOOD,), self._timber(), (0.4, 1.2), (0.45, 0.9), (0.05, 0.5), "wood")

    def lacquer(self) -> int:
        """Painted or laminated furniture."""
        draw = self.rng.random()
        coat = (
            hsv(0.1, self.between(0, 0.08), self.between(0.75, 0.97))
            if draw < 0.5
            else self.colour((0, 0.7), (0.08, 0.9))
        )
        return self._make(
            (Pattern.PLAIN, Pattern.PLAIN, Pattern.STAINS), coat, (0.5, 1.5), (0.7, 1.2), (0.05, 0.5), "paint"
        )

    def furniture(self) -> int:
        """Wood or lacquer."""
        return self.wood() if self.chance(0.55) else self.lacquer()

    def fabric(self) -> int:
        """Covers, curtains, bedding, clothes."""
        cloth = self.colour((0.0, 0.7), (0.12, 0.9))
        kinds = (
            Pattern.WEAVE,
            Pattern.PLAIN,
            Pattern.STRIPES,
            Pattern.CHECKER,
            Pattern.PRINT,
            Pattern.NOISE,
            Pattern.PHOTO,
        )
        return self._make(kinds, cloth, (0.05, 0.5), (0.4, 1.5), (0, 0.05), "fabric")

    def linen(self) -> int:
        """Light bedding and towels."""
        cloth = self.colour((0.0, 0.2), (0.7, 0.97))
        return self._make(
            (Pattern.PLAIN, Pattern.WEAVE, Pattern.STRIPES), cloth, (0.1, 0.4), (0.6, 1.0), (0, 0), "fabric"
        )

    def leather(self) -> int:
        """Smooth seats."""
        hide = hsv(self.between(0.0, 0.12), self.between(0.1, 0.7), self.between(0.08, 0.6))
        return self._make((Pattern.NOISE, Pattern.PLAIN), hide, (0.2, 0.6), (0.7, 1.2), (0.15, 0.4), "leather")

    def cover(self) -> int:
        """What seats are covered with."""
        return self.fabric() if self.chance(0.7) else self.leather()

    def metal(self) -> int:
        """Bare or coated steel and aluminium."""
        bare = hsv(self.between(0.05, 0.6), self.between(0, 0.1), self.between(0.15, 0.85))
        return self._make((Pattern.PLAIN, Pattern.STAINS), bare, (0.3, 1), (0.6, 1.1), (0.3, 0.9), "metal")

    def machine_paint(self) -> int:
        """Strong colours of machines, racks and tools."""
        hues = (0.0, 0.04, 0.08, 0.14, 0.33, 0.58, 0.62)
        coat = hsv(hues[int(self.rng.integers(len(hues)))], self.between(0.35, 0.9), self.between(0.25, 0.75))
        return self._make((Pattern.PLAIN, Pattern.STAINS), coat, (0.4, 1.5), (0.5, 0.9), (0.1, 0.5), "metal")

    def plastic(self) -> int:
        """Any colour, some shine; black, grey and white often."""
        coat = (
            hsv(0.6, self.between(0, 0.1), self.between(0.05, 0.95))
            if self.chance(0.5)
            else self.colour((0.3, 1), (0.15, 0.9))
        )
        return self._make((Pattern.PLAIN,), coat, (0.3, 1), (0.8, 1.1), (0.1, 0.6), "plastic")

    def dark_plastic(self) -> int:
        """Screens that are off, cases, tyres, handles."""
        black = hsv(0.6, self.between(0, 0.1), self.between(0.05, 0.25))
        return self._make((Pattern.PLAIN,), black, (0.3, 1), (0.8, 1.2), (0.1, 0.7), "plastic")

    def ceramic(self) -> int:
        """Cups, plates, basins."""
        glaze = (
            hsv(0.1, self.between(0, 0.05), self.between(0.8, 0.97))
            if self.chance(0.5)
            else self.colour((0.1, 0.8), (0.15, 0.9))
        )
        kinds = (Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES, Pattern.PRINT)
        return self._make(kinds, glaze, (0.04, 0.12), (0.3, 1.2), (0.4, 0.9), "ceramic")

    def sanitary(self) -> int:
        """Toilets, basins, tubs."""
        white = hsv(self.between(0.05, 0.2), self.between(0, 0.1), self.between(0.75, 0.97))
        return self._make((Pattern.PLAIN,), white, (0.3, 1), (0.9, 1.0), (0.4, 0.8), "ceramic")

    def glass(self) -> int:
        """Bottles and vases, drawn as if opaque."""
        tint = self.colour((0.1, 0.7), (0.1, 0.75))
        return self._make((Pattern.PLAIN,), tint, (0.3, 1), (0.8, 1.1), (0.7, 1.0), "glass")

    def cardboard(self) -> int:
        """Boxes and parcels."""
        brown = hsv(self.between(0.06, 0.1), self.between(0.25, 0.5), self.between(0.5, 0.8))
        return self._make(
            (Pattern.PLAIN, Pattern.NOISE, Pattern.STAINS), brown, (0.3, 1), (0.7, 1.1), (0, 0.1), "cardboard"
        )

    def print(self) -> int:
        """Packs, covers, labels, magazines: small strong shapes."""
        first, second = self.colour((0.1, 0.95), (0.15, 0.95)), self.colour((0.0, 0.9), (0.1, 0.97))
        pattern = Pattern.PRINT if self.chance(0.8) else Pattern.STRIPES
        return self.add(Material(pattern, first, second, self.between(0.08, 0.4), self.between(0, 0.5), 0.0, "print"))

    def poster(self) -> int:
        """A picture on a wall; its shapes mean no depth."""
        first, second = self.colour((0.0, 0.9), (0.1, 0.97)), self.colour((0.0, 0.95), (0.05, 0.95))
        kinds = (Pattern.PRINT, Pattern.PRINT, Pattern.PHOTO, Pattern.STRIPES, Pattern.CHECKER, Pattern.NOISE)
        pattern = kinds[int(self.rng.integers(len(kinds)))]
        return self.add(Material(pattern, first, second, self.between(0.3, 1.5), self.between(0, 0.5), 0.0, "print"))

    def paper(self) -> int:
        """White sheets, printed or not."""
        white = hsv(0.12, self.between(0, 0.08), self.between(0.8, 0.97))
        return self._make((Pattern.PLAIN, Pattern.PRINT), white, (0.1, 0.3), (0.05, 0.8), (0, 0.1), "paper")

    def book(self) -> int:
        """Spines and covers."""
        cover = self.colour((0.0, 0.9), (0.08, 0.9))
        return self._make(
            (Pattern.PLAIN, Pattern.PRINT, Pattern.STRIPES), cover, (0.05, 0.3), (0.2, 2.5), (0, 0.4), "print"
        )

    def leaf(self) -> int:
        """House plants."""
        green = hsv(self.between(0.2, 0.4), self.between(0.3, 0.85), self.between(0.15, 0.6))
        return self._make(
            (Pattern.NOISE, Pattern.PLAIN, Pattern.STRIPES), green, (0.05, 0.4), (0.5, 1.4), (0, 0.3), "leaves"
        )

    def fruit(self) -> int:
        """Apples, lemons, balls."""
        skin = hsv(self.between(-0.05, 0.35), self.between(0.5, 0.95), self.between(0.3, 0.95))
        return self._make(
            (Pattern.PLAIN, Pattern.NOISE, Pattern.SPECKLE), skin, (0.05, 0.2), (0.6, 1.1), (0.05, 0.5), "fruit"
        )

    def screen(self) -> int:
        """A monitor that is on, or off."""
        if self.chance(0.35):
            return self.dark_plastic()
        first, second = self.colour((0.0, 0.6), (0.3, 1.0)), self.colour((0.0, 0.8), (0.05, 0.9))
        return self.add(
            Material(Pattern.PRINT, first, second, self.between(0.2, 0.7), 0.3, self.between(0.4, 1.5), "screen")
        )

    def glow(self, strength: tuple[float, float] = (1.5, 6.0)) -> int:
        """Lamp shades and tubes that are on."""
        white = hsv(self.between(0.06, 0.16), self.between(0, 0.35), 1.0)
        return self.add(Material(Pattern.PLAIN, white, white, 1.0, 0.0, self.between(*strength), "lamp"))

    def ground(self) -> int:
        """What lies outside a window."""
        kinds = (
            (Pattern.NOISE, (0.2, 0.35), "grass"),
            (Pattern.NOISE, (0.05, 0.15), "ground"),
            (Pattern.TILES, (0.05, 0.6), "asphalt"),
        )
        pattern, hue, tag = kinds[int(self.rng.integers(len(kinds)))]
        earth = hsv(self.between(*hue), self.between(0.05, 0.5), self.between(0.3, 0.65))
        return self._make((pattern,), earth, (1, 4), (0.6, 1.3), (0, 0.05), tag)

    def facade(self) -> int:
        """Houses seen through a window."""
        coat = hsv(self.between(0, 0.2), self.between(0, 0.5), self.between(0.4, 0.95))
        return self._make(
            (Pattern.TILES, Pattern.BRICK, Pattern.PLAIN, Pattern.CHECKER),
            coat,
            (1.5, 4),
            (0.3, 0.9),
            (0, 0.3),
            "facade",
        )

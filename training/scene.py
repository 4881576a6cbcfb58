"""What a scene is: a mesh, its materials, its light, its air, and the places from which a camera may look at it.

The layouts in scenes/ make it, render.py draws it. World frame: metres, x east, y north, z up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from depthwire.training.mesh import Mesh

Colour = tuple[float, float, float]
"""Linear RGB; a surface reflects between 0 and 1 of each."""
Vector = tuple[float, float, float]


class Pattern(Enum):
    """How a material varies over its surface. materials.py draws each as a tile."""

    PLAIN = "plain"
    NOISE = "noise"
    """Cloudy at many scales: plaster, concrete, soil, grass, leaves, asphalt."""
    SPECKLE = "speckle"
    """Grains: gravel, terrazzo, carpet, granite."""
    WOOD = "wood"
    PLANKS = "planks"
    BRICK = "brick"
    TILES = "tiles"
    STRIPES = "stripes"
    CHECKER = "checker"
    WEAVE = "weave"
    """Cloth."""
    PRINT = "print"
    """Lettering, posters, labels, screens: shapes of strong colour."""
    STAINS = "stains"
    """A plain coat with dirt, scratches and runs."""
    PHOTO = "photo"
    """A real photographed texture, where the assets are there; else NOISE."""


@dataclass(frozen=True)
class Material:
    """What a surface is made of."""

    pattern: Pattern
    colour: Colour
    second: Colour
    """The other colour of the pattern: mortar, grain, stripes."""
    tile_m: float
    """Side of one repetition of the pattern, metres."""
    shine: float = 0.0
    """0 matt … 1 polished: strength of the highlight and of the sky's reflection."""
    glow: float = 0.0
    """Light it gives by itself, in units of its colour: lamps, screens, windows."""
    tag: str = ""
    """What photographed textures may stand for it: wood, brick, grass, asphalt, fabric, …"""


@dataclass(frozen=True)
class Lamp:
    """A point light that fades with the square of the distance."""

    position: Vector
    colour: Colour
    """Radiance received at one metre."""


@dataclass(frozen=True)
class Light:
    """How a scene is lit."""

    sun_direction: Vector | None
    """Unit vector towards the sun; None without one."""
    sun: Colour
    ambient: Colour
    """From everywhere; darkened in corners by render.py."""
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True)
class Sky:
    """What is seen where no surface is."""

    zenith: Colour
    horizon: Colour
    clouds: float = 0.0
    """Share of the sky that they cover, 0…1."""


@dataclass(frozen=True)
class Viewpoint:
    """A camera in the world."""

    position: Vector
    yaw: float
    """Radians, 0 looks along +y (north), positive turns left (counter-clockwise from above)."""
    pitch: float
    """Radians, positive looks up."""
    roll: float
    horizontal_fov: float
    """Radians, for the whole width of the picture."""


@dataclass
class Scene:
    """One world to photograph."""

    kind: str
    """The layout's name: room, corridor, tabletop, street, …"""
    outdoors: bool
    mesh: Mesh
    materials: list[Material]
    light: Light
    sky: Sky
    fog_m: float | None = None
    """Distance at which air hides 63 % of what is behind it; None for clear air."""
    fog_colour: Colour = (0.7, 0.75, 0.8)
    views: list[Viewpoint] = field(default_factory=list)
    """Where the layout has made sure that a camera can stand: free space, something to see."""

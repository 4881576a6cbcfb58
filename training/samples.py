"""What the renderer's compiled loops work on: a scene's triangles and lights, and where rays went.

render.py fills these tables; shading.py and smoothing.py read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats, Ints

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code, kept between processes; sums may be reordered, infinities keep their meaning.

    What is kept is made anew when the function's own file changes, not when a constant or a function of another file
    does: compiled functions that call each other share a file.
    """
    return cast(F, numba.njit(cache=True, fastmath={"contract", "arcp", "nsz", "reassoc", "afn"})(function))


class Shape(NamedTuple):
    """A scene's triangles, as shading needs them."""

    normal: Floats
    """(M, 3) unit normals."""
    corners: Floats
    """(M, 3, 3) unit normals at the corners: the face's own, or those of the curved surface that it is part of."""
    smooth: NDArray[np.bool_]
    material: Ints


class Lights(NamedTuple):
    """Everything that gives light. The first source is the sun, black where there is none; then come the lamps."""

    place: Floats
    """(L, 3): the sun's direction, the lamps' positions."""
    colour: Floats
    """(L, 3)"""
    ambient: Floats
    """(3, 3): from above, from the sides, from below."""
    zenith: Floats
    horizon: Floats
    clouds: float
    cloud_tile: int
    fog: Floats
    """(4,): colour and density in 1/m."""
    outdoors: bool


class Samples(NamedTuple):
    """Where rays went."""

    origin: Floats
    """(N, 3)"""
    direction: Floats
    """(N, 3), of any length."""
    reach: Floats
    """(N,) in lengths of the direction."""
    u: Floats
    v: Floats
    face: Ints
    """(N,), -1 where the ray met nothing."""

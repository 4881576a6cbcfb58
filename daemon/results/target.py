"""Where one result goes, and what makes it of a network's output. The worker makes it, engines write to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Target:
    """Where one result goes, in the arena, and what makes it of the network's output."""

    depth: npt.NDArray[np.float32]
    """(height, width) of the picture."""
    points: npt.NDArray[np.float32] | None
    """(height, width, 3), or None where only depth is wanted."""
    scale: float
    """The network's output times this is the depth."""
    fx: float
    fy: float
    cx: float
    cy: float

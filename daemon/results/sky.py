"""What becomes of the depth of the sky, where a network tells it (Depth Anything 3). For whoever finishes a depth map,
at the network's own size, before it is resized to the picture's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SKY_FROM = 0.3
"""A pixel is sky where the network's sky output is at least this, as in the official code."""
FAR_QUANTILE = 0.99
"""Of the depth of all that is not sky: the depth that sky gets."""
FEW_PIXELS = 10
"""Where no more pixels than this are sky, or are not, the network's own depth stays."""


def fill_sky(depth: NDArray[np.float32], sky: NDArray[np.float32]) -> None:
    """Give the sky the 0.99 quantile of the depth of all else, in place.

    Unless 10 pixels or fewer are sky, or are not. The official code takes the quantile of a random sample where more
    than 100,000 pixels are not sky; this is the exact one, so that the same picture gets the same answer twice.

    Args:
        depth: (h, w), the larger the farther.
        sky: (h, w), the network's sky output.
    """
    is_sky = sky >= SKY_FROM
    count = int(np.count_nonzero(is_sky))
    if min(count, is_sky.size - count) > FEW_PIXELS:
        depth[is_sky] = np.quantile(depth[~is_sky], FAR_QUANTILE)


def invalidate_sky(depth: NDArray[np.float32], sky: NDArray[np.float32]) -> None:
    """Make the depth of the sky NaN, in place: also of a few pixels, and of a picture of nothing else.

    Args:
        depth: (h, w).
        sky: (h, w), the network's sky output.
    """
    depth[sky >= SKY_FROM] = np.nan

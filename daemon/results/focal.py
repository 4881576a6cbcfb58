"""Metres from the depth that a metric network of Depth Anything 3 gives. For whoever scales a depth map: the factor is
each request's own, also where requests of different cameras share a batch.
"""

from __future__ import annotations

CANONICAL_FOCAL = 300.0
"""Focal length in pixels of the network's input at which its depth is in metres."""


def metres_per_unit(fx: float, fy: float, width: int, height: int, input_width: int, input_height: int) -> float:
    """Factor from the network's depth to metres.

    Args:
        fx, fy: focal lengths in pixels of the picture.
        width, height: of the picture, in pixels.
        input_width, input_height: of the network's input, in pixels, to which the focal lengths are scaled: taken as
            they are, metres would be off by width / input_width.
    """
    return (fx * input_width / width + fy * input_height / height) / 2 / CANONICAL_FOCAL

"""How big the picture is when the network sees it. Pure arithmetic, without torch or numpy: the front calls it to
group requests into batches of one shape, the worker to resize, and both must come to the same numbers.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from depthwire.protocol.messages import PATCH


@lru_cache(maxsize=1024)  # cameras send the same size again and again
def network_input_size(height: int, width: int, model_input_size: int) -> tuple[int, int]:
    """Size (height, width) in pixels, multiples of 14, at which a picture enters the network.

    The "lower bound" rule of the official Depth Anything V2 `Resize`: the picture is scaled by
    max(size / height, size / width), so that its shorter side becomes `model_input_size`, and each side is rounded
    to the nearest multiple of 14, a tie to the even one, but up where rounding would fall below `model_input_size`.
    640×480 at 518 is 686×518; 1242×375 is 1722×518.

    The result grows with the aspect ratio without bound: the caller limits the number of patches it accepts.

    Raises:
        ValueError: a side or `model_input_size` is not positive.
    """
    if height < 1 or width < 1 or model_input_size < 1:
        raise ValueError(
            f"sizes must be at least 1 pixel, got {width}×{height} pixels at input size {model_input_size}"
        )
    scale = max(model_input_size / height, model_input_size / width)
    return (
        _multiple_of_patch(scale * height, model_input_size),
        _multiple_of_patch(scale * width, model_input_size),
    )


def _multiple_of_patch(side: float, at_least: int) -> int:
    rounded = round(side / PATCH) * PATCH  # round() takes a tie to the even number, as numpy's does
    return rounded if rounded >= at_least else ceil(side / PATCH) * PATCH


@lru_cache(maxsize=1024)
def longest_side_input_size(height: int, width: int, longest_side: int = 504) -> tuple[int, int]:
    """Size (height, width) in pixels, multiples of 14, at which a picture enters a network of Depth Anything 3.

    The "upper bound" rule of the official code: the picture is scaled so that its longer side becomes `longest_side`
    (`scaled_to_longest_side`), then each side is taken to the nearest multiple of 14, a tie up.
    640×480 at 504 is 504×378; 1280×720 is 504×280, by way of 504×284.

    No side is less than 14: of strips more than 72 times as long as wide the official code makes an input of less than
    one patch, which its network refuses.

    The result never exceeds `longest_side` squared if that is a multiple of 14, and then its longer side is that.

    Raises:
        ValueError: a side or `longest_side` is not positive.
    """
    scaled_height, scaled_width = scaled_to_longest_side(height, width, longest_side)
    return _nearest_multiple_of_patch(scaled_height), _nearest_multiple_of_patch(scaled_width)


def scaled_to_longest_side(height: int, width: int, longest_side: int) -> tuple[int, int]:
    """Size (height, width) in whole pixels of a picture scaled so that its longer side becomes `longest_side`.

    Raises:
        ValueError: a side or `longest_side` is not positive.
    """
    if height < 1 or width < 1 or longest_side < 1:
        raise ValueError(f"sizes must be at least 1 pixel, got {width}×{height} pixels at input size {longest_side}")
    scale = longest_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _nearest_multiple_of_patch(side: int) -> int:
    return max(1, (2 * side + PATCH) // (2 * PATCH)) * PATCH

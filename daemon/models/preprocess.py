"""From a decoded picture to the numbers the network expects. The worker's decode threads call `normalise`, or for Depth
Anything 3 `normalise_by_longest_side`, once per picture, straight into the picture's place in the batch.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from depthwire.daemon.models.geometry import longest_side_input_size, scaled_to_longest_side

MEAN = (0.485, 0.456, 0.406)
"""ImageNet's mean, red, green, blue, of values 0…1."""
STD = (0.229, 0.224, 0.225)


def normalise(
    bgr: NDArray[np.uint8], input_height: int, input_width: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Resize a picture to the network's input size and normalise it.

    Equal to the official Depth Anything V2 preprocessing to float32 rounding (of the sampling positions too: 3e-6 on
    average on photos): values in 0…1 are resized by cubic
    interpolation without antialiasing or clipping, then (value - mean) / std. The official code does so in float64 on
    interleaved pixels and takes seven times as long.

    Args:
        bgr: (H, W, 3) uint8 as decoded, blue first.
        input_height, input_width: size in pixels, from `geometry.network_input_size`.
        out: (3, input_height, input_width) float32, C-contiguous, to write into; one is made if None.

    Returns:
        `out`: (3, input_height, input_width) float32, red first.

    Raises:
        ValueError: `bgr` or `out` is of another shape, dtype or layout.
    """
    out = _checked(bgr, input_height, input_width, out)
    for channel, plane in enumerate(out):
        # The weights of the interpolation sum to 1, so scale and offset may go before it or after it: the scale costs
        # nothing where uint8 becomes float anyway, the offset is added on the smaller plane.
        source = np.multiply(bgr[:, :, 2 - channel], np.float32(1 / (255 * STD[channel])), dtype=np.float32)
        cv2.resize(source, (input_width, input_height), dst=plane, interpolation=cv2.INTER_CUBIC)
        plane -= np.float32(MEAN[channel] / STD[channel])
    return out


def normalise_by_longest_side(
    bgr: NDArray[np.uint8], input_height: int, input_width: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Resize a picture to the input size of Depth Anything 3, and normalise it: (value / 255 - mean) / std.

    Args:
        bgr: (H, W, 3) uint8 as decoded, blue first.
        input_height, input_width: size in pixels, from `geometry.longest_side_input_size`.
        out: (3, input_height, input_width) float32, C-contiguous, to write into; one is made if None.

    Returns:
        `out`: (3, input_height, input_width) float32, red first.

    Raises:
        ValueError: `bgr` or `out` is of another shape, dtype or layout, or the size is not what the rule gives.
    """
    out = _checked(bgr, input_height, input_width, out)
    resized = resize_by_longest_side(bgr, input_height, input_width)
    for channel, plane in enumerate(out):
        np.multiply(resized[:, :, 2 - channel], np.float32(1 / (255 * STD[channel])), out=plane, dtype=np.float32)
        plane -= np.float32(MEAN[channel] / STD[channel])
    return out


def resize_by_longest_side(bgr: NDArray[np.uint8], input_height: int, input_width: int) -> NDArray[np.uint8]:
    """Resize a picture as the official code of Depth Anything 3 does, to the bit: twice, and in bytes each time.

    First to the longer side wanted, with both sides rounded to whole pixels; then to multiples of 14. In one step each
    pixel would be taken from a slightly different place.

    Args:
        bgr: (H, W, 3) uint8.
        input_height, input_width: size in pixels, from `geometry.longest_side_input_size`.

    Returns:
        (input_height, input_width, 3) uint8; `bgr` itself if it has that size.

    Raises:
        ValueError: the size is not what the rule gives for this picture.
    """
    height, width = bgr.shape[:2]
    longest_side = max(input_height, input_width)
    if longest_side_input_size(height, width, longest_side) != (input_height, input_width):
        raise ValueError(f"a picture of {width}×{height} pixels does not become {input_width}×{input_height}")
    for rows, columns in (scaled_to_longest_side(height, width, longest_side), (input_height, input_width)):
        if bgr.shape[:2] != (rows, columns):
            grows = rows > bgr.shape[0] or columns > bgr.shape[1]
            method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
            bgr = cast(NDArray[np.uint8], cv2.resize(bgr, (columns, rows), interpolation=method))
    return bgr


def _checked(
    bgr: NDArray[np.uint8], input_height: int, input_width: int, out: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """`out`, or a new array if it is None. Raises ValueError as `normalise`."""
    if bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {bgr.shape} {bgr.dtype}")
    shape = (3, input_height, input_width)
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be {shape} float32, C-contiguous and writeable, got {out.shape} {out.dtype}")
    return out

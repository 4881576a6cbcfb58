"""From a decoded picture to the numbers the network expects. The worker's decode threads call `normalise`, once per
picture, straight into the picture's place in the batch.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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
    if bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {bgr.shape} {bgr.dtype}")
    shape = (3, input_height, input_width)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be {shape} float32, C-contiguous and writeable, got {out.shape} {out.dtype}")
    for channel, plane in enumerate(out):
        # The weights of the interpolation sum to 1, so scale and offset may go before it or after it: the scale costs
        # nothing where uint8 becomes float anyway, the offset is added on the smaller plane.
        source = np.multiply(bgr[:, :, 2 - channel], np.float32(1 / (255 * STD[channel])), dtype=np.float32)
        cv2.resize(source, (input_width, input_height), dst=plane, interpolation=cv2.INTER_CUBIC)
        plane -= np.float32(MEAN[channel] / STD[channel])
    return out

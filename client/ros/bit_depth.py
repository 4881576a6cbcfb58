"""How many bits the 16-bit pictures of a camera really have, so that those of 10, 12 or 14 are not nearly black.

`images` brings pictures to 8 bits with it. Drivers publish `mono16`, `rgb16` and `bayer_…16` with the sensor's numbers
in the low bits, and say nowhere how many there are.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import numpy.typing as npt

log = logging.getLogger("depthwire.client")

_KNOWN_BITS: Final = (10, 12, 14, 16)
_MOST_CAMERAS: Final = 64


class BitDepths:
    """The bits of each camera's pictures, by the largest value seen. They only grow, so that brightness keeps still.

    A camera is known by its frame_id and encoding. Of one with less than 16 bits a warning is logged, once.
    """

    def __init__(self) -> None:
        self._bits: dict[tuple[str, str], int] = {}

    def to_8_bits(self, message: Any, pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """The highest 8 of the bits that the camera of a message fills."""
        return (pixels >> (self._bits_of(message, int(pixels.max())) - 8)).astype(np.uint8)

    def _bits_of(self, message: Any, largest: int) -> int:
        camera = (str(getattr(getattr(message, "header", None), "frame_id", "")), str(message.encoding))
        if largest == 0:  # a picture taken in the dark says nothing
            return self._bits.get(camera, 16)
        bits = next(bits for bits in _KNOWN_BITS if largest >> bits == 0)
        if camera not in self._bits:
            if len(self._bits) == _MOST_CAMERAS:
                del self._bits[next(iter(self._bits))]
            if bits < 16:
                log.warning(
                    "%s of %r holds no value above %d: its pictures are taken for %d bits in 16, and shown brighter",
                    camera[1],
                    camera[0],
                    largest,
                    bits,
                )
        self._bits[camera] = max(bits, self._bits.get(camera, 0))
        return self._bits[camera]

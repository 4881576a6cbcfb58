"""One restart interval of a JPEG decoded by itself: whether it is whole, and where its data end to the byte.

jpeg_repair.py asks. libjpeg says only that bytes are too many somewhere, and reads up to eight of them ahead unseen:
so each interval is made a picture of its own, with bytes behind it whose number is known. Source: ITU-T T.81 annex F.
"""

from __future__ import annotations

import re
import struct

import numpy as np
import numpy.typing as npt
import simplejpeg

_EXTRA_BEFORE_RST0 = re.compile(r"(\d+) extraneous bytes before marker 0xd0")
_KNOWN_EXTRA = bytes(16)
"""More than libjpeg reads ahead."""
_MOST_PIXELS_ACROSS = 65_500
_MOST_MCUS = 65_535


class IntervalDecoder:
    """The intervals of the one sequential scan of a picture."""

    def __init__(self, head: tuple[bytes, bytes, bytes], mcu: tuple[int, int], mcus: int, restart: int) -> None:
        """`head` is the segments of tables, frame and scan, `mcu` the size of one in pixels, `restart` the interval."""
        self._tables, self._frame, self._scan = head
        self._mcu = mcu
        self._restart = restart
        self.intervals = -(-mcus // restart)
        self._last = mcus - (self.intervals - 1) * restart

    def extra_bytes(self, data: bytes, *, is_last: bool = False) -> int | None:
        """How many bytes follow an interval's data; None if it is damaged. The last interval may be shorter."""
        try:
            self._decode(data + _KNOWN_EXTRA, data, is_last=is_last, strict=True)
        except ValueError as error:
            found = _EXTRA_BEFORE_RST0.search(str(error))
            if found is not None and int(found[1]) >= len(_KNOWN_EXTRA):
                return int(found[1]) - len(_KNOWN_EXTRA)
        return None

    def is_padded_with_ones(self, last: bytes) -> bool:
        """Whether the bits left over in the last byte of the last interval are ones, as T.81 F.1.2.3 wants them.

        `last` has no extra bytes. Where damage made the data shorter, these bits are whatever the byte was.
        """
        if last.endswith(b"\xff\0"):
            return True
        lowest_zero = (last[-1] + 1) & ~last[-1]  # the data's, if all below are padding; then its change shows
        changed = last[:-1] + bytes([last[-1] | lowest_zero])
        changed += b"\0" if changed[-1] == 0xFF else b""
        if self.extra_bytes(changed, is_last=True) != 0:
            return True
        return not np.array_equal(self._last_mcu(last), self._last_mcu(changed))

    def _last_mcu(self, last: bytes) -> npt.NDArray[np.uint8]:
        """The pixels of what the last interval codes last."""
        pixels = self._decode(last, last, is_last=True, strict=False)
        row, column = divmod(self._last - 1, self._layout(self._last)[0])
        width, height = self._mcu
        return np.array(pixels[row * height : (row + 1) * height, column * width : (column + 1) * width])

    def _layout(self, mcus: int) -> tuple[int, int]:
        """The size in MCUs, across and down, of a picture made of so many and at least one more."""
        across = min(mcus + 1, _MOST_PIXELS_ACROSS // self._mcu[0])
        return across, -(-(mcus + 1) // across)

    def _decode(self, first: bytes, second: bytes, *, is_last: bool, strict: bool) -> npt.NDArray[np.uint8]:
        """A picture of `first`, a restart marker and as much of `second` as there is room for."""
        mcus = self._last if is_last else self._restart
        (across, down), (width, height) = self._layout(mcus), self._mcu
        frame = self._frame[:5] + struct.pack(">HH", down * height, across * width) + self._frame[9:]
        restart = struct.pack(">HHH", 0xFFDD, 4, mcus)
        picture = b"\xff\xd8" + self._tables + frame + restart + self._scan + first + b"\xff\xd0" + second + b"\xff\xd9"
        scale = {"min_height": 1, "min_width": 1, "min_factor": 2} if strict else {}  # an eighth: only words are wanted
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(picture, colorspace="BGR", strict=strict, **scale)
        return pixels


def interval_decoder(tables: bytes, frame: bytes, scan: bytes, restart: int) -> IntervalDecoder | None:
    """By the segments of a picture's tables, frame and scan, and its restart interval, 0 for none.

    None where the scan is not of all components, or an interval is of more blocks than DRI can tell.
    """
    factors = [(pair >> 4, pair & 15) for pair in frame[11::3]]
    if len(frame) < 13 or not all(min(pair) for pair in factors) or len(scan) != 8 + 2 * len(factors):
        return None
    mcu = (8 * max(h for h, _ in factors), 8 * max(v for _, v in factors)) if len(factors) > 1 else (8, 8)
    height, width = struct.unpack_from(">HH", frame, 5)
    mcus = -(-height // mcu[1]) * -(-width // mcu[0])
    restart = min(restart or mcus, mcus)
    return IntervalDecoder((tables, frame, scan), mcu, mcus, restart) if 0 < restart <= _MOST_MCUS else None

"""How a picture says that it is to be shown turned: the orientation in a JPEG's EXIF, which phones write.

`image_files` says it once, as depth belongs to the stored pixels whatever the tag says.
"""

from __future__ import annotations

import struct
from typing import Final

UPRIGHT: Final = 1
TURNS: Final = {
    2: "mirrored",
    3: "by 180°",
    4: "mirrored, by 180°",
    5: "mirrored, by 90°",
    6: "by 90°",
    7: "mirrored, by 270°",
    8: "by 270°",
}
"""EXIF's values but for upright, clockwise."""
_ORIENTATION_TAG = 0x0112
_MOST_SEGMENTS = 64


def orientation(data: bytes) -> int:
    """EXIF's orientation, 1 to 8, of an encoded picture; 1 for any that says none. Never raises."""
    try:
        return _of_jpeg(data)
    except (struct.error, IndexError):
        return UPRIGHT


def _of_jpeg(data: bytes) -> int:
    if data[:2] != b"\xff\xd8":
        return UPRIGHT
    at = 2
    for _ in range(_MOST_SEGMENTS):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _of_tiff(data[at + 10 : at + 2 + length])
        if marker >> 8 != 0xFF or marker == 0xFFDA or length < 2:  # the picture itself, or garbage
            break
        at += 2 + length
    return UPRIGHT


def _of_tiff(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION_TAG:
            return value if value in TURNS else UPRIGHT
    return UPRIGHT

"""The size of an encoded image, read from its header alone in bounded time. The front calls it before admitting.

Not Pillow: opening a WebP with it allocates the whole canvas, and a JPEG made of a million empty segments keeps it
busy for seconds. The real decoding, and the verdict on the rest of the file, is the worker's.
Formats by their magic bytes: JPEG (ITU-T T.81 annex B), PNG (W3C PNG, IHDR), WebP (RFC 9649).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from depthwire.protocol import BadImageError

MAX_JPEG_SEGMENTS = 1000
"""A camera writes about ten; a large colour profile or depth annex takes some hundred."""

_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended sequential, progressive: what decoders read
_JPEG_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


class ImageHeader(NamedTuple):
    """What the header says: the format, and the size in pixels as stored (EXIF rotation not applied)."""

    format: str
    width: int
    height: int


def read_image_header(data: bytes | bytearray | memoryview) -> ImageHeader:
    """Format and size of a JPEG, PNG or WebP.

    Raises BadImageError for no bytes, another format, or a header that ends early or holds no size.
    """
    start = bytes(data[:32])
    try:
        if start.startswith(b"\xff\xd8\xff"):
            header = _jpeg(data)
        elif start.startswith(b"\x89PNG\r\n\x1a\n"):
            header = _png(start)
        elif start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            header = _webp(start)
        elif not start:
            raise BadImageError("image is empty", field="image")
        else:
            raise BadImageError("image is not a JPEG, PNG or WebP", field="image")
    except (struct.error, IndexError):
        raise BadImageError("image ends within its header", field="image") from None
    if header.width < 1 or header.height < 1:
        raise BadImageError(f"image is {header.width}x{header.height} pixels by its header", field="image")
    return header


def check_size(found: tuple[int, int], told: tuple[int, int]) -> None:
    """Raises BadImageError where a picture's width and height are not those that the front was told by the header."""
    if found != told:
        text = "image decodes to {}x{} pixels, its header said {}x{}".format(*found, *told)
        raise BadImageError(text, field="image")


def _jpeg(data: bytes | bytearray | memoryview) -> ImageHeader:
    position = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xD9, 0xDA):
            break
        if marker == 0xFF:  # a fill byte, which counts as a segment so that a file of them ends the search
            position += 1
            continue
        if marker in _JPEG_STANDALONE:
            position += 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return ImageHeader("jpeg", width, height)
        if marker in _JPEG_OTHER_FRAMES or length < 2:
            break
        position += 2 + length
    raise BadImageError("image is a JPEG without a frame header that decoders know", field="image")


def _png(start: bytes) -> ImageHeader:
    if start[12:16] != b"IHDR":
        raise BadImageError("image is a PNG that does not begin with IHDR", field="image")
    width, height = struct.unpack_from(">II", start, 16)
    return ImageHeader("png", width, height)


def _webp(start: bytes) -> ImageHeader:
    chunk = start[12:16]
    if chunk == b"VP8X" and len(start) >= 30:  # slices do not notice that it ends early
        width, height = (int.from_bytes(start[at : at + 3], "little") + 1 for at in (24, 27))
        if start[20] & 0x02:
            raise BadImageError("image is an animated WebP; send one frame", field="image")
    elif chunk == b"VP8L" and start[20] == 0x2F:
        bits = struct.unpack_from("<I", start, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", start, 26))
    else:
        raise BadImageError("image is a WebP without a frame header that decoders know", field="image")
    return ImageHeader("webp", width, height)

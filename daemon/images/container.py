"""The file around a JPEG or WebP picture, judged before a decoder gets to see it (PNG: png_container.py).

Called by decode.py. Decoders do whatever a file asks for: a scan of four bytes makes libjpeg go through all pixels once
more, and every one of a million empty segments costs an allocation. What no camera or encoder writes is refused here,
in bounded work. Sources: ITU-T T.81 annex B (JPEG), RFC 9649 (WebP).
"""

from __future__ import annotations

import re
import struct

from depthwire.daemon.images.header import MAX_JPEG_SEGMENTS, check_size, read_image_header
from depthwire.protocol import BadImageError

MAX_JPEG_SCANS = 64
"""Encoders write about ten for a progressive picture, and each costs the decoder a pass over all of it."""

MAX_WEBP_CHUNKS = 100
"""A still picture has at most six that decoders know."""

_OPENCV_LEAST_BYTES = 32
"""It reads no WebP that is smaller, although a picture of one colour is."""

_SEGMENT = re.compile(rb"\xff+([^\x00\xff])")
_END_OF_ENTROPY_CODED_DATA = re.compile(rb"\xff(?:[\x01-\xcf\xd8-\xfe]|[\xd0-\xd7](?=\xff[\xd0-\xd7]))")
"""Any marker but a restart marker with data behind it, which belongs there."""

_HARMLESS_BYTES = 2**20
"""What segments of so few bytes behind the only scan cost is less than the search for them."""

_EOI, _SOS, _TEM = 0xD9, 0xDA, 0x01
_PROGRESSIVE = 0xC2
_FRAMES = {0xC0: 2, 0xC1: 2, _PROGRESSIVE: 1}
"""Markers of the frame header, each with the fewest bits in which such a frame can code a block of 64 samples."""


def check_jpeg(data: memoryview) -> None:
    """Raises BadImageError for a JPEG of more segments or scans than any camera writes, or of fewer bytes than pixels.

    It looks up to the end of the picture (EOI); what else may be wrong with it, the decoder says.
    """
    position = 2
    scans = components = 0
    for _ in range(MAX_JPEG_SEGMENTS):
        found = _SEGMENT.match(data, position)
        if found is None:
            return
        marker, position = found[1][0], found.end()
        if marker == _EOI or position + 8 > len(data):
            return
        if marker == _TEM or 0xD0 <= marker <= 0xD7:
            continue
        if marker in _FRAMES:
            if len(data) < _fewest_bytes(data[position : position + 800], _FRAMES[marker]):
                raise BadImageError("image is a damaged JPEG: it has fewer bytes than its pixels need", field="image")
            components = 0 if marker == _PROGRESSIVE else data[position + 7]
        length = int.from_bytes(data[position : position + 2], "big")
        if marker == _SOS:
            if data[position + 2] == components and len(data) - position < _HARMLESS_BYTES:
                return  # the only scan: a decoder takes no other
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise BadImageError(
                    f"image is a JPEG of more than {MAX_JPEG_SCANS} scans; save it with fewer", field="image"
                )
            end = _END_OF_ENTROPY_CODED_DATA.search(data, position + length)
            if end is None:
                return
            position = end.start()
        else:
            position += length
    raise BadImageError(f"image is a JPEG of more than {MAX_JPEG_SEGMENTS} segments", field="image")


def _fewest_bytes(frame: memoryview, bits_per_block: int) -> int:
    """What the pixels of a frame header need at least (T.81 A.1.1 and B.2.2); 0 where it is not whole."""
    if len(frame) < 8:
        return 0
    height, width, components = frame[3] << 8 | frame[4], frame[5] << 8 | frame[6], frame[7]
    factors = [(pair >> 4, pair & 15) for pair in frame[9 : 8 + 3 * components : 3]]
    if not factors or not all(min(pair) for pair in factors):
        return 0
    across, down = max(h for h, _ in factors), max(v for _, v in factors)
    blocks = sum(-(-width * h // (8 * across)) * -(-height * v // (8 * down)) for h, v in factors)
    return blocks * bits_per_block // 8


def plain_webp(data: memoryview, height: int, width: int) -> bytes:
    """The same picture as a WebP of its one frame, without alpha, colour profile, EXIF and unknown chunks.

    Raises BadImageError where there is none, or it is of another size than the front was told by the file's header.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise BadImageError("image is a damaged WEBP: it ends early", field="image")
    data, position = data[:end], 12
    for _ in range(MAX_WEBP_CHUNKS):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind in (b"VP8 ", b"VP8L"):
            return _webp_of_frame(data[position : position + 8 + length], length, height, width)
        position += 8 + length + (length & 1)
    raise BadImageError("image is a damaged WEBP: it has no frame where one is due", field="image")


def _webp_of_frame(frame: memoryview, length: int, height: int, width: int) -> bytes:
    if len(frame) < 8 + length:
        raise BadImageError("image is a damaged WEBP: it ends early", field="image")
    plain = struct.pack("<4sI4s", b"RIFF", 4 + len(frame) + (length & 1), b"WEBP") + frame + bytes(length & 1)
    found = read_image_header(plain)
    check_size((found.width, found.height), (width, height))
    return plain.ljust(_OPENCV_LEAST_BYTES, b"\0")

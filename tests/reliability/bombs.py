"""The corpus of test_bombs.py: small messages that cost a careless daemon gigabytes or minutes, made by code.

`MESSAGES` is about msgpack, arrays and frames, `PICTURES` about image files. Each gives the code that must answer it;
OK stands for harmless pictures whose trap lies in parts that depth has no use for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import msgpack
import numpy as np

from tests.pictures import encode

Frames = list[bytes]

WORTH_ID = 7
GREY = np.full((64, 64, 3), 99, np.uint8)


@dataclass(frozen=True)
class Bomb:
    """`make` builds the message's frames; `code` is the answer it must get."""

    make: Callable[[], Frames]
    code: str


def header(**fields: Any) -> bytes:
    """A request's header, of metric_depth unless it says otherwise."""
    packed: bytes = msgpack.packb({"v": 1, "id": WORTH_ID, "op": "metric_depth", **fields})
    return packed


def with_value(raw: bytes, key: str = "meta") -> bytes:
    """A health request whose `key` has this msgpack value, whatever it is, byte for byte."""
    fields = {"v": 1, "id": WORTH_ID, "op": "health"}
    body = b"".join(msgpack.packb(name) + msgpack.packb(value) for name, value in fields.items())
    return bytes([0x84]) + body + msgpack.packb(key) + raw


def request(image: bytes) -> Frames:
    return [header(image=msgpack.ExtType(1, b"\0")), image]


def array(dtype: str, shape: list[int], data: Any = b"") -> Frames:
    layout = {b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": data}
    return [header(image=layout)]


def _refused(make: Callable[[], Frames]) -> Bomb:
    return Bomb(make, "INVALID_REQUEST")


MESSAGES: dict[str, Bomb] = {
    "lists nested 60,000 deep": _refused(lambda: [with_value(b"\x91" * 60_000 + b"\xc0")]),
    "maps nested 20,000 deep": _refused(lambda: [with_value(b"\x81\xa1a" * 20_000 + b"\xc0")]),
    "a header that is only nesting": _refused(lambda: [b"\x91" * 65_536]),
    "a list of 4 billion, it says": _refused(lambda: [with_value(b"\xdd\xff\xff\xff\xff")]),
    "a map of 4 billion, it says": _refused(lambda: [with_value(b"\xdf\xff\xff\xff\xff")]),
    "a header map of 4 billion, it says": _refused(lambda: [b"\xdf\xff\xff\xff\xff"]),
    "text of 4 GB, it says": _refused(lambda: [with_value(b"\xdb\xff\xff\xff\xff")]),
    "bytes of 4 GB, they say": _refused(lambda: [with_value(b"\xc6\xff\xff\xff\xff")]),
    "an extension of 4 GB, it says": _refused(lambda: [with_value(b"\xc9\xff\xff\xff\xff\x01")]),
    "20,000 extensions": _refused(lambda: [with_value(b"\xdc" + struct.pack(">H", 20_000) + b"\xd4\x01\0" * 20_000)]),
    "4,000 timestamps": _refused(
        lambda: [with_value(b"\xdc" + struct.pack(">H", 4000) + b"\xd6\xff\xff\xff\xff\xff" * 4000)]
    ),
    "60,000 empty maps": _refused(lambda: [with_value(b"\xdc" + struct.pack(">H", 60_000) + b"\x80" * 60_000)]),
    "15 lists of 4,000 empty maps": _refused(
        lambda: [with_value(b"\x9f" + (b"\xdc" + struct.pack(">H", 4000) + b"\x80" * 4000) * 15)]
    ),
    "a map of 9,000 keys": _refused(lambda: [header(**{f"{n:x}": 0 for n in range(9_000)})]),
    "the same key 4,000 times": _refused(lambda: [with_value(b"\xde" + struct.pack(">H", 4000) + b"\xa1a\xc0" * 4000)]),
    "meta of 60 KB": _refused(lambda: [header(op="health", meta={"a": bytes(60_000)})]),
    "a field name of 60 KB": _refused(lambda: [header(**{"a" * 60_000: 1})]),
    "an op of 60 KB": Bomb(lambda: [header(op="a" * 60_000)], "UNKNOWN_OP"),
    "a header of 64 KiB and a byte": _refused(lambda: [header(meta={"a": bytes(65_600)})]),
    "a header of 20 MB": _refused(lambda: [bytes(20_000_000)]),
    "an array of 10^18 bytes in one element": _refused(lambda: array("|V1000000000000000000", [1])),
    "an array of objects": _refused(lambda: array("|O", [1], b"cposix\nsystem\n(S'true'\ntR.")),
    "an array of 2^126 elements": _refused(lambda: array("<f8", [2**62, 2**62])),
    "an empty array of 2^60 rows": _refused(lambda: array("<f8", [0, 2**60])),
    "an array of 4,000 dimensions": _refused(lambda: array("|u1", [1] * 4000, b"a")),
    "an array over itself": _refused(lambda: array("|u1", [1], {b"nd": True})),
    "100,000 frames": _refused(lambda: [header(op="health"), *[b"a"] * 100_000]),
    "100,000 empty frames": _refused(lambda: [b""] * 100_000),
    "100,000 frames without a header": _refused(lambda: [b"\xc1"] * 100_000),
    "an envelope of 6 MB, to be kept and sent back": _refused(lambda: [*[bytes(2**20)] * 6, b"", header(op="health")]),
    "8 buffers of 1 MB that nobody wants": _refused(lambda: [header(op="health"), *[bytes(2**20)] * 8]),
}


# ---- JPEG --------------------------------------------------------------------------------------------------------


def jpeg(*options: int) -> bytes:
    return encode(GREY, ".jpg", list(options))


def segment(marker: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


_ONE_BIT_CODE = bytes([1] + [0] * 15) + b"\0"
"""A Huffman table of one code of one bit: a difference of 0 (DC), the end of the block (AC)."""


def flat_jpeg(width: int, height: int, scans: int = 0) -> bytes:
    """A grey JPEG of any size in the fewest bytes: one bit a block and table; progressive of so many scans if any."""
    blocks = -(-width // 8) * -(-height // 8)
    start = b"\xff\xd8" + segment(0xDB, b"\0" + b"\x01" * 64)
    start += segment(0xC2 if scans else 0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    dc, ac = segment(0xC4, b"\x00" + _ONE_BIT_CODE), segment(0xC4, b"\x10" + _ONE_BIT_CODE)
    if not scans:
        return start + dc + ac + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + bytes(-(-2 * blocks // 8)) + b"\xff\xd9"
    first = segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + bytes(-(-blocks // 8))
    longest_runs = bytes([0, 1] + [0] * 14) + b"\xe0"  # one code, for runs of 2^14 and more empty blocks
    runs = segment(0xC4, b"\x10" + longest_runs)
    # A code of two bits and 14 of the run's length: ones would be the longest, zeros are 2^14 blocks.
    one_scan = segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + bytes(2 * -(-blocks // 2**14))
    return start + dc + first + runs + one_scan * (scans - 1) + b"\xff\xd9"


def within(data: bytes, marker: bytes, inserted: bytes) -> bytes:
    """`data` with something inserted before its first `marker`."""
    at = data.index(marker)
    return data[:at] + inserted + data[at:]


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def filled_intervals(rows: int) -> bytes:
    """A flat JPEG of 64 x `rows` blocks, each a restart interval with eight bytes too many behind it."""
    data = flat_jpeg(8 * 64, 8 * rows)
    at = data.index(b"\xff\xda")
    intervals = b"".join(b"\x3f" + bytes(8) + bytes([0xFF, 0xD0 + number % 8]) for number in range(64 * rows - 1))
    return data[:at] + segment(0xDD, b"\0\1") + data[at : at + 10] + intervals + b"\x3f\xff\xd9"


def exif_loop() -> bytes:
    """An EXIF annex whose directory names itself as the next one, and as its own sub-directory and thumbnail."""
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    tiff = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 2) + entry * 2 + struct.pack(">I", 8)
    return within(jpeg(), b"\xff\xdb", segment(0xE1, b"Exif\0\0" + tiff))


def repeated_scan(width: int = 2000, height: int = 2000) -> bytes:
    """A sequential JPEG of three components that codes the first again and again."""
    once = flat_jpeg(width, height)
    at = once.index(b"\xff\xc0")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components)
    tables, scan = once[at + 13 : once.index(b"\xff\xda")], once[once.index(b"\xff\xda") : -2]
    return once[:at] + frame + tables + scan * 100 + b"\xff\xd9"


# ---- PNG and WebP --------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int = 64, height: int = 64, extra: bytes = b"", rows: bytes | None = None, interlaced: int = 0) -> bytes:
    """A black PNG, its compressed `rows` given or its own, with `extra` chunks before them."""
    if rows is None:
        rows = zlib.compress(bytes((3 * width + 1) * height))
    start = PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced))
    return start + extra + chunk(b"IDAT", rows) + chunk(b"IEND")


def zeros(count: int) -> bytes:
    """A zlib stream of that many million zeros: the same block over and over."""
    compressor = zlib.compressobj(9, wbits=-15)
    million = compressor.compress(bytes(1_000_000)) + compressor.flush(zlib.Z_FULL_FLUSH)
    adler = (count * 1_000_000 % 65_521) << 16 | 1
    return b"\x78\xda" + million * count + b"\x03\x00" + struct.pack(">I", adler)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + size


def lossless_frame(width: int, height: int) -> tuple[bytes, bytes]:
    """A VP8L frame of one colour: a few bytes, whatever its size. All its codes have one symbol and take no bits."""
    size = (width - 1) | (height - 1) << 14 | 0 << 28
    # No transform, no colour cache, no meta codes, then five simple codes of the one symbol 0.
    bits = "0" + "0" + "0" + ("1" + "0" + "0" + "0") * 5
    codes = int(bits[::-1], 2).to_bytes(4, "little")
    return b"VP8L", b"\x2f" + struct.pack("<I", size) + codes


def webp() -> tuple[bytes, bytes]:
    data = encode(GREY, ".webp", [cv2.IMWRITE_WEBP_QUALITY, 101])
    return data[12:16], data[20 : 20 + int.from_bytes(data[16:20], "little")]


def _picture(make: Callable[[], bytes], code: str = "BAD_IMAGE") -> Bomb:
    return Bomb(lambda: request(make()), code)


PICTURES: dict[str, Bomb] = {
    "JPEG of 32,768 x 32,768 in 4 MB": _picture(lambda: flat_jpeg(32_768, 32_768), "TOO_LARGE"),
    "progressive JPEG of 65,500 x 65,500": _picture(lambda: resized(jpeg(), 65_500, 65_500), "TOO_LARGE"),
    "JPEG of 36 megapixels without any": _picture(lambda: resized(jpeg(), 6000, 6000)),
    "progressive JPEG of 36 megapixels without any": _picture(
        lambda: resized(jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 6000, 6000)
    ),
    "JPEG of 14 x 65,000": _picture(lambda: flat_jpeg(14, 65_000), "TOO_LARGE"),
    "progressive JPEG of 25 megapixels and 2,000 scans": _picture(lambda: flat_jpeg(5000, 5000, 2000)),
    "progressive JPEG of 100,000 scans": _picture(lambda: flat_jpeg(64, 64, 100_000)),
    "sequential JPEG of 100 scans": _picture(repeated_scan),
    "JPEG of a million empty segments before its size": _picture(
        lambda: within(jpeg(), b"\xff\xc0", b"\xff\xfe\0\2" * 1_000_000)
    ),
    "JPEG of a million empty segments before its rows": _picture(
        lambda: within(jpeg(), b"\xff\xda", b"\xff\xe2\0\2" * 1_000_000)
    ),
    "JPEG of a million empty segments behind its rows": _picture(
        lambda: jpeg()[:-2] + b"\xff\xfe\0\2" * 1_000_000 + b"\xff\xd9"
    ),
    "JPEG of a million restart markers": _picture(lambda: jpeg()[:-2] + b"\xff\xd0" * 1_000_000 + b"\xff\xd9"),
    "JPEG of 60,000 restart intervals with bytes too many": _picture(lambda: filled_intervals(938)),
    "JPEG of as many restart intervals with bytes too many as are looked at": _picture(
        lambda: filled_intervals(16), "OK"
    ),
    "JPEG of 4 MB of fill bytes": _picture(lambda: within(jpeg(), b"\xff\xc0", b"\xff" * 4_000_000)),
    "JPEG whose EXIF turns in a circle": _picture(exif_loop, "OK"),
    "JPEG of 60 annexes of 64 KB": _picture(
        lambda: within(jpeg(), b"\xff\xc0", segment(0xE2, bytes(65_533)) * 60), "OK"
    ),
    "PNG of 2^31 x 2^31": _picture(lambda: png(2**31 - 1, 2**31 - 1, rows=b""), "TOO_LARGE"),
    "PNG of 20,000 x 20,000 in 1 MB": _picture(lambda: png(20_000, 20_000, rows=zeros(1200)), "TOO_LARGE"),
    "PNG of 36 megapixels without any": _picture(lambda: png(6000, 6000, rows=zlib.compress(b""))),
    "PNG with gigabytes behind its last row": _picture(lambda: png(rows=zeros(2000))),
    "PNG with gigabytes behind its last row, interlaced": _picture(lambda: png(rows=zeros(1000), interlaced=1)),
    "PNG with 1.4 GB of compressed text": _picture(lambda: png(extra=chunk(b"zTXt", b"k\0\0" + zeros(7)) * 200), "OK"),
    "PNG with 1.4 GB of international text": _picture(
        lambda: png(extra=chunk(b"iTXt", b"k\0\1\0\0\0" + zeros(7)) * 200), "OK"
    ),
    "PNG with a colour profile of 1 GB": _picture(lambda: png(extra=chunk(b"iCCP", b"k\0\0" + zeros(1000))), "OK"),
    "PNG of 300,000 chunks": _picture(lambda: png(extra=chunk(b"teXt") * 300_000)),
    "PNG of 300,000 empty pieces of rows": _picture(lambda: png(extra=chunk(b"IDAT") * 300_000)),
    "PNG with a palette for each colour there is": _picture(lambda: png(extra=chunk(b"PLTE", bytes(3_000_000))), "OK"),
    "WebP of 16,384 x 16,384 in 50 bytes": _picture(lambda: riff(lossless_frame(16_384, 16_384)), "TOO_LARGE"),
    "WebP of 16 x 16 whose frame is larger": _picture(lambda: riff(canvas(16, 16), lossless_frame(16_384, 16_384))),
    "WebP of 2^24 x 2^24": _picture(lambda: riff(canvas(2**24, 2**24), lossless_frame(16, 16)), "TOO_LARGE"),
    "WebP of half a million chunks": _picture(lambda: riff(canvas(64, 64), *[(b"abcd", b"")] * 500_000, webp())),
    "WebP with 4 MB of EXIF": _picture(lambda: riff(canvas(64, 64, 8), webp(), (b"EXIF", bytes(4_000_000))), "OK"),
    "WebP animated": _picture(lambda: riff(canvas(64, 64, 2), *[(b"ANMF", bytes(24))] * 10_000)),
    "GIF of 65,535 x 65,535": _picture(lambda: b"GIF89a\xff\xff\xff\xff" + bytes(100)),
    "TIFF that points at itself": _picture(lambda: b"II*\0\x08\0\0\0" + bytes(100)),
    "SVG of entities": _picture(lambda: b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaa">]><svg>&a;</svg>'),
}
BOMBS = MESSAGES | PICTURES

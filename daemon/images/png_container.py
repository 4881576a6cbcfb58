"""A PNG, unpacked with limits and packed again as one that its decoder can neither stumble over nor grow from.

Called by decode.py. libpng inflates whatever follows the picture's last row, and every text chunk and colour profile,
to the end: seconds and gigabytes from a small file. It also prints what it finds wrong to standard error, amid the log.
So the picture's rows are inflated here, to exactly their size, and reach it uncompressed, between flawless chunks.
Source: W3C PNG, third edition.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from depthwire.daemon.images.header import check_size
from depthwire.protocol import BadImageError

MAX_PNG_CHUNKS = 10_000
"""Encoders write one for each 8 KiB or more of compressed rows, and a few others."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE = 3
_LAST_FILTER = 4
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced picture: first column and row, steps between columns and rows."""
_INPUT_BYTES = 8192
"""Compressed bytes inflated at a time: never more than some 8 MB come out of them."""


def plain_png(data: memoryview, height: int, width: int) -> bytearray:
    """The same picture as a PNG of IHDR, PLTE, IDAT and IEND alone, its rows stored uncompressed.

    Transparency, gamma, profiles and animation are left out, as decoding to BGR leaves them out.
    Raises BadImageError for another size than the front was told by the header, and for damage: chunks out of order or
    cut off, a wrong checksum, rows too few or too many.
    """
    chunks = _critical_chunks(data)
    kind, header = next(chunks, (b"", memoryview(b"")))
    if kind != b"IHDR" or len(header) != 13:
        raise _damaged("it does not begin with IHDR")
    plain = bytearray(_SIGNATURE)
    _append_chunk(plain, b"IHDR", bytes(header))
    found_width, found_height = struct.unpack_from(">II", header)
    check_size((found_width, found_height), (width, height))
    rows = _Rows(header)
    for kind, content in chunks:
        if kind == b"PLTE" and rows.is_palette and not rows.begun:
            _append_chunk(plain, b"PLTE", _full_palette(content, rows.bit_depth))
            rows.has_palette = True
        elif kind == b"IDAT":
            rows.begin(plain)
            for start in range(0, len(content), _INPUT_BYTES):
                rows.inflate(content[start : start + _INPUT_BYTES], plain)
    rows.end(plain)
    _append_chunk(plain, b"IEND", b"")
    return plain


class _Rows:
    """The picture's rows on their way from one zlib stream, compressed, to another, stored."""

    def __init__(self, header: memoryview) -> None:
        width, height, self.bit_depth, colour_type, *methods, interlace = struct.unpack(">IIBBBBB", header)
        if self.bit_depth not in _DEPTHS.get(colour_type, ()) or any(methods) or interlace > 1:
            raise _damaged("its IHDR holds what PNG does not know")
        self.is_palette = colour_type == _PALETTE
        self.has_palette = False
        self.begun = False
        self._starts, self._bytes = _row_starts(width, height, self.bit_depth * _SAMPLES[colour_type], interlace == 1)
        self._done = 0
        self._inflater = zlib.decompressobj()
        self._storer = zlib.compressobj(level=0)
        self._idat_at = 0

    def begin(self, plain: bytearray) -> None:
        if self.begun:
            return
        if self.is_palette and not self.has_palette:
            raise _damaged("it has no palette before its rows")
        self.begun = True
        self._idat_at = len(plain)
        plain += bytes(4) + b"IDAT"

    def inflate(self, compressed: memoryview, plain: bytearray) -> None:
        """Append the rows, or parts of rows, that these bytes are."""
        if self._inflater.eof:
            return  # what follows the end of the stream is nobody's
        try:
            raw = self._inflater.decompress(compressed, self._bytes - self._done + 1)
        except zlib.error as error:
            raise _damaged(str(error)) from None
        if len(raw) > self._bytes - self._done:
            raise _damaged("it holds more rows than its header says")
        first, last = np.searchsorted(self._starts, (self._done, self._done + len(raw)))
        filters = np.frombuffer(raw, np.uint8)[self._starts[first:last] - self._done]
        if filters.max(initial=0) > _LAST_FILTER:
            raise _damaged("a row has a filter that PNG does not know")
        self._done += len(raw)
        plain += self._storer.compress(raw)

    def end(self, plain: bytearray) -> None:
        if not self._inflater.eof or self._done < self._bytes:
            raise _damaged("it holds fewer rows than its header says")
        plain += self._storer.flush()
        struct.pack_into(">I", plain, self._idat_at, len(plain) - self._idat_at - 8)
        with memoryview(plain) as view:
            checksum = zlib.crc32(view[self._idat_at + 4 :])
        plain += struct.pack(">I", checksum)


def _critical_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks that make the picture, up to IEND, each with its checksum verified; all others are passed over."""
    position = len(_SIGNATURE)
    for _ in range(MAX_PNG_CHUNKS):
        if position + 12 > len(data):
            raise _damaged("it ends early")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise _damaged("it ends early")
        is_critical = not kind[0] & 0x20
        if is_critical:
            if kind not in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
                raise _damaged("it has a critical chunk that PNG does not know")
            if zlib.crc32(data[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
                raise _damaged(f"the checksum of its {kind.decode()} is wrong")
            if kind == b"IEND":
                return
            yield kind, data[position + 8 : end]
        position = end + 4
    raise BadImageError(f"image is a PNG of more than {MAX_PNG_CHUNKS} chunks", field="image")


def _row_starts(width: int, height: int, bits: int, interlaced: bool) -> tuple[npt.NDArray[np.int64], int]:
    """Where in the inflated bytes each row begins (with the byte that names its filter), and how many they are."""
    starts, total = [], 0
    for column, row, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((column - width) // across), -((row - height) // down)
        if columns > 0 and rows > 0:
            stride = 1 + (columns * bits + 7) // 8
            starts.append(total + stride * np.arange(rows, dtype=np.int64))
            total += stride * rows
    return np.concatenate(starts), total


def _full_palette(content: memoryview, bit_depth: int) -> bytes:
    """With as many colours as the picture's bits can name: libpng complains aloud of one that is not there."""
    if not 3 <= len(content) <= 3 << bit_depth or len(content) % 3:
        raise _damaged("its palette is not one")
    return bytes(content) + bytes((3 << bit_depth) - len(content))


def _append_chunk(plain: bytearray, kind: bytes, content: bytes) -> None:
    plain += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _damaged(how: str) -> BadImageError:
    return BadImageError(f"image is a damaged PNG: {how}", field="image")

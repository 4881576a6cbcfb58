"""JPEGs as real cameras write them: odd, though every pixel is there. What is odd beside the pixels is put right here.

decode.py asks, only about a file that strict decoding refused. What is mended is decoded as strictly: no pixel is made
up. Each repair is made once at most and costs about a decoding, so that none makes a file expensive.
Sources: ITU-T T.81 annexes B, F and G, JFIF 1.02.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from depthwire.daemon.images.header import MAX_JPEG_SEGMENTS
from depthwire.daemon.images.jpeg_interval import IntervalDecoder, interval_decoder

MAX_BYTES_BEFORE_RESTART = 8
"""Extra bytes passed over between the data of a restart interval and its marker: some encoders fill words up."""

MAX_BYTES_BEFORE_EOI = 16
"""Extra bytes passed over between a picture's last data and its end."""

MAX_INTERVALS = 1024
"""Each is decoded by itself, in 20 µs and more. One for each row of blocks is 1024 at 8192 pixels."""

Decode = Callable[[bytes], npt.NDArray[np.uint8]]
"""Decodes strictly. Raises ValueError with libjpeg's first warning."""

_SOF0, _SOF1, _SOF2, _DHT, _EOI, _SOS, _DQT, _DRI, _APP0 = 0xC0, 0xC1, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0
_IN_INTERVALS = (_SOF0, _SOF1, _SOF2, _DHT, _SOS, _DQT, _DRI)
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_END = b"\xff\xd9"

_ODD_HEADER_OR_END = ("unknown JFIF revision", "Invalid SOS parameters", "Premature end of JPEG file")
_EXTRA_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_SEGMENT = re.compile(rb"\xff+([^\x00\xff])")
_RESTART = re.compile(rb"\xff+([\xd0-\xd7])")
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


class Segment(NamedTuple):
    """A marker and what belongs to it, as positions in the file: of its first 0xFF, behind its length, of its end."""

    marker: int
    start: int
    body: int
    end: int


def decode_odd(data: bytes, warning: str, decode: Decode) -> npt.NDArray[np.uint8]:
    """The pixels of a JPEG for which `decode` ended with `warning`, if that is about an oddity known here.

    Raises ValueError with a warning that nothing here is about.
    """
    for repair in (_with_usual_header_and_end, _without_extra_bytes):
        mended = repair(data, warning)
        if mended is None:
            continue
        try:
            return decode(mended)
        except ValueError as error:
            data, warning = mended, str(error)
    raise ValueError(warning)


def _segments(data: bytes) -> Iterator[Segment]:
    """The segments up to EOI, or to where there is none, and no more than any camera writes."""
    position = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        found = _SEGMENT.match(data, position)
        if found is None or found[1][0] == _EOI:
            return
        marker, position = found[1][0], found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        end = position + int.from_bytes(data[position : position + 2], "big")
        if not position + 2 <= end <= len(data):
            return
        yield Segment(marker, found.start(), position + 2, end)
        position = _end_of_scan(data, end) if marker == _SOS else end


def _end_of_scan(data: bytes, start: int) -> int:
    found = _END_OF_SCAN.search(data, start)
    return len(data) if found is None else found.start()


def _with_usual_header_and_end(data: bytes, warning: str) -> bytes | None:
    """With JFIF's version 1.02 and, in a sequential picture, the only spectral selection that there is.

    Decoders use neither. Where no EOI is, one is put, if the scans bring all coefficients: a progressive picture that
    was cut off between two of them would decode without a warning.
    """
    if not any(text in warning for text in _ODD_HEADER_OR_END):
        return None
    whole, frame, missing = bytearray(data), 0, dict[int, set[int]]()
    for segment in _segments(data):
        body = data[segment.body : segment.end]
        if segment.marker in (_SOF0, _SOF1, _SOF2):
            frame, missing = segment.marker, {component: set(range(64)) for component in body[6::3]}
        elif segment.marker == _APP0 and body[:5] == b"JFIF\0" and len(body) >= 7:
            whole[segment.body + 5 : segment.body + 7] = b"\1\2"
        elif segment.marker == _SOS and body and len(body) == 4 + 2 * body[0]:
            if frame != _SOF2:
                whole[segment.end - 3 : segment.end] = b"\0\x3f\0"
            first, last, precision = whole[segment.end - 3 : segment.end]
            if precision & 15 == 0:  # it brings the lowest bit of its coefficients
                for component in body[1:-3:2]:
                    missing.get(component, set()).difference_update(range(first, last + 1))
    is_all_there = bool(missing) and not any(missing.values())
    return bytes(whole) + _END if is_all_there else bytes(whole)  # one EOI more is not read


def _without_extra_bytes(data: bytes, warning: str) -> bytes | None:
    """Without the few bytes too many that stand before restart markers and EOI."""
    found = _EXTRA_BYTES.search(warning)
    if found is None:
        return None
    segments = list(_segments(data))
    scans = [segment for segment in segments if segment.marker == _SOS]
    if not scans:
        return None
    start, end = scans[-1].end, _end_of_scan(data, scans[-1].end)
    decoder = _interval_decoder(data, segments) if len(scans) == 1 else None
    if decoder is not None:
        scan = _trimmed(data[start:end], decoder)
        return None if scan is None else data[:start] + scan + _END
    # Of several scans, or of very many blocks, it is not known to the byte where the data end.
    count = int(found[1])
    if int(found[2], 16) != _EOI or count > MAX_BYTES_BEFORE_EOI or not _is_filling([data[end - max(count, 2) : end]]):
        return None
    return data[: end - count] + _END


def _interval_decoder(data: bytes, segments: Sequence[Segment]) -> IntervalDecoder | None:
    """Of a picture that codes all components in one sequential scan; None for another."""
    of_kind = {kind: [data[s.start : s.end] for s in segments if s.marker == kind] for kind in _IN_INTERVALS}
    frames, scans = of_kind[_SOF0] + of_kind[_SOF1], of_kind[_SOS]
    if len(frames) != 1 or of_kind[_SOF2]:
        return None
    restart = int.from_bytes(of_kind[_DRI][-1][-2:], "big") if of_kind[_DRI] else 0
    return interval_decoder(b"".join(of_kind[_DQT] + of_kind[_DHT]), frames[0], scans[0], restart)


def _trimmed(scan: bytes, decoder: IntervalDecoder) -> bytes | None:
    """The data of the only scan, each interval without its extra bytes.

    None if an interval is damaged, or if the extra bytes may be the rest of data that damage made shorter: if they are
    no filling, nor before most restart markers, nor, at the end, behind data that end as they should.
    """
    if decoder.intervals > MAX_INTERVALS:
        return None
    marks = list(islice(_RESTART.finditer(scan), decoder.intervals))
    if len(marks) + 1 != decoder.intervals:
        return None
    kept, extra, start = list[bytes](), list[bytes](), 0
    for mark in marks:
        data = scan[start : mark.start()]
        count = decoder.extra_bytes(data)
        if count is None or count > MAX_BYTES_BEFORE_RESTART:
            return None
        if count:
            extra.append(data[-count:])
        kept += [data[: len(data) - count], mark[0]]
        start = mark.end()
    if extra and not _are_usual(extra, len(marks)):
        return None
    data = scan[start:]
    count = decoder.extra_bytes(data, is_last=True)
    if count is None or count > MAX_BYTES_BEFORE_EOI:
        return None
    end = data[: len(data) - count]
    if count and not (_is_filling([data[-count:]]) or decoder.is_padded_with_ones(end)):
        return None
    return b"".join([*kept, end])


def _are_usual(extra: Sequence[bytes], restarts: int) -> bool:
    """Whether bytes before restart markers are the encoder's habit: filling, or others before most of them."""
    usual = Counter(data[-1] for data in extra).most_common(1)[0][0]
    others = sum(data != bytes([usual]) * len(data) for data in extra)
    return 2 * others > restarts or (not others and _is_filling(extra))


def _is_filling(extra: Iterable[bytes]) -> bool:
    """Whether these bytes are one and the same over and over, which no rest of a picture's data is."""
    together = b"".join(extra)
    return len(set(together)) == 1 and (len(together) > 1 or together in (b"\0", b"\xff"))

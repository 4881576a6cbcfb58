"""Frames: one msgpack header plus out-of-band buffers, both ways, without copying a buffer.

Called by `messages` for every request and reply. Nothing here trusts what it decodes: sizes, nesting, dtypes, shapes
and references are checked before an array is built, and nothing is ever unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import msgpack
import msgpack_numpy
import numpy as np
import numpy.typing as npt

from depthwire.protocol.errors import shown

Buffer: TypeAlias = "bytes | bytearray | memoryview"

MAX_HEADER_BYTES = 64 * 1024
MAX_BUFFERS = 8
MAX_ENVELOPE_FRAMES = 8
MAX_ROUTING_ID_BYTES = 255
"""ZeroMQ's own limit. What is longer is no envelope, which would be kept and sent back beside all limits."""
MAX_DIMENSIONS = 4
MAX_NESTING = 16
"""Levels of maps and lists below the header map itself."""
MAX_VALUES = 5000
"""Values below the header map in all: as many as the largest meta holds. Each costs its reader more than its byte."""
INLINE_LIMIT_BYTES = 512
"""Values from this size on travel in a frame of their own; below it a second frame costs more than the copy."""

BUFFER_EXT = 1
"""The msgpack ext type whose one byte is the index of a buffer frame."""

DTYPES = frozenset({"|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"})
"""The only dtypes that cross the wire: plain little-endian numbers. Objects, records, voids and strings never do."""


_ARRAY_KEYS: Final = frozenset({b"nd", b"type", b"kind", b"shape", b"data"})
_PLAIN_TYPES: Final = frozenset({type(None), bool, int, float, str, bytes})


class FrameError(ValueError):
    """What arrived is not a header with its buffers; the text says what is wrong, `field` which value, if it is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{repr(field[:40])[1:-1]}: {message}")
        self.field = field


@dataclass(frozen=True)
class BufferRef:
    """Stands in a header where the bytes of buffer frame `index` belong."""

    index: int


_REFERENCES: Final = tuple(msgpack.ExtType(BUFFER_EXT, bytes([index])) for index in range(256))


def split_envelope(frames: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Divide a received message into its envelope and the rest (header and buffers).

    The envelope ends behind the first empty frame (what REQ peers and ZeroMQ proxies write) or, where none follows the
    routing ids, behind the one that ROUTER put in front. Buffers are never empty, so the first empty frame is always
    the delimiter. Raises FrameError where no header follows.
    """
    for index in range(1, min(len(frames) - 1, MAX_ENVELOPE_FRAMES)):
        if len(frames[index]) == 0:
            return frames[: index + 1], frames[index + 1 :]
        if len(frames[index]) > MAX_ROUTING_ID_BYTES:
            break
    if len(frames) < 2:
        raise FrameError("the message has no header frame")
    return frames[:1], frames[1:]


def array_header(dtype: npt.DTypeLike, shape: Sequence[int], data: Any) -> dict[bytes, Any]:
    """msgpack-numpy's map for an array of this dtype and shape, with `data` as bytes or a BufferRef."""
    return {
        b"nd": True,
        b"type": dtype if isinstance(dtype, str) and dtype in DTYPES else np.dtype(dtype).str,
        b"kind": b"",
        b"shape": list(shape),
        b"data": data,
    }


def pack_header(header: dict[str, Any]) -> bytes:
    """The header frame: BufferRefs become ext 1, numpy scalars numbers; arrays are given by `array_header`.

    Raises FrameError for a value that msgpack has no form for, and if the result is larger than MAX_HEADER_BYTES.
    """
    try:
        packed: bytes = msgpack.packb(header, use_bin_type=True, default=_pack_special)
    except FrameError:
        raise
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise FrameError(f"the header cannot be packed: {error}") from None
    if len(packed) > MAX_HEADER_BYTES:
        raise FrameError(f"the header is {len(packed)} bytes; at most {MAX_HEADER_BYTES} are allowed")
    return packed


def encode(fields: dict[str, Any]) -> list[Buffer]:
    """Header and buffers for a map whose top-level values may be arrays or bytes of any size.

    Arrays and bytes of INLINE_LIMIT_BYTES or more become buffer frames that share their memory with what was passed;
    a non-contiguous one is made contiguous first, which copies it. Raises FrameError for a dtype that does not
    travel, too many dimensions or buffers, or a header that is too large.
    """
    buffers: list[Buffer] = []
    header: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            if value.dtype.str not in DTYPES:
                raise FrameError(f"dtype {value.dtype.str[:40]} does not travel", name)
            if value.ndim > MAX_DIMENSIONS:
                raise FrameError(f"{value.ndim} dimensions; at most {MAX_DIMENSIONS} are allowed", name)
            if value.nbytes < INLINE_LIMIT_BYTES:
                header[name] = msgpack_numpy.encode(value)
                continue
            contiguous = np.ascontiguousarray(value)
            header[name] = array_header(contiguous.dtype, contiguous.shape, BufferRef(len(buffers)))
            buffers.append(contiguous.data.cast("B"))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            if isinstance(value, memoryview):
                value = value.cast("B") if value.c_contiguous and value.nbytes else value.tobytes()
            if len(value) < INLINE_LIMIT_BYTES:
                header[name] = value
                continue
            header[name] = BufferRef(len(buffers))
            buffers.append(value)
        else:
            header[name] = value
    if len(buffers) > MAX_BUFFERS:
        raise FrameError(f"{len(buffers)} buffer frames; at most {MAX_BUFFERS} are allowed")
    return [pack_header(header), *buffers]


def decode(frames: Sequence[Buffer]) -> dict[str, Any]:
    """The map that `encode` was given: arrays stand over the received frames, bytes are memoryviews of them.

    Raises FrameError for anything that is not a well-formed message: header too large, not one msgpack map, a
    reference out of range, doubled, missing or in a wrong place, an array whose dtype, shape and length do not agree.
    """
    if not frames:
        raise FrameError("the message has no header frame")
    fields, buffers = unpack_header(frames[0]), frames[1:]
    if len(buffers) > MAX_BUFFERS:  # how many more, nobody may have counted
        raise FrameError(f"more than {MAX_BUFFERS} buffer frames; at most {MAX_BUFFERS} are allowed")
    unused = list(range(len(buffers)))
    values = 0
    for name, value in fields.items():
        kind = type(value)
        if kind in _PLAIN_TYPES:
            continue
        if kind is BufferRef:
            fields[name] = _take_buffer(value, buffers, unused, name)
        elif kind is dict and b"nd" in value:
            data = value.get(b"data")
            if type(data) is BufferRef:
                value[b"data"] = _take_buffer(data, buffers, unused, name)
            fields[name] = _build_array(value, name)
        else:
            values = _check_plain(value, name, values)
    if unused:
        raise FrameError(f"no field refers to buffer frame {unused[0]}")
    return fields


def unpack_header(frame: Buffer) -> dict[str, Any]:
    """The header's map with BufferRefs in it. Raises FrameError where it is not one map with text keys."""
    view = _byte_view(frame)
    if view.nbytes > MAX_HEADER_BYTES:
        raise FrameError(f"the header is {view.nbytes} bytes; at most {MAX_HEADER_BYTES} are allowed")
    budget = iter(range(MAX_VALUES))
    try:
        header = msgpack.unpackb(
            view,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=partial(_unpack_map, budget),
            ext_hook=partial(_unpack_ext, budget),
            max_array_len=4096,
            max_map_len=4096,
        )
    except FrameError:
        raise
    except Exception as error:  # msgpack's own errors, UnicodeDecodeError, and ValueError from deep inside it
        raise FrameError(f"the header is not valid msgpack ({type(error).__name__}: {error})") from None
    if not isinstance(header, dict):
        raise FrameError(f"the header is not a map but {type(header).__name__}")
    for key in header:
        if not isinstance(key, str):
            raise FrameError("the header has a key that is not text")
    return header


def _take_buffer(reference: BufferRef, buffers: Sequence[Buffer], unused: list[int], name: str) -> memoryview:
    """The bytes of the buffer frame that a field refers to, which no other may."""
    index = reference.index
    if index >= len(buffers):
        raise FrameError(f"refers to buffer frame {index} of {len(buffers)}", name)
    if index not in unused:
        raise FrameError(f"buffer frame {index} is referred to twice", name)
    unused.remove(index)
    view = _byte_view(buffers[index])
    if not view.nbytes:
        raise FrameError(f"buffer frame {index} is empty; buffers never are", name)
    return view


def _byte_view(frame: Buffer) -> memoryview:
    view = memoryview(frame)
    if not view.c_contiguous:
        raise FrameError("a frame is not contiguous in memory")
    return view.cast("B") if view.nbytes else memoryview(b"")


def _pack_special(value: Any) -> Any:
    if isinstance(value, BufferRef):
        return _REFERENCES[value.index]
    if isinstance(value, np.generic) and value.dtype.str in DTYPES:
        return value.item()
    if isinstance(value, int):
        raise FrameError("a whole number of more than 64 bits does not travel")
    raise FrameError(f"a value of type {type(value).__name__} does not travel")


def _spend(budget: Iterator[int]) -> None:
    if next(budget, None) is None:
        raise FrameError(f"the header holds more than {MAX_VALUES} values")


def _unpack_map(budget: Iterator[int], pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    _spend(budget)
    unpacked = dict(pairs)
    if len(unpacked) != len(pairs):  # readers differ in which one they take, so that no one may choose
        raise FrameError("the header has a map that holds a key twice")
    return unpacked


def _unpack_ext(budget: Iterator[int], code: int, data: bytes) -> BufferRef:
    _spend(budget)
    if code != BUFFER_EXT:
        raise FrameError(f"msgpack ext type {code} is not known")
    if len(data) != 1:
        raise FrameError(f"a buffer reference is one byte, not {len(data)}")
    return BufferRef(data[0])


def _check_plain(value: Any, name: str, values: int) -> int:
    """Refuse a value below which something stands that only the top level may hold, or nothing may (timestamps).

    `values` is how many the header's other fields hold; returned is that with those of this one.
    """
    level, below = 0, [value]
    while below:
        level, current, below = level + 1, below, []
        values += len(current)
        if values > MAX_VALUES:
            raise FrameError(f"the header holds more than {MAX_VALUES} values")
        for element in current:
            if isinstance(element, (dict, list)) and level > MAX_NESTING:
                raise FrameError(f"is nested deeper than {MAX_NESTING} levels", name)
            if isinstance(element, dict):
                if not all(isinstance(key, str) for key in element):
                    raise FrameError("holds a map with a key that is not text", name)
                below.extend(element.values())
            elif isinstance(element, list):
                below.extend(element)
            elif type(element) not in _PLAIN_TYPES:
                raise FrameError(f"holds a {type(element).__name__}, which does not travel there", name)
    return values


def _build_array(layout: dict[bytes, Any], name: str) -> npt.NDArray[Any]:
    if layout.keys() != _ARRAY_KEYS or layout[b"nd"] is not True or layout[b"kind"] != b"":
        raise FrameError("is not an array map: binary keys nd (true), type, kind (empty), shape, data", name)
    dtype, shape, data = layout[b"type"], layout[b"shape"], layout[b"data"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FrameError(f"dtype is {shown(dtype)}, not one of {', '.join(sorted(DTYPES))}", name)
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise FrameError(f"shape is not a list of at most {MAX_DIMENSIONS} numbers", name)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise FrameError("shape holds something that is not a count", name)
    if not isinstance(data, (bytes, memoryview)):
        raise FrameError("data is neither bytes nor a buffer reference", name)
    itemsize = np.dtype(dtype).itemsize
    if math.prod(length or 1 for length in shape) * itemsize >= 2**63:  # an empty one too: numpy could not hold it
        raise FrameError("shape is larger than any memory", name)
    expected = math.prod(shape) * itemsize
    if len(data) != expected:
        raise FrameError(f"{len(data)} bytes of data, but dtype and shape need {expected}", name)
    if dtype == "|b1" and np.frombuffer(data, dtype="|u1").max(initial=0) > 1:
        raise FrameError("a truth value is neither 0 nor 1", name)
    return np.frombuffer(data, dtype=dtype).reshape(shape)

"""Frames: one msgpack header plus out-of-band buffers, both ways, without copying a buffer.

Called by `messages` for every request and reply. Nothing here trusts what it decodes: sizes, nesting, dtypes, shapes
and references are checked before an array is built, and nothing is ever unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgpack
import msgpack_numpy
import numpy as np
import numpy.typing as npt

Buffer: TypeAlias = "bytes | bytearray | memoryview"

MAX_HEADER_BYTES = 64 * 1024
MAX_BUFFERS = 8
MAX_ENVELOPE_FRAMES = 8
MAX_DIMENSIONS = 4
INLINE_LIMIT_BYTES = 512
"""Values from this size on travel in a frame of their own; below it a second frame costs more than the copy."""

BUFFER_EXT = 1
"""The msgpack ext type whose one byte is the index of a buffer frame."""

DTYPES = frozenset({"|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"})
"""The only dtypes that cross the wire: plain little-endian numbers. Objects, records, voids and strings never do."""


class FrameError(ValueError):
    """What arrived is not a header with its buffers; the text says what is wrong with it."""


@dataclass(frozen=True)
class BufferRef:
    """Stands in a header where the bytes of buffer frame `index` belong."""

    index: int


def split_envelope(frames: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Divide a received message into its envelope and the rest (header and buffers).

    The envelope ends behind the first empty frame (what REQ peers and ZeroMQ proxies write) or, where there is none,
    behind the one routing id that ROUTER put in front. Buffers are never empty, so the first empty frame is always
    the delimiter. Raises FrameError where no header follows.
    """
    for index in range(1, min(len(frames) - 1, MAX_ENVELOPE_FRAMES)):
        if len(frames[index]) == 0:
            return frames[: index + 1], frames[index + 1 :]
    if len(frames) < 2:
        raise FrameError("the message has no header frame")
    return frames[:1], frames[1:]


def array_header(dtype: npt.DTypeLike, shape: Sequence[int], data: Any) -> dict[bytes, Any]:
    """msgpack-numpy's map for an array of this dtype and shape, with `data` as bytes or a BufferRef."""
    return {
        b"nd": True,
        b"type": np.dtype(dtype).str,
        b"kind": b"",
        b"shape": list(shape),
        b"data": data,
    }


def pack_header(header: dict[str, Any]) -> bytes:
    """The header frame: BufferRefs become ext 1, small arrays msgpack-numpy's maps, numpy scalars numbers.

    Raises FrameError if the result is larger than MAX_HEADER_BYTES.
    """
    packed: bytes = msgpack.packb(header, use_bin_type=True, default=_pack_special)
    if len(packed) > MAX_HEADER_BYTES:
        raise FrameError(f"the header is {len(packed)} bytes; at most {MAX_HEADER_BYTES} are allowed")
    return packed


def encode(fields: dict[str, Any]) -> list[Buffer]:
    """Header and buffers for a map whose top-level values may be arrays or bytes of any size.

    Arrays and bytes of INLINE_LIMIT_BYTES or more become buffer frames that share their memory with what was passed;
    a non-contiguous array is made contiguous first, which copies it. Raises FrameError for a dtype that does not
    travel or a header that is too large.
    """
    buffers: list[Buffer] = []
    header: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            if value.dtype.str not in DTYPES:
                raise FrameError(f"{name}: dtype {value.dtype.str} does not travel")
            if value.nbytes >= INLINE_LIMIT_BYTES:
                contiguous = np.ascontiguousarray(value)
                header[name] = array_header(contiguous.dtype, contiguous.shape, BufferRef(len(buffers)))
                buffers.append(contiguous.data.cast("B"))
                continue
        elif isinstance(value, (bytes, bytearray, memoryview)) and len(value) >= INLINE_LIMIT_BYTES:
            header[name] = BufferRef(len(buffers))
            buffers.append(value)
            continue
        header[name] = value
    return [pack_header(header), *buffers]


def decode(frames: Sequence[Buffer]) -> dict[str, Any]:
    """The map that `encode` was given: arrays stand over the received frames, bytes are memoryviews of them.

    Raises FrameError for anything that is not a well-formed message: header too large, not one msgpack map, a
    reference out of range, doubled or missing, an array whose dtype, shape and length do not agree.
    """
    if not frames:
        raise FrameError("the message has no header frame")
    header, buffers = unpack_header(frames[0]), frames[1:]
    if len(buffers) > MAX_BUFFERS:
        raise FrameError(f"{len(buffers)} buffer frames; at most {MAX_BUFFERS} are allowed")
    unused = set(range(len(buffers)))

    def take(value: Any, name: str) -> Any:
        if not isinstance(value, BufferRef):
            return value
        if value.index >= len(buffers):
            raise FrameError(f"{name}: refers to buffer frame {value.index} of {len(buffers)}")
        if value.index not in unused:
            raise FrameError(f"{name}: buffer frame {value.index} is referred to twice")
        unused.discard(value.index)
        return memoryview(buffers[value.index]).cast("B")

    fields: dict[str, Any] = {}
    for name, value in header.items():
        if isinstance(value, dict) and value.get(b"nd") is True:
            fields[name] = _build_array({**value, b"data": take(value.get(b"data"), name)}, name)
        else:
            fields[name] = take(value, name)
    if unused:
        raise FrameError(f"no field refers to buffer frame {min(unused)}")
    return fields


def unpack_header(frame: Buffer) -> dict[str, Any]:
    """The header's map with BufferRefs in it. Raises FrameError where it is not one map with text keys."""
    if len(frame) > MAX_HEADER_BYTES:
        raise FrameError(f"the header is {len(frame)} bytes; at most {MAX_HEADER_BYTES} are allowed")
    try:
        header = msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            ext_hook=_unpack_ext,
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


def _pack_special(value: Any) -> Any:
    if isinstance(value, BufferRef):
        return msgpack.ExtType(BUFFER_EXT, bytes([value.index]))
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, np.generic) and value.dtype.str in DTYPES:
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.str in DTYPES:
        return msgpack_numpy.encode(value)
    raise FrameError(f"a value of type {type(value).__name__} does not travel")


def _unpack_ext(code: int, data: bytes) -> BufferRef:
    if code != BUFFER_EXT:
        raise FrameError(f"msgpack ext type {code} is not known")
    if len(data) != 1:
        raise FrameError(f"a buffer reference is one byte, not {len(data)}")
    return BufferRef(data[0])


def _build_array(layout: dict[bytes, Any], name: str) -> npt.NDArray[Any]:
    dtype, shape, data = layout.get(b"type"), layout.get(b"shape"), layout.get(b"data")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FrameError(f"{name}: dtype {dtype!r} is not one of {', '.join(sorted(DTYPES))}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise FrameError(f"{name}: shape is not a list of at most {MAX_DIMENSIONS} numbers")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise FrameError(f"{name}: shape holds something that is not a count")
    if not isinstance(data, (bytes, memoryview)):
        raise FrameError(f"{name}: data is neither bytes nor a buffer reference")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(data) != expected:
        raise FrameError(f"{name}: {len(data)} bytes of data, but dtype and shape need {expected}")
    return np.frombuffer(data, dtype=dtype).reshape(shape)

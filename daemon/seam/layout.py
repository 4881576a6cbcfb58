"""How a result lies in its block of the arena: which arrays, of which shape and dtype, one behind the other.

Every request has one: admission and the dispatcher reserve by it, the worker writes by it, the outbox sends by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from depthwire.protocol import ResultOptions
from depthwire.protocol.frames import BufferRef, array_header
from depthwire.protocol.options import DEPTH_DTYPES


class ResultArray(NamedTuple):
    """One array of a result: its field of the reply, its place in the block in bytes, its header."""

    name: str
    start: int
    length: int
    header: dict[bytes, Any]


@dataclass(frozen=True)
class Layout:
    """The arrays of a result in the order of their buffers, and the bytes that they take together."""

    arrays: tuple[ResultArray, ...]
    starts: dict[str, int]
    bytes: int

    def offset(self, name: str, block: int) -> int:
        """Where an array lies for a block at this offset of the arena; negative if the result does not have it."""
        start = self.starts.get(name)
        return -1 if start is None else block + start


@lru_cache(maxsize=256)
def layout_of(op: str, width: int, height: int, options: ResultOptions) -> Layout:
    """The layout of the answer to `op` for a picture of `width` × `height`.

    Points come first and bytes last, so that every array is aligned to its elements.
    """
    columns, rows = options.map_size(width, height)
    cloud = [rows, columns, 3] if options.organized else [rows * columns, 3]
    wanted: list[tuple[str, str, list[int], int]] = []
    if op == "pc":
        wanted.append(("pointcloud", "<f4", cloud, 4 * 3 * rows * columns))
    dtype = DEPTH_DTYPES[options.depth_format]
    wanted.append(("depth_map", dtype, [rows, columns], int(dtype[-1]) * rows * columns))
    if options.colors:
        wanted.append(("colors", "|u1", cloud, 3 * rows * columns))
    arrays, start = [], 0
    for index, (name, kind, shape, length) in enumerate(wanted):
        arrays.append(ResultArray(name, start, length, array_header(kind, shape, BufferRef(index))))
        start += length
    return Layout(tuple(arrays), {array.name: array.start for array in arrays}, start)

"""DepthStream and AsyncDepthStream: what `stream()` of the two clients returns, two faces of one pump.

A stream ends with its source, with `close`, or when nobody holds it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import numpy as np

from depthwire.client.streams.items import FrameLike, StreamCounts, StreamItem
from depthwire.client.streams.pump import StreamPump

if TYPE_CHECKING:
    from typing_extensions import Self

R = TypeVar("R")
Frames: TypeAlias = "Iterable[FrameLike]"
AsyncFrames: TypeAlias = "AsyncIterable[FrameLike] | Iterable[FrameLike]"


def check_source(frames: object) -> None:
    """Raises TypeError for one picture, or the name of a file, in the place of many pictures.

    Such things can be iterated over: a name gives its letters, each of which would be sent as a file of that name.
    """
    given = type(frames).__name__
    if isinstance(frames, (str, os.PathLike)):
        raise TypeError(
            f"frames is a {given}, {os.fspath(frames)!r}; it must be an iterable of pictures. Of one picture make "
            "[picture]; read a video with OpenCV, as examples/robot_loop.py does, or by `depthwire stream FILE`"
        )
    is_picture = isinstance(frames, (bytes, bytearray, memoryview)) or (
        isinstance(frames, np.ndarray) and frames.ndim < 4 and frames.dtype != np.object_
    )
    if is_picture or not isinstance(frames, (Iterable, AsyncIterable)):
        raise TypeError(f"frames is one {given}; it must be an iterable of pictures, such as [picture]")


class DepthStream(Iterator[StreamItem[R]], Generic[R]):
    """An iterator over the items of a stream, in order; also a context manager that closes it.

    Iterating raises what the source raised, behind everything that was delivered, and ClientClosedError once the client
    is closed. What becomes of single frames stands in their items.
    """

    def __init__(self, pump: StreamPump, frames: Frames) -> None:
        check_source(frames)
        self._pump = pump
        self._finalizer = weakref.finalize(self, StreamPump.close, pump)
        pump.drain(iter(frames))
        pump.start()

    @property
    def counts(self) -> StreamCounts:
        """How many frames there were so far, and what became of them."""
        return self._pump.counts

    def close(self) -> None:
        """End the stream and take back what is in flight; any number of times, from any thread."""
        self._finalizer()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamItem[R]:
        return self._pump.wait_and_take()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncDepthStream(AsyncIterator[StreamItem[R]], Generic[R]):
    """The asyncio twin of DepthStream, over an async iterable or, read in a thread, over any other."""

    def __init__(self, pump: StreamPump, frames: AsyncFrames) -> None:
        check_source(frames)
        self._pump = pump
        self._news = _News(asyncio.get_running_loop())
        pump.on_news = self._news.tell
        if isinstance(frames, AsyncIterable):
            reading = asyncio.ensure_future(_drain(pump, self._news, aiter(frames)))
            self._finalizer = weakref.finalize(self, _close, pump, reading)
        else:
            self._finalizer = weakref.finalize(self, _close, pump, None)
            pump.drain(iter(frames))
        pump.start()

    @property
    def counts(self) -> StreamCounts:
        """How many frames there were so far, and what became of them."""
        return self._pump.counts

    async def close(self) -> None:
        """End the stream and take back what is in flight; any number of times."""
        self._finalizer()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamItem[R]:
        while True:
            news = self._news.next()  # before the look, or what comes in between would be missed
            try:
                item = self._pump.take()
            except StopIteration:
                raise StopAsyncIteration from None
            if item is not None:
                return item
            await asyncio.wait([news])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _News:
    """Wakes coroutines of one event loop from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._next: asyncio.Future[None] | None = None

    def next(self) -> asyncio.Future[None]:
        """Done as soon as there is news: then look again.

        All share it, so wait for it with asyncio.wait: a task that awaits it itself cancels it for all when cancelled.
        """
        if self._next is None or self._next.done():
            self._next = self._loop.create_future()
        return self._next

    def tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever could have waited
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)


async def _drain(pump: StreamPump, news: _News, frames: AsyncIterator[FrameLike]) -> None:
    """Read an async source to its end, one frame at a time and only where there is room for it."""
    error: BaseException | None = None
    try:
        while await _room(pump, news):
            try:
                frame = await anext(frames)
            except StopAsyncIteration:
                break
            pump.offer(frame)
    except Exception as failure:  # the source is the user's: what it raises is theirs to see
        error = failure
    finally:
        pump.end(error)
        with contextlib.suppress(Exception):
            if isinstance(frames, AsyncGenerator):
                await frames.aclose()


async def _room(pump: StreamPump, news: _News) -> bool:
    """Wait for room for another frame; False once nobody wants one."""
    while True:
        change = news.next()  # before the look, as in __anext__
        if pump.has_ended:
            return False
        if pump.has_room():
            return True
        await asyncio.wait([change])


def _close(pump: StreamPump, reading: asyncio.Future[None] | None) -> None:
    pump.close()
    if reading is None:
        return
    with contextlib.suppress(RuntimeError):  # the loop is closed
        reading.get_loop().call_soon_threadsafe(reading.cancel)

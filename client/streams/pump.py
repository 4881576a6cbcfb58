"""The pump of a stream: one thread reads the source, one encodes and sends, and the client's I/O thread brings answers.

`base` makes one for each stream; `iterators` gives it its two faces. All state is a StreamCore's, under one lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from depthwire.client.core import Call, ClientClosedError, Receiver
from depthwire.client.results import Result
from depthwire.client.streams.core import Outcome, StreamCore, Ticket
from depthwire.client.streams.items import Frame, FrameLike, StreamCounts, StreamItem
from depthwire.client.threads import SOURCE_PATIENCE_S, start_thread
from depthwire.protocol import DepthwireError

Send = Callable[[Frame, Receiver], Call]


class StreamPump:
    """Moves frames from a source through the client to whoever takes the items.

    `send` encodes a frame, submits it and returns its call, or raises what is wrong with it; `cancel` takes a call
    back; `clock` is monotonic seconds. `on_news`, if set, is called from any thread whenever there may be an item, or
    room for another frame.
    """

    def __init__(
        self, core: StreamCore, send: Send, cancel: Callable[[Call], None], clock: Callable[[], float]
    ) -> None:
        self.on_news: Callable[[], None] | None = None
        self._core = core
        self._send = send
        self._cancel = cancel
        self._clock = clock
        self._closed = False
        self._changed = threading.Condition()

    def start(self) -> None:
        """Begin to send what is offered."""
        start_thread(self._send_all, self.close, "depthwire stream sender")

    def drain(self, frames: Iterator[FrameLike]) -> None:
        """Read the source in a thread of its own, so that a camera that blocks holds up nothing else.

        The thread ends with the source; if `close` comes first, when the source gives its next frame.
        """
        start_thread(lambda: self._drain(frames), self.close, "depthwire stream source", SOURCE_PATIENCE_S)

    # The source, from any one thread

    @property
    def has_ended(self) -> bool:
        """Whether nobody wants another frame."""
        with self._changed:
            return self._closed or self._core.has_ended

    def has_room(self) -> bool:
        with self._changed:
            return self._core.has_room()

    def offer(self, frame: FrameLike) -> None:
        with self._changed:
            if not self._closed:
                self._core.offer(as_frame(frame), self._clock())
                self._tell()

    def end(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._core.end(error)
            self._tell()

    # The consumer, from any thread

    @property
    def counts(self) -> StreamCounts:
        return self._core.counts

    @property
    def closed(self) -> bool:
        return self._closed

    def take(self) -> StreamItem[Any] | None:
        """The next item, or None where it is still to come. Raises StopIteration at the end, or what ended it."""
        with self._changed:
            item = self._core.take(self._clock())
            if item is not None:
                self._tell()  # there is room for another frame
            elif self._closed or self._core.is_over:
                self._core.raise_failure()
                raise StopIteration
            return item

    def wait_and_take(self) -> StreamItem[Any]:
        """The next item, waiting for it. Raises as `take` does."""
        with self._changed:
            while (item := self.take()) is None:
                self._changed.wait()
            return item

    def close(self) -> None:
        """End the stream: nothing more is delivered, what is in flight is taken back."""
        with self._changed:
            self._closed = True
            calls = [ticket.call for ticket in self._core.outstanding if ticket.call is not None]
            self._core.outstanding.clear()
            self._tell()
        for call in calls:
            self._cancel(call)

    # The threads

    def _drain(self, frames: Iterator[FrameLike]) -> None:
        error: BaseException | None = None
        try:
            while self._wait_for_room():
                try:
                    frame = next(frames)
                except StopIteration:
                    break
                self.offer(frame)
        except Exception as failure:  # the source is the user's: what it raises is theirs to see
            error = failure
        finally:
            with contextlib.suppress(Exception):
                getattr(frames, "close", lambda: None)()  # of a generator: its own `finally` releases the camera
            self.end(error)

    def _wait_for_room(self) -> bool:
        """False once nobody wants another frame."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_ended or self._core.has_room())
            return not self.has_ended

    def _send_all(self) -> None:
        while (ticket := self._wait_for_frame()) is not None:
            try:
                call = self._send(ticket.frame, _Answer(self, ticket))
            except ClientClosedError as error:
                with self._changed:
                    self._core.fail(error)
                    self._tell()
            except Exception as error:  # of this frame alone: a file that is not there, an array that is no picture
                self.answered(ticket, error)
            else:
                self._remember(ticket, call)

    def _wait_for_frame(self) -> Ticket | None:
        """The next frame to send; None once there will be none."""
        with self._changed:
            while not self._closed and not self._core.is_sent:
                ticket = self._core.next_to_send(self._clock())
                if ticket is not None:
                    return ticket
                self._changed.wait()
            return None

    def _remember(self, ticket: Ticket, call: Call) -> None:
        with self._changed:
            if not self._closed:
                ticket.call = call
                return
        self._cancel(call)  # closed while it was encoded

    def answered(self, ticket: Ticket, outcome: Outcome) -> None:
        """What became of a frame, from any thread."""
        with self._changed:
            self._core.answered(ticket, outcome, self._clock())
            ticket.call = None
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        if self.on_news is not None:
            self.on_news()


class _Answer:
    """The receiver of one frame's call."""

    def __init__(self, pump: StreamPump, ticket: Ticket) -> None:
        self._pump = pump
        self._ticket = ticket

    def deliver(self, outcome: Result | DepthwireError) -> None:
        self._pump.answered(self._ticket, outcome)


def as_frame(value: FrameLike) -> Frame:
    """A Frame for whatever a source may give; what is no image shows when it is sent."""
    if isinstance(value, Frame):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return Frame(value[0], value[1])
    return Frame(value)  # a tuple of another length is refused as no image

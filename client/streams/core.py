"""A stream's state machine: which frame is sent next, which is dropped, and what is delivered, in order.

`pump` drives it for both clients. No thread, lock, socket or clock in here; a LatestFrames or an AllFrames is
one stream under the policy of that name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from depthwire.client.core import Call, ClientClosedError
from depthwire.client.results import Result
from depthwire.client.streams.items import Frame, StreamCounts, StreamItem
from depthwire.protocol import DepthwireError, SupersededError

LATEST_IN_FLIGHT: Final = 3
"""One that is worked on, one that waits behind it, and one on its way to take the place of that."""
ALL_IN_FLIGHT: Final = 8

REFRESH_SHARE: Final = 0.25
"""What waits in the daemon is replaced once it is older than this share of the time between two results. A camera that
is much faster than the daemon then sends at most four frames for each result, and ages suffer by no more than this."""
FIRST_INTERVAL_S: Final = 0.2
"""Stands for the time between two results until there are two."""


Outcome: TypeAlias = "Result | Exception"
Stalled: TypeAlias = Callable[[float], "DepthwireError | None"]


@dataclass(eq=False)
class Ticket:
    """A frame from the source to its delivery; times are seconds of the pump's clock."""

    index: int
    frame: Frame
    taken: float
    sent_at: float = 0.0
    outcome: Outcome | None = None
    call: Call | None = None


class StreamCore(ABC):
    """What both policies share. `in_flight` bounds the frames that are sent and not answered."""

    def __init__(self, in_flight: int) -> None:
        self.counts = StreamCounts()
        self.outstanding: set[Ticket] = set()
        """What was sent and has no answer yet."""
        self._in_flight = in_flight
        self._last_delivered = -1
        self._ended = False
        self._failure: BaseException | None = None

    # The source

    @abstractmethod
    def has_room(self) -> bool:
        """Whether the source may be asked for another frame."""

    def offer(self, frame: Frame, now: float) -> None:
        """The source has given a frame."""
        if self._ended:
            return
        ticket = Ticket(self.counts.taken, frame, now if frame.taken is None else frame.taken)
        self.counts.taken += 1
        self._keep(ticket, now)

    @property
    def has_ended(self) -> bool:
        """Whether the source has no more frames, or none is wanted any more."""
        return self._ended

    def end(self, error: BaseException | None = None) -> None:
        """The source has no more frames, or failed with `error`, which is raised behind all that is delivered."""
        self._ended = True
        self._failure = self._failure or error

    def fail(self, error: BaseException) -> None:
        """The stream cannot go on: nothing more is sent or delivered."""
        self._ended, self._failure = True, error
        self.outstanding.clear()
        self._forget()

    # The sender

    def next_to_send(self, now: float) -> Ticket | None:
        """The frame to send at this moment, which counts as sent from here on; None: not now."""
        ticket = self._choose(now)
        if ticket is not None:
            ticket.sent_at = now
            self.outstanding.add(ticket)
        return ticket

    def answered(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        """What became of a frame that was sent, or of sending it."""
        if ticket not in self.outstanding:
            return
        self.outstanding.remove(ticket)
        if isinstance(outcome, ClientClosedError):
            self.fail(outcome)
        else:
            ticket.outcome = outcome
            self._settle(ticket, now)

    # The consumer

    def take(self, now: float) -> StreamItem[Any] | None:
        """The next item to deliver, if one is ready."""
        ticket = self._next_ready()
        if ticket is None:
            return None
        error = ticket.outcome if isinstance(ticket.outcome, Exception) else None
        if error is None:
            self.counts.results += 1
        else:
            self.counts.errors += 1
        dropped = ticket.index - self._last_delivered - 1
        self._last_delivered = ticket.index
        result = ticket.outcome if error is None else None
        return StreamItem(ticket.index, ticket.frame, now - ticket.taken, dropped, error, result)

    @property
    def is_sent(self) -> bool:
        """Whether nothing will be left to send, whatever else happens."""
        return self._ended and not self._has_unsent()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be delivered."""
        return self.is_sent and not self.outstanding and not self._has_ready()

    def raise_failure(self) -> None:
        """Raise, once, what ended the stream before its time, if anything did."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # What a policy decides

    @abstractmethod
    def _keep(self, ticket: Ticket, now: float) -> None: ...

    @abstractmethod
    def _choose(self, now: float) -> Ticket | None: ...

    @abstractmethod
    def _settle(self, ticket: Ticket, now: float) -> None: ...

    @abstractmethod
    def _next_ready(self) -> Ticket | None: ...

    @abstractmethod
    def _has_unsent(self) -> bool: ...

    @abstractmethod
    def _has_ready(self) -> bool: ...

    @abstractmethod
    def _forget(self) -> None: ...


class LatestFrames(StreamCore):
    """Only the newest counts: it replaces an older frame that waits, here and in the daemon, and an older result.

    `stalled` is asked, when a frame is dropped, with the seconds for which nothing has come: the error to deliver in
    its place where that is too long. Otherwise a stream whose daemon is gone would drop frames in silence for ever.
    """

    def __init__(self, in_flight: int, stalled: Stalled) -> None:
        super().__init__(in_flight)
        self._stalled = stalled
        self._waiting: Ticket | None = None
        self._ready: dict[bool, Ticket] = {}  # at most one result (False) and one error (True)
        self._newest_result = -1
        self._quiet_since = 0.0
        self._sent_at = 0.0
        self._result_at = 0.0
        self._interval_s = FIRST_INTERVAL_S

    def has_room(self) -> bool:
        return True  # a camera that is not read piles up old pictures

    def _keep(self, ticket: Ticket, now: float) -> None:
        if self._waiting is not None:
            self._drop(self._waiting, now)
        elif not self.outstanding:
            self._quiet_since = now
        self._waiting = ticket

    def _choose(self, now: float) -> Ticket | None:
        busy = len(self.outstanding)
        is_free = busy < min(2, self._in_flight)
        # The source's last frame has no successor to be saved for.
        is_due = self.has_ended or now - self._sent_at >= REFRESH_SHARE * self._interval_s
        if not is_free and not (is_due and busy < self._in_flight):
            return None
        ticket, self._waiting = self._waiting, None
        if ticket is not None:
            self._sent_at = now
        return ticket

    def _settle(self, ticket: Ticket, now: float) -> None:
        is_error = isinstance(ticket.outcome, Exception)
        if isinstance(ticket.outcome, SupersededError):
            self._drop(ticket, now)
            return
        if not is_error:
            self._learn(now - max(self._result_at, ticket.sent_at))
            self._result_at = now
        self._make_ready(ticket, is_error, now)

    def _learn(self, interval_s: float) -> None:
        self._interval_s += 0.3 * (interval_s - self._interval_s)

    def _make_ready(self, ticket: Ticket, is_error: bool, now: float) -> None:
        self._quiet_since = now
        if ticket.index < max(self._newest_result, self._last_delivered):  # a newer one was quicker
            self.counts.dropped += 1
            return
        if not is_error:
            self._newest_result = ticket.index
        if is_error in self._ready:
            self.counts.dropped += 1
        self._ready[is_error] = ticket

    def _drop(self, ticket: Ticket, now: float) -> None:
        error = self._stalled(now - self._quiet_since)
        if error is None:
            self.counts.dropped += 1
        else:
            ticket.outcome = error
            self._make_ready(ticket, True, now)

    def _next_ready(self) -> Ticket | None:
        result, error = self._ready.get(False), self._ready.get(True)
        if result is not None and (error is None or result.index < error.index):
            return self._ready.pop(False)
        # An error is often quicker than the result of the frame before, which would come too late behind it.
        if error is not None and (result is not None or all(t.index > error.index for t in self.outstanding)):
            return self._ready.pop(True)
        return None

    def _has_unsent(self) -> bool:
        return self._waiting is not None

    def _has_ready(self) -> bool:
        return bool(self._ready)

    def _forget(self) -> None:
        self._waiting = None
        self._ready.clear()


class AllFrames(StreamCore):
    """Every frame counts: the source is asked for no more than there is room for, and nothing is dropped.

    `in_flight` also bounds what was answered and is not delivered yet.
    """

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._line: deque[Ticket] = deque()
        self._unsent: deque[Ticket] = deque()

    def has_room(self) -> bool:
        return len(self._line) < self._in_flight

    def _keep(self, ticket: Ticket, now: float) -> None:
        self._line.append(ticket)
        self._unsent.append(ticket)

    def _choose(self, now: float) -> Ticket | None:
        return self._unsent.popleft() if self._unsent else None

    def _settle(self, ticket: Ticket, now: float) -> None:
        """Its outcome stands in the line."""

    def _next_ready(self) -> Ticket | None:
        return self._line.popleft() if self._has_ready() else None

    def _has_unsent(self) -> bool:
        return bool(self._unsent)

    def _has_ready(self) -> bool:
        return bool(self._line) and self._line[0].outcome is not None

    def _forget(self) -> None:
        self._line.clear()
        self._unsent.clear()

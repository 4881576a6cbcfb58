"""The client's state machine: every request from submit to its one answer, without a socket, a thread or a clock.

`connection` feeds it messages and connection changes and sends what it asks to send; both clients stand on that pair,
so their behaviour cannot drift apart. Nothing here is thread safe except making a Call.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import logging
import math
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from depthwire.client.results import Result, result_from_reply
from depthwire.protocol import (
    ConnectionLostError,
    DeadlineExceededError,
    DepthwireError,
    ProtocolError,
    Reply,
    Request,
    ShuttingDownError,
    SupersededError,
    parse_reply,
)
from depthwire.protocol.frames import Buffer, FrameError, unpack_header
from depthwire.protocol.messages import MAX_TIMEOUT_MS

log = logging.getLogger("depthwire.client")

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0
MAX_RETRY_AFTER_S = 30.0
RESEND_SPREAD_S = 0.05
"""After a reconnection the clients of one daemon resend within this span instead of all at once."""
DRAINING_BACKOFF_S = 1.0
"""A daemon that is shutting down is not back sooner; quicker tries would use up the retries on the one that leaves."""
CANCEL_TIMEOUT_MS = 5000.0


class ClientClosedError(DepthwireError, RuntimeError):
    """Client only: the client was closed, before the request or while it waited, or belongs to the parent process."""

    code = "CLIENT_CLOSED"


class Receiver(Protocol):
    """Where a call's outcome goes: the sync or the asyncio future."""

    def deliver(self, outcome: Result | DepthwireError) -> None:
        """Called once, from the I/O thread."""


class CallState(enum.Enum):
    """Where a call stands. READY calls are sent as soon as a daemon is connected, DELAYED ones not before a time."""

    READY = enum.auto()
    DELAYED = enum.auto()
    IN_FLIGHT = enum.auto()
    DONE = enum.auto()


_FORGOTTEN = Request(0, "health")
_order = itertools.count(1)


@dataclass(eq=False)
class Call:
    """One request from submit to its answer; `submitted`, `deadline` and `not_before` are seconds of the core's clock.

    `request` is the template that every attempt is made from (id and timeout_ms are set anew each time), `order`
    tells which of two calls is newer, `wire_id` is the id of the attempt that is in flight.
    """

    request: Request
    receiver: Receiver | None
    submitted: float
    deadline: float = math.inf
    order: int = field(default_factory=_order.__next__)
    state: CallState = CallState.READY
    not_before: float = 0.0
    resends: int = 0
    wire_id: int | None = None


class Core:
    """What to send, what an answer means, when to try again and when to give up.

    `retries` is how often a request is sent again, `connect_timeout_s` how long one waits while no daemon is there.
    `clock` is monotonic seconds, `jitter` a number in 0…1; tests replace both.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        retries: int = 3,
        connect_timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self._retries = retries
        self._connect_timeout_s = connect_timeout_s
        self._jitter = jitter
        self._wire_ids: Iterator[int] = itertools.count(1)
        self._timer_ids: Iterator[int] = itertools.count(1)
        self._connected = False
        self._down_since = clock()
        self._refusal = ""
        self._unresolved = ""
        self._unfinished: dict[int, Call] = {}
        self._ready: OrderedDict[int, Call] = OrderedDict()
        self._in_flight: dict[int, Call] = {}
        self._newest_of_stream: dict[str, Call] = {}
        self._cancels: deque[int] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._finished: list[tuple[Receiver, Result | DepthwireError]] = []
        self._offered: tuple[int, Call | None] | None = None

    def __len__(self) -> int:
        """How many calls have no answer yet."""
        return len(self._unfinished)

    @property
    def connected(self) -> bool:
        return self._connected

    def stall(self, quiet_s: float, timeout_s: float) -> DepthwireError | None:
        """What to say of a stream to which nothing has come for `quiet_s`; None while that is no reason to worry.

        For any thread. A frame that newer ones replace never meets its own deadline.
        """
        if not self._connected and quiet_s >= min(timeout_s, self._connect_timeout_s):
            return ConnectionLostError(self._no_daemon())
        if quiet_s >= timeout_s:
            return DeadlineExceededError(f"no result for {quiet_s:.3g} s")
        return None

    # What the user does

    def submit(self, call: Call) -> None:
        """Take a call on. A newer one of its stream ends those that the daemon has not seen yet (SupersededError)."""
        self._unfinished[call.order] = call
        stream = call.request.stream
        if stream is not None:
            newest = self._newest_of_stream.get(stream)
            if newest is not None and newest.order > call.order:
                self._supersede(call)
                return
            self._newest_of_stream[stream] = call
            if newest is not None and newest.state is not CallState.IN_FLIGHT:
                self._supersede(newest)
        self._ready[call.order] = call
        self._set_timer(call.deadline, call)
        if not self._connected:
            self._set_timer(self._gives_up_at(call), call)

    def cancel(self, call: Call) -> None:
        """Forget a call whose future has been told already; the daemon is told if it may be working on it."""
        if call.state is not CallState.DONE:
            self._take_back(call)
            self._drop(call)

    def close(self, failure: DepthwireError | None = None) -> None:
        """End every call, with ClientClosedError or `failure`; what is in flight is cancelled at the daemon."""
        for call in list(self._unfinished.values()):
            self._take_back(call)
            closed = ClientClosedError(f"the client was closed before {call.request.op} was answered")
            self._finish(call, failure or closed)

    # What the connection reports

    def on_connected(self) -> None:
        """A daemon has completed the handshake."""
        self._connected = True
        self._refusal = self._unresolved = ""

    def on_refused(self, reason: str) -> None:
        """Somebody listens there, but ends the handshake: what waits goes on to wait, and is told why in the end.

        Without a reason: nobody listens there.
        """
        self._refusal, self._unresolved = reason, ""

    def on_unresolved(self, reason: str) -> None:
        """The endpoint's host name leads nowhere; from any thread. What waits goes on to wait."""
        self._unresolved = reason

    def on_disconnected(self) -> None:
        """The daemon went away: whatever it had not answered is sent again once one is back."""
        if not self._connected:
            return
        self._connected = False
        self._down_since = self.clock()
        self._cancels.clear()
        delay_s = self._jitter() * RESEND_SPREAD_S
        for call in list(self._in_flight.values()):
            lost = ConnectionLostError(
                f"the connection to {self.endpoint} was lost while {call.request.op} waited for its answer "
                f"(sent {call.resends + 1} times)"
            )
            self._retry(call, delay_s, lost)
        for call in self._unfinished.values():
            self._set_timer(self._gives_up_at(call), call)

    def on_message(self, frames: Sequence[Buffer]) -> None:
        """A whole message has arrived. Garbage and answers that nobody waits for are dropped."""
        try:
            reply = parse_reply(frames)
        except ProtocolError as error:
            log.warning("%s sent something unreadable: %s", self.endpoint, error)
            reply = Reply(_readable_id(frames), None, {}, error)
        call = self._in_flight.get(reply.id) if reply.id is not None else None
        if call is None:
            if reply.error is not None and reply.id is None:
                log.warning("%s answered no request in particular: %s", self.endpoint, reply.error)
            return
        outcome = reply.error or _read_result(call.request, reply)
        if isinstance(outcome, DepthwireError) and outcome.retryable:
            self._retry(call, self._backoff_s(call, outcome), outcome)
        else:
            self._finish(call, outcome)

    def on_time(self) -> None:
        """Look at every call whose time has come: expired, given up, or due for another try."""
        now = self.clock()
        while self._timers and self._timers[0][0] <= now:
            call = heapq.heappop(self._timers)[2]
            if call.state is CallState.DONE:
                continue
            if now >= call.deadline:
                self._expire(call)
            elif not self._connected and now >= self._gives_up_at(call):
                at_fault = "client_key" if self._refusal else "endpoint" if self._unresolved else None
                self._finish(call, ConnectionLostError(self._no_daemon(), field=at_fault))
            elif call.state is CallState.DELAYED and now >= call.not_before:
                call.state = CallState.READY
                self._ready[call.order] = call

    # What the connection asks

    def next_deadline(self) -> float | None:
        """When `on_time` has something to do next, on the core's clock; None: never."""
        while self._timers and self._timers[0][2].state is CallState.DONE:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def next_outgoing(self) -> list[Buffer] | None:
        """The next message to send, made for this moment, or None. It stays the next one until `on_sent`."""
        if not self._connected or not (self._cancels or self._ready):
            return None
        self.on_time()
        if self._cancels:
            self._offered = (next(self._wire_ids), None)
            cancel = Request(self._offered[0], "cancel", target=self._cancels[0], timeout_ms=CANCEL_TIMEOUT_MS)
            return cancel.to_frames()
        while self._ready:
            call = next(iter(self._ready.values()))
            self._offered = (next(self._wire_ids), call)
            timeout_ms = None
            if call.deadline < math.inf:
                timeout_ms = min(max((call.deadline - self.clock()) * 1000, 0.001), MAX_TIMEOUT_MS)
            try:
                return replace(call.request, id=self._offered[0], timeout_ms=timeout_ms).to_frames()
            except DepthwireError as error:  # checked before it came here, but the others must not pay for a slip
                self._finish(call, error)
        return None

    def on_sent(self) -> None:
        """The message that `next_outgoing` gave last is on its way."""
        assert self._offered is not None
        wire_id, call = self._offered
        self._offered = None
        if call is None:
            self._cancels.popleft()
        else:
            del self._ready[call.order]
            call.state, call.wire_id = CallState.IN_FLIGHT, wire_id
            self._in_flight[wire_id] = call

    def take_finished(self) -> list[tuple[Receiver, Result | DepthwireError]]:
        """The outcomes since the last time, in the order in which they came to be."""
        finished, self._finished = self._finished, []
        return finished

    # Inside

    def _retry(self, call: Call, delay_s: float, reason: DepthwireError) -> None:
        """Send a call that is in flight again after a delay, or end it with `reason` where that has no point."""
        stream = call.request.stream
        now = self.clock()
        if call.resends >= self._retries or now + delay_s >= call.deadline:
            self._finish(call, reason)
        elif stream is not None and self._newest_of_stream.get(stream, call).order > call.order:
            self._supersede(call)  # sent again it would look like the newest and push out the one that is
        else:
            self._unlink(call)
            call.resends += 1
            call.state, call.not_before = CallState.DELAYED, now + delay_s
            self._set_timer(call.not_before, call)

    def _backoff_s(self, call: Call, error: DepthwireError) -> float:
        first_s: float = DRAINING_BACKOFF_S if isinstance(error, ShuttingDownError) else FIRST_BACKOFF_S
        backoff_s: float = min(first_s * 2**call.resends, MAX_BACKOFF_S) * (0.5 + 0.5 * self._jitter())
        asked_s = (error.retry_after_ms or 0.0) / 1000
        if not 0 < asked_s < math.inf:
            return backoff_s
        return max(backoff_s, min(asked_s, MAX_RETRY_AFTER_S) + self._jitter() * RESEND_SPREAD_S)

    def _gives_up_at(self, call: Call) -> float:
        return max(call.submitted, self._down_since) + self._connect_timeout_s

    def _no_daemon(self) -> str:
        why = self._refusal or self._unresolved or "is depthwired running there?"
        return f"no daemon answers at {self.endpoint}: {why}"

    def _expire(self, call: Call) -> None:
        text = f"no answer to {call.request.op} within {call.deadline - call.submitted:.3g} s"
        self._take_back(call)
        self._finish(call, DeadlineExceededError(text if self._connected else f"{text}; {self._no_daemon()}"))

    def _supersede(self, call: Call) -> None:
        self._finish(call, SupersededError(f"a newer request of stream {call.request.stream!r} took its place"))

    def _take_back(self, call: Call) -> None:
        if call.wire_id is not None:
            self._cancels.append(call.wire_id)

    def _finish(self, call: Call, outcome: Result | DepthwireError) -> None:
        if call.receiver is not None:
            self._finished.append((call.receiver, outcome))
        self._drop(call)

    def _drop(self, call: Call) -> None:
        self._unlink(call)
        call.state = CallState.DONE
        self._unfinished.pop(call.order, None)
        stream = call.request.stream
        if stream is not None and self._newest_of_stream.get(stream) is call:
            del self._newest_of_stream[stream]
        # A timer may hold the call for long after, but neither its image nor, through its future, its result.
        call.request, call.receiver = _FORGOTTEN, None

    def _unlink(self, call: Call) -> None:
        self._ready.pop(call.order, None)
        if call.wire_id is not None:
            del self._in_flight[call.wire_id]
            call.wire_id = None

    def _set_timer(self, when: float, call: Call) -> None:
        if when == math.inf:
            return
        if len(self._timers) > 64 + 4 * len(self._unfinished):  # mostly of calls that are answered long since
            self._timers = [timer for timer in self._timers if timer[2].state is not CallState.DONE]
            heapq.heapify(self._timers)
        # a call has several timers, so its order could tie, and calls do not compare
        heapq.heappush(self._timers, (when, next(self._timer_ids), call))


def _read_result(request: Request, reply: Reply) -> Result | DepthwireError:
    try:
        return result_from_reply(request, reply)
    except ProtocolError as error:
        return error


def _readable_id(frames: Sequence[Buffer]) -> int | None:
    """The id in a message that is otherwise not a reply, so that its request fails now and not at its deadline."""
    try:
        request_id: Any = unpack_header(frames[0]).get("id")
    except (FrameError, IndexError):
        return None
    return request_id if type(request_id) is int else None

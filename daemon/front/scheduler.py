"""The scheduler: which admitted request goes to a worker next, and which must not go any more.

Pure bookkeeping for the front: no sockets, no processes, no clock of its own. Requests wait in one queue per
bucket (what can share a batch), in which clients take turns; a worker takes the next one as soon as it has room and
never waits for more. What will be too late, as far as the forecast can tell, is refused or lets its neighbours pass.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from depthwire.daemon.front.fair_queue import Client, FairQueue, Pending
from depthwire.daemon.front.forecast import Forecast
from depthwire.daemon.front.quotas import QueueLimits, Quotas
from depthwire.daemon.front.residency import Bucket, Residency
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.protocol import DeadlineExceededError, OverloadedError

__all__ = ["Client", "Pending", "QueueLimits", "Scheduler"]


@dataclass
class Turn:
    """A client's place in the row, the same for all buckets: the lower number comes first."""

    number: int
    waiting: int = 0
    waiting_bytes: int = 0


@dataclass
class Scheduler:
    limits: QueueLimits
    waiting: int = 0
    waiting_bytes: int = 0
    forecast: Forecast = field(default_factory=Forecast)
    _queues: dict[Bucket, FairQueue] = field(default_factory=dict)
    _turns: dict[Client, Turn] = field(default_factory=dict)
    _last_turn: int = 0
    _open: dict[tuple[Client, int], Pending] = field(default_factory=dict)
    _quotas: Quotas = field(init=False)
    _streams: dict[tuple[Client, str], Pending] = field(default_factory=dict)
    _deadlines: list[tuple[float, int, Pending]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._quotas = Quotas(self.limits)

    def __len__(self) -> int:
        """Admitted requests that have not been answered."""
        return len(self._open)

    def check_room(self, pending: Pending, workers: int) -> None:
        """Raise OverloadedError, naming the limit, if this request does not fit.

        One that takes the place of a waiting one of its stream takes no other: only its image may be too large.
        """
        newest = self._newest_of_stream(pending)
        replaced = newest if newest is not None and newest.worker is None else None
        more_bytes = pending.image_bytes - (replaced.image_bytes if replaced else 0)
        turn = self._turns.get(pending.client)
        try:
            self._quotas.check(
                pending,
                turn.waiting_bytes if turn is not None else 0,
                more_bytes,
                in_place=replaced is not None,
                new_stream=newest is None and pending.request.stream is not None,
            )
            if replaced is None and self.waiting >= self.limits.max_waiting:
                raise OverloadedError(f"{self.limits.max_waiting} requests are waiting, the limit")
            if self.waiting and self.waiting_bytes + more_bytes > self.limits.max_waiting_bytes:
                raise OverloadedError(
                    f"the waiting images would exceed {self.limits.max_waiting_bytes} bytes, the limit"
                )
        except OverloadedError as error:
            retry_after_ms = round(1e3 * max(0.01, self.backlog_s(workers)), 1)
            raise OverloadedError(
                f"{error.message}; try again later", field=error.field, retry_after_ms=retry_after_ms
            ) from None

    def backlog_s(self, workers: int) -> float:
        """How long the workers will be busy with what is admitted, at the rates measured."""
        of_any_s = self.forecast.mean_request_s()
        waiting = sum(len(queue) * self.forecast.mean_request_s(bucket) for bucket, queue in self._queues.items())
        with_workers = (len(self._open) - self.waiting) * of_any_s
        return (waiting + with_workers) / max(workers, 1)

    def certainly_late(
        self, pending: Pending, now: float, workers: int, held_back: Collection[Client] = ()
    ) -> DeadlineExceededError | None:
        """The refusal of a request, not admitted yet, that would be late even at the best pace measured; else None.

        What counts as before it is what waits in its bucket and will have its turn first, and none of what is with the
        workers already. Nothing is refused while nothing else is open, or before the bucket has been measured.
        """
        left_s = pending.deadline - now
        pace = None if left_s == float("inf") or not self._open else self.forecast.pace(pending.bucket, now)
        if pace is None or not pace.is_certain:
            return None
        before, least_s = 0, pace.least_pass_s
        queue = self._queues.get(pending.bucket)
        if queue is not None and least_s <= left_s < (len(queue) + 1) * pace.least_request_s / workers:
            # Each of the other workers may have taken a batch that ends later.
            before = self._turns_before(pending, queue, held_back)
            in_row = before + 1 - (workers - 1) * pace.largest_batch
            least_s = max(least_s, in_row * pace.least_request_s / workers)
        if least_s <= left_s:
            return None
        return DeadlineExceededError(
            f"timeout_ms would pass before an answer: {before} requests come first, and it takes {1e3 * least_s:.0f} ms"
            f" at the least, {1e3 * left_s:.0f} ms are left",
            field="timeout_ms",
        )

    def is_too_late(self, pending: Pending, now: float) -> bool:
        """Whether a waiting request cannot be answered in time even if it runs at once and alone."""
        if pending.deadline == float("inf") or len(self._open) <= 1:
            return False
        pace = self.forecast.pace(pending.bucket, now)
        return pace is not None and pace.is_certain and pending.deadline - now < pace.least_pass_s

    def admit(self, pending: Pending) -> Pending | None:
        """Put a request into its queue; returns the one of the same stream that it supersedes, still to be answered."""
        self._open[pending.client, pending.request.id] = pending
        superseded = self._newest_of_stream(pending)
        self._quotas.begin(pending, new_stream=superseded is None and pending.request.stream is not None)
        if pending.deadline != float("inf"):
            heapq.heappush(self._deadlines, (pending.deadline, pending.ticket, pending))
        if superseded is not None and superseded.started:
            superseded = None
        if superseded is not None:
            # Or a camera that is quicker than the row would lose its place with every frame, and never be answered.
            pending.place = superseded.place
        self._enqueue(pending)
        if pending.request.stream is not None:
            self._streams[pending.client, pending.request.stream] = pending
        if superseded is not None and superseded.worker is not None:
            self._turns[pending.client].number = 0  # it had its turn, and got nothing for it
        return superseded

    def requeue(self, pending: Pending) -> None:
        """Back to the head of its queue: its worker died."""
        pending.worker, pending.started = None, False
        self._enqueue(pending, first=True)

    def next_ready(
        self,
        tables: Sequence[Residency],
        now: float,
        held_back: Collection[Client] = (),
        fits: Callable[[Pending], bool] | None = None,
    ) -> Pending | None:
        """The request to run next among those whose bucket is ready in one of the workers' tables.

        It is the first of the client whose turn it is, so that none waits for all that another one has sent; or the
        first that will probably be in time. Clients that are `held_back` get no turn, nor what does not
        fit (where there is anything to ask for that).
        """
        firsts: list[Pending] = []
        for bucket, queue in self._queues.items():
            if any(table.is_ready(bucket) for table in tables):
                if (pace := self.forecast.pace(bucket, now)) is not None:
                    queue.put_aside(now + pace.likely_s)
                firsts += queue.firsts()
        if held_back:
            firsts = [first for first in firsts if first.client not in held_back]
        if fits is not None:
            firsts = [first for first in firsts if fits(first)]
        return min(firsts, key=self._place, default=None)

    @property
    def buckets(self) -> Collection[Bucket]:
        """Those that requests wait in."""
        return self._queues.keys()

    def heads(self) -> list[Pending]:
        """The request at the head of each queue that is not empty."""
        return [self._first(queue) for queue in self._queues.values()]

    def take(self, pending: Pending) -> None:
        """Remove from its queue the request that `next_ready` returned; its client goes to the end of the row."""
        self._dequeue(pending)
        if (turn := self._turns.get(pending.client)) is not None:
            turn.number = self._next_turn()

    def find(self, client: Client, request_id: int) -> Pending | None:
        return self._open.get((client, request_id))

    def has_open(self, client: Client) -> bool:
        """Whether a client has requests that are not answered yet."""
        return client in self._quotas

    def of_client(self, client: Client) -> list[Pending]:
        return [pending for (owner, _), pending in self._open.items() if owner == client]

    def waiting_for(self, checkpoint: Checkpoint, size: tuple[int, int] | None = None) -> list[Pending]:
        """Those that wait for a checkpoint, or for it at one input size (height, width)."""
        waiting = [p for p in self._open.values() if p.worker is None and p.checkpoint == checkpoint]
        return [p for p in waiting if size in (None, (p.input_height, p.input_width))]

    def all_open(self) -> list[Pending]:
        return list(self._open.values())

    def close(self, pending: Pending) -> None:
        """Its answer is sent, or nobody is left to send it to: it no longer counts and is never run."""
        if pending.answered:
            return
        pending.answered = True
        del self._open[pending.client, pending.request.id]
        if pending.worker is None:
            self._dequeue(pending)
        stream = pending.request.stream
        ends_stream = stream is not None and self._streams.get((pending.client, stream)) is pending
        if stream is not None and ends_stream:
            del self._streams[pending.client, stream]
        self._quotas.end(pending, ends_stream=ends_stream)
        pending.image = b""
        if len(self._deadlines) > 2 * len(self._open) + 64:  # or what is answered would stay until its deadline
            self._deadlines = [entry for entry in self._deadlines if not entry[2].answered]
            heapq.heapify(self._deadlines)

    def expired(self, now: float) -> list[Pending]:
        """The open requests whose deadline has passed."""
        late = []
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].answered):
            pending = heapq.heappop(self._deadlines)[2]
            if not pending.answered:
                late.append(pending)
        return late

    def next_deadline(self) -> float:
        """When `expired` next has something to say; infinity if never."""
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def _enqueue(self, pending: Pending, *, first: bool = False) -> None:
        self._queues.setdefault(pending.bucket, FairQueue()).push(pending, first=first)
        turn = self._turns.get(pending.client)
        if turn is None:
            turn = self._turns[pending.client] = Turn(self._next_turn())
        if first:
            turn.number = 0
        turn.waiting += 1
        turn.waiting_bytes += pending.image_bytes
        self.waiting += 1
        self.waiting_bytes += pending.image_bytes

    def _dequeue(self, pending: Pending) -> None:
        queue = self._queues[pending.bucket]
        queue.remove(pending)
        if not queue:
            del self._queues[pending.bucket]
        turn = self._turns[pending.client]
        turn.waiting -= 1
        turn.waiting_bytes -= pending.image_bytes
        if not turn.waiting:
            del self._turns[pending.client]
        self.waiting -= 1
        self.waiting_bytes -= pending.image_bytes

    def _newest_of_stream(self, pending: Pending) -> Pending | None:
        stream = pending.request.stream
        return None if stream is None else self._streams.get((pending.client, stream))

    def _turns_before(self, pending: Pending, queue: FairQueue, held_back: Collection[Client]) -> int:
        """How many of a bucket's queue are served before a new request, at the least, as clients take turns."""
        replaced = self._newest_of_stream(pending)
        if replaced is not None and replaced.started:
            replaced = None
        own = queue.in_time(pending.client, replaced.place if replaced is not None else float("inf"))
        mine = self._turns.get(pending.client)
        goes_first = replaced is not None and replaced.worker is not None
        before = own
        for client in queue.clients():
            turn = self._turns[client]
            if client == pending.client or client in held_back or turn.waiting > queue.waiting_of(client):
                continue  # the last: its turns may go to another bucket
            is_sooner = not goes_first and (mine is None or turn.number < mine.number)
            before += min(queue.in_time(client), own + is_sooner)
        return before

    def _first(self, queue: FairQueue) -> Pending:
        return min(queue.firsts(), key=self._place)

    def _place(self, pending: Pending) -> tuple[int, int, int]:
        return self._turns[pending.client].number, pending.place, pending.ticket

    def _next_turn(self) -> int:
        self._last_turn += 1
        return self._last_turn

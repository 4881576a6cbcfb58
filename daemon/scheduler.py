"""The scheduler: which admitted request goes to a worker next, and which must not go any more.

Pure bookkeeping for the front: no sockets, no processes, no clock of its own. Requests wait in one queue per
bucket (what can share a batch), in which clients take turns; a worker takes the next one as soon as it has room and
never waits for more.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from depthwire.daemon.catalogue import Checkpoint
from depthwire.daemon.residency import Bucket, Residency
from depthwire.protocol import CameraIntrinsics, OverloadedError, Request

Client: TypeAlias = tuple[bytes, ...]
"""Who asked: the routing ids of the envelope."""


@dataclass(eq=False, slots=True)
class Pending:
    """An admitted request until its one answer has been sent."""

    ticket: int
    client: Client
    envelope: Sequence[bytes]
    request: Request
    checkpoint: Checkpoint
    model: str
    image: Any
    image_format: str
    width: int
    height: int
    input_height: int
    input_width: int
    scale: float
    camera: CameraIntrinsics | None
    """Of the picture's own size; None where no points are asked for."""
    arrived: float
    deadline: float
    answered: bool = False
    worker: int | None = None
    image_block: int = -1
    result_block: int = -1
    started: bool = False
    attempts: int = 0
    """How often a worker died with this request under its hands."""
    bucket: Bucket = field(init=False)
    image_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.checkpoint, self.input_height, self.input_width)
        self.image_bytes = len(self.image)


class FairQueue:
    """What waits in one bucket: first in, first out for each client."""

    def __init__(self) -> None:
        self._clients: dict[Client, deque[Pending]] = {}

    def __bool__(self) -> bool:
        return bool(self._clients)

    def push(self, pending: Pending, *, first: bool = False) -> None:
        queue = self._clients.setdefault(pending.client, deque())
        if first:
            queue.appendleft(pending)
        else:
            queue.append(pending)

    def firsts(self) -> Iterator[Pending]:
        """The next one of each client."""
        return (queue[0] for queue in self._clients.values())

    def remove(self, pending: Pending) -> None:
        queue = self._clients[pending.client]
        queue.remove(pending)
        if not queue:
            del self._clients[pending.client]


@dataclass
class Turn:
    """A client's place in the row, the same for all buckets: the lower number comes first."""

    number: int
    waiting: int = 0


@dataclass
class QueueLimits:
    """How much may wait: requests in all and for one client, and bytes of images in all."""

    max_waiting: int = 512
    max_waiting_bytes: int = 512 * 2**20
    max_in_flight_per_client: int = 64


@dataclass
class Scheduler:
    limits: QueueLimits
    waiting: int = 0
    waiting_bytes: int = 0
    service_s: float = 0.0
    """Seconds that a worker needs for one request, smoothed over the last few dozen."""
    _queues: dict[Bucket, FairQueue] = field(default_factory=dict)
    _turns: dict[Client, Turn] = field(default_factory=dict)
    _last_turn: int = 0
    _open: dict[tuple[Client, int], Pending] = field(default_factory=dict)
    _per_client: dict[Client, int] = field(default_factory=dict)
    _streams: dict[tuple[Client, str], Pending] = field(default_factory=dict)
    _deadlines: list[tuple[float, int, Pending]] = field(default_factory=list)

    def __len__(self) -> int:
        """Admitted requests that have not been answered."""
        return len(self._open)

    def check_room(self, client: Client, image_bytes: int, workers: int, stream: str | None = None) -> None:
        """Raise OverloadedError, naming the limit, if one more request of this client does not fit.

        One that takes the place of a waiting one of its stream always does.
        """
        limits = self.limits
        replaced = None if stream is None else self._streams.get((client, stream))
        if replaced is not None and replaced.worker is None:
            return
        if self._per_client.get(client, 0) >= limits.max_in_flight_per_client:
            problem = f"this client has {limits.max_in_flight_per_client} requests in flight, its limit"
        elif self.waiting >= limits.max_waiting:
            problem = f"{limits.max_waiting} requests are waiting, the limit"
        elif self.waiting and self.waiting_bytes + image_bytes > limits.max_waiting_bytes:
            problem = f"the waiting images would exceed {limits.max_waiting_bytes} bytes, the limit"
        else:
            return
        raise OverloadedError(
            f"{problem}; try again later",
            retry_after_ms=round(1e3 * max(0.01, self.waiting * self.service_s / max(workers, 1)), 1),
        )

    def admit(self, pending: Pending) -> Pending | None:
        """Put a request into its queue; returns the one of the same stream that it supersedes, still to be answered."""
        self._open[pending.client, pending.request.id] = pending
        self._per_client[pending.client] = self._per_client.get(pending.client, 0) + 1
        if pending.deadline != float("inf"):
            heapq.heappush(self._deadlines, (pending.deadline, pending.ticket, pending))
        self._enqueue(pending)
        superseded = None
        if pending.request.stream is not None:
            superseded = self._streams.get((pending.client, pending.request.stream))
            self._streams[pending.client, pending.request.stream] = pending
        return superseded if superseded is not None and not superseded.started else None

    def requeue(self, pending: Pending) -> None:
        """Back to the head of its queue: its worker died."""
        pending.worker, pending.started = None, False
        self._enqueue(pending, first=True)

    def next_ready(self, tables: Sequence[Residency], held_back: Collection[Client] = ()) -> Pending | None:
        """The request to run next among those whose bucket is ready in one of the workers' tables.

        It is the first of the client whose turn it is, so that none waits for all that another one has sent.
        Clients that are `held_back` get no turn.
        """
        ready = [queue for bucket, queue in self._queues.items() if any(table.is_ready(bucket) for table in tables)]
        firsts = [first for queue in ready for first in queue.firsts() if first.client not in held_back]
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
        left = self._per_client[pending.client] - 1
        if left:
            self._per_client[pending.client] = left
        else:
            del self._per_client[pending.client]
        stream = pending.request.stream
        if stream is not None and self._streams.get((pending.client, stream)) is pending:
            del self._streams[pending.client, stream]
        if pending.worker is None:
            self._dequeue(pending)
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

    def note_service(self, seconds: float) -> None:
        """Learn how long a worker needed for one request."""
        self.service_s = seconds if not self.service_s else 0.9 * self.service_s + 0.1 * seconds

    def _enqueue(self, pending: Pending, *, first: bool = False) -> None:
        self._queues.setdefault(pending.bucket, FairQueue()).push(pending, first=first)
        turn = self._turns.get(pending.client)
        if turn is None:
            turn = self._turns[pending.client] = Turn(self._next_turn())
        if first:
            turn.number = 0
        turn.waiting += 1
        self.waiting += 1
        self.waiting_bytes += pending.image_bytes

    def _dequeue(self, pending: Pending) -> None:
        queue = self._queues[pending.bucket]
        queue.remove(pending)
        if not queue:
            del self._queues[pending.bucket]
        turn = self._turns[pending.client]
        turn.waiting -= 1
        if not turn.waiting:
            del self._turns[pending.client]
        self.waiting -= 1
        self.waiting_bytes -= pending.image_bytes

    def _first(self, queue: FairQueue) -> Pending:
        return min(queue.firsts(), key=self._place)

    def _place(self, pending: Pending) -> tuple[int, float, int]:
        return self._turns[pending.client].number, pending.arrived, pending.ticket

    def _next_turn(self) -> int:
        self._last_turn += 1
        return self._last_turn

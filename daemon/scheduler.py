"""The scheduler: which admitted request goes to a worker next, and which must not go any more.

Pure bookkeeping for the front: no sockets, no processes, no clock of its own. Requests wait in one queue per
checkpoint, in which clients take turns; a worker takes the next one as soon as it has room, never waiting for more.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from depthwire.daemon.catalogue import Checkpoint
from depthwire.daemon.residency import Residency
from depthwire.protocol import OverloadedError, Request

Client: TypeAlias = tuple[bytes, ...]
"""Who asked: the routing ids of the envelope."""


@dataclass(eq=False)
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
    arrived: float
    deadline: float
    answered: bool = False
    worker: int | None = None
    image_block: int = -1
    result_block: int = -1
    started: bool = False
    attempts: int = 0
    """How often a worker died with this request under its hands."""

    @property
    def image_bytes(self) -> int:
        return len(self.image)


class FairQueue:
    """First in, first out for each client, and the clients take turns."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Client, deque[Pending]] = OrderedDict()

    def push(self, pending: Pending, *, first: bool = False) -> None:
        queue = self._clients.setdefault(pending.client, deque())
        if first:
            queue.appendleft(pending)
            self._clients.move_to_end(pending.client, last=False)
        else:
            queue.append(pending)

    def peek(self) -> Pending | None:
        """The next one that still waits for an answer; those that do not are forgotten on the way."""
        while self._clients:
            client, queue = next(iter(self._clients.items()))
            while queue and queue[0].answered:
                queue.popleft()
            if queue:
                return queue[0]
            del self._clients[client]
        return None

    def pop(self) -> Pending:
        """Take the one that `peek` returned; its client goes to the end of the row."""
        client, queue = next(iter(self._clients.items()))
        pending = queue.popleft()
        if queue:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return pending


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
    _queues: dict[tuple[str, str], FairQueue] = field(default_factory=dict)
    _open: dict[tuple[Client, int], Pending] = field(default_factory=dict)
    _per_client: dict[Client, int] = field(default_factory=dict)
    _streams: dict[tuple[Client, str], Pending] = field(default_factory=dict)
    _deadlines: list[tuple[float, int, Pending]] = field(default_factory=list)

    def __len__(self) -> int:
        """Admitted requests that have not been answered."""
        return len(self._open)

    def check_room(self, client: Client, image_bytes: int, workers: int) -> None:
        """Raise OverloadedError, naming the limit, if one more request of this client does not fit."""
        limits = self.limits
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

    def next_ready(self, tables: Sequence[Residency]) -> Pending | None:
        """The request to run next among those whose checkpoint is ready in one of the workers' tables.

        Of the heads of all queues it is the one that arrived first.
        """
        heads = [
            head
            for queue in self._queues.values()
            if (head := queue.peek()) and any(table.is_ready(head.checkpoint) for table in tables)
        ]
        return min(heads, key=lambda head: head.arrived, default=None)

    def wanted_checkpoints(self) -> Iterator[Checkpoint]:
        """The checkpoints that something waits for."""
        for queue in self._queues.values():
            if head := queue.peek():
                yield head.checkpoint

    def take(self, pending: Pending) -> None:
        """Remove from its queue the request that `next_ready` returned."""
        key = (pending.checkpoint.encoder, pending.checkpoint.dataset)
        if self._queues[key].pop() is not pending:
            raise AssertionError("take() was given another request than next_ready() returned")
        self.waiting -= 1
        self.waiting_bytes -= pending.image_bytes

    def find(self, client: Client, request_id: int) -> Pending | None:
        return self._open.get((client, request_id))

    def of_client(self, client: Client) -> list[Pending]:
        return [pending for (owner, _), pending in self._open.items() if owner == client]

    def waiting_for(self, checkpoint: Checkpoint) -> list[Pending]:
        return [p for p in self._open.values() if p.worker is None and p.checkpoint == checkpoint]

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
            self.waiting -= 1
            self.waiting_bytes -= pending.image_bytes
            pending.image = b""

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
        key = (pending.checkpoint.encoder, pending.checkpoint.dataset)
        self._queues.setdefault(key, FairQueue()).push(pending, first=first)
        self.waiting += 1
        self.waiting_bytes += pending.image_bytes

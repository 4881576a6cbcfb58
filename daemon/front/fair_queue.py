"""What waits: an admitted request, and the queue of those that can share a batch, of which the scheduler keeps many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from depthwire.daemon.front.residency import Bucket
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam.layout import Layout, layout_of
from depthwire.protocol import CameraIntrinsics, Request

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
    handed_over_at: float = 0.0
    charged_s: float = 0.0
    """What its client was charged for it, in seconds of a worker's time."""
    put_aside: bool = False
    """It will probably be too late: what the same client sent after it goes first."""
    place: int = field(init=False)
    """Its order in the row of its client: its ticket, or that of the request that it superseded."""
    place_at_worker: int = 0
    """Its order among what its worker has."""
    kept_camera: CameraIntrinsics | None = None
    """Of the depth map, for the reply, where that has fewer pixels than the picture."""
    layout: Layout = field(init=False)
    bucket: Bucket = field(init=False)
    image_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.ticket
        self.bucket = Bucket(self.checkpoint, self.input_height, self.input_width)
        self.image_bytes = len(self.image)
        self.layout = layout_of(self.request.op, self.width, self.height, self.request.options)


class FairQueue:
    """What waits in one bucket, by client: in the order of their places, as long as that is in time.

    Of what is put aside, because it will probably be too late, the newest goes first: it has the best chance.
    """

    def __init__(self) -> None:
        self._clients: dict[Client, deque[Pending]] = {}
        self._aside: dict[Client, deque[Pending]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, pending: Pending, *, first: bool = False) -> None:
        queue = self._clients.setdefault(pending.client, deque())
        if first:
            queue.appendleft(pending)
        else:
            at = len(queue)
            while at and queue[at - 1].place > pending.place:  # a newer frame stands where the older one does
                at -= 1
            queue.insert(at, pending)
        pending.put_aside = False
        self._size += 1

    def put_aside(self, earliest: float) -> None:
        """Put aside what stands first with a client and would have to be answered before `earliest`."""
        late = [client for client, queue in self._clients.items() if queue[0].deadline < earliest]
        for client in late:
            queue = self._clients[client]
            while queue and queue[0].deadline < earliest:
                pending = queue.popleft()
                pending.put_aside = True
                self._aside.setdefault(client, deque()).append(pending)
            if not queue:
                del self._clients[client]

    def firsts(self, may_go: Callable[[Pending], bool] = lambda _: True) -> list[Pending]:
        """The next one of each client, of those that may go."""
        rows = [iter(queue) for queue in self._clients.values()]
        if self._aside:
            rows += [reversed(queue) for client, queue in self._aside.items() if client not in self._clients]
        return [first for row in rows if (first := next(filter(may_go, row), None)) is not None]

    def clients(self) -> Iterator[Client]:
        """Those with a request that will probably be in time."""
        return iter(self._clients)

    def in_time(self, client: Client, before: float = float("inf")) -> int:
        """How many requests of this client will probably be in time, of those that stand before a place."""
        queue = self._clients.get(client, ())
        return len(queue) if before == float("inf") else sum(pending.place < before for pending in queue)

    def waiting_of(self, client: Client) -> int:
        """How many requests of this client wait, those put aside too."""
        return self.in_time(client) + len(self._aside.get(client, ()))

    def remove(self, pending: Pending) -> None:
        queues = self._aside if pending.put_aside else self._clients
        queue = queues[pending.client]
        if queue[-1] is pending:
            queue.pop()
        else:
            queue.remove(pending)
        if not queue:
            del queues[pending.client]
        self._size -= 1

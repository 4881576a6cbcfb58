"""Which checkpoints a worker holds, loads or must give up: an LRU under a memory budget. One table per worker.

Pure bookkeeping for the front, which decides; the worker only carries out Load and Unload. Sizes before loading are
those of the checkpoint's file, after it what the worker reports.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from depthwire.daemon.catalogue import Checkpoint

RETRY_FAILED_LOAD_S = 10.0
"""A failed load is not tried again before this, so that a burst of requests does not start a burst of downloads."""


class State(enum.Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass
class Resident:
    checkpoint: Checkpoint
    state: State
    bytes: int
    used_at: float
    in_flight: int = 0
    models: set[str] = field(default_factory=set)
    """The names, with input size, under which it has been asked for."""


class Residency:
    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._table: dict[tuple[str, str], Resident] = {}

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._table.values())

    def get(self, checkpoint: Checkpoint) -> Resident | None:
        return self._table.get((checkpoint.encoder, checkpoint.dataset))

    def is_ready(self, checkpoint: Checkpoint) -> bool:
        resident = self.get(checkpoint)
        return resident is not None and resident.state is State.READY

    def wants_load(self, checkpoint: Checkpoint, now: float) -> bool:
        """Whether this checkpoint is neither here nor on its way, and a load that failed is long enough ago."""
        resident = self.get(checkpoint)
        if resident is None:
            return True
        return resident.state is State.FAILED and now - resident.used_at >= RETRY_FAILED_LOAD_S

    def make_room(self, checkpoint: Checkpoint, incoming_bytes: int) -> list[Checkpoint] | None:
        """The checkpoints to unload, least recently used first, so that one of `incoming_bytes` fits.

        They are taken off the table. None if what is in use or loading leaves no room now. A checkpoint larger than
        the whole budget is let in alone: refusing it would serve nobody.
        """
        kept = [r for r in self._table.values() if r.state is not State.FAILED and r.checkpoint != checkpoint]
        used = sum(resident.bytes for resident in kept)
        evicted = []
        for resident in sorted(kept, key=lambda r: r.used_at):
            if used + incoming_bytes <= self.budget_bytes:
                break
            if resident.state is State.READY and not resident.in_flight:
                evicted.append(resident)
                used -= resident.bytes
        if used + incoming_bytes > self.budget_bytes and used > 0:
            return None
        for resident in evicted:
            del self._table[resident.checkpoint.encoder, resident.checkpoint.dataset]
        return [resident.checkpoint for resident in evicted]

    def set(self, checkpoint: Checkpoint, state: State, size_bytes: int, now: float) -> None:
        key = (checkpoint.encoder, checkpoint.dataset)
        models = {f"{checkpoint.name}_{checkpoint.default_input_size}"}
        self._table[key] = Resident(checkpoint, state, size_bytes, now, models=models)

    def begin(self, checkpoint: Checkpoint, model: str, now: float) -> None:
        """One more request of this checkpoint, asked for as `model`, is with the worker."""
        resident = self._table[checkpoint.encoder, checkpoint.dataset]
        resident.in_flight += 1
        resident.models.add(model)
        resident.used_at = now

    def end(self, checkpoint: Checkpoint) -> None:
        resident = self.get(checkpoint)
        if resident is not None:
            resident.in_flight -= 1

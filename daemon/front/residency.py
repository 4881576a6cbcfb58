"""What a worker holds ready: checkpoints under a memory budget and input sizes under a count, both least recently
used first out. An input size beyond the count runs as it is. One table per worker.

Pure bookkeeping for the front, which decides; the worker only carries out Load, Unload, Warm and Forget. The size of a
checkpoint is that of its file before loading, and what the worker reports after it.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from depthwire.daemon.models.catalogue import Checkpoint

RETRY_FAILED_S = 10.0
"""What failed is not tried again before this, so that a burst of requests does not start a burst of downloads."""

TIME_SLICE_S = 2.0
"""How long a loaded checkpoint that requests wait for is safe from others that want its memory.

Where two do not fit together they take turns: without this, each could be unloaded before it has answered anything.
"""

PROMOTE_AFTER = 8
"""How often an input size that has no place runs as it is, before it takes the place of one not used meanwhile.

Where more sizes are in rotation than are kept, none takes another's place: each request would pay for a warm-up.
"""

_MAX_EAGER = 64
"""Sizes without a place that are counted, of one checkpoint."""

Size: TypeAlias = tuple[int, int]
"""Height and width of a network's input."""


class Bucket(NamedTuple):
    """What requests must agree in to share a batch."""

    checkpoint: Checkpoint
    input_height: int
    input_width: int

    @property
    def size(self) -> Size:
        return self.input_height, self.input_width


class State(enum.Enum):
    FETCHING = "fetching"
    """Of a checkpoint: it is being downloaded, and takes no memory yet."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass
class Shape:
    """An input size of one checkpoint that the worker makes, or has made, ready."""

    state: State
    used_at: float
    in_flight: int = 0


@dataclass
class Eager:
    """An input size that runs without having been made ready, since all places are taken."""

    since: float
    times: int = 0
    """How often since then."""
    in_flight: int = 0
    is_ending: bool = False
    """It is to be made ready as soon as nothing of it is in flight, and gets no more requests until then."""


@dataclass
class Resident:
    """A checkpoint that the worker loads or has loaded."""

    checkpoint: Checkpoint
    state: State
    bytes: int
    used_at: float
    since: float
    """When it came into this state."""
    in_flight: int = 0
    models: set[str] = field(default_factory=set)
    """The names, with input size, under which it has been asked for."""
    shapes: dict[Size, Shape] = field(default_factory=dict)
    eager: dict[Size, Eager] = field(default_factory=dict)


class Residency:
    """`max_shapes` 0 means that any input size is ready as soon as its checkpoint is."""

    def __init__(self, budget_bytes: int, max_shapes: int = 0) -> None:
        self.budget_bytes = budget_bytes
        self.max_shapes = max_shapes
        self._table: dict[str, Resident] = {}

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._table.values())

    def snapshot(self) -> list[Resident]:
        """What is held at this moment, for a thread that is not the front's: copying a dictionary is one step."""
        return list(self._table.copy().values())

    def get(self, checkpoint: Checkpoint) -> Resident | None:
        return self._table.get(checkpoint.name)

    @property
    def loading(self) -> list[Checkpoint]:
        """The checkpoints that are on their way from the disk."""
        return [resident.checkpoint for resident in self if resident.state is State.LOADING]

    @property
    def unfinished(self) -> list[Checkpoint | Bucket]:
        """The checkpoints that are loading, and the input sizes that are made ready."""
        shapes = [Bucket(r.checkpoint, *size) for r in self for size, s in r.shapes.items() if s.state is State.LOADING]
        return [*self.loading, *shapes]

    def may_have(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is loaded or on its way: one that has failed is no hope for who waits."""
        resident = self.get(checkpoint)
        return resident is not None and resident.state is not State.FAILED

    @property
    def promotes(self) -> bool:
        """Whether an input size without a place has run so often that it should look for one."""
        return bool(self.max_shapes) and any(e.times >= PROMOTE_AFTER for r in self for e in r.eager.values())

    def has_failed(self, checkpoint: Checkpoint, now: float) -> bool:
        """Whether the checkpoint could not be loaded, so lately that it is not tried again yet."""
        resident = self.get(checkpoint)
        return resident is not None and resident.state is State.FAILED and not _is_missing(resident, now)

    def has(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is loaded."""
        resident = self.get(checkpoint)
        return resident is not None and resident.state is State.READY

    def is_ready(self, bucket: Bucket) -> bool:
        """Whether a request of this bucket can run at once."""
        resident = self.get(bucket.checkpoint)
        if resident is None or resident.state is not State.READY:
            return False
        if not self.max_shapes:
            return True
        shape = resident.shapes.get(bucket.size)
        if shape is not None and shape.state is not State.FAILED:
            return shape.state is State.READY
        eager = resident.eager.get(bucket.size)
        return eager is not None and not eager.is_ending

    def cannot_warm(self, bucket: Bucket, now: float) -> bool:
        """Whether this input size could not be made ready, so lately that it is not tried again yet."""
        resident = self.get(bucket.checkpoint)
        shape = None if resident is None else resident.shapes.get(bucket.size)
        return shape is not None and shape.state is State.FAILED and not _is_missing(shape, now)

    def wants_load(self, checkpoint: Checkpoint, now: float) -> bool:
        """Whether this checkpoint is neither here nor on its way, and a failure is long enough ago."""
        return _is_missing(self.get(checkpoint), now)

    def wants_warming(self, bucket: Bucket, now: float) -> bool:
        """Whether the checkpoint is here, but this input size is neither ready nor on its way."""
        resident = self.get(bucket.checkpoint)
        if not self.max_shapes or resident is None or resident.state is not State.READY:
            return False
        return _is_missing(resident.shapes.get(bucket.size), now)

    def slices_are_over(self, now: float) -> bool:
        """Whether every loaded checkpoint has had its time slice, and none is loading.

        What loads is not unloaded for another one: were the others to make way meanwhile, nothing at all would run.
        """
        over = all(now - resident.since >= TIME_SLICE_S for resident in self if resident.state is State.READY)
        return over and not self.loading

    def make_room(
        self, checkpoint: Checkpoint, incoming_bytes: int, now: float, wanted: Collection[str] = ()
    ) -> list[Checkpoint] | None:
        """The checkpoints to unload, least recently used first, so that one of `incoming_bytes` fits.

        They are taken off the table. None if what is in use or loading, or `wanted` by waiting requests and still in
        its time slice, leaves no room now. A checkpoint larger than the whole budget is let in alone: refusing it would
        serve nobody.
        """
        kept = [r for r in self._table.values() if r.state is not State.FAILED and r.checkpoint != checkpoint]
        used = sum(resident.bytes for resident in kept)
        evicted = []
        for resident in sorted(kept, key=lambda r: r.used_at):
            if used + incoming_bytes <= self.budget_bytes:
                break
            in_slice = resident.checkpoint.name in wanted and now - resident.since < TIME_SLICE_S
            busy = resident.in_flight or _is_warming(resident) or in_slice
            if resident.state is State.READY and not busy:
                evicted.append(resident)
                used -= resident.bytes
        if used + incoming_bytes > self.budget_bytes and used > 0:
            return None
        for resident in evicted:
            del self._table[resident.checkpoint.name]
        return [resident.checkpoint for resident in evicted]

    def make_room_for_shape(self, bucket: Bucket, now: float) -> list[Bucket] | None:
        """The input sizes to forget, least recently used first, so that this one fits; taken off the table.

        None if there is no place for it: then it runs without one. It takes another's place once it has run so
        `PROMOTE_AFTER` times while that one was not used at all.
        """
        resident = self._table[bucket.checkpoint.name]
        eager = resident.eager.get(bucket.size)
        shapes = [(r, size, s) for r in self for size, s in r.shapes.items() if s.state is not State.FAILED]
        excess = len(shapes) + 1 - self.max_shapes
        idle = []
        if eager is not None and eager.times >= PROMOTE_AFTER:
            ready = [entry for entry in shapes if entry[2].state is State.READY and not entry[2].in_flight]
            idle = sorted((e for e in ready if e[2].used_at < eager.since), key=lambda entry: entry[2].used_at)
        if excess > len(idle):
            self._run_eagerly(resident, bucket.size, now)
            return None
        if eager is not None and eager.in_flight:  # what is made ready must not run meanwhile
            eager.is_ending = True
            return None
        forgotten = []
        for resident, size, _ in idle[: max(0, excess)]:
            del resident.shapes[size]
            forgotten.append(Bucket(resident.checkpoint, *size))
        return forgotten

    def drop(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint that holds no memory off the table, as if nobody had asked for it."""
        del self._table[checkpoint.name]

    def _run_eagerly(self, resident: Resident, size: Size, now: float) -> None:
        """Count from now on how often a size without a place runs, unless that is being counted."""
        eager = resident.eager.setdefault(size, Eager(now))
        eager.is_ending = False
        if eager.times >= PROMOTE_AFTER:
            eager.since, eager.times = now, 0
        idle = [other for other, entry in resident.eager.items() if not entry.in_flight and other != size]
        for other in idle[: max(0, len(resident.eager) - _MAX_EAGER)]:
            del resident.eager[other]

    def set(self, checkpoint: Checkpoint, state: State, size_bytes: int, now: float) -> None:
        """Note what became of a checkpoint's loading."""
        models = {f"{checkpoint.name}_{checkpoint.default_input_size}"}
        self._table[checkpoint.name] = Resident(checkpoint, state, size_bytes, now, now, models=models)

    def set_shape(self, bucket: Bucket, state: State, now: float) -> None:
        """Note what became of an input size's warming."""
        resident = self._table[bucket.checkpoint.name]
        resident.shapes[bucket.size] = Shape(state, now)
        if state is State.READY:
            resident.eager.pop(bucket.size, None)
        elif state is State.FAILED and (eager := resident.eager.get(bucket.size)) is not None:
            eager.is_ending = False

    def begin(self, bucket: Bucket, model: str, now: float) -> None:
        """One more request of this bucket, asked for as `model`, is with the worker."""
        resident = self._table[bucket.checkpoint.name]
        resident.in_flight += 1
        resident.used_at = now
        resident.models.add(model)
        if (shape := resident.shapes.get(bucket.size)) is not None:
            shape.in_flight += 1
            shape.used_at = now
        if (eager := resident.eager.get(bucket.size)) is not None:
            eager.times += 1
            eager.in_flight += 1

    def end(self, bucket: Bucket) -> None:
        """The worker is done with one request of this bucket."""
        resident = self.get(bucket.checkpoint)
        if resident is None:
            return
        resident.in_flight -= 1
        shape = resident.shapes.get(bucket.size)
        if shape is not None and shape.in_flight:  # it may have run before the size had its place
            shape.in_flight -= 1
        eager = resident.eager.get(bucket.size)
        if eager is not None and eager.in_flight:
            eager.in_flight -= 1


def _is_missing(entry: Resident | Shape | None, now: float) -> bool:
    return entry is None or (entry.state is State.FAILED and now - entry.used_at >= RETRY_FAILED_S)


def _is_warming(resident: Resident) -> bool:
    return any(shape.state is State.LOADING for shape in resident.shapes.values())

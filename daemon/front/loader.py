"""The loader: which checkpoints and input sizes each worker is to hold, and who is answered where that cannot be.

The dispatcher asks it before it hands requests out, and tells it what workers say of their loads. It remembers what
workers ended over, so that nothing ends one worker after another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from depthwire.daemon.front.metrics import Metrics
from depthwire.daemon.front.residency import RETRY_FAILED_S, Bucket, Size, State
from depthwire.daemon.front.scheduler import Pending, Scheduler
from depthwire.daemon.front.supervisor import Supervisor, WorkerLink
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam import jobs
from depthwire.protocol import ERROR_CLASSES, DepthwireError, InternalError, ModelNotFoundError

log = logging.getLogger("depthwire.loader")

MAX_ATTEMPTS = 2
"""How often work that ends its worker is tried."""

_BAN_GROWTH = 6
_LONGEST_BAN_S = 3600.0
"""An input size that has ended two workers is left alone for RETRY_FAILED_S, and with each further one longer."""

_PATIENCE_S = 2.0
"""How long a checkpoint waits for the room of those in use before they get no more requests."""


class Loader:
    def __init__(
        self,
        supervisor: Supervisor,
        scheduler: Scheduler,
        metrics: Metrics,
        clock: Callable[[], float],
        refuse: Callable[[Pending, DepthwireError], None],
        preload: Sequence[Checkpoint],
        download_timeout_s: float = float("inf"),
    ) -> None:
        self._supervisor = supervisor
        self._scheduler = scheduler
        self._metrics = metrics
        self._clock = clock
        self._refuse = refuse
        self._preload = preload
        self._download_timeout_s = download_timeout_s
        self._errors: dict[Checkpoint | Bucket, DepthwireError] = {}
        """Why a checkpoint or a size was given up last, for those who ask before it is tried again."""
        self._banned_until: dict[Bucket, float] = {}
        """When a size that workers ended over may be tried again."""
        self._lost: dict[Checkpoint | Bucket, int] = {}
        """How many workers ended while they loaded a checkpoint or warmed a size, for what has not been ready since."""

    # ---- what workers are told --------------------------------------------------------------------------------

    def load(self, link: WorkerLink, checkpoint: Checkpoint, wanted: Collection[str] = ()) -> bool:
        """Have a worker load a checkpoint if it neither has it nor is at it, unloading others where it must.

        False if what is in use leaves no room now: to be asked again.
        """
        now = self._clock()
        if not link.residency.wants_load(checkpoint, now):
            return True
        evicted = link.residency.make_room(checkpoint, checkpoint.size_bytes, now, wanted)
        if evicted is None:
            return False
        for old in evicted:
            log.info("%s unloaded to make room for %s", old.name, checkpoint.name)
            link.send(jobs.Unload(old.encoder, old.dataset))
            self._metrics.note(self._metrics.evictions, old.name)
        link.residency.set(checkpoint, State.LOADING, checkpoint.size_bytes, now)
        log.info("loading %s (weights under %s): %s", checkpoint.name, checkpoint.licence, checkpoint.note)
        link.send(jobs.Load(checkpoint.encoder, checkpoint.dataset))
        return True

    def warm(self, link: WorkerLink, bucket: Bucket) -> None:
        """Have a worker that holds the checkpoint make this input size ready, forgetting others where it must."""
        now = self._clock()
        if not link.residency.wants_warming(bucket, now) or self._is_banned(bucket, now):
            return
        forgotten = link.residency.make_room_for_shape(bucket, now)
        if forgotten is None:
            return  # it runs as it is
        for old in forgotten:
            link.send(jobs.Forget(old.checkpoint.encoder, old.checkpoint.dataset, *old.size))
        link.residency.set_shape(bucket, State.LOADING, now)
        link.send(jobs.Warm(bucket.checkpoint.encoder, bucket.checkpoint.dataset, *bucket.size))

    def make_ready(self, link: WorkerLink) -> None:
        """Have a worker load and warm what the waiting requests need."""
        is_ready = all(map(link.residency.is_ready, self._scheduler.buckets))
        if is_ready and not link.residency.promotes:
            link.load_waits_since = None
            return
        heads = self._scheduler.heads()
        wanted = {head.checkpoint.name for head in heads}
        loaded = [self._may_load(link, head.checkpoint) and self.load(link, head.checkpoint, wanted) for head in heads]
        link.load_waits_since = None if all(loaded) else link.load_waits_since or self._clock()
        for head in heads:
            self.warm(link, head.bucket)

    def tend(self, link: WorkerLink, now: float) -> None:
        """Tell who waits for a download that takes too long; it goes on."""
        for resident in list(link.residency):
            if resident.state is State.FETCHING and now - resident.since >= self._download_timeout_s:
                text = f"the download of {resident.checkpoint.name} has taken more than {self._download_timeout_s:g} s"
                log.error("worker %d: %s", link.slot, text)
                link.residency.set(resident.checkpoint, State.FAILED, 0, now)
                error = ModelNotFoundError(f"{text}; it goes on, so try again later", retryable=True)
                self._give_up(resident.checkpoint, error)

    def refuse_hopeless(self) -> None:
        """Answer at once who waits for a checkpoint, or a size, that every worker has failed over a moment ago."""
        now, ready = self._clock(), self._supervisor.ready
        if not self._errors or not ready:
            return
        for bucket in list(self._scheduler.buckets):
            checkpoint = bucket.checkpoint
            if checkpoint in self._errors and all(link.residency.has_failed(checkpoint, now) for link in ready):
                self._refuse_all(checkpoint, self._errors[checkpoint])
            elif bucket in self._errors and not any(self._may_run(link, bucket, now) for link in ready):
                self._refuse_all(checkpoint, self._errors[bucket], bucket.size)

    def is_draining(self, link: WorkerLink) -> bool:
        """Whether a worker gets nothing now, so that what is in use makes room for a checkpoint that waits for it.

        A busy model must not keep another one out for ever.
        """
        now = self._clock()
        waits = link.load_waits_since is not None and now - link.load_waits_since > _PATIENCE_S
        return waits and link.residency.slices_are_over(now)

    def _may_load(self, link: WorkerLink, checkpoint: Checkpoint) -> bool:
        """False for what a worker has ended over while this one loads another: that must not share its fate again."""
        return checkpoint not in self._lost or set(link.residency.loading) <= {checkpoint}

    # ---- what becomes of it -----------------------------------------------------------------------------------

    def on_hello(self, link: WorkerLink) -> None:
        """A worker has come up: what others ended over is not asked of it, what is to be preloaded is."""
        for key, lost in self._lost.items():
            # Or it would end one worker after another, each as soon as it is up.
            if lost >= MAX_ATTEMPTS and isinstance(key, Checkpoint):
                link.residency.set(key, State.FAILED, 0, self._clock())
        for checkpoint in self._preload:
            self.load(link, checkpoint)

    def on_fetching(self, link: WorkerLink, checkpoint: Checkpoint) -> None:
        """It has to be downloaded first: its memory is free for others until then."""
        if checkpoint in link.residency.loading:
            log.info("%s is not on disk and is downloaded", checkpoint.name)
            link.residency.set(checkpoint, State.FETCHING, 0, self._clock())

    def on_fetched(self, link: WorkerLink, checkpoint: Checkpoint) -> None:
        """It is on disk: load it, or if there is no room now, when somebody asks for it."""
        resident = link.residency.get(checkpoint)
        if resident is not None and resident.state is State.FETCHING:
            link.residency.drop(checkpoint)
            self.load(link, checkpoint, {head.checkpoint.name for head in self._scheduler.heads()})

    def on_loaded(self, link: WorkerLink, checkpoint: Checkpoint, size_bytes: int) -> None:
        if checkpoint not in link.residency.loading:
            if not link.residency.has(checkpoint):  # it was given up, and its memory has been counted as free since
                log.warning("%s was loaded too late and is unloaded", checkpoint.name)
                link.send(jobs.Unload(checkpoint.encoder, checkpoint.dataset))
            return
        self._errors.pop(checkpoint, None)
        link.residency.set(checkpoint, State.READY, size_bytes, self._clock())
        self._lost.pop(checkpoint, None)
        self._metrics.note(self._metrics.loads, checkpoint.name)
        log.info("%s loaded, %.0f MB", checkpoint.name, size_bytes / 1e6)

    def on_load_failed(self, link: WorkerLink, checkpoint: Checkpoint, code: str, text: str) -> None:
        if link.residency.has(checkpoint):
            return
        link.residency.set(checkpoint, State.FAILED, 0, self._clock())
        self._lost.pop(checkpoint, None)
        self._give_up(checkpoint, ERROR_CLASSES.get(code, InternalError)(text))

    def on_warmed(self, link: WorkerLink, bucket: Bucket) -> None:
        link.residency.set_shape(bucket, State.READY, self._clock())
        for book in (self._lost, self._errors, self._banned_until):
            book.pop(bucket, None)

    def on_warm_failed(self, link: WorkerLink, bucket: Bucket, text: str) -> None:
        """Who waits for this size is answered where no other worker may still manage."""
        link.residency.set_shape(bucket, State.FAILED, self._clock())
        size = f"{bucket.input_width}x{bucket.input_height}"
        self._errors[bucket] = InternalError(f"{bucket.checkpoint.name} cannot run at an input of {size}: {text}")
        self.refuse_hopeless()

    def on_death(self, link: WorkerLink, problem: str) -> None:
        """Give up what a worker loaded or warmed when it ended, if it is the second that ended so."""
        for key in link.residency.unfinished:
            lost = self._lost[key] = self._lost.get(key, 0) + 1
            if lost < MAX_ATTEMPTS:
                continue
            # Not retryable: the next worker would go the same way.
            if isinstance(key, Checkpoint):
                self._give_up(key, InternalError(f"the worker {problem} while it loaded {key.name}, twice"))
            else:
                what = f"made {key.checkpoint.name} ready for an input of {key.input_width}x{key.input_height}"
                self._errors[key] = error = InternalError(f"the worker {problem} while it {what}, twice")
                pause_s = RETRY_FAILED_S * _BAN_GROWTH ** (lost - MAX_ATTEMPTS)
                self._banned_until[key] = self._clock() + min(pause_s, _LONGEST_BAN_S)
                if not any(other.residency.is_ready(key) for other in self._supervisor.ready):
                    self._refuse_all(key.checkpoint, error, key.size)

    def _give_up(self, checkpoint: Checkpoint, error: DepthwireError) -> None:
        """A worker could not load a checkpoint: answer who waits for it, unless another worker may still manage."""
        self._metrics.note(self._metrics.load_failures, checkpoint.name)
        self._errors[checkpoint] = error
        if any(other.residency.may_have(checkpoint) for other in self._supervisor.ready):
            return
        self._refuse_all(checkpoint, error)

    def _refuse_all(self, checkpoint: Checkpoint, error: DepthwireError, size: Size | None = None) -> None:
        for pending in self._scheduler.waiting_for(checkpoint, size):
            self._refuse(pending, error)

    def _is_banned(self, bucket: Bucket, now: float) -> bool:
        return now < self._banned_until.get(bucket, now)

    def _may_run(self, link: WorkerLink, bucket: Bucket, now: float) -> bool:
        """Whether a worker runs an input size, or may still be able to."""
        residency = link.residency
        if residency.is_ready(bucket):
            return True
        is_lost = self._is_banned(bucket, now) or residency.cannot_warm(bucket, now)
        return not is_lost and not residency.has_failed(bucket.checkpoint, now)

"""The dispatcher: the front's dealings with its workers. Hands requests out and takes back what comes of them.

The front calls `turn` after every wait. Whatever a worker does, or fails to do, ends here in one answer for each
request that it held: a result, an error, or another try on its successor.
"""

from __future__ import annotations

import contextlib
import logging
import select
from collections.abc import Callable, Collection, Sequence
from functools import partial

from depthwire.daemon.config import Config
from depthwire.daemon.front.loader import MAX_ATTEMPTS, Loader
from depthwire.daemon.front.metrics import Metrics
from depthwire.daemon.front.orders import job_of, worker_options
from depthwire.daemon.front.outbox import Outbox
from depthwire.daemon.front.pacing import Pacing
from depthwire.daemon.front.prober import Prober, is_probe
from depthwire.daemon.front.residency import Bucket
from depthwire.daemon.front.room import Room
from depthwire.daemon.front.scheduler import Pending, Scheduler
from depthwire.daemon.front.supervisor import Patience, Supervisor, WorkerLink, WorkerState
from depthwire.daemon.models import catalogue
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena
from depthwire.daemon.seam.cores import usable_cores
from depthwire.protocol import (
    ERROR_CLASSES,
    DeadlineExceededError,
    DepthwireError,
    InternalError,
)

log = logging.getLogger("depthwire.dispatcher")

_WATCH_INTERVAL_S = 0.1


class Dispatcher:
    def __init__(
        self,
        config: Config,
        arena: Arena,
        scheduler: Scheduler,
        outbox: Outbox,
        clock: Callable[[], float],
        deliver: Callable[[Pending, jobs.Done], None],
        refuse: Callable[[Pending, DepthwireError], None],
        default: Checkpoint,
        metrics: Metrics,
    ) -> None:
        self.failure: str | None = None
        """Why no worker can ever start, if that is so."""
        self._config = config
        self._arena = arena
        self._scheduler = scheduler
        self._outbox = outbox
        self.room = Room(arena, outbox, clock)
        self._clock = clock
        self._deliver = deliver
        self._refuse = refuse
        self._metrics = metrics
        patience = Patience(
            start_s=config.start_timeout_s,
            silence_s=config.silence_timeout_s,
            batch_s=config.batch_timeout_s,
            load_s=config.load_timeout_s,
        )
        options = worker_options(config)
        scheduler.forecast.threads = options[0].threads or usable_cores()
        self.supervisor = Supervisor(options, arena.fd, patience, self._on_death)
        keys = [catalogue.parse_model_key(name) for name in config.preload]
        self._preload = preload = [catalogue.lookup(key.encoder, key.dataset) for key in keys]
        self._loader = Loader(self.supervisor, scheduler, metrics, clock, refuse, preload, config.download_timeout_s)
        self._prober = Prober(
            default, config.probe_interval_s, arena, self._loader.load, self._loader.warm, self._hand_over
        )
        self._watched: dict[int, WorkerLink] = {}
        self._starts_wake = False
        """Whether the poller watches for batches that start."""
        self._watch_at = 0.0
        self._pacing = Pacing(scheduler)
        self._changes_seen = -1

    def watch(self, poller: select.epoll, now: float) -> None:
        """Start, ping and replace workers, and have the poller watch exactly those that there are."""
        # A batch that starts makes room for what waits. Where nothing does, waking for it would cost a turn a batch.
        starts_wake = self._scheduler.waiting > 0
        if starts_wake != self._starts_wake:
            self._starts_wake = starts_wake
            for link in self._watched.values():
                if link.state is not WorkerState.DEAD:
                    poller.modify(link.starts_fileno, self._starts_mask)
        changed = self.supervisor.changes != self._changes_seen
        if now < self._watch_at and not changed:
            return
        self._watch_at = now + _WATCH_INTERVAL_S
        self.hear_starts()  # how long a batch has run is what the supervisor judges by
        self.supervisor.tick(now)
        for link in self.supervisor.ready:
            self._loader.tend(link, now)
            self._prober.turn(link, now)
        self._changes_seen = self.supervisor.changes
        links = [link for link in self.supervisor.links if link is not None and link.state is not WorkerState.DEAD]
        current = {link.fileno(): link for link in links}
        for descriptor, link in self._watched.items():
            if current.get(descriptor) is not link:
                with contextlib.suppress(OSError, ValueError):  # the kernel forgot it when it was closed
                    poller.unregister(descriptor)
        for descriptor, link in current.items():
            if self._watched.get(descriptor) is not link:
                poller.register(descriptor, select.EPOLLIN)
                poller.register(link.starts_fileno, self._starts_mask)
        self._watched = current

    @property
    def _starts_mask(self) -> int:
        return select.EPOLLIN if self._starts_wake else 0

    def turn(self, readable: Collection[int]) -> None:
        """Hear the workers whose descriptors are readable, then give waiting requests to those that have room."""
        for descriptor, link in list(self._watched.items()):
            if descriptor in readable:
                self._hear(link)
            if link.has_outgoing:
                link.flush()
        self._pacing.begin_turn()
        if self._scheduler.waiting:
            self.hear_starts()
            self._dispatch()

    def hear_starts(self) -> None:
        """Take note of the batches that have started. Nobody wakes for them: who needs to know asks."""
        for link in self._watched.values():
            if link.state is WorkerState.READY:
                self._hear_starts_of(link)
                self._bury_if_untrue(link)

    def _hear_starts_of(self, link: WorkerLink) -> None:
        for started in link.receive_starts():
            self._on_started(link, started)

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for this request any more: never run it, or let its worker stop where it is."""
        self._scheduler.close(pending)
        link = None if pending.worker is None else self.supervisor.links[pending.worker]
        if link is not None:  # its memory comes back when the worker says that it is done with it
            link.send(jobs.Drop(pending.ticket))

    @property
    def wake_at(self) -> float:
        """When something is to be handed over though nothing else may happen until then; infinity if never."""
        return self._pacing.wake_at

    # ---- what workers say -------------------------------------------------------------------------------------

    def _hear(self, link: WorkerLink) -> None:
        """Hear a worker. What it says is checked like what comes from a client: the first untrue word is its last."""
        now = link.heard_at = self._clock()
        # To find that nothing more is there costs more than to read: with one request out, one message is expected.
        for message in link.receive(max(1, len(link.in_flight))):
            # Of a job that has ended, it is to be known whether it had started.
            if isinstance(message, (jobs.Failed, jobs.Dropped)):
                self._hear_starts_of(link)
            elif isinstance(message, jobs.Done):
                self._hear_start_of(link, message.ticket)
            if not link.hear(message):
                break
            match message:
                case jobs.Done() as done:
                    self._on_done(link, done)
                case jobs.Failed() as failed:
                    self._on_failed(link, failed)
                case jobs.Dropped(ticket):
                    self._on_dropped(link, ticket)
                case jobs.Hello() as hello:
                    self._on_hello(link, hello)
                case jobs.Fetching(encoder, dataset):
                    self._loader.on_fetching(link, catalogue.lookup(encoder, dataset))
                    self._prober.turn(link, now)
                case jobs.Fetched(encoder, dataset):
                    self._loader.on_fetched(link, catalogue.lookup(encoder, dataset))
                case jobs.Loaded(encoder, dataset, size_bytes):
                    self._loader.on_loaded(link, catalogue.lookup(encoder, dataset), size_bytes)
                    self._prober.turn(link, now)
                case jobs.Warmed(encoder, dataset, height, width):
                    self._loader.on_warmed(link, _bucket(encoder, dataset, height, width))
                    self._prober.turn(link, now)
                case jobs.WarmFailed(encoder, dataset, height, width, text):
                    self._note_failure(link)
                    self._loader.on_warm_failed(link, _bucket(encoder, dataset, height, width), text)
                case jobs.LoadFailed(encoder, dataset, code, text):
                    self._loader.on_load_failed(link, catalogue.lookup(encoder, dataset), code, text)
                case _:
                    pass  # a pong: hearing it is all
        if link.state is WorkerState.DEAD:
            self.supervisor.bury(link, None, now)
        else:
            self._bury_if_untrue(link)

    def _bury_if_untrue(self, link: WorkerLink) -> None:
        """Replace a worker that said what was not its to say: nothing else of it is to be trusted, either."""
        if link.fault is not None and self.supervisor.links[link.slot] is link:
            self.supervisor.bury(link, link.fault, self._clock())

    def _on_hello(self, link: WorkerLink, hello: jobs.Hello) -> None:
        self.supervisor.welcome(link, hello, self._config.model_memory_mb * 2**20 or None)
        log.info(
            "worker %d ready: pid %d, engine %s, device %s, %s, batches of up to %d",
            link.slot,
            hello.pid,
            hello.engine,
            hello.device,
            hello.precision,
            hello.max_batch,
        )
        self._loader.on_hello(link)
        for checkpoint in self._preload:
            if link.residency.get(checkpoint) is None:
                memory_mb = link.residency.budget_bytes / 2**20
                text = "--preload: %s has no room beside the others in the %.0f MB for models of worker %d: %s"
                log.warning(text, checkpoint.name, memory_mb, link.slot, "it is loaded when it is asked for")
        self._prober.turn(link, self._clock())

    def _on_started(self, link: WorkerLink, started: jobs.Started) -> None:
        if not link.hear(started):
            return
        link.batch_started, link.running = self._clock(), set(started.tickets)
        for ticket in started.tickets:
            link.in_flight[ticket].started = True
            link.staged -= 1
        if size := len(started.tickets) - sum(map(is_probe, started.tickets)):
            self._metrics.batch_sizes.observe(size)

    def _hear_start_of(self, link: WorkerLink, ticket: int) -> None:
        """Hear of the batches up to the one that this job was in."""
        pending = link.in_flight.get(ticket)
        while pending is not None and not pending.started and (starts := link.receive_starts(1)):
            self._on_started(link, starts[0])

    def _on_done(self, link: WorkerLink, done: jobs.Done) -> None:
        pending = link.in_flight[done.ticket]
        link.proof.succeeded(self._clock())
        if not is_probe(done.ticket):  # it is much smaller than what clients send
            self._note_answer(link, pending, done)
            self._settle(pending, done)
        if not pending.answered:
            self._deliver(pending, done)
        self._take_back(link, done.ticket)

    def _on_dropped(self, link: WorkerLink, ticket: int) -> None:
        now = self._clock()
        pending = self._take_back(link, ticket)
        if pending is None:
            return
        if now >= pending.deadline:
            self._scheduler.forecast.note_too_late(pending.bucket, now - pending.handed_over_at)
            if not pending.answered:
                self._refuse(pending, DeadlineExceededError("timeout_ms passed before it could run"))
        elif not pending.answered:
            link.fault = f"dropped ticket {ticket}, for which somebody waits"
            self._retry_or_give_up(pending, link.fault, is_suspect=True)

    def _note_answer(self, link: WorkerLink, pending: Pending, done: jobs.Done) -> None:
        now = link.heard_at
        since_last_s, held_s = now - link.busy_since, now - pending.handed_over_at
        link.busy_since = now
        forecast = self._scheduler.forecast
        forecast.note_answer(pending.bucket, 1e-3 * done.infer_ms, done.batch_size, since_last_s, held_s, now)

    def _settle(self, pending: Pending, done: jobs.Done) -> None:
        """Have the client charged what its request has cost, instead of what it would probably cost."""
        forecast = self._scheduler.forecast
        decode_s, post_s = 1e-3 * done.decode_ms, 1e-3 * done.post_ms
        forecast.note_around(pending, decode_s, post_s)
        cost_s = forecast.measured_cost_s(1e-3 * done.infer_ms, done.batch_size, decode_s, post_s)
        self._scheduler.settle(pending, cost_s, self._clock())

    def _on_failed(self, link: WorkerLink, failed: jobs.Failed) -> None:
        pending = self._take_back(link, failed.ticket)
        if failed.code == InternalError.code:
            self._note_failure(link)
        if pending is not None and not pending.answered:
            error_class = ERROR_CLASSES.get(failed.code, InternalError)
            field = "image" if failed.code == "BAD_IMAGE" else None
            self._refuse(pending, error_class(failed.message, field=field, retryable=failed.retryable))

    def _note_failure(self, link: WorkerLink) -> None:
        """A worker's engine failed, through no fault of a picture that could be named."""
        link.proof.failed(self._clock())
        self._metrics.engine_failures += 1

    def _on_death(self, link: WorkerLink, problem: str) -> None:
        """Take back all that a dead worker held: what it was at work on is tried once more, alone, or given up.

        That is what it ran, and what it loaded or warmed. Where it did neither, any of what it held may have ended it.
        """
        if self.supervisor.is_hopeless:
            self.failure = "the worker cannot start with these settings; the lines above say why"
        suspects: Collection[int] = link.running & link.in_flight.keys() if link.blamed is None else link.blamed
        if not suspects and link.blamed is None and not link.residency.unfinished:
            suspects = set(link.in_flight)
        for ticket, pending in sorted(link.in_flight.items(), reverse=True):
            self._free_blocks(pending)
            if not pending.answered:
                self._retry_or_give_up(pending, problem, is_suspect=ticket in suspects)
        link.in_flight.clear()
        self._loader.on_death(link, problem)

    def _retry_or_give_up(self, pending: Pending, problem: str, *, is_suspect: bool) -> None:
        """See to a request whose worker has ended."""
        pending.attempts += is_suspect
        if pending.attempts < MAX_ATTEMPTS:
            self._scheduler.requeue(pending)
        else:  # not retryable: this request has ended two workers
            self._refuse(pending, InternalError(f"the worker {problem} while it held this request, twice"))

    def _take_back(self, link: WorkerLink, ticket: int) -> Pending | None:
        """The worker is done with a ticket: its memory is the front's again, and there is room for another."""
        pending = link.in_flight.pop(ticket, None)
        if pending is None:
            return None
        link.running.discard(ticket)
        if not link.running:
            link.batch_started = None
        if not pending.started:
            link.staged -= 1
            self._scheduler.settle(pending, self._scheduler.forecast.decode_cost_s(pending), self._clock())
        link.residency.end(pending.bucket)
        self._free_blocks(pending)
        if is_probe(ticket):
            link.proof.probing_since = None
            self._metrics.probes += 1
        return pending

    def _free_blocks(self, pending: Pending) -> None:
        for block in (pending.image_block, pending.result_block):
            if block >= 0:
                self._outbox.release(block)
        pending.image_block = pending.result_block = -1

    # ---- what workers are told --------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give waiting requests to workers as long as one has room: nothing waits for a fuller batch."""
        if not self._scheduler.waiting:
            return
        self._loader.refuse_hopeless()
        for link in self.supervisor.ready:
            self._loader.make_ready(link)
        self.room.begin_turn()
        while self._scheduler.waiting:
            links = [link for link in self.supervisor.ready if self._has_room(link)]
            if not links:
                return
            now, held_back = self._clock(), self._outbox.slow_clients
            pending = self._scheduler.next_ready(
                [link.residency for link in links], now, held_back, partial(self._may_go, links)
            )
            if pending is None:
                return
            if self._scheduler.is_too_late(pending, now):
                self._metrics.refused_early += 1
                self._refuse(pending, DeadlineExceededError("timeout_ms would pass before it could run"))
                continue
            able = [link for link in links if self._pacing.may_decode(link, pending)]
            able = [link for link in able if link.residency.is_ready(pending.bucket)]
            link = min(able, key=lambda link: len(link.in_flight))
            assert link.hello is not None
            if pending.put_aside and link.staged >= link.hello.max_batch:
                return  # time is short, so that a worker should hold no more than its next batch
            if self._pacing.holds(link, pending, now):
                continue
            cost_s = self._scheduler.forecast.cost_s(pending)
            if self._pacing.is_too_early(links, link, pending, cost_s, now):
                return
            if pending.attempts and link.in_flight:
                return  # a suspect runs alone, so that it takes no neighbour with it
            if self.room.reserve(pending):
                self._stage(link, pending, cost_s)

    def _has_room(self, link: WorkerLink) -> bool:
        assert link.hello is not None
        if not link.proof.is_concluded:
            return False  # a new worker runs its probe first: soon over, and then `health` can say what it is worth
        if any(pending.attempts for pending in link.in_flight.values()):
            return False
        if self._loader.is_draining(link):
            return False
        # Two batches' worth wait, decoded, behind the one that runs: enough to fill the next at its last moment.
        staged = link.staged + self._pacing.held_for(link)
        return staged < 2 * link.hello.max_batch and len(link.in_flight) < 5 * link.hello.max_batch

    def _may_go(self, links: Sequence[WorkerLink], pending: Pending) -> bool:
        """False for what lets others pass for now."""
        return self._pacing.may_go(links, pending) and (not self.room.is_tight or self.room.fits(pending))

    def _stage(self, link: WorkerLink, pending: Pending, cost_s: float) -> None:
        """Take a request, whose memory is reserved, out of its queue and hand it to a worker."""
        self._scheduler.take(pending, cost_s)
        if not self._hand_over(link, pending):
            self.supervisor.bury(link, "does not take its work", self._clock())

    def _hand_over(self, link: WorkerLink, pending: Pending) -> bool:
        """Give a request, whose memory is reserved, to a worker; False if the worker is gone."""
        self._arena.write(pending.image_block, pending.image)
        pending.worker = link.slot
        pending.handed_over_at = now = self._clock()
        if not link.in_flight:
            link.busy_since = now
        link.in_flight[pending.ticket] = pending
        link.staged += 1
        link.residency.begin(pending.bucket, pending.model, now)
        pending.place_at_worker = self._pacing.place(pending)
        return link.send(job_of(pending))


def _bucket(encoder: str, dataset: str, height: int, width: int) -> Bucket:
    return Bucket(catalogue.lookup(encoder, dataset), height, width)

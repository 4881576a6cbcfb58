"""The front: the thread that owns the sockets. Every request enters and every reply leaves here.

Started by `__main__`; it parses and admits requests, hands them to workers as these have room, and sends the answers.
It never decodes an image and never imports torch, so it answers `health` whatever the workers are doing.
"""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from depthwire.daemon import catalogue, jobs
from depthwire.daemon.admission import Admission
from depthwire.daemon.arena import Arena
from depthwire.daemon.config import Config
from depthwire.daemon.health import health_report
from depthwire.daemon.residency import State
from depthwire.daemon.scheduler import Client, Pending, QueueLimits, Scheduler
from depthwire.daemon.supervisor import Patience, Supervisor, WorkerLink, WorkerState
from depthwire.protocol import (
    ERROR_CLASSES,
    CancelledError,
    DeadlineExceededError,
    DepthwireError,
    InternalError,
    ModelNotFoundError,
    Request,
    RequestRefused,
    ShuttingDownError,
    SupersededError,
    error_header,
    parse_request,
    result_header,
)
from depthwire.protocol.frames import BufferRef, FrameError, array_header, split_envelope

log = logging.getLogger("depthwire.front")
request_log = logging.getLogger("depthwire.request")

ZERO_COPY_FROM_BYTES = 64 * 1024
"""Below this a copy is cheaper than the thread that ZeroMQ wakes to give the memory back."""

_TURN_MESSAGES = 128
"""Requests read before workers and timers get their turn again."""

_MAX_ATTEMPTS = 2

_TICK_S = 0.25
"""The longest the front sleeps, and so the latest it notices that a worker is silent."""


class Front:
    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.clock = clock
        self.started_at = clock()
        self.arena = Arena(config.arena_mb * 2**20)
        limits = QueueLimits(config.max_waiting, config.max_waiting_mb * 2**20, config.max_in_flight_per_client)
        self.scheduler = Scheduler(limits)
        self.admission = Admission(config, self.arena.size)
        self.draining = False
        self.failure: str | None = None
        """Why the daemon cannot go on, if it cannot."""
        self._unsent: dict[Client, int] = {}
        self._block_owner: dict[int, tuple[Client, int]] = {}
        self._tickets = 0
        patience = Patience(config.start_timeout_s, 1.0, config.silence_timeout_s, config.batch_timeout_s)
        self.supervisor = Supervisor(_worker_options(config), self.arena.fd, patience, self._worker_died)
        self._preload = [
            catalogue.lookup(key.encoder, key.dataset) for key in map(catalogue.parse_model_key, config.preload)
        ]
        self._context = zmq.Context()
        self._router = self._bind()
        self._poller = zmq.Poller()
        self._poller.register(self._router, zmq.POLLIN)
        self._poller.register(self.arena.wake_fd, zmq.POLLIN)
        self._signals, theirs = socket.socketpair()
        self._signals.setblocking(False)
        theirs.setblocking(False)
        self._signal_writer = theirs
        self._poller.register(self._signals.fileno(), zmq.POLLIN)
        self._watched: dict[int, WorkerLink] = {}

    # ---- life -------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, then answer what was admitted; the process's exit code."""
        signal.set_wakeup_fd(self._signal_writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        give_up_at = float("inf")
        while True:
            self._turn()
            if self.failure is not None:
                break
            if self.draining:
                give_up_at = min(give_up_at, self.clock() + self.config.drain_timeout_s)
                if not len(self.scheduler) or self.clock() >= give_up_at:
                    break
        return self._close()

    def announce(self) -> None:
        """The start-up lines: where it listens, what it will run on, which model answers by default."""
        config, model = self.config, self.admission.default_model
        log.info(
            "listening on %s, device %s, engine %s, default model %s, preload %s",
            ", ".join(self.endpoints),
            config.device,
            config.engine,
            model,
            ", ".join(checkpoint.name for checkpoint in self._preload) or "none",
        )
        checkpoint = catalogue.lookup(model.encoder, model.dataset)
        if checkpoint.builtin:
            log.warning("%s answers by default: %s", model, checkpoint.note)

    def _turn(self) -> None:
        """Wait for something to happen, then do all that it makes possible."""
        now = self.clock()
        wait_ms = math.ceil(1e3 * min(_TICK_S, max(0.0, self.scheduler.next_deadline() - now)))
        self.supervisor.tick(now)
        self._watch_workers()
        events = dict(self._poller.poll(wait_ms))
        if self._signals.fileno() in events:
            with contextlib.suppress(BlockingIOError):
                self._signals.recv(4096)
        self._collect_sent()
        if self._router in events:
            self._read_requests()
        for descriptor, link in list(self._watched.items()):
            if descriptor in events:
                self._read_worker(link)
        for late in self.scheduler.expired(self.clock()):
            waited_ms = 1e3 * (self.clock() - late.arrived)
            self._refuse(late, DeadlineExceededError(f"no answer within timeout_ms; waited {waited_ms:.0f} ms"))
        self._dispatch()

    def _on_signal(self, number: int, _: object) -> None:
        if not self.draining:
            log.info("%s: draining, %d requests to answer", signal.Signals(number).name, len(self.scheduler))
        self.draining = True

    def _close(self) -> int:
        for pending in self.scheduler.all_open():
            self._refuse(pending, ShuttingDownError("the daemon is shutting down"))
        self.supervisor.stop(timeout_s=1.0)
        # The last replies may still be on their way to a slow peer: wait for them, but not for ever.
        self._router.close(linger=int(1e3 * max(1.0, self.config.drain_timeout_s)))
        self._context.term()
        self._signals.close()
        self._signal_writer.close()
        signal.set_wakeup_fd(-1)
        if self.failure is not None:
            log.critical("%s", self.failure)
            return 78  # EX_CONFIG
        log.info("drained; bye")
        return 0

    def _bind(self) -> zmq.Socket[bytes]:
        router: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.setsockopt(zmq.SNDHWM, self.config.send_queue)
        router.setsockopt(zmq.RCVHWM, 1000)
        router.setsockopt(zmq.LINGER, 0)
        # One frame above the limit still gets its TOO_LARGE; far above it libzmq ends the connection.
        router.setsockopt(zmq.MAXMSGSIZE, int(4 * self.config.max_image_mb * 2**20) + 2**20)
        router.setsockopt(zmq.HEARTBEAT_IVL, 10_000)
        router.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
        router.setsockopt(zmq.HEARTBEAT_TTL, 60_000)
        router.setsockopt(zmq.BACKLOG, 1024)
        for endpoint in self.config.bind:
            try:
                router.bind(endpoint)
            except zmq.ZMQError as error:
                raise OSError(f"cannot listen on {endpoint}: {error}; is another daemon running there?") from None
        return router

    @property
    def endpoints(self) -> list[str]:
        """Where it listens, with the port that was chosen for port 0."""
        last = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        return [*self.config.bind[:-1], last]

    # ---- requests ---------------------------------------------------------------------------------------------

    def _read_requests(self) -> None:
        for _ in range(_TURN_MESSAGES):
            try:
                message = self._router.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            self._on_message(message)

    def _on_message(self, message: Sequence[zmq.Frame]) -> None:
        arrived = self.clock()
        try:
            envelope_frames, body = split_envelope(message)
        except FrameError:
            return  # nobody to answer
        envelope = [frame.bytes for frame in envelope_frames]
        try:
            request = parse_request([frame.buffer for frame in body])
        except RequestRefused as refusal:
            request_log.info("refused: %s", refusal.error)
            self._send(envelope, [error_header(refusal.id, refusal.op, refusal.error)])
            return
        client = tuple(part for part in envelope if part)
        try:
            self._answer_or_admit(request, client, envelope, arrived)
        except DepthwireError as error:
            request_log.debug("%s %d refused: %s", request.op, request.id, error)
            self._send(envelope, [error_header(request.id, request.op, error, request.meta)])

    def _answer_or_admit(self, request: Request, client: Client, envelope: list[bytes], arrived: float) -> None:
        if request.op == "health":
            self._send(envelope, [result_header(request.id, "health", health_report(self), request.meta)])
            return
        if request.op == "cancel":
            assert request.target is not None
            target = self.scheduler.find(client, request.target)
            if target is not None:
                self._refuse(target, CancelledError("cancelled by its client"))
            fields = {"cancelled": target is not None}
            self._send(envelope, [result_header(request.id, "cancel", fields, request.meta)])
            return
        if self.draining:
            raise ShuttingDownError("the daemon is shutting down and admits nothing new")
        if self.scheduler.is_open(client, request.id):
            raise self.admission.duplicate_id(request.id)
        pending = self.admission.admit(request, client, envelope, arrived, self._next_ticket())
        self.admission.check_unsent(self._unsent.get(client, 0))
        self.scheduler.check_room(client, pending.image_bytes, len(self.supervisor.ready))
        superseded = self.scheduler.admit(pending)
        if superseded is not None:
            self._refuse(superseded, SupersededError("a newer request of the same stream took its place"))

    def _next_ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    # ---- replies ----------------------------------------------------------------------------------------------

    def _send(self, envelope: Sequence[bytes], frames: Sequence[Any]) -> bool:
        """Send one reply, never waiting; False if its client is gone or reads too slowly."""
        try:
            self._router.send(envelope[0], zmq.SNDMORE | zmq.DONTWAIT)
        except zmq.Again:
            log.warning("a client does not read its replies; one was dropped")
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        # ROUTER has accepted the message's first frame and with it the rest: these sends neither block nor fail.
        for part in envelope[1:]:
            self._router.send(part, zmq.SNDMORE)
        for frame in frames[:-1]:
            self._router.send(frame, zmq.SNDMORE, copy=len(frame) < ZERO_COPY_FROM_BYTES)
        self._router.send(frames[-1], copy=len(frames[-1]) < ZERO_COPY_FROM_BYTES)
        return True

    def _refuse(self, pending: Pending, error: DepthwireError) -> None:
        """Answer an admitted request with an error and see to it that nothing more is done for it."""
        self._log_answer(pending, error.code)
        request = pending.request
        sent = self._send(pending.envelope, [error_header(request.id, request.op, error, request.meta)])
        self._close_request(pending)
        if not sent:
            self._forget_client(pending.client)

    def _close_request(self, pending: Pending) -> None:
        self.scheduler.close(pending)
        link = None if pending.worker is None else self.supervisor.links[pending.worker]
        if link is not None:  # the memory comes back when the worker says that it is done with it
            link.send(jobs.Drop(pending.ticket))

    def _forget_client(self, client: Client) -> None:
        """A client that is gone or never reads takes its work with it."""
        for pending in self.scheduler.of_client(client):
            self._close_request(pending)

    def _send_result(self, pending: Pending, done: jobs.Done) -> None:
        request, pixels = pending.request, pending.width * pending.height
        block = pending.result_block
        fields: dict[str, Any] = {}
        views = []
        start = block
        if request.op == "pc":
            views.append(self.arena.view(block, start, 12 * pixels))
            fields["pointcloud"] = array_header("<f4", (pixels, 3), BufferRef(0))
            start += 12 * pixels
        fields["depth_map"] = array_header("<f4", (pending.height, pending.width), BufferRef(len(views)))
        views.append(self.arena.view(block, start, 4 * pixels))
        total_ms = 1e3 * (self.clock() - pending.arrived)
        queue_ms = max(0.0, total_ms - done.decode_ms - done.infer_ms - done.post_ms)
        fields["min"], fields["max"] = done.minimum, done.maximum
        fields["model"] = pending.model
        fields["timing"] = {
            "queue_ms": queue_ms,
            "decode_ms": done.decode_ms,
            "infer_ms": done.infer_ms,
            "post_ms": done.post_ms,
            "total_ms": total_ms,
            "batch_size": done.batch_size,
        }
        header = result_header(request.id, request.op, fields, request.meta)
        self._log_answer(pending, "OK", done.batch_size)
        size = start + 4 * pixels - block
        self._block_owner[block] = (pending.client, size)
        self._unsent[pending.client] = self._unsent.get(pending.client, 0) + size
        sent = self._send(pending.envelope, [header, *views])
        self.scheduler.close(pending)
        if not sent:
            self._forget_client(pending.client)

    def _collect_sent(self) -> None:
        for block in self.arena.collect():
            self._block_freed(block)

    def _release(self, block: int) -> None:
        if self.arena.release(block):
            self._block_freed(block)

    def _block_freed(self, block: int) -> None:
        owner = self._block_owner.pop(block, None)
        if owner is None:
            return
        client, size = owner
        left = self._unsent.pop(client) - size
        if left:
            self._unsent[client] = left

    def _log_answer(self, pending: Pending, code: str, batch_size: int = 0) -> None:
        if request_log.isEnabledFor(logging.DEBUG):
            request_log.debug(
                "%s %d %s %dx%d %s %.1f ms, batch of %d",
                pending.request.op,
                pending.request.id,
                pending.model,
                pending.width,
                pending.height,
                code,
                1e3 * (self.clock() - pending.arrived),
                batch_size,
            )

    # ---- workers ----------------------------------------------------------------------------------------------

    def _watch_workers(self) -> None:
        """Poll exactly the workers that there are."""
        current = {link.fileno(): link for link in self.supervisor.links if link is not None}
        for descriptor in self._watched.keys() - current.keys():
            self._poller.unregister(descriptor)
        for descriptor in current.keys() - self._watched.keys():
            self._poller.register(descriptor, zmq.POLLIN)
        self._watched = current

    def _read_worker(self, link: WorkerLink) -> None:
        now = self.clock()
        link.heard_at = now
        for message in link.receive():
            match message:
                case jobs.Done() as done:
                    self._on_done(link, done)
                case jobs.Failed(ticket, code, text, retryable):
                    pending = self._take_back(link, ticket)
                    if pending is not None and not pending.answered:
                        field = "image" if code == "BAD_IMAGE" else None
                        error_class = ERROR_CLASSES.get(code, InternalError)
                        self._refuse(pending, error_class(text, field=field, retryable=retryable))
                case jobs.Dropped(ticket):
                    pending = self._take_back(link, ticket)
                    if pending is not None and not pending.answered:
                        self._refuse(pending, DeadlineExceededError("timeout_ms passed before it could run"))
                case jobs.Started(tickets):
                    link.batch_started = now
                    link.running = set(tickets)
                    for ticket in tickets:
                        link.in_flight[ticket].started = True
                        link.staged -= 1
                case jobs.Hello() as hello:
                    self._on_hello(link, hello)
                case jobs.Loaded(encoder, dataset, size_bytes):
                    checkpoint = catalogue.lookup(encoder, dataset)
                    link.residency.set(checkpoint, State.READY, size_bytes, now)
                    log.info("%s loaded, %.0f MB", checkpoint.name, size_bytes / 1e6)
                case jobs.LoadFailed(encoder, dataset, code, text):
                    self._on_load_failed(link, catalogue.lookup(encoder, dataset), code, text)
                case _:
                    pass  # a pong: hearing it is all
        if link.state is WorkerState.DEAD:
            self.supervisor.bury(link, link.exit_text, now)

    def _on_hello(self, link: WorkerLink, hello: jobs.Hello) -> None:
        budget = self.config.model_memory_mb * 2**20 or None
        self.supervisor.welcome(link, hello, budget)
        log.info(
            "worker %d ready: pid %d, engine %s, device %s, %s, default model %s",
            link.slot,
            hello.pid,
            hello.engine,
            hello.device,
            hello.precision,
            self.admission.default_model,
        )
        for checkpoint in self._preload:
            self._load(link, checkpoint)

    def _on_done(self, link: WorkerLink, done: jobs.Done) -> None:
        pending = link.in_flight.get(done.ticket)
        if pending is None:
            return
        self.scheduler.note_service(1e-3 * done.infer_ms / done.batch_size)
        if not pending.answered:
            self._send_result(pending, done)
        self._take_back(link, done.ticket)

    def _take_back(self, link: WorkerLink, ticket: int) -> Pending | None:
        """The worker has done with a ticket: its memory is the front's again, and it has room for another."""
        pending = link.in_flight.pop(ticket, None)
        if pending is None:
            return None
        link.running.discard(ticket)
        if not link.running:
            link.batch_started = None
        if not pending.started:
            link.staged -= 1
        link.residency.end(pending.checkpoint)
        self._free_blocks(pending)
        return pending

    def _free_blocks(self, pending: Pending) -> None:
        for block in (pending.image_block, pending.result_block):
            if block >= 0:
                self._release(block)
        pending.image_block = pending.result_block = -1

    def _on_load_failed(self, link: WorkerLink, checkpoint: catalogue.Checkpoint, code: str, text: str) -> None:
        link.residency.set(checkpoint, State.FAILED, 0, self.clock())
        if any(other.residency.is_ready(checkpoint) for other in self.supervisor.ready):
            return
        for pending in self.scheduler.waiting_for(checkpoint):
            error_class = ERROR_CLASSES.get(code, ModelNotFoundError)
            self._refuse(pending, error_class(text))

    def _worker_died(self, link: WorkerLink, problem: str) -> None:
        """Take back all that a dead worker held: what it was working on is tried once more, alone, or given up."""
        if link.refuses_to_start:
            self.failure = "the worker cannot start with these settings; the lines above say why"
        suspects = {ticket for ticket in link.in_flight if ticket in link.running} or set(link.in_flight)
        for ticket, pending in sorted(link.in_flight.items(), reverse=True):
            self._free_blocks(pending)
            if pending.answered:
                continue
            pending.attempts += ticket in suspects
            if pending.attempts >= _MAX_ATTEMPTS:
                # Not retryable: this request has ended two workers.
                self._refuse(pending, InternalError(f"the worker {problem} while it ran this request, twice"))
                continue
            self.scheduler.requeue(pending)
        link.in_flight.clear()

    def _load(self, link: WorkerLink, checkpoint: catalogue.Checkpoint) -> None:
        now = self.clock()
        if not link.residency.wants_load(checkpoint, now):
            return
        evicted = link.residency.make_room(checkpoint, checkpoint.size_bytes)
        if evicted is None:
            return  # no room until something in use is done; asked again on the next turn
        for old in evicted:
            log.info("%s unloaded to make room for %s", old.name, checkpoint.name)
            link.send(jobs.Unload(old.encoder, old.dataset))
        link.residency.set(checkpoint, State.LOADING, checkpoint.size_bytes, now)
        log.info("loading %s (weights under %s): %s", checkpoint.name, checkpoint.licence, checkpoint.note)
        link.send(jobs.Load(checkpoint.encoder, checkpoint.dataset))

    # ---- dispatch ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give waiting requests to workers as long as one has room."""
        links = self.supervisor.ready
        if not self.scheduler.waiting or not links:
            return
        for checkpoint in self.scheduler.wanted_checkpoints():
            for link in links:
                self._load(link, checkpoint)
        while links := [link for link in self.supervisor.ready if self._has_room(link)]:
            pending = self.scheduler.next_ready([link.residency for link in links])
            if pending is None:
                return
            able = [link for link in links if link.residency.is_ready(pending.checkpoint)]
            link = min(able, key=lambda link: len(link.in_flight))
            if pending.attempts and link.in_flight:
                return  # a suspect runs alone, so that it takes no neighbour with it
            if not self._stage(link, pending):
                return

    def _has_room(self, link: WorkerLink) -> bool:
        assert link.hello is not None
        if any(pending.attempts for pending in link.in_flight.values()):
            return False
        # Two batches' worth wait, decoded, behind the one that runs: enough to fill the next batch at its last moment.
        return link.staged < 2 * link.hello.max_batch and len(link.in_flight) < 5 * link.hello.max_batch

    def _stage(self, link: WorkerLink, pending: Pending) -> bool:
        """Reserve memory for a request and hand it to a worker; False if the arena has no room now."""
        pixels = pending.width * pending.height
        is_cloud = pending.request.op == "pc"
        result_block = self.arena.reserve((16 if is_cloud else 4) * pixels)
        if result_block is None:
            return False
        image_block = self.arena.reserve(pending.image_bytes)
        if image_block is None:
            self._release(result_block)
            return False
        self.scheduler.take(pending)
        self.arena.write(image_block, pending.image)
        pending.image_block, pending.result_block, pending.worker = image_block, result_block, link.slot
        camera = pending.request.intrinsics if is_cloud else None
        if camera is not None:
            camera = camera.scaled_to(pending.width, pending.height)
        job = jobs.Stage(
            ticket=pending.ticket,
            encoder=pending.checkpoint.encoder,
            dataset=pending.checkpoint.dataset,
            input_height=pending.input_height,
            input_width=pending.input_width,
            image_offset=image_block,
            image_length=pending.image_bytes,
            image_format=pending.image_format,
            width=pending.width,
            height=pending.height,
            depth_offset=result_block + (12 * pixels if is_cloud else 0),
            points_offset=result_block if is_cloud else -1,
            scale=pending.scale,
            fx=camera.fx if camera else 1.0,
            fy=camera.fy if camera else 1.0,
            cx=camera.cx if camera else 0.0,
            cy=camera.cy if camera else 0.0,
            deadline=pending.deadline,
        )
        link.in_flight[pending.ticket] = pending
        link.staged += 1
        link.residency.begin(pending.checkpoint, pending.model, self.clock())
        if not link.send(job):
            self.supervisor.bury(link, "does not take its work", self.clock())
        return True


def _worker_options(config: Config) -> list[jobs.WorkerOptions]:
    """One worker for each device: what `auto` is, the worker finds out."""
    return [
        jobs.WorkerOptions(
            engine=config.engine,
            device=config.device,
            precision=config.precision,
            max_batch=config.max_batch,
            threads=config.threads,
            checkpoints=str(config.checkpoints) if config.checkpoints else None,
            download=config.download,
            log_level=config.log_level,
            log_format=config.log_format,
        )
    ]

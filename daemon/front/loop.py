"""The front: the thread that owns the sockets. Every request enters here and every reply leaves from here.

Started by `__main__`; it parses and admits requests, lets the dispatcher hand them to workers, and answers.
It never decodes an image and never imports torch, so it answers `health` whatever the workers are doing.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import zmq

from depthwire.daemon.config import Config, InvalidSettings
from depthwire.daemon.front.admission import Admission
from depthwire.daemon.front.authenticator import demand_keys, make_authenticator
from depthwire.daemon.front.connections import Connections
from depthwire.daemon.front.descriptors import Descriptors, raise_limit
from depthwire.daemon.front.dispatcher import Dispatcher
from depthwire.daemon.front.endpoints import Listener, check_endpoints
from depthwire.daemon.front.exposition import serve_metrics
from depthwire.daemon.front.farewell import wait_for_readers
from depthwire.daemon.front.health import health_report
from depthwire.daemon.front.inbox import Inbox, make_router
from depthwire.daemon.front.metrics import NO_MODEL, Metrics
from depthwire.daemon.front.outbox import Outbox
from depthwire.daemon.front.presence import Presence
from depthwire.daemon.front.readiness import Limits, Readiness, assess, hampered
from depthwire.daemon.front.scheduler import Client, Pending, QueueLimits, Scheduler
from depthwire.daemon.front.service_manager import ServiceManager
from depthwire.daemon.logs import Rarely
from depthwire.daemon.models import catalogue
from depthwire.daemon.models.catalogue import ModelKey
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena
from depthwire.protocol import (
    CancelledError,
    DeadlineExceededError,
    DepthwireError,
    InternalError,
    InvalidRequestError,
    Request,
    RequestRefused,
    ShuttingDownError,
    SupersededError,
    error_header,
    parse_request,
    result_header,
)
from depthwire.protocol.frames import FrameError, split_envelope

log = logging.getLogger("depthwire.front")
request_log = logging.getLogger("depthwire.request")

_TURN_MESSAGES = 128
"""Requests read before workers and timers get their turn again."""

_TICK_S = 0.25
"""The longest the front sleeps, and so the latest it notices that a worker is silent."""


_LAST_WORD_MS = 100
"""For what ZeroMQ has not handed to the kernel when everybody who reads has read."""


class Front:
    def __init__(self, config: Config, default_model: ModelKey, clock: Callable[[], float] = time.monotonic) -> None:
        """Bind the sockets. `default_model` answers requests that name none.

        Raises OSError if an endpoint cannot be bound, InvalidSettings if it must not be, UnknownModel for a model to
        preload that is not one.
        """
        check_endpoints(config.bind, has_keys=config.curve_key is not None, insecure=config.insecure)
        self.config = config
        self.clock = clock
        self.started_at = clock()
        self.draining = False
        self.metrics = Metrics()
        limit = raise_limit()
        try:
            self.arena = Arena(config.arena_mb * 2**20)
        except OSError as error:
            raise InvalidSettings(f"--arena-mb {config.arena_mb}: there is no such memory: {error}") from None
        self._descriptors = Descriptors(self.arena.fd, limit)
        self.admission = Admission(config, default_model, self.arena.size)
        self.scheduler = Scheduler(
            QueueLimits(
                config.max_waiting,
                config.max_waiting_mb * 2**20,
                config.max_in_flight_per_client,
                config.max_waiting_mb_per_client * 2**20,
                config.max_models_per_client,
                config.max_streams_per_client,
            )
        )
        self._context = zmq.Context()
        self._poller = select.epoll()
        self.authenticator = make_authenticator(config, self._context, self._poller)
        self._router = make_router(self._context, config)
        self._inbox = Inbox(self._router)
        if config.curve_key is not None:
            self._public_key = demand_keys(self._router, config.curve_key)
        self._listener = Listener(self._router)
        self._listener.bind_all(config.bind)
        self._presence = Presence(self._router, self.scheduler.has_open)
        self._connections = Connections()
        self._outbox = Outbox(
            self._router,
            self.arena,
            config.max_unsent_mb_per_client * 2**20,
            config.stall_timeout_s,
            clock,
            self._connections,
        )
        self._dispatcher = Dispatcher(
            config,
            self.arena,
            self.scheduler,
            self._outbox,
            clock,
            self._deliver,
            self._refuse,
            catalogue.lookup(default_model.encoder, default_model.dataset),
            self.metrics,
        )
        self.supervisor = self._dispatcher.supervisor
        self.proof_limits = Limits.of(config.probe_interval_s, config.silence_timeout_s, config.start_timeout_s)
        self._service_manager = ServiceManager.from_environment(self.supervisor, self.proof_limits, self.readiness)
        self.turned_at = self.started_at
        """When the loop last came round, for whoever watches it from another thread."""
        self._metrics_server = serve_metrics(self, config.metrics) if config.metrics else None
        self._tickets = 0
        self._drops = {reason: Rarely() for reason in self.metrics.dropped}
        self._signals, self._signal_writer = socket.socketpair()
        self._signals.setblocking(False)
        self._signal_writer.setblocking(False)
        self._router_fileno, self._monitor_fileno = self._router.fileno(), self._presence.monitor.fileno()
        self._signals_fileno = self._signals.fileno()
        for source in (self._router_fileno, self._monitor_fileno, self.arena.wake_fd, self._signals_fileno):
            self._poller.register(source, select.EPOLLIN)

    @property
    def endpoints(self) -> list[str]:
        """Where it listens, with the port that was chosen where the configuration said `*` or 0."""
        return self._listener.endpoints

    def readiness(self) -> Readiness:
        """What the daemon is worth at this moment. Any thread may ask."""
        state = assess(self.supervisor, self.proof_limits, self.clock(), self.draining)
        if self.draining:
            return state
        for problem in (self._dispatcher.room.problem(), self._descriptors.problem):
            if problem is not None:
                state = hampered(state, problem)
        if self.authenticator is None:
            return state
        if not self.authenticator.is_alive:
            problems = [*state.problems, "the authenticator has failed, so nobody new gets in"]
            return replace(state, status="degraded", ready=False, degraded=True, problems=problems)
        if (problem := self.authenticator.allowed.problem) is not None:
            return replace(state, status="degraded", degraded=True, problems=[*state.problems, problem])
        return state

    def announce(self) -> None:
        """The start-up lines: where it listens, what it will run on, which model answers by default."""
        config, model = self.config, self.admission.default_model
        log.info(
            "listening on %s, device %s, engine %s, default model %s, preloading %s",
            ", ".join(self.endpoints),
            config.device,
            config.engine,
            model,
            ", ".join(config.preload) or "nothing",
        )
        if self.authenticator is not None:
            allowed = self.authenticator.allowed
            log.info("public key %s; %d clients authorized by %s", self._public_key, len(allowed.names), allowed.folder)
        if self._metrics_server is not None:
            log.info("metrics at %s", self._metrics_server.url)
        checkpoint = catalogue.lookup(model.encoder, model.dataset)
        if checkpoint.builtin:
            log.warning("%s answers by default: %s", model, checkpoint.note)

    def run(self) -> int:
        """Serve until SIGTERM, SIGINT or SIGHUP, then answer what was admitted; returns the process's exit code."""
        signal.set_wakeup_fd(self._signal_writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Who is started by nohup goes on when the terminal goes.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        give_up_at = float("inf")
        while self._dispatcher.failure is None:
            self._turn()
            if self.draining:
                give_up_at = min(give_up_at, self.clock() + self.config.drain_timeout_s)
                if not len(self.scheduler) or self.clock() >= give_up_at:
                    break
        return self._close()

    def rehearse(self, is_over: Callable[[], bool]) -> str | None:
        """Run the workers until `is_over`, which is asked after every turn, and close; why they cannot start, if so.

        For `depthwired --check`: nobody knows the endpoint, so that only the prober has work for them.
        """
        try:
            while self._dispatcher.failure is None and not is_over():
                self._turn()
        finally:
            self._close()
        return self._dispatcher.failure

    def _turn(self) -> None:
        """Wait for something to happen, then do all that it makes possible."""
        self.turned_at = now = self.clock()
        self._dispatcher.watch(self._poller, now)
        self._service_manager.turn(now)
        self._descriptors.look(now)
        self.arena.wake_wanted = self.scheduler.waiting > 0
        has_requests = self._inbox.has_messages
        is_busy = self._serve_handshakes(now) or has_requests or (self.arena.wake_wanted and self.arena.has_died)
        wake_at = min(self.scheduler.next_deadline(), self._dispatcher.wake_at)
        wait_s = 0.0 if is_busy else min(_TICK_S, max(0.0, wake_at - now))
        # Rounded up to whole milliseconds, the kernel's unit: to wake before a deadline would be to wake twice.
        readable = [descriptor for descriptor, _ in self._poller.poll(math.ceil(1e3 * wait_s) / 1e3)]
        if self._signals_fileno in readable:
            with contextlib.suppress(BlockingIOError):
                self._signals.recv(4096)
        if self.arena.has_died or self.arena.wake_fd in readable:
            self._outbox.collect()
        if has_requests or self._router_fileno in readable:
            self._read_requests()
        for client in self._presence.departed(self._monitor_fileno in readable):
            self._forget_client(client, "gone", "went away")
            self.metrics.names.pop(client, None)
            self._connections.forget(client[0])
        for client in self._outbox.stalled(is_pressing=self._dispatcher.room.is_pressing):
            self._forget_client(client, "stalled", "has not read one result in time and is disconnected")
            self._connections.end(client[0])  # or ZeroMQ would keep what it holds for it, on ipc for ever
        for late in self.scheduler.expired(self.clock()):
            waited_ms = 1e3 * (self.clock() - late.arrived)
            self._refuse(late, DeadlineExceededError(f"no answer within timeout_ms; waited {waited_ms:.0f} ms"))
        self._dispatcher.turn(readable)

    def _serve_handshakes(self, now: float) -> bool:
        """Let in who may come in; whether more wait already."""
        if self.authenticator is None:
            return False
        self.authenticator.serve(now)
        return self.authenticator.is_busy

    def _on_signal(self, number: int, _: object) -> None:
        if not self.draining:
            log.info("%s: draining, %d requests to answer", signal.Signals(number).name, len(self.scheduler))
            self._service_manager.stopping()
        self.draining = True

    def _close(self) -> int:
        for pending in self.scheduler.all_open():
            self._refuse(pending, ShuttingDownError("the daemon is shutting down"))
        limit_s = max(1.0, self.config.drain_timeout_s)
        self._service_manager.closing(limit_s + 30.0)
        self.supervisor.stop(timeout_s=1.0)
        if self._metrics_server is not None:
            self._metrics_server.close()
        self._presence.close()
        if self.authenticator is not None:
            self.authenticator.close()
        self._poller.close()
        self._listener.unlink()
        signal.set_wakeup_fd(-1)  # what lies unread in it would pass for a client that does not read
        self._signals.close()
        self._signal_writer.close()
        # The last replies may still be on their way to a slow peer: wait for them, but not for one that reads nothing.
        if not wait_for_readers(limit_s):
            log.warning("not everybody has read the last replies")
        self._router.close(linger=_LAST_WORD_MS)
        self._context.term()
        if self._dispatcher.failure is not None:
            log.critical("%s", self._dispatcher.failure)
            return os.EX_CONFIG
        log.info("every request is answered; bye")
        return 0

    # ---- requests ---------------------------------------------------------------------------------------------

    def _read_requests(self) -> None:
        for _ in range(_TURN_MESSAGES):
            message = self._inbox.receive()
            if message is None:
                return
            self._on_message(*message)

    def _on_message(self, routing_id: bytes, message: Sequence[zmq.Frame]) -> None:
        arrived = self.clock()
        try:
            envelope_frames, body = split_envelope([routing_id, *message])
        except FrameError:
            return  # nothing but an envelope: nobody asked anything
        envelope = [bytes(frame) for frame in envelope_frames]
        client = tuple(filter(None, envelope))
        request: Request | None = None
        meta: dict[Any, Any] | None = None
        try:
            request = parse_request([frame.buffer for frame in body])
            meta = request.meta
            for forgotten in self._presence.note(client, body[0]):
                self.metrics.names.pop(forgotten, None)
            if self.authenticator is not None:
                self._identify(client, body[0])
            self._connections.note(routing_id, body[0])
            self._serve(request, client, envelope, arrived)
        except Exception as error:  # one request must never be the end of all others
            refusal = _refusal_of(error, request)
            request_log.debug("%s: %s %s refused: %s", self._name_of(client), refusal.op, refusal.id, refusal.error)
            self._outbox.send(envelope, [error_header(refusal.id, refusal.op, refusal.error, meta)])
            self.metrics.answered(refusal.op, NO_MODEL, refusal.error.code, client)

    def _identify(self, client: Client, frame: zmq.Frame) -> None:
        """Note whose key a request came with. Raises InvalidRequestError if it is not on the list any more."""
        assert self.authenticator is not None
        name = self.authenticator.name_of(frame)
        if name is None:
            raise InvalidRequestError("the key of this client is not authorized any more")
        self.metrics.names[client] = name

    def _name_of(self, client: Client) -> str:
        """A client as the log calls it: the name of its key, or without keys the routing id of its connection."""
        return self.metrics.names.get(client) or client[0].hex()

    def _serve(self, request: Request, client: Client, envelope: list[bytes], arrived: float) -> None:
        """Answer what can be answered at once, admit the rest. Raises the DepthwireError to answer otherwise."""
        if request.op == "health":
            self._outbox.send(envelope, [result_header(request.id, "health", health_report(self), request.meta)])
            self.metrics.answered("health", NO_MODEL, "OK", client)
        elif request.op == "cancel":
            target = None if request.target is None else self.scheduler.find(client, request.target)
            if target is not None:
                self._refuse(target, CancelledError("cancelled by its client"))
            fields = {"cancelled": target is not None}
            self._outbox.send(envelope, [result_header(request.id, "cancel", fields, request.meta)])
            self.metrics.answered("cancel", NO_MODEL, "OK", client)
        else:
            self._admit(request, client, envelope, arrived)

    def _admit(self, request: Request, client: Client, envelope: list[bytes], arrived: float) -> None:
        if self.draining:
            raise ShuttingDownError("the daemon is shutting down and admits nothing new")
        if self.scheduler.find(client, request.id) is not None:
            raise InvalidRequestError(f"id {request.id} is already in flight on this connection", field="id")
        self._tickets += 1
        pending = self.admission.admit(request, client, envelope, arrived, self._tickets)
        self.scheduler.check_room(pending, len(self.supervisor.ready))
        workers, held_back = len(self.supervisor.links), self._outbox.slow_clients
        if (refusal := self.scheduler.certainly_late(pending, arrived, workers, held_back)) is not None:
            self.metrics.refused_early += 1
            raise refusal
        superseded = self.scheduler.admit(pending)
        if superseded is not None:
            self._refuse(superseded, SupersededError("a newer request of the same stream took its place"))

    # ---- answers ----------------------------------------------------------------------------------------------

    def _deliver(self, pending: Pending, done: jobs.Done) -> None:
        total_ms = 1e3 * (self.clock() - pending.arrived)
        self._log_answer(pending, "OK", total_ms, done.batch_size)
        sent = self._outbox.send_result(pending, done, total_ms)
        self.scheduler.close(pending)
        if sent:
            self.metrics.answered(pending.request.op, pending.model, "OK", pending.client)
            self.metrics.timed(done.decode_ms, done.infer_ms, done.post_ms, total_ms)
        else:
            self._drop_unanswerable(pending)

    def _refuse(self, pending: Pending, error: DepthwireError) -> None:
        """Answer an admitted request with an error and see to it that nothing more is done for it."""
        self._log_answer(pending, error.code, 1e3 * (self.clock() - pending.arrived), 0)
        request = pending.request
        sent = self._outbox.send(pending.envelope, [error_header(request.id, request.op, error, request.meta)])
        self._dispatcher.abandon(pending)
        if sent:
            self.metrics.answered(request.op, pending.model, error.code, pending.client)
        else:
            self._drop_unanswerable(pending)

    def _drop_unanswerable(self, pending: Pending) -> None:
        self._forget_client(pending.client, "unanswerable", "could not be answered", lost=1)

    def _forget_client(self, client: Client, reason: str, problem: str, lost: int = 0) -> None:
        """A client that is gone, or never reads, takes its work with it, beside the `lost` requests that are closed."""
        dropped = self.scheduler.of_client(client)
        for pending in dropped:
            self._dispatcher.abandon(pending)
        if count := len(dropped) + lost:
            self.metrics.dropped[reason] += count
            if (before := self._drops[reason].due(self.clock())) is not None:
                name = self._name_of(client)
                log.warning("client %s %s: %d of its requests were dropped%s", name, problem, count, before)

    def _log_answer(self, pending: Pending, code: str, total_ms: float, batch_size: int) -> None:
        if request_log.isEnabledFor(logging.DEBUG):
            op, request_id = pending.request.op, pending.request.id
            size = f"{pending.width}x{pending.height}"
            text = "%s: %s %d %s %s %s %.1f ms, batch of %d"
            name = self._name_of(pending.client)
            request_log.debug(text, name, op, request_id, pending.model, size, code, total_ms, batch_size)


def _refusal_of(error: Exception, request: Request | None) -> RequestRefused:
    """What a message is answered that never became a pending request. Unforeseen errors are for the log alone."""
    if isinstance(error, RequestRefused):
        return error
    request_id, op = (None, None) if request is None else (request.id, request.op)
    if not isinstance(error, DepthwireError):
        log.error("%s %s could not be served", op, request_id, exc_info=error)
        error = InternalError("the daemon failed on this request; its log says why")
    return RequestRefused(error, request_id, op)

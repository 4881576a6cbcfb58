"""The connection: the one background thread that owns the client's DEALER socket and drives its Core.

Both clients submit to it from any thread. It sleeps in one poll over the socket, the socket's monitor and a wake-up
pair, and never wakes without a reason.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import socket as sockets
import threading
from collections import deque

import zmq
from zmq.utils.monitor import recv_monitor_message

from depthwire.client.core import Call, ClientClosedError, Core
from depthwire.client.curve import CurveKeys
from depthwire.client.threads import start_thread
from depthwire.protocol import DepthwireError, InternalError, InvalidRequestError, OverloadedError

log = logging.getLogger("depthwire.client")

SEND_HWM = 32
"""Messages; beyond it requests wait in the core, where they can still expire and be cancelled."""
RECEIVE_HWM = 256
MAX_REPLY_FRAME_BYTES = 1 << 30
LINGER_MS = 200
RECONNECT_MS = 50
MAX_RECONNECT_MS = 1500
HEARTBEAT_MS = 15_000
HEARTBEAT_TIMEOUT_MS = 60_000
"""Generous on purpose: a heartbeat waits behind the large frame being received, and a slow link needs its time."""
ZERO_COPY_BYTES = 256 * 1024
"""Below this, copying an image costs less than the helper thread that a zero-copy send wakes."""
CLOSE_TIMEOUT_S = 5.0
MAX_WAIT_S = 86_400.0
"""The longest single wait. A poll takes its milliseconds as a C number, 32 bits wide on some platforms (24.8 days)."""
REFUSED_RETRY_S = 1.0
"""How soon a daemon that refused the handshake is asked again: its operator may just have let this client in."""

_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED
_HOST = re.compile(r"tcp://(?:[^;/]*;)?([^\[\]:/;]+):\d+")
"""Group 1 is the host's name or address, behind a source address where there is one."""
_FAILURES = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "the daemon there does not accept this client's key",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "what listens there does not agree with this client on encryption",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "what listens there ends the connection before it is made",
}
"""What a failed handshake means. The last is what a daemon with keys does to a client without, or with a wrong
server_key; and also one that is just ending."""


def configure_socket(socket: zmq.Socket[bytes], endpoint: str = "", keys: CurveKeys | None = None) -> None:
    """Everything set before connect."""
    socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a daemon that is not there and sent when it is too late
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, MAX_RECONNECT_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    # Behind a picture that does not move there is no heartbeat: the kernel has to notice that nobody takes its bytes.
    socket.setsockopt(zmq.TCP_MAXRT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.SNDHWM, SEND_HWM)
    socket.setsockopt(zmq.RCVHWM, RECEIVE_HWM)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY_FRAME_BYTES)
    socket.copy_threshold = ZERO_COPY_BYTES
    if "[" in endpoint:  # tcp://[::1]:5555; set for all, it would turn host names into addresses nobody listens on
        socket.setsockopt(zmq.IPV6, 1)
    if keys is not None:
        socket.curve_serverkey = keys.server_public
        socket.curve_publickey = keys.public
        socket.curve_secretkey = keys.secret


class Connection:
    """A connected DEALER socket and its thread; open from construction to `close`. Encrypted where there are keys.

    Raises InvalidRequestError for an endpoint that ZeroMQ does not understand.
    """

    def __init__(self, core: Core, max_pending: int, keys: CurveKeys | None = None) -> None:
        self._core = core
        self._has_keys = keys is not None
        self._connect_again_at = math.inf
        self._max_pending = max_pending
        self._pid = os.getpid()
        # Reentrant: the garbage collector may run the client's finaliser, hence close(), while this thread holds it.
        self._lock = threading.RLock()
        self._inbox: deque[tuple[Call, bool]] = deque()  # (call, take it on or cancel it)
        self._awake = False
        self._closing = False
        self._closed = False
        self._blocked = False
        self._had_address = False
        self._lookup: threading.Thread | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._context.socket(zmq.DEALER)
            configure_socket(self._socket, core.endpoint, keys)
            self._monitor = self._socket.get_monitor_socket(_EVENTS | sum(_FAILURES))
            self._wake_in = self._context.socket(zmq.PAIR)
            self._wake_out = self._context.socket(zmq.PAIR)
            self._wake_in.bind("inproc://wake")
            self._wake_out.connect("inproc://wake")
            self._socket.connect(core.endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise InvalidRequestError(f"endpoint {core.endpoint!r}: {error}", field="endpoint") from None
        self._poller = zmq.Poller()
        for socket in (self._wake_in, self._monitor, self._socket):
            self._poller.register(socket, zmq.POLLIN)
        self._thread = start_thread(self._run, self._ask_to_end, f"depthwire {core.endpoint}")

    def submit(self, call: Call) -> None:
        """Take a call on, from any thread. Raises ClientClosedError, or OverloadedError beyond max_pending."""
        self.check_usable()
        with self._lock:
            if self._closing:
                raise ClientClosedError("the client is closed")
            if len(self._core) + len(self._inbox) >= self._max_pending:
                raise OverloadedError(f"{self._max_pending} requests of this client wait for their answers already")
            self._inbox.append((call, True))
            self._wake()

    def cancel(self, call: Call) -> None:
        """Take a call back, from any thread; its future has been told already. Does nothing once closed."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if not self._closing:
                self._inbox.append((call, False))
                self._wake()

    def check_usable(self) -> None:
        """Raises ClientClosedError in a child process: neither sockets nor threads survive a fork."""
        if os.getpid() != self._pid:
            raise ClientClosedError(
                f"this client belongs to process {self._pid}; sockets do not survive a fork, so open a client of its "
                f"own in each process"
            )

    def in_own_thread(self) -> bool:
        """Whether the caller is the I/O thread, where waiting for an answer would wait forever."""
        return threading.current_thread() is self._thread

    @property
    def closed(self) -> bool:
        return self._closing

    @property
    def has_keys(self) -> bool:
        return self._has_keys

    def close(self) -> None:
        """End the thread and whatever still waits; any number of times, from any thread."""
        if os.getpid() != self._pid:
            return
        self._ask_to_end()
        if not self.in_own_thread():
            self._thread.join(CLOSE_TIMEOUT_S)

    def _ask_to_end(self) -> None:
        with self._lock:
            if not self._closing:
                self._closing = True
                self._wake()

    def _wake(self) -> None:
        # Under the lock, which is what lets several threads use this end of the pair. One message at most is on its
        # way; sent before the flag is set, so that an interrupt in between costs a message and not the wake-up.
        if not self._awake and not self._closed:
            self._wake_out.send(b"", zmq.DONTWAIT)
            self._awake = True

    # The I/O thread

    def _run(self) -> None:
        failure: DepthwireError | None = None
        try:
            while not self._closing:
                self._send()
                self._deliver()
                self._wait()
        except BaseException:
            log.exception("the I/O thread of the client for %s failed", self._core.endpoint)
            failure = InternalError("the client's I/O thread failed; its log has the details")
        finally:
            self._shut(failure)

    def _wait(self) -> None:
        """Sleep until something happens, and take it in."""
        due = min(self._core.next_deadline() or math.inf, self._connect_again_at)
        remaining_s = min(due - self._core.clock(), MAX_WAIT_S)
        timeout_ms = None if due == math.inf else max(0, math.ceil(remaining_s * 1000))
        ready = dict(self._poller.poll(timeout_ms))
        if self._monitor in ready:
            self._read_monitor()
        if self._socket in ready:
            self._receive()
        if self._wake_in in ready:
            self._read_inbox()
        if self._core.clock() >= self._connect_again_at:
            self._connect_again()
        self._core.on_time()

    def _read_monitor(self) -> None:
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._core.on_connected()
            elif event == zmq.EVENT_DISCONNECTED:
                self._receive()  # answers that made it before the end count
                self._core.on_disconnected()
            elif event == zmq.EVENT_CLOSED:  # a try to connect found nobody
                self._had_address = True
                self._core.on_refused("")
            elif event == zmq.EVENT_CONNECT_RETRIED:
                if not self._had_address:  # it did not come so far as to try
                    self._look_up()
                self._had_address = False
            else:
                self._on_failed_handshake(event)

    def _look_up(self) -> None:
        """Find out why ZeroMQ, which does not say so, finds no address: in a thread, as that may take its time."""
        host = _HOST.fullmatch(self._core.endpoint)
        if host is None or (self._lookup is not None and self._lookup.is_alive()):
            return

        def look_up(name: str = host[1]) -> None:
            try:
                sockets.getaddrinfo(name, None)
            except (OSError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or error
                self._core.on_unresolved(f"the host name {name} cannot be resolved ({why})")

        # None of those that the interpreter's end waits for: the resolver keeps it in C alone, for many seconds.
        self._lookup = threading.Thread(target=look_up, name="depthwire host", daemon=True)
        self._lookup.start()

    def _on_failed_handshake(self, event: int) -> None:
        reason = _FAILURES[zmq.Event(event)]
        if not self._has_keys and event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            reason += "; if it is a depthwired with keys, server_key and client_key are wanted"
        elif self._has_keys and event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            reason += "; see that server_key is its public key, and that it was started with --curve-key"
        self._core.on_refused(reason)
        if event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:  # after these two ZeroMQ tries no more by itself
            self._connect_again_at = self._core.clock() + REFUSED_RETRY_S

    def _connect_again(self) -> None:
        self._connect_again_at = math.inf
        with contextlib.suppress(zmq.ZMQError):  # ZeroMQ may have forgotten it already
            self._socket.disconnect(self._core.endpoint)
        self._socket.connect(self._core.endpoint)

    def _receive(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            self._core.on_message([frame.buffer for frame in frames])

    def _read_inbox(self) -> None:
        with self._lock:
            self._wake_in.recv(zmq.DONTWAIT)
            self._awake = False
        self._take_inbox()

    def _take_inbox(self) -> None:
        while self._inbox:
            call, is_new = self._inbox.popleft()
            if is_new:
                self._core.submit(call)
            else:
                self._core.cancel(call)

    def _send(self) -> None:
        blocked = False
        while (message := self._core.next_outgoing()) is not None:
            try:
                self._socket.send_multipart(message, zmq.DONTWAIT, copy=False)
            except zmq.Again:
                blocked = True
                break
            self._core.on_sent()
        if blocked != self._blocked:
            self._blocked = blocked
            self._poller.modify(self._socket, zmq.POLLIN | zmq.POLLOUT if blocked else zmq.POLLIN)

    def _deliver(self) -> None:
        for receiver, outcome in self._core.take_finished():
            try:
                receiver.deliver(outcome)
            except BaseException:  # a callback's SystemExit must not take the other requests with it
                log.exception("a callback failed")

    def _shut(self, failure: DepthwireError | None) -> None:
        """End every call that has no answer yet, tell the daemon, and close the sockets in their own thread."""
        with self._lock:
            self._closing = True  # nothing enters the inbox from here on
        try:
            self._take_inbox()
            self._core.close(failure)
            self._send()
        finally:
            self._deliver()
            with self._lock:
                self._closed = True
                for socket in (self._wake_in, self._wake_out):
                    socket.close(linger=0)
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close()
            self._context.term()  # waits for the last cancels, at most LINGER_MS

"""What systemd is told of the daemon (sd_notify): ready, status, stopping, and the watchdog's food.

The front turns it once a loop, so that the watchdog is fed by the loop that does the work, and only while it has
workers to give work to. Without NOTIFY_SOCKET in the environment it does nothing. The protocol is that of sd_notify(3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, MutableMapping

from depthwire.daemon.front.readiness import Limits, Readiness, is_tended
from depthwire.daemon.front.supervisor import Supervisor

log = logging.getLogger("depthwire.service")

_LOOK_S = 0.2
"""How often the state is looked at. Loops are many; states are few."""


class ServiceManager:
    def __init__(
        self,
        address: str,
        watchdog_s: float,
        supervisor: Supervisor,
        limits: Limits,
        readiness: Callable[[], Readiness],
    ) -> None:
        """`address` is NOTIFY_SOCKET's, "" for none; `watchdog_s` what systemd waits for a sign of life, 0 for ever."""
        self._supervisor = supervisor
        self._limits = limits
        self._readiness = readiness
        self._feed_interval_s = watchdog_s / 2 if watchdog_s else float("inf")
        self._look_at = float("-inf")
        self._feed_at = float("-inf") if watchdog_s else float("inf")
        self._last_ready_at: float | None = None
        self._told_ready = False
        self._status = ""
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(
        cls,
        supervisor: Supervisor,
        limits: Limits,
        readiness: Callable[[], Readiness],
        environment: MutableMapping[str, str] = os.environ,
    ) -> ServiceManager:
        """As systemd's variables say, which are taken out: they are not for the workers."""
        address, microseconds, pid = (
            environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        )
        meant_for_us = pid in ("", str(os.getpid()))
        watchdog_s = 1e-6 * int(microseconds) if microseconds.isdigit() and meant_for_us else 0.0
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s, supervisor, limits, readiness)

    def turn(self, now: float) -> None:
        """Say what has changed, and feed the watchdog where that is due and deserved."""
        if self._socket is None or now < self._look_at:
            return
        self._look_at = now + min(_LOOK_S, self._feed_interval_s / 2)
        state = self._readiness()
        if state.ready or self._last_ready_at is None:
            self._last_ready_at = now
        if state.ready and not self._told_ready:
            self._told_ready = True
            self._send("READY=1")
        status = "; ".join([state.status, *state.problems])
        # Every tick of a problem's seconds would be another status: its beginning is enough.
        if state.status != self._status.partition(";")[0]:
            self._status = status
            self._send(f"STATUS={status}")
        is_due = now >= self._feed_at
        if is_due and is_tended(self._supervisor.links, self._limits, self._last_ready_at, now):
            self._feed_at = now + self._feed_interval_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The drain begins."""
        self._send("STOPPING=1")

    def closing(self, seconds: float) -> None:
        """The loop has ended and will feed no more: what is left may take this long."""
        if self._feed_interval_s != float("inf"):
            self._send(f"WATCHDOG_USEC={round(1e6 * seconds)}\nWATCHDOG=1")

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
        except OSError as error:  # a manager that is busy or gone must not be the end of the service
            log.debug("the service manager was not told %s: %s", text.partition("=")[0], error)

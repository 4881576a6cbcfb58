"""A `depthwired` of the demo's own: started as a process at a free loopback port, and gone when the demo ends.

`__main__` uses it. A daemon that somebody else runs is never touched: the port is one that nobody had.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from depthwire.client.sync_client import DepthClient
from depthwire.daemon.seam.launch import module_command
from depthwire.protocol import DepthwireError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
LOG_LINES_SHOWN = 8


class DaemonFailedError(Exception):
    """The daemon did not start, or not in time; the text ends with the last lines of its log."""


class DaemonProcess:
    """A running daemon. A context manager: however the block ends, the process ends with it.

    Raises DaemonFailedError where it does not come up.
    """

    def __init__(self, arguments: Sequence[str], log_path: Path) -> None:
        self.log_path = log_path
        self.endpoint = f"tcp://127.0.0.1:{_free_port()}"
        self._command = module_command("depthwire.daemon", "--bind", self.endpoint, *arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> DaemonProcess:
        with self.log_path.open("wb") as log:
            self._started_at = time.monotonic()
            # A session of its own, so that Ctrl-C reaches the demo alone, which then ends the daemon in good order.
            self._process = subprocess.Popen(  # noqa: S603  # this interpreter, and arguments that are no shell's
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self) -> tuple[dict[str, Any], float, float]:
        """Its health once it is ready for images, and seconds from the start to the first answer and to readiness."""
        first_answer_s = None
        with DepthClient(self.endpoint, timeout=START_TIMEOUT_S, connect_timeout=1.0) as client:
            while (since_start := time.monotonic() - self._started_at) < START_TIMEOUT_S:
                self.check()
                try:
                    health = client.health()
                except DepthwireError:
                    continue  # nobody listens yet
                self.check()
                since_start = time.monotonic() - self._started_at
                if health.get("uptime_s", 0) > since_start:
                    raise DaemonFailedError(f"another daemon took {self.endpoint} meanwhile: start the demo again")
                first_answer_s = first_answer_s or since_start
                if health.get("ready"):
                    return health, first_answer_s, since_start
                time.sleep(0.05)
        raise self._failed(f"not ready for images after {START_TIMEOUT_S:.0f} s")

    def check(self) -> None:
        """Raises DaemonFailedError if the process has ended."""
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise self._failed(f"it ended with exit code {code}")

    def stop(self) -> int:
        """End it: SIGTERM, by which it answers what it admitted; SIGKILL if that takes too long. Its exit code."""
        assert self._process is not None
        clean = False
        try:
            self._process.terminate()
            clean = self._process.wait(STOP_TIMEOUT_S) == 0
        except subprocess.TimeoutExpired:
            pass
        finally:
            if not clean:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)  # its workers too
            code = self._process.wait()
        return code

    def log_tail(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join(f"  {line}" for line in lines)

    def _failed(self, what: str) -> DaemonFailedError:
        return DaemonFailedError(
            f"the daemon did not come up: {what}. Its log, {self.log_path}, ends:\n{self.log_tail()}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

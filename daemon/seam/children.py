"""Processes that a process of ours has work for it: none of them outlives it, however it ends.

The OpenVINO engine runs its conversion by it, the conversion says whose child it is, the worker's end ends what runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1

_running: set[subprocess.Popen[str]] = set()
_running_changed = threading.Lock()
_has_ended = False


class ChildrenEnded(Exception):
    """This process is ending, and has ended its children."""


def run_child(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with nothing on its standard input; what it said is in the result.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was killed.
        ChildrenEnded: `end_children` was called meanwhile.
        OSError: it cannot be started.
    """
    with _running_changed:
        if _has_ended:
            raise ChildrenEnded("this process is ending")
        child = subprocess.Popen(  # noqa: S603 - whoever calls this runs modules of ours
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        _running.add(child)
    try:
        with child:
            try:
                output, errors = child.communicate(timeout=timeout_s)
            except BaseException:
                child.kill()
                raise
    finally:
        with _running_changed:
            _running.discard(child)
    if _has_ended:
        raise ChildrenEnded("this process is ending")
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def end_children() -> None:
    """Kill what `run_child` runs in any thread, and let it run nothing more. They are gone when this returns."""
    global _has_ended
    with _running_changed:
        _has_ended = True
        for child in _running:
            with contextlib.suppress(OSError):
                child.kill()
            with contextlib.suppress(ChildProcessError):  # the thread that waits for it was quicker
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def die_with_parent(parent: int) -> None:
    """For the child: be killed when process `parent` is gone, also if it is by now, whatever ended it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(os.EX_SOFTWARE)

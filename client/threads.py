"""The client's background threads, all of which end before the interpreter does.

`connection` and the pump of a stream start them. A daemon thread that comes out of C++ (an encoder, a camera, ZeroMQ)
into an interpreter that is ending takes the process with it, and pyzmq frees at exit what ZeroMQ may still be sending.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# Its import registers pyzmq's own handler. The newest handler runs first, so that ours, registered below, ends whatever
# still sends before that one frees the buffers.
import zmq.utils.garbage  # noqa: F401

SOURCE_PATIENCE_S = 1.0
"""How long the interpreter's end waits for a source's next frame: a camera that gives nothing any more must not keep
the program from ending."""
EXIT_PATIENCE_S = 5.0
"""How long the end of the interpreter waits for a thread that does what is bounded by itself."""


@dataclass(frozen=True)
class _Running:
    ask_to_end: Callable[[], None]
    patience_s: float


_running: dict[threading.Thread, _Running] = {}


def start_thread(
    work: Callable[[], None], ask_to_end: Callable[[], None], name: str, patience_s: float = EXIT_PATIENCE_S
) -> threading.Thread:
    """Run `work` in a thread of its own.

    When the interpreter ends while it is running, `ask_to_end` is called, which must not wait, and the end waits up to
    `patience_s` seconds for it.
    """

    def run() -> None:
        try:
            work()
        finally:
            _running.pop(thread, None)

    # A daemon thread, or the interpreter would wait for it before it calls the handler that asks it to end.
    thread = threading.Thread(target=run, name=name, daemon=True)
    _running[thread] = _Running(ask_to_end, patience_s)
    try:
        thread.start()
    except RuntimeError:  # there can be no more threads, or the interpreter is ending
        del _running[thread]
        raise
    return thread


def _end_all() -> None:
    begun = time.monotonic()
    left = [(thread, running) for thread, running in list(_running.items()) if thread.is_alive()]  # none after a fork
    for _, running in left:
        running.ask_to_end()
    for thread, running in left:
        while thread.is_alive() and (remaining_s := begun + running.patience_s - time.monotonic()) > 0:
            try:
                thread.join(remaining_s)
            except KeyboardInterrupt:  # pressed twice: it ends a moment later, and in one piece
                continue


atexit.register(_end_all)

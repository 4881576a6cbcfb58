"""The last replies: waits for those who read them, and for nobody else. The front calls it once, when it closes.

What ZeroMQ still holds for a peer shows in the kernel's queue of its connection: it is full, or on its way to be empty.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable

STILL_S = 5.0
"""A connection that takes not a byte for this long is not read from: its process is stopped, or its link is dead."""

_EMPTY_S = 0.1
"""ZeroMQ's own thread may be about to hand the next bytes over."""
_LOOK_S = 0.02


def unsent_bytes() -> dict[int, int]:
    """By descriptor, what each connection of this process has not delivered yet. Raises OSError without descriptors."""
    unsent = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(int(name), termios.TIOCOUTQ, bytes(4)))
        except OSError:  # no connection
            continue
        if count:
            unsent[int(name)] = count
    return unsent


def wait_for_readers(
    limit_s: float,
    look: Callable[[], dict[int, int]] = unsent_bytes,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until all that was sent has been taken, by those who take anything; whether all was."""
    began = now = clock()
    moved_at = empty_at = now
    before: dict[int, int] = {}
    while now - began < limit_s:
        try:
            unsent = look()
        except OSError:
            return False
        if unsent:
            empty_at = now
        elif now - empty_at >= _EMPTY_S:
            return True
        if unsent != before or not unsent:
            moved_at = now
        elif now - moved_at >= STILL_S:
            return False
        before = unsent
        sleep(_LOOK_S)
        now = clock()
    return False

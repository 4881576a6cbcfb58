"""How many file descriptors are left: the front allows itself all that it may, and says when they run out.

At the limit nobody new can connect, no worker be replaced and no key be read. ZeroMQ's thread then turns without end
for a TCP connection that it cannot accept, and ends the process for one over ipc, which only its own user can open.
"""

from __future__ import annotations

import logging
import os
import resource

log = logging.getLogger("depthwire.front")

_LOOK_S = 1.0
_FEW = 32


def raise_limit() -> int:
    """Allow this process as many descriptors as it may allow itself; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # beyond what the kernel takes now
            log.debug("the limit of file descriptors stays at %d: %s", soft, error)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 - 1 if soft == resource.RLIM_INFINITY else soft


class Descriptors:
    def __init__(self, descriptor: int, limit: int) -> None:
        """`descriptor` is any that stays open; `limit` the first number that no descriptor can have."""
        self._descriptor = descriptor
        self._limit = limit
        self._look_at = float("-inf")
        self.problem: str | None = None
        """For an operator; None if enough are left. Any thread may ask."""

    def look(self, now: float) -> None:
        """See how many are left, once a second: two system calls."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        try:
            lowest = os.dup(self._descriptor)  # the lowest that is free: all below are taken
            os.close(lowest)
        except OSError:
            lowest = self._limit
        had_problem, left = self.problem is not None, max(0, self._limit - lowest)
        is_scarce = left < min(_FEW, self._limit // 4)
        self.problem = f"{left} of {self._limit} file descriptors are left: raise `ulimit -n`" if is_scarce else None
        if is_scarce and not had_problem:
            log.error("%s", self.problem)
        elif had_problem and not is_scarce:
            log.info("file descriptors are left again")

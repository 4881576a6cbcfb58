"""What a worker's engine has shown of itself lately. The supervisor keeps one for each worker, the dispatcher and the
prober write it, readiness.py judges by it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Proof:
    """What a worker's engine has shown of itself. The front's thread writes it, for each worker anew."""

    served_at: float | None = None
    """When an inference last succeeded."""
    failures: int = 0
    """Failures in a row since then."""
    failed_at: float = float("-inf")
    probing_since: float | None = None
    probed_at: float = float("-inf")
    load_at: float = float("-inf")
    """When the checkpoint to probe with may be asked for (again)."""
    is_concluded: bool = False
    """Whether anything has come back, good or bad: until then the worker gets no request but the probe."""

    def succeeded(self, now: float) -> None:
        self.served_at, self.failures, self.is_concluded = now, 0, True

    def failed(self, now: float) -> None:
        self.failed_at, self.is_concluded = now, True
        self.failures += 1

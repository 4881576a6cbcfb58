"""Records: what a load generator writes down of each request, as columns that are cheap to send and to add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

OK = "OK"
STAGES = ("queue_ms", "decode_ms", "infer_ms", "post_ms", "total_ms")


@dataclass
class Records:
    """One entry a request in each list; times are seconds of the machine's monotonic clock.

    `intended` is when it was due (a closed loop's are due when they are sent), `sent` when the client was given it,
    `done` when its answer was in the caller's hands. `timing` is the daemon's own account, empty for errors.
    """

    intended: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    op: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    timing: list[dict[str, float]] = field(default_factory=list)

    def add(
        self, intended: float, sent: float, done: float, op: str, code: str, timing: dict[str, float] | None = None
    ) -> None:
        self.intended.append(intended)
        self.sent.append(sent)
        self.done.append(done)
        self.op.append(op)
        self.code.append(code)
        self.timing.append(timing or {})

    def extend(self, other: Records) -> None:
        """Append another generator's records."""
        for name, column in vars(other).items():
            getattr(self, name).extend(column)

    def __len__(self) -> int:
        return len(self.done)

    def select(self, keep: npt.NDArray[np.bool_]) -> Records:
        """The records where `keep` is true."""
        wanted = np.flatnonzero(keep).tolist()
        return Records(**{name: [column[index] for index in wanted] for name, column in vars(self).items()})

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        return np.array([code == OK for code in self.code], bool)

    @property
    def latency_ms(self) -> npt.NDArray[np.float64]:
        """From the intended moment to the answer: a request that could not even be sent waits all the same."""
        return 1e3 * (np.array(self.done, np.float64) - np.array(self.intended, np.float64))

    @property
    def send_lag_ms(self) -> npt.NDArray[np.float64]:
        """How late the generator itself was."""
        return 1e3 * (np.array(self.sent, np.float64) - np.array(self.intended, np.float64))

    def stage_ms(self, stage: str) -> list[float]:
        return [timing[stage] for timing in self.timing if stage in timing]

    def count(self, column: str) -> dict[str, int]:
        """How often each value stands in a column."""
        values: list[Any] = getattr(self, column)
        return {value: values.count(value) for value in sorted(set(values))}

"""Whether `health` tells the truth: asks it without pause beside a fault, and compares with what really happened.

Used by the campaigns of this folder, which tell it of each fault that they cause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from depthwire.client import DepthClient

NOTICE_S = 1.0
"""How long the front of a busy machine may take to hear of what the kernel tells it at once."""


@dataclass(frozen=True)
class Fault:
    """What was done to a worker, and when, on the monotonic clock."""

    at: float
    pid: int
    noticed_within_s: float = NOTICE_S
    """How long `health` may go on to call this worker ready: a frozen one is found out by its silence."""
    is_fatal: bool = True
    """Whether the worker has to be replaced."""


@dataclass(frozen=True)
class Sample:
    """One answer of `health`; what it says was true at some moment between the two times."""

    asked_at: float
    heard_at: float
    report: dict[str, Any]

    @property
    def ready(self) -> bool:
        return bool(self.report["ready"])

    @property
    def worker(self) -> dict[str, Any]:
        worker: dict[str, Any] = self.report["workers"][0]
        return worker


@dataclass
class HealthWatch:
    """Ask for `health` from a thread of its own until stopped."""

    endpoint: str
    interval_s: float = 0.01
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health watch", daemon=True)

    def __enter__(self) -> HealthWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait_for_ready(self, since: float, other_than: int | None = None, timeout_s: float = 30.0) -> Sample:
        """The first answer to a question asked after `since` that says ready, by another worker than this one."""
        deadline = time.monotonic() + timeout_s
        seen = len(self.samples)
        while time.monotonic() < deadline:
            for sample in self.samples[max(0, seen - 500) :]:
                if sample.asked_at > since and sample.ready and sample.worker["pid"] != other_than:
                    return sample
            time.sleep(0.005)
        raise AssertionError(f"never ready again; health says {self.samples[-1].report}")

    def _run(self) -> None:
        with DepthClient(self.endpoint, timeout=30.0) as client:
            while not self._stop.wait(self.interval_s):
                asked_at = time.monotonic()
                report = dict(client.health())
                self.samples.append(Sample(asked_at, time.monotonic(), report))


def lies(samples: Sequence[Sample], faults: Sequence[Fault], recent_s: float) -> list[str]:
    """Every answer that was not the truth, in words; `recent_s` is how old the proof of a ready worker may be."""
    found = [text for sample in samples for text in _contradictions(sample, recent_s)]
    for number, fault in enumerate(faults):
        until = faults[number + 1].at if number + 1 < len(faults) else float("inf")
        after = [sample for sample in samples if fault.at < sample.asked_at and sample.heard_at < until]
        found += _hidden(fault, after) if fault.is_fatal else _unsaid(fault, after)
    return found


def _contradictions(sample: Sample, recent_s: float) -> list[str]:
    """What cannot be true at once, whatever happened."""
    report, worker = sample.report, sample.worker
    proven_s = worker["proven_s"]
    found = []
    if not report["live"]:
        found.append("it answers and says that it is not live")
    if report["ready"] != worker["ready"]:
        found.append(f"ready {report['ready']}, its only worker {worker['ready']}")
    if worker["ready"] and (proven_s is None or proven_s > recent_s):
        found.append(f"ready, and the last inference that succeeded was {proven_s} s ago")
    if worker["ready"] and worker["state"] != "ready":
        found.append(f"ready, and its only worker is {worker['state']}")
    if report["ready"] != (report["status"] == "ok") and report["status"] != "degraded":
        found.append(f"ready {report['ready']} and {report['status']}")
    if (report["status"] == "degraded") != report["degraded"]:
        found.append(f"{report['status']}, and degraded is {report['degraded']}")
    if report["degraded"] != bool(report["problems"]) and report["status"] != "loading":
        found.append(f"degraded {report['degraded']}, and the problems are {report['problems']}")
    return found


def _hidden(fault: Fault, after: Sequence[Sample]) -> list[str]:
    """What was said of a worker that had ended or was frozen, and of its successor."""
    found = []
    for sample in (sample for sample in after if sample.ready):
        since, worker = sample.asked_at - fault.at, sample.worker
        if worker["pid"] == fault.pid and since > fault.noticed_within_s:
            found.append(f"ready {since:.2f} s after what ended worker {fault.pid}")
        elif worker["pid"] != fault.pid and worker["proven_s"] > sample.heard_at - fault.at:
            found.append(f"ready by a proof from before the fault, {worker['proven_s']:.2f} s old")
    if all(sample.ready for sample in after):
        found.append(f"never said that worker {fault.pid} was missing")
    if not any(sample.report["status"] == "degraded" for sample in after):
        found.append(f"never degraded after worker {fault.pid}")
    if not any(sample.ready for sample in after):
        found.append(f"never ready again after worker {fault.pid}")
    return found


def _unsaid(fault: Fault, after: Sequence[Sample]) -> list[str]:
    """A fault that one worker survives: it stays ready, and it is the same one."""
    found = [f"not ready, though one failure is no reason: {s.report['problems']}" for s in after if not s.ready]
    if any(sample.worker["pid"] != fault.pid for sample in after):
        found.append(f"worker {fault.pid} was replaced")
    return found

"""What the daemon costs: CPU time and memory of the front and its workers, read from the outside.

`load` samples it around the measured window. CPU time comes from the scheduler's own nanosecond counters where the
kernel shows them: the usual clock ticks of 10 ms are longer than the front's whole work for many requests.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from depthwire.client import DepthClient

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "::1", None})


@dataclass
class DaemonProcesses:
    """The pids of a daemon on this machine."""

    front: int
    workers: list[int] = field(default_factory=list)

    @property
    def by_role(self) -> dict[str, int]:
        return {"front": self.front, **{f"worker {index}": pid for index, pid in enumerate(self.workers)}}


def find_daemon(endpoint: str, front_pid: int | None = None) -> DaemonProcesses | None:
    """The processes behind `endpoint`, found through the workers that its health names; None for another machine."""
    if front_pid is None and urlsplit(endpoint).scheme == "tcp" and urlsplit(endpoint).hostname not in _LOCAL_HOSTS:
        return None
    with DepthClient(endpoint, timeout=30) as client:
        workers = [worker["pid"] for worker in client.health()["workers"] if worker["pid"]]
    try:
        parents = {psutil.Process(pid).ppid() for pid in workers}
        front = front_pid or parents.pop()
        # A forwarded port ends at another machine's pids: nothing here may then be taken for the daemon.
        if "depthwire" not in " ".join(psutil.Process(front).cmdline()):
            return None
    except (psutil.Error, KeyError):
        return None
    return DaemonProcesses(front, workers)


class Usage:
    """Measures from `begin` to `end` (seconds, monotonic clock), as closely as `turn` is called."""

    def __init__(self, processes: DaemonProcesses, begin: float, end: float) -> None:
        self._processes = processes
        self._due = (begin, end)
        self._threads_before: dict[str, dict[int, tuple[str, float]]] = {}
        self._peak_rss: dict[str, int] = {}
        self._cpu: dict[str, dict[str, float]] = {}
        self.began: float | None = None
        self.ended: float | None = None
        """When it really began and ended, which is the window that the CPU time belongs to."""

    def turn(self, now: float) -> None:
        """Do what is due at `now`: begin, look at the memory, or end."""
        if self.ended is not None or now < self._due[0]:
            return
        self._sample_memory()
        if self.began is None:
            self._threads_before = {role: _thread_cpu_s(pid) for role, pid in self._processes.by_role.items()}
            self.began = now
        elif now >= self._due[1]:
            self._cpu = {role: self._used_cpu_s(role, pid) for role, pid in self._processes.by_role.items()}
            self.ended = now

    def _sample_memory(self) -> None:
        for role, pid in self._processes.by_role.items():
            with contextlib.suppress(psutil.Error):
                self._peak_rss[role] = max(self._peak_rss.get(role, 0), psutil.Process(pid).memory_info().rss)

    def _used_cpu_s(self, role: str, pid: int) -> dict[str, float]:
        before = self._threads_before.get(role, {})
        used: dict[str, float] = {}
        for thread, (name, seconds) in _thread_cpu_s(pid).items():
            used[name] = used.get(name, 0.0) + seconds - before.get(thread, (name, 0.0))[1]
        return used

    def report(self, answered: int) -> dict[str, Any]:
        """For each process: cores busy, CPU per answered request in µs (whole and by thread), and peak memory."""
        seconds = (self.ended or 0.0) - (self.began or 0.0)
        report: dict[str, Any] = {}
        for role, threads in self._cpu.items():
            total = sum(threads.values())
            per_request = {name: round(1e6 * cpu / answered, 1) for name, cpu in threads.items()} if answered else {}
            report[role] = {
                "pid": self._processes.by_role[role],
                "cpu_s": round(total, 4),
                "cores": round(total / seconds, 4) if seconds else 0.0,
                "cpu_us_per_request": round(1e6 * total / answered, 1) if answered else None,
                "cpu_us_per_request_by_thread": {name: cpu for name, cpu in per_request.items() if cpu >= 0.1},
                "rss_peak_mb": round(self._peak_rss.get(role, 0) / 2**20, 1),
            }
        return report


def _thread_cpu_s(pid: int) -> dict[int, tuple[str, float]]:
    """Thread id → (name, CPU seconds). Threads of one name are a pool; a thread that ended is lost with its time."""
    threads: dict[int, tuple[str, float]] = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            name = (task / "comm").read_text().strip()
            threads[int(task.name)] = (name, int((task / "schedstat").read_text().split()[0]) / 1e9)
    if not threads:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            threads[pid] = ("all", times.user + times.system)
    return threads

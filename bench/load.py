"""One load, measured: starts the generators, watches the daemon meanwhile, and turns their records into figures.

The `load` command, the sweep, `compare` and the standard set all come through `run_load`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

import click
import numpy as np

from depthwire.bench.generator import Failure, Progress, Ready, run_generator
from depthwire.bench.plan import LoadPlan
from depthwire.bench.records import OK, STAGES, Records
from depthwire.bench.statistics import PERCENTILES, completion_rate, percentile, summary
from depthwire.bench.usage import Usage, find_daemon

START_DELAY_S = 0.2
WATCH_S = 0.1

Show = Callable[[str], None]


@dataclass(frozen=True)
class LoadRun:
    """A finished load: what was asked, every request of the measured window, and what the daemon used in it."""

    plan: LoadPlan
    measured: Records
    done: list[float]
    """When each request was answered with a result, warm-up included."""
    begin: float
    end: float
    daemon: dict[str, Any] | None

    @property
    def throughput(self) -> float:
        """Results a second."""
        return completion_rate(self.done, self.begin, self.end)

    def report(self) -> dict[str, Any]:
        """The figures, as they stand in a JSON report."""
        measured, ok = self.measured, self.measured.ok
        good = measured.select(ok)
        seconds = self.end - self.begin
        report: dict[str, Any] = {
            "load": self.plan.load,
            "window_s": round(seconds, 3),
            "requests": len(measured),
            "ok": int(ok.sum()),
            "errors": {code: count for code, count in measured.count("code").items() if code != OK},
            "operations": measured.count("op"),
            "throughput_per_s": round(self.throughput, 4),
            "latency_ms": summary(good.latency_ms),
            "send_lag_ms": summary(measured.send_lag_ms),
            "batch_sizes": _batch_sizes(good),
            "stages_ms": {stage.removesuffix("_ms"): summary(good.stage_ms(stage)) for stage in STAGES},
            "daemon": self.daemon,
        }
        if self.plan.deadline_ms is not None:
            in_time = int((good.latency_ms <= self.plan.deadline_ms).sum())
            report["goodput"] = {
                "deadline_ms": self.plan.deadline_ms,
                "per_s": round(in_time / seconds, 4),
                "share": round(in_time / len(measured), 4) if len(measured) else 0.0,
            }
        return report


def run_load(plan: LoadPlan, show: Show = lambda _: None, front_pid: int | None = None) -> LoadRun:
    """Run one load. `show` gets a line to display now and then; `front_pid` names the daemon where health cannot.

    Raises click.ClickException where no load could be made: no daemon, no such model.
    """
    plan = replace(plan, processes=min(plan.processes, plan.clients))
    processes = find_daemon(plan.endpoint, front_pid)
    with _generators(plan) as channels:
        show("waiting for the first answers")
        for channel in channels:
            _receive(channel)
        start = time.monotonic() + START_DELAY_S
        begin = start + plan.warmup_s
        end = begin + plan.duration_s
        usage = Usage(processes, begin, end) if processes else None
        for channel in channels:
            channel.send(start)
        records = _collect(channels, usage, begin, end, show)
        for channel in channels:
            channel.send(None)
    return _cut(plan, records, begin, end, usage)


def sweep(plan: LoadPlan, loads: list[float], show: Show, front_pid: int | None = None) -> list[LoadRun]:
    """The same plan at each load: so many clients of a closed loop, or so many requests a second of an open one."""
    runs = []
    for load in loads:
        at_load = replace(plan, rate=load) if plan.mode == "open" else replace(plan, clients=int(load))
        runs.append(run_load(at_load, partial(show_at, show, load), front_pid))
    return runs


def show_at(show: Show, load: float, line: str) -> None:
    """Show a line with the load that it is about."""
    show(f"[{load:g}] {line}")


@contextlib.contextmanager
def _generators(plan: LoadPlan) -> Iterator[list[Connection]]:
    """The generators' pipes. Whatever happens, no generator outlives this."""
    # Spawned, not forked: a socket does not survive a fork, nor do the threads of whoever calls this.
    context = multiprocessing.get_context("spawn")
    channels, processes = [], []
    try:
        for part in range(plan.processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=run_generator, args=(plan, part, theirs), daemon=True)
            process.start()
            theirs.close()
            channels.append(ours)
            processes.append(process)
        yield channels
        for process in processes:
            process.join(10)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _receive(channel: Connection) -> Ready | Progress | Records:
    try:
        message: Ready | Progress | Records | Failure = channel.recv()
    except EOFError:
        raise click.ClickException("a load generator ended without a word; its error stands above") from None
    if isinstance(message, Failure):
        raise click.ClickException(message.text)
    return message


def _collect(channels: list[Connection], usage: Usage | None, begin: float, end: float, show: Show) -> Records:
    """Wait for the records of all generators; measure the daemon's use over the window meanwhile."""
    records = Records()
    progress = dict.fromkeys(range(len(channels)), Progress(0, 0))
    working = list(channels)
    while working or (usage and usage.ended is None):
        for channel in wait(working, WATCH_S):
            assert isinstance(channel, Connection)
            message = _receive(channel)
            if isinstance(message, Records):
                records.extend(message)
                working.remove(channel)
            elif isinstance(message, Progress):
                progress[channels.index(channel)] = message
        now = time.monotonic()
        if usage:
            usage.turn(now)
        answered = sum(part.answered for part in progress.values())
        failed = sum(part.failed for part in progress.values())
        state = "warming up" if now < begin else "measuring" if now < end else "waiting for the last answers"
        show(f"{state}, {max(0.0, end - now):.0f} s to go, {answered} answered, {failed} failed")
    return records


def _cut(plan: LoadPlan, records: Records, begin: float, end: float, usage: Usage | None) -> LoadRun:
    """Keep what belongs to the window.

    In an open loop that is what was due in it, however late its answer came. In a closed loop it is what was answered
    in it: there every request waits for one before it, so none is left out by its slowness.
    """
    done = np.array(records.done, np.float64)
    moment = np.array(records.intended, np.float64) if plan.mode == "open" else done
    measured = records.select((moment > begin) & (moment <= end))
    daemon = None
    if usage and usage.began is not None and usage.ended is not None:
        daemon = usage.report(int(((done > usage.began) & (done <= usage.ended)).sum()))
    return LoadRun(plan, measured, done[records.ok].tolist(), begin, end, daemon)


def _batch_sizes(good: Records) -> dict[str, int]:
    sizes = [int(timing["batch_size"]) for timing in good.timing if "batch_size" in timing]
    return {str(size): sizes.count(size) for size in sorted(set(sizes))}


def one_line(report: dict[str, Any]) -> str:
    """A load's figures for the terminal."""
    latency = report["latency_ms"]
    parts = [f"{report['throughput_per_s']:.2f}/s"]
    if latency["samples"]:
        shown = (f"p{percent:g} {latency[f'p{percent:g}']:.1f}" for percent in PERCENTILES)
        parts.append("  ".join(shown) + " ms")
    if "goodput" in report:
        parts.append(f"within {report['goodput']['deadline_ms']:g} ms {report['goodput']['per_s']:.2f}/s")
    parts.append("batches " + (" ".join(f"{size}×{n}" for size, n in report["batch_sizes"].items()) or "unknown"))
    if report["errors"]:
        parts.append("errors " + " ".join(f"{code} {count}" for code, count in report["errors"].items()))
    if report["daemon"]:
        front = report["daemon"]["front"]
        parts.append(f"front {front['cpu_us_per_request'] or 0:.0f} µs/request")
        memory = sum(process["rss_peak_mb"] for process in report["daemon"].values())
        parts.append(f"memory {memory:.0f} MB")
    return ", ".join(parts)


def p50_ms(run: LoadRun) -> float:
    """The median latency of the results, NaN where there is none."""
    latency = run.measured.select(run.measured.ok).latency_ms
    return percentile(latency, 50) if len(latency) else float("nan")

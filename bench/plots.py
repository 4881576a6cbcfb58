"""Pictures of loads: how latency is distributed, and how throughput and latency grow with the load.

Needs matplotlib (the `bench` extra); without it a report has no picture, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from depthwire.bench.load import LoadRun
from depthwire.protocol.distribution import install_hint

_INK, _FAINT, _GRID = "#202024", "#6b6b76", "#e3e3e8"
_BLUE, _ORANGE, _GREEN = "#2f6db5", "#d9772b", "#3c8d5a"
_TAIL_TICKS = (0.5, 0.9, 0.99, 0.999)


def plot_loads(path: Path, runs: Sequence[LoadRun], title: str) -> bool:
    """Write a PNG of one load or a sweep; False, with a line on standard error, where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        click.echo(f"no picture: matplotlib is missing; {install_hint('bench')} brings it", err=True)
        return False
    sweep = len(runs) > 1
    figure: Any = Figure(figsize=(15 if sweep else 11, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes: list[Any] = list(figure.subplots(1, 3 if sweep else 2))
    _distribution(axes[0], runs)
    if sweep:
        _throughput_by_load(axes[1], runs)
        _latency_by_load(axes[2], runs)
    else:
        _latency_by_time(axes[1], runs[0])
    for axis in axes:
        axis.grid(color=_GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=_FAINT)
        axis.title.set_color(_INK)
    figure.suptitle(title, color=_INK, fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return True


def _distribution(axis: Any, runs: Sequence[LoadRun]) -> None:
    """Latency over percentile, the axis stretched towards 100 % so that the tail has room: one line for each load."""
    # The slowest run sets the right end: there is nothing to see beyond one sample.
    most = 2
    for index, run in enumerate(runs):
        latency = np.sort(run.measured.select(run.measured.ok).latency_ms)
        most = max(most, len(latency))
        share = np.arange(len(latency)) / max(1, len(latency))
        shade = 0.25 + 0.75 * (index + 1) / len(runs)
        label = f"{run.plan.load:g} {_unit(run)}"
        axis.step(-np.log10(1 - share), latency, where="post", color=_BLUE, alpha=shade, linewidth=1.8, label=label)
    ticks = [tick for tick in _TAIL_TICKS if 1 / (1 - tick) <= most] or [0.5]
    axis.set_xticks([0, *(-np.log10(1 - np.array(ticks)))], ["0", *(f"{100 * tick:g}" for tick in ticks)])
    axis.set_xlabel("percentile")
    _latency_axis(axis, runs)
    axis.set_title("Latency distribution", loc="left", fontsize=11)
    axis.legend(frameon=False, fontsize=9, labelcolor=_INK)


def _latency_by_time(axis: Any, run: LoadRun) -> None:
    moments = np.array(run.measured.intended) - run.begin
    ok = run.measured.ok
    axis.plot(moments[ok], run.measured.latency_ms[ok], ".", color=_BLUE, markersize=4, label="answered")
    if not ok.all():
        axis.plot(moments[~ok], run.measured.latency_ms[~ok], "x", color=_ORANGE, markersize=5, label="error")
        axis.legend(frameon=False, fontsize=9, labelcolor=_INK)
    if run.plan.deadline_ms is not None:
        axis.axhline(run.plan.deadline_ms, color=_GREEN, linewidth=1.2, linestyle="--")
        across = axis.get_yaxis_transform()  # x as a fraction of the axis, y in milliseconds
        axis.text(0.01, run.plan.deadline_ms, "deadline", color=_GREEN, va="bottom", transform=across)
    axis.set_xlabel("intended send time, s into the window")
    axis.set_ylabel("latency, ms")
    axis.set_ylim(bottom=0)
    axis.set_title(f"Requests over time, {run.throughput:.1f} results/s", loc="left", fontsize=11)


def _throughput_by_load(axis: Any, runs: Sequence[LoadRun]) -> None:
    loads = [run.plan.load for run in runs]
    axis.plot(loads, [run.throughput for run in runs], "o-", color=_BLUE, linewidth=1.8, label="results")
    reports = [run.report() for run in runs]
    if "goodput" in reports[0]:
        label = f"within {runs[0].plan.deadline_ms:g} ms"
        axis.plot(loads, [r["goodput"]["per_s"] for r in reports], "s--", color=_GREEN, linewidth=1.5, label=label)
    if runs[0].plan.mode == "open":
        axis.plot(loads, loads, ":", color=_FAINT, linewidth=1.2, label="offered")
    _load_axis(axis, runs)
    axis.set_ylabel("results a second")
    axis.set_ylim(0, 1.08 * axis.get_ylim()[1])
    axis.legend(frameon=False, fontsize=9, labelcolor=_INK)
    axis.set_title("Throughput", loc="left", fontsize=11)


def _latency_by_load(axis: Any, runs: Sequence[LoadRun]) -> None:
    answered = [run for run in runs if run.measured.ok.any()]
    summaries = [run.report()["latency_ms"] for run in answered]
    loads = [run.plan.load for run in answered]
    for name, colour, marker in (("p50", _BLUE, "o-"), ("p99", _ORANGE, "s-")):
        axis.plot(loads, [figures[name] for figures in summaries], marker, color=colour, linewidth=1.8, label=name)
    axis.legend(frameon=False, fontsize=9, labelcolor=_INK)
    _load_axis(axis, runs)
    _latency_axis(axis, runs)
    axis.set_title("Latency", loc="left", fontsize=11)


def _latency_axis(axis: Any, runs: Sequence[LoadRun]) -> None:
    """From zero for one load; logarithmic for a sweep, whose latencies differ by as much as its loads."""
    axis.set_ylabel("latency, ms")
    if len(runs) > 1 and any(run.measured.ok.any() for run in runs):
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axis.tick_params(which="minor", labelcolor=_FAINT)
    else:
        axis.set_ylim(bottom=0)


def _load_axis(axis: Any, runs: Sequence[LoadRun]) -> None:
    loads = [run.plan.load for run in runs]
    if runs[0].plan.mode == "closed":
        axis.set_xscale("log", base=2)
    axis.set_xticks(loads, [f"{load:g}" for load in loads])
    axis.xaxis.minorticks_off()
    axis.set_xlabel("requests in flight" if runs[0].plan.mode == "closed" else "offered requests a second")


def _unit(run: LoadRun) -> str:
    return "in flight" if run.plan.mode == "closed" else "/s offered"

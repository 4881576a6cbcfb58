"""The targets of the project, and whether a run of the standard set meets them.

One function a line of the table: each reads the results that `standard` collects, so that the table can be made again
from a JSON report. A part that was not measured leaves its lines open; it never counts as met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

OVER_FASTAPI = 6.5
OVER_FAST_PEERS = 1.0
SHARE_OF_ENGINE = 0.95
ABOVE_ENGINE_MS = 10.0
FRONT_CPU_US = 250.0
WARM_START_S = 5.0
FALL_FROM_PEAK = 0.05
P99_FACTOR = 1.3
MAX_MEAN_DIFFERENCE = 0.005

Results = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One line: `met` is None where it was not measured, and `value` then says why."""

    target: str
    limit: str
    value: str
    met: bool | None

    def cells(self) -> list[str]:
        return [self.target, self.limit, self.value, {True: "met", False: "NOT MET", None: "not measured"}[self.met]]


VERDICT_HEADS = ("target", "limit", "measured", "")


def verdicts(results: Results) -> list[Verdict]:
    """The whole table, in the order of the issue that set the targets."""
    lines: list[Verdict] = []
    for part, judge in _JUDGES:
        found = results.get(part)
        if not found or "failure" in found:
            reason = found["failure"] if found else "left out of this run"
            lines.append(Verdict(part.replace("_", " "), "", reason, None))
        else:
            lines += judge(found)
    return lines


def _peers(peers: Results) -> Iterator[Verdict]:
    limits = {"fastapi": OVER_FASTAPI, "litserve": OVER_FAST_PEERS, "mosec": OVER_FAST_PEERS}
    ratios = {row["name"]: row["ours_over_it"] for row in peers["servers"]}
    labels = {row["name"]: row["label"] for row in peers["servers"]}
    for name, limit in limits.items():
        target = f"throughput, 8 clients, over peer {labels.get(name, name)}"
        ratio = ratios.get(name)
        if not ratio or not ratio["samples"]:
            yield Verdict(target, f"≥ {limit:g} ×", "skipped or unanswered", None)
        else:
            value = f"{ratio['median']:.3f} × ({ratio['min']:.3f}…{ratio['max']:.3f})"
            yield Verdict(target, f"≥ {limit:g} ×", value, ratio["median"] >= limit)


def _end_to_end(found: Results) -> Iterator[Verdict]:
    share = found["throughput_over_engine"]
    value = f"{share['median']:.3f} × ({share['min']:.3f}…{share['max']:.3f})"
    yield Verdict(
        "throughput, 8 clients, over the engine alone",
        f"≥ {SHARE_OF_ENGINE} ×",
        value,
        share["median"] >= SHARE_OF_ENGINE,
    )
    above = found["p50_above_engine_ms"]
    value = f"+{above['median']:.1f} ms ({above['min']:.1f}…{above['max']:.1f})"
    met = above["median"] <= ABOVE_ENGINE_MS
    yield Verdict("one client's p50 above the engine alone", f"≤ +{ABOVE_ENGINE_MS:g} ms", value, met)


def _front(found: Results) -> Iterator[Verdict]:
    for clients, front in found.items():
        cpu_us = front["cpu_us_per_request"]
        # By thread, as the moving of bytes by ZeroMQ's own thread is in the sum, and differs with the transport.
        threads = ", ".join(f"{name} {used:.0f}" for name, used in front["cpu_us_per_request_by_thread"].items())
        yield Verdict(
            f"front's CPU per request, {clients}",
            f"≤ {FRONT_CPU_US:g} µs",
            f"{cpu_us:.0f} µs ({threads})",
            cpu_us <= FRONT_CPU_US,
        )


def _transport(found: Results) -> Iterator[Verdict]:
    for row in found["rows"]:
        if "met" not in row:
            continue
        width, height = row["image"]
        value = (
            f"{row['daemon_ms']['p50']:.2f} ms (echo {row['echo_ms']['p50']:.2f}, decode {row['decode_ms']['p50']:.2f})"
        )
        target = f"null engine p50, {row['op']} {width}×{height}, {row['transport']}"
        yield Verdict(target, f"≤ {row['limit_ms']:.2f} ms", value, row["met"])


def _startup(found: Results) -> Iterator[Verdict]:
    warm_s, cold_s = found["warm_s"], found["cold_s"]
    value = f"{warm_s:.1f} s (cold {cold_s:.1f})"
    yield Verdict("second start: first answer after launch", f"≤ {WARM_START_S:g} s", value, warm_s <= WARM_START_S)


def _new_shapes(found: Results) -> Iterator[Verdict]:
    for row in found["shapes"]:
        width, height = row["shape"]
        target = f"a new shape ({width}×{height}) delays a known one"
        limit = f"≤ {row['batch_ms']:.0f} ms, its own batch"
        if row["delay_ms"] is None:
            yield Verdict(target, limit, "no known request met it", None)
        else:
            value = f"{row['delay_ms']:.0f} ms (new one's first answer after {row['first_s']:.1f} s)"
            yield Verdict(target, limit, value, row["delay_ms"] <= row["batch_ms"])


def _sweep(found: Results) -> Iterator[Verdict]:
    runs = found["runs"]
    rates = {int(run["load"]): run["throughput_per_s"] for run in runs}
    peak_load = max(rates, key=lambda load: rates[load])
    if not rates[peak_load]:
        yield Verdict("throughput from one client to many", "", "no answer came within the windows", None)
        return
    beyond = {load: rate for load, rate in rates.items() if load > peak_load}
    lowest = min(beyond.values(), default=rates[peak_load])
    fall = 1 - lowest / rates[peak_load]
    value = f"{100 * fall:.1f} % (" + ", ".join(f"{load}: {rate:.2f}/s" for load, rate in rates.items()) + ")"
    span = f"{min(rates)} to {max(rates)} clients"
    yield Verdict(
        f"throughput's fall from its peak, {span}", f"≤ {100 * FALL_FROM_PEAK:g} %", value, fall <= FALL_FROM_PEAK
    )
    service_ms = 1e3 / rates[peak_load]
    factors = {
        int(run["load"]): run["latency_ms"]["p99"] / (run["load"] * service_ms)
        for run in runs
        if run["latency_ms"]["samples"]
    }
    value = ", ".join(f"{load}: {factor:.2f} ×" for load, factor in factors.items())
    met = len(factors) == len(runs) and max(factors.values()) <= P99_FACTOR
    yield Verdict(f"p99 over clients × service time ({service_ms:.0f} ms)", f"≤ {P99_FACTOR} ×", value, met)


def _accuracy(found: Results) -> Iterator[Verdict]:
    for row in found["rows"]:
        if not row["choice"].startswith("auto"):
            continue
        target = "mean relative difference of the default engine to float32 torch"
        limit = f"≤ {100 * MAX_MEAN_DIFFERENCE:g} %"
        if "failure" in row:
            yield Verdict(target, limit, row["failure"], None)
        else:
            value = f"{100 * row['mean']:.3f} % ({row['engine']} {row['precision']})"
            yield Verdict(target, limit, value, row["mean"] <= MAX_MEAN_DIFFERENCE)


_JUDGES: list[tuple[str, Callable[[Results], Iterator[Verdict]]]] = [
    ("peers", _peers),
    ("end_to_end", _end_to_end),
    ("front", _front),
    ("transport", _transport),
    ("startup", _startup),
    ("new_shapes", _new_shapes),
    ("sweep", _sweep),
    ("accuracy", _accuracy),
]

"""depthwired beside the comparison servers: all on one machine, in turns, several rounds, told as ratios.

The `peers` command and the standard set call it. A round asks each server in turn, and each round begins with another
one; the ratio of a round compares what was measured within a minute of each other.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click

from depthwire.bench import launch
from depthwire.bench.httpload import HttpPlan, run_http_load, why_not_ready
from depthwire.bench.load import Show, run_load
from depthwire.bench.peers.settings import PeerSettings
from depthwire.bench.plan import LoadPlan
from depthwire.bench.statistics import completion_rate, spread, summary
from depthwire.protocol.distribution import install_hint

OURS = "depthwire"


@dataclass(frozen=True)
class Peer:
    """A comparison server: its module, the packages it needs, and how it is spoken to."""

    name: str
    label: str
    packages: tuple[str, ...]
    base64_json: bool = False

    @property
    def missing(self) -> list[str]:
        return [package for package in self.packages if importlib.util.find_spec(package) is None]

    @property
    def module(self) -> str:
        return f"depthwire.bench.peers.{self.name}_server"


PEERS = (
    Peer("fastapi", "(a) FastAPI, base64 JSON, float32 eager torch", ("fastapi", "uvicorn"), base64_json=True),
    Peer("litserve", "(b) LitServe, our engine, bytes", ("litserve",)),
    Peer("mosec", "(c) Mosec, our engine, bytes", ("mosec",)),
)


def available_peers(names: Sequence[str], show: Show) -> list[Peer]:
    """Those of the peers that can run here; a line for each that cannot."""
    chosen = []
    for peer in PEERS:
        if names and peer.name not in names:
            continue
        if peer.missing:
            show(f"{peer.name} is skipped: {', '.join(peer.missing)} missing; {install_hint('peers')} brings it")
        else:
            chosen.append(peer)
    return chosen


@dataclass
class Contestant:
    """A server of the comparison with what was measured of it, a value for each round."""

    name: str
    label: str
    throughput: list[float]
    latency_ms: list[float]
    errors: int = 0


def compare(peers: Sequence[Peer], settings: PeerSettings, plan: LoadPlan, rounds: int, show: Show) -> dict[str, Any]:
    """Measure all in turns. `plan` is what depthwired gets, its endpoint is filled in here; the peers get the same."""
    folder = ["--checkpoints", settings.checkpoints] if settings.checkpoints else []
    flags = ["--engine", settings.engine, "--precision", settings.precision, "--device", settings.device]
    flags += ["--threads", str(settings.threads), "--max-batch", str(settings.max_batch), "--no-download", *folder]
    with contextlib.ExitStack() as stack:
        show(f"starting {OURS}")
        plan = replace(plan, endpoint=stack.enter_context(launch.daemon([*flags, "--model", settings.model])))
        contestants = {OURS: Contestant(OURS, "depthwired", [], [])}
        http_plans: dict[str, HttpPlan] = {}
        for peer in peers:
            show(f"starting {peer.name}")
            own = replace(settings, port=launch.free_port())
            http_plan = HttpPlan(
                own.port, "/depth", peer.base64_json, plan.images, plan.clients, plan.duration_s, plan.warmup_s
            )
            waiting = partial(why_not_ready, http_plan)
            stack.enter_context(launch.running(peer.module, [], waiting, own.to_environment()))
            http_plans[peer.name] = http_plan
            contestants[peer.name] = Contestant(peer.name, peer.label, [], [])
        names = list(contestants)
        for round_number in range(rounds):
            for name in names[round_number % len(names) :] + names[: round_number % len(names)]:
                show(f"round {round_number + 1} of {rounds}: {name}")
                if name == OURS:
                    _measure_ours(contestants[OURS], plan)
                else:
                    _measure_http(contestants[name], http_plans[name])
    return {"servers": [_row(contestant, contestants[OURS]) for contestant in contestants.values()]}


def _measure_ours(contestant: Contestant, plan: LoadPlan) -> None:
    run = run_load(plan)
    report = run.report()
    contestant.throughput.append(run.throughput)
    contestant.latency_ms += run.measured.select(run.measured.ok).latency_ms.tolist()
    contestant.errors += sum(report["errors"].values())


def _measure_http(contestant: Contestant, plan: HttpPlan) -> None:
    records, begin, end = run_http_load(plan)
    good = records.select(records.ok)
    contestant.errors += len(records) - len(good)
    contestant.throughput.append(completion_rate(good.done, begin, end))
    contestant.latency_ms += [
        latency for latency, done in zip(good.latency_ms.tolist(), good.done, strict=True) if begin < done <= end
    ]


def _row(contestant: Contestant, ours: Contestant) -> dict[str, Any]:
    ratios = [
        our_rate / rate for our_rate, rate in zip(ours.throughput, contestant.throughput, strict=True) if rate > 0
    ]
    return {
        "name": contestant.name,
        "label": contestant.label,
        "throughput_per_s": spread(contestant.throughput),
        "latency_ms": summary(contestant.latency_ms),
        "errors": contestant.errors,
        "ours_over_it": spread(ratios),
    }


PEER_HEADS = ("server", "results/s, median (min…max)", "p50 ms", "p99 ms", "errors", "depthwire / it, median (min…max)")


def peer_cells(row: dict[str, Any]) -> list[str]:
    """A server's row for a Markdown table, under PEER_HEADS."""
    rate, ratio, latency = row["throughput_per_s"], row["ours_over_it"], row["latency_ms"]
    if not latency["samples"] or not ratio["samples"]:
        return [row["label"], "no answer within the window", "", "", str(row["errors"]), ""]
    return [
        row["label"],
        f"{rate['median']:.2f} ({rate['min']:.2f}…{rate['max']:.2f})",
        f"{latency['p50']:.0f}",
        f"{latency['p99']:.0f}",
        str(row["errors"]),
        f"{ratio['median']:.2f} ({ratio['min']:.2f}…{ratio['max']:.2f})",
    ]


def require_peers(peers: Sequence[Peer]) -> None:
    """Raises click.ClickException where there is nobody to compare with."""
    if not peers:
        raise click.ClickException(f"no comparison server can run here: {install_hint('peers')}")

"""What the daemon says of itself. The front calls it for each `health` request, from its own bookkeeping alone."""

from __future__ import annotations

from typing import Any

from depthwire.daemon.front.bookkeeping import Bookkeeping
from depthwire.daemon.front.metrics import BATCH_BOUNDS, LATENCY_BOUNDS_MS, Metrics
from depthwire.daemon.front.prober import is_probe
from depthwire.daemon.front.readiness import problem_of
from depthwire.daemon.front.residency import State
from depthwire.daemon.front.supervisor import WorkerLink, WorkerState
from depthwire.daemon.models import catalogue
from depthwire.protocol import VERSION
from depthwire.protocol.distribution import installed_version

_RELEASE = installed_version()


def health_report(front: Bookkeeping) -> dict[str, Any]:
    """The fields of a health reply, as SPEC.md lists them."""
    now = front.clock()
    state = front.readiness()
    links = front.supervisor.links
    up = front.supervisor.ready
    hello = up[0].hello if up else None
    residents = [resident for link in up for resident in link.residency]
    loaded = sorted({name for r in residents if r.state is State.READY for name in r.models})
    loading = sorted({r.checkpoint.name for r in residents if r.state in (State.LOADING, State.FETCHING)})
    default = front.admission.default_model
    report: dict[str, Any] = {
        "status": state.status,
        "live": True,
        "ready": state.ready,
        "degraded": state.degraded,
        "problems": state.problems,
        "version": _RELEASE,
        "protocol": VERSION,
        "uptime_s": now - front.started_at,
        "device": hello.device if hello else "unknown",
        "engine": hello.engine if hello else front.config.engine,
        "precision": hello.precision if hello else front.config.precision,
        "max_batch": hello.max_batch if hello else 0,
        "default_model": str(default),
        "models_loaded": loaded,
        "models_loading": loading,
        "workers": [
            _worker(front, link, restarts, now) for link, restarts in zip(links, front.supervisor.restarts, strict=True)
        ],
        "queue": {
            "waiting": front.scheduler.waiting,
            "waiting_bytes": front.scheduler.waiting_bytes,
            "in_flight": sum(not is_probe(ticket) for link in up for ticket in link.in_flight),
            "dropped": front.metrics.requests_dropped,
            "arena_bytes": front.arena.size,
            "arena_used_bytes": front.arena.used,
        },
        "counters": _counters(front),
        "latency": _latency(front.metrics),
        "limits": front.admission.limits,
    }
    note = catalogue.lookup(default.encoder, default.dataset).note
    if note:
        report["notice"] = note
    return report


def _worker(front: Bookkeeping, link: WorkerLink | None, restarts: int, now: float) -> dict[str, Any]:
    proof = link.proof if link else None
    return {
        "pid": link.pid if link else None,
        "state": (link.state if link else WorkerState.DEAD).value,
        "ready": problem_of(link, front.proof_limits, now) is None,
        "device": link.hello.device if link and link.hello else None,
        "restarts": max(0, restarts),
        "failures": proof.failures if proof else None,
        "proven_s": now - proof.served_at if proof and proof.served_at is not None else None,
    }


def _counters(front: Bookkeeping) -> dict[str, Any]:
    metrics = front.metrics
    return {
        "answers": metrics.by_op(),
        "models": metrics.by_model(),
        "dropped": dict(metrics.dropped),
        "worker_restarts": sum(max(0, restarts) for restarts in front.supervisor.restarts),
        "refused_early": metrics.refused_early,
        "engine_failures": metrics.engine_failures,
        "probes": metrics.probes,
        "model_loads": sum(metrics.loads.values()),
        "model_load_failures": sum(metrics.load_failures.values()),
        "model_evictions": sum(metrics.evictions.values()),
    }


def _latency(metrics: Metrics) -> dict[str, Any]:
    stages = {
        stage: {"counts": list(histogram.counts), "sum_ms": histogram.total}
        for stage, histogram in metrics.latency_ms.items()
    }
    batches = {
        "bounds": list(BATCH_BOUNDS),
        "counts": list(metrics.batch_sizes.counts),
        "sum": metrics.batch_sizes.total,
    }
    return {"bounds_ms": list(LATENCY_BOUNDS_MS), "stages": stages, "batch_size": batches}

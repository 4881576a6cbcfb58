"""What the daemon says of itself. The front calls it for each `health` request, from its own bookkeeping alone."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from depthwire.daemon import catalogue
from depthwire.daemon.residency import State
from depthwire.daemon.supervisor import WorkerState
from depthwire.protocol import VERSION

if TYPE_CHECKING:
    from depthwire.daemon.front import Front

_RELEASE = version("depthwire")


def health_report(front: Front) -> dict[str, Any]:
    """The fields of a health reply, as SPEC.md lists them."""
    links = front.supervisor.links
    ready = front.supervisor.ready
    hello = ready[0].hello if ready else None
    residents = [resident for link in ready for resident in link.residency]
    loaded = sorted({name for r in residents if r.state is State.READY for name in r.models})
    loading = sorted({r.checkpoint.name for r in residents if r.state is State.LOADING})
    default = front.admission.default_model
    report: dict[str, Any] = {
        "status": _status(front),
        "live": True,
        "ready": bool(ready) and not front.draining,
        "version": _RELEASE,
        "protocol": VERSION,
        "uptime_s": front.clock() - front.started_at,
        "device": hello.device if hello else "unknown",
        "engine": hello.engine if hello else front.config.engine,
        "precision": hello.precision if hello else front.config.precision,
        "max_batch": hello.max_batch if hello else 0,
        "default_model": str(default),
        "models_loaded": loaded,
        "models_loading": loading,
        "workers": [
            {
                "pid": link.pid if link else None,
                "state": (link.state if link else WorkerState.DEAD).value,
                "device": link.hello.device if link and link.hello else None,
                "restarts": max(0, restarts),
            }
            for link, restarts in zip(links, front.supervisor.restarts, strict=True)
        ],
        "queue": {
            "waiting": front.scheduler.waiting,
            "in_flight": sum(len(link.in_flight) for link in ready),
            "dropped": front.requests_dropped,
            "arena_bytes": front.arena.size,
            "arena_used_bytes": front.arena.used,
        },
        "limits": front.admission.limits,
    }
    note = catalogue.lookup(default.encoder, default.dataset).note
    if note:
        report["notice"] = note
    return report


def _status(front: Front) -> str:
    if front.draining:
        return "draining"
    if front.supervisor.ready:
        return "ok"
    return "loading" if all(restarts <= 0 for restarts in front.supervisor.restarts) else "degraded"

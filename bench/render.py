"""JSON reports as Markdown: what the commands print at their end, and what `record` puts into RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthwire.bench.compare import PEER_HEADS, peer_cells
from depthwire.bench.engine import ACCURACY_HEADS, SPEED_HEADS, accuracy_cells, speed_cells
from depthwire.bench.load import one_line
from depthwire.bench.report import markdown_table, section
from depthwire.bench.targets import VERDICT_HEADS, verdicts
from depthwire.bench.transport import TRANSPORT_HEADS, transport_cells

Report = dict[str, Any]

LOAD_HEADS = ("load", "results/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "batches", "errors", "front µs/request")
_TITLES = {
    "load": "load",
    "engine": "the engine alone",
    "transport": "the transport alone",
    "peers": "beside other servers",
    "standard": "the standard set",
    "gpu": "the CUDA table",
}


def body_of(report: Report) -> str:
    """The tables of a report."""
    return _BODIES[report["kind"]](report["results"], report["settings"])


def section_of(path: Path) -> str:
    """The section of RESULTS.md for the report in a file. Raises OSError, ValueError or KeyError for another file."""
    report: Report = json.loads(path.read_text(encoding="utf-8"))
    return section(_TITLES[report["kind"]], report, body_of(report))


def load_table(runs: list[Report]) -> str:
    """A row for each load."""
    return markdown_table(LOAD_HEADS, [_load_cells(run) for run in runs])


def _load_cells(run: Report) -> list[str]:
    latency = run["latency_ms"]
    figures = [f"{latency[name]:.1f}" if latency["samples"] else "" for name in ("p50", "p90", "p99", "p99.9")]
    front = run["daemon"]["front"]["cpu_us_per_request"] if run["daemon"] else None
    return [
        f"{run['load']:g}",
        f"{run['throughput_per_s']:.2f}",
        *figures,
        " ".join(f"{size}×{count}" for size, count in run["batch_sizes"].items()),
        " ".join(f"{code} {count}" for code, count in run["errors"].items()) or "0",
        f"{front:.0f}" if front is not None else "",
    ]


def _load(results: Report, settings: Report) -> str:
    runs = results["runs"]
    weights = f"Weights: {settings['weights']}.\n\n" if settings.get("weights") else ""
    return weights + load_table(runs) + "\n\n" + "\n".join(f"- {run['load']:g}: {one_line(run)}" for run in runs)


def _engine(results: Report, settings: Report) -> str:
    parts = [
        f"Weights: {settings['weights']}.",
        markdown_table(SPEED_HEADS, [speed_cells(r) for r in results["speed"]]),
    ]
    if results["accuracy"]:
        parts += [_accuracy(results["accuracy"], settings)]
    return "\n\n".join(parts)


def _accuracy(rows: list[Report], settings: Report) -> str:
    table = markdown_table(ACCURACY_HEADS, [accuracy_cells(row) for row in rows])
    pictures = ", ".join(settings.get("accuracy_images", []))
    return f"Relative depth difference to float32 torch on {pictures}:\n\n{table}"


def _transport(results: Report, _: Report) -> str:
    table = markdown_table(TRANSPORT_HEADS, [transport_cells(row) for row in results["rows"]])
    return f"Milliseconds; `above` is depthwire's p50 less the echo's less the decoding.\n\n{table}"


def _peers(results: Report, settings: Report) -> str:
    table = markdown_table(PEER_HEADS, [peer_cells(row) for row in results["servers"]])
    return f"Weights: {settings['weights']}. {settings.get('clients', 8)} clients, in turns.\n\n{table}"


def _standard(results: Report, settings: Report) -> str:
    parts = [
        f"{settings['model']}, weights: {settings['weights']}.",
        markdown_table(VERDICT_HEADS, [verdict.cells() for verdict in verdicts(results)]),
    ]
    end_to_end = results.get("end_to_end", {})
    if "rounds" in end_to_end:
        engine = end_to_end["engine"]
        parts.append(
            f"Engine {engine['engine']} {engine['precision']}, {engine['threads']} threads, batches up to "
            f"{engine['max_batch']}; each round in turns:"
        )
        heads = list(end_to_end["rounds"][0])
        rows = [[f"{figures[head]:.3f}" for head in heads] for figures in end_to_end["rounds"]]
        parts.append(markdown_table([head.replace("_", " ") for head in heads], rows))
        parts.append(load_table(list(end_to_end["loads"].values())))
    for name, render in _STANDARD_PARTS.items():
        part = results.get(name)
        if part and "failure" not in part:
            parts.append(f"### {name}\n\n{render(part, settings)}")
    return "\n\n".join(parts)


def _sweep(results: Report, _: Report) -> str:
    return load_table(results["runs"])


def _accuracy_part(results: Report, settings: Report) -> str:
    return _accuracy(results["rows"], settings)


def _gpu(results: Report, settings: Report) -> str:
    parts = [markdown_table(SPEED_HEADS, [speed_cells(row) for row in results["speed"]])]
    parts.append(_accuracy(results["accuracy"], settings))
    parts += [f"Load, {name}:\n\n{load_table(runs)}" for name, runs in results["loads"].items()]
    return "\n\n".join(parts)


_STANDARD_PARTS: dict[str, Callable[[Report, Report], str]] = {
    "sweep": _sweep,
    "transport": _transport,
    "peers": _peers,
    "accuracy": _accuracy_part,
}

_BODIES: dict[str, Callable[[Report, Report], str]] = {
    "load": _load,
    "engine": _engine,
    "transport": _transport,
    "peers": _peers,
    "standard": _standard,
    "gpu": _gpu,
}

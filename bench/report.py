"""Reports: a measurement with everything that is needed to repeat it, as JSON, and as a section of RESULTS.md.

Every command writes through here, so that no figure is kept without its machine, versions and command line.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

SCHEMA_VERSION = 1
_MAX_CELL_CHARS = 160
_PACKAGES = ("depthwire", "numpy", "pyzmq", "torch", "openvino", "opencv-python-headless", "simplejpeg")
_PEER_PACKAGES = ("fastapi", "uvicorn", "litserve", "mosec")


def make_report(kind: str, settings: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """The JSON report of one command: `kind` is the command, `results` what it measured."""
    return {
        "schema": SCHEMA_VERSION,
        "kind": kind,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(),
        "machine": machine(),
        "versions": versions(),
        "settings": settings,
        "results": results,
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".tmp")
    part.write_text(json.dumps(_plain(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)


def command_line() -> str:
    """What was typed, with absolute paths cut to their last part: where they lead is this machine's affair."""
    program = "depthwire-bench" if Path(sys.argv[0]).suffix == ".py" else Path(sys.argv[0]).name
    return shlex.join([program, *(_without_place(argument) for argument in sys.argv[1:])])


def _without_place(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{Path(value).name}" if value.startswith("/") else argument


def machine() -> dict[str, Any]:
    """Processor, the cores this process may use, memory, kernel, and the GPUs if there are any."""
    described: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(os.getloadavg()[0], 2),
    }
    gpus = _output_of(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])
    if gpus:
        described["gpus"] = gpus.splitlines()
    return described


def versions() -> dict[str, str]:
    """Python, the packages that decide speed, and the commit that was measured."""
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *_PEER_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    commit = _git_describe()
    if commit:
        found["commit"] = commit
    return found


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned, so that it reads as well in a terminal."""
    lines = [[_cell(text) for text in line] for line in (heads, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _cell(text: str) -> str:
    """What cannot break a table: one line, no bar. Of an error's many lines the last says what was wrong."""
    last = text.strip().splitlines()[-1] if text.strip() else ""
    return last.replace("|", "\\|")[:_MAX_CELL_CHARS]


def section(title: str, report: dict[str, Any], body: str) -> str:
    """A section of RESULTS.md: date, machine, versions, the exact command, then `body`."""
    described = report["machine"]
    where = f"{described['cpu']}, {described['cores']} cores, {described['memory_gb']} GB, {described['system']}"
    if "gpus" in described:
        where += ", " + ", ".join(described["gpus"])
    with_versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    head = [f"## {report['date'][:10]}: {title}", "", f"- Machine: {where}", f"- Versions: {with_versions}"]
    return "\n".join([*head, f"- Command: `{report['command']}`", "", body.rstrip(), ""])


def append_section(path: Path, text: str) -> None:
    """Add a section to RESULTS.md, the newest first."""
    opening = (
        "# Results\n\nMeasured by `depthwire-bench`, newest first. What the README quotes stands here, with the "
        "command that measured it.\n\n"
    )
    old = path.read_text(encoding="utf-8") if path.exists() else opening
    start = old.find("\n## ")
    head, rest = (old[: start + 1], old[start + 1 :]) if start >= 0 else (old, "")
    path.write_text(head.rstrip() + "\n\n" + text.rstrip() + "\n" + ("\n" + rest if rest else ""), encoding="utf-8")


def _plain(value: Any) -> Any:
    """For JSON: no NaN, which it lacks, no numpy numbers, no paths."""
    if isinstance(value, dict):
        return {str(name): _plain(element) for name, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(element) for element in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_describe() -> str | None:
    return _output_of(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--tags"])


def _output_of(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

"""The memory for models follows what this process may use: the machine's, or the limit of its container or service."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from depthwire.daemon.seam.memory import usable_memory_bytes

GIB = 2**30


@pytest.fixture(autouse=True)
def eight_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 * GIB))


@pytest.mark.parametrize(
    ("own", "limits", "gib"),
    [
        ("0::/", {}, 8),
        ("0::/", {"memory.max": "max\n"}, 8),
        ("0::/", {"memory.max": f"{2 * GIB}\n"}, 2),
        ("0::/", {"memory.max": f"{99 * GIB}\n"}, 8),
        ("0::/", {"memory.max": "nonsense"}, 8),
        ("0::/a/b.service", {"a/memory.max": f"{5 * GIB}", "a/b.service/memory.max": f"{3 * GIB}"}, 3),
        ("0::/a/b.service", {"a/memory.max": f"{3 * GIB}", "a/b.service/memory.max": "max"}, 3),
        ("0::/a", {"other/memory.max": f"{GIB}"}, 8),
        ("7:memory:/a", {"memory/a/memory.limit_in_bytes": f"{4 * GIB}"}, 4),
        ("7:memory:/a", {"memory/a/memory.limit_in_bytes": "9223372036854771712"}, 8),
        ("", {"memory/memory.limit_in_bytes": f"{GIB}"}, 1),
        ("5:cpu:/a\n0::/", {"a/memory.max": f"{GIB}"}, 8),
    ],
)
def test_the_least_limit_on_the_way_up_counts(tmp_path: Path, own: str, limits: dict[str, str], gib: int) -> None:
    for name, text in limits.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert usable_memory_bytes(tmp_path / "cgroup", tmp_path / "own") == gib * GIB


def test_without_control_groups_it_is_the_machine_s(tmp_path: Path) -> None:
    assert usable_memory_bytes(tmp_path / "none", tmp_path / "nowhere") == 8 * GIB

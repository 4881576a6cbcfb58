"""The number of threads follows what this process may use: its affinity, and the quota of its container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from depthwire.daemon.cores import usable_cores


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def cgroup(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("cfs_", "cpu.cfs_").replace("max", "cpu.max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("", 8),
        ("nonsense\n", 8),
    ],
)
def test_a_version_2_quota_is_rounded_up_and_never_exceeds_the_affinity(tmp_path: Path, quota: str, cores: int) -> None:
    assert usable_cores(cgroup(tmp_path, max=quota)) == cores


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3), ("250000", 3), ("1000", 1), ("x", 8)])
def test_a_version_1_quota_counts_where_there_is_no_version_2(tmp_path: Path, quota: str, cores: int) -> None:
    assert usable_cores(cgroup(tmp_path, cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")) == cores


@pytest.mark.usefixtures("eight_cores")
def test_without_a_cgroup_the_affinity_decides(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8


def test_a_process_bound_to_one_core_uses_one(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)


def test_on_this_machine_it_is_at_least_one() -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))

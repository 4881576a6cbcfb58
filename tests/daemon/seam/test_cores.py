"""The number of threads follows what this process may use: its affinity, and the quota of its container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from depthwire.daemon.seam.cores import usable_cores


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
@pytest.mark.parametrize(
    ("own", "quotas", "cores"),
    [
        ("0::/system.slice/depthwired.service", {"system.slice/depthwired.service/cpu.max": "300000 100000"}, 3),
        ("0::/system.slice/depthwired.service", {"system.slice/cpu.max": "200000 100000"}, 2),
        ("0::/system.slice/depthwired.service", {"system.slice/other.service/cpu.max": "200000 100000"}, 8),
        ("0::/a/b", {"a/cpu.max": "500000 100000", "a/b/cpu.max": "max 100000"}, 5),
        ("4:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, 4),
        ("5:memory:/a\n0::/", {"a/cpu.max": "200000 100000"}, 8),
        ("0::/../../outside", {}, 8),
    ],
)
def test_a_service_s_own_quota_counts_and_those_above_it(
    tmp_path: Path, own: str, quotas: dict[str, str], cores: int
) -> None:
    listing = tmp_path / "self"
    listing.write_text(f"{own}\n")
    for name, text in quotas.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert usable_cores(tmp_path / "fs", listing) == cores


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

"""How many cores this process may use: affinity and cgroup quota, not what the machine has.

Workers, and the front where it shares the cores out, size their threads by it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cores(cgroup_root: Path = Path("/sys/fs/cgroup"), own_cgroups: Path = Path("/proc/self/cgroup")) -> int:
    """At least 1: the smallest of the CPU affinity and the quotas of the process's cgroup and of those above it.

    In a container the root of the mount is the process's own group; a service (systemd's `CPUQuota=`) stands further
    down, where /proc/self/cgroup says. Version 2 has `cpu.max`, version 1 `cpu.cfs_quota_us`.
    """
    cores = len(os.sched_getaffinity(0))
    for folder in _groups(cgroup_root, own_cgroups):
        quota = _quota(folder)
        if quota is not None:
            cores = min(cores, math.ceil(quota))
    return max(1, cores)


def _groups(root: Path, own_cgroups: Path) -> Iterator[Path]:
    """The folders that may hold a quota for this process: its groups, those above them, and the roots."""
    yield from (root, root / "cpu")
    try:
        lines = own_cgroups.read_text().splitlines()
    except OSError:
        return
    for line in lines:  # number:controllers:path, where version 2 has no controllers
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers or "cpu" in controllers.split(","):
            mount = root / "cpu" if controllers else root
            place = PurePosixPath(path.lstrip("/"))
            yield from (mount / above for above in (place, *place.parents))


def _quota(folder: Path) -> float | None:
    """The cores that a group may use in the mean; None where it has no limit, or does not say."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        return quota_us / int((folder / "cpu.cfs_period_us").read_text()) if quota_us > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None

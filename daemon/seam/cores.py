"""How many cores this process may use: affinity and cgroup quota, not what the machine has.

Workers, and the front where it shares the cores out, size their threads by it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from depthwire.daemon.seam import cgroups


def usable_cores(cgroup_root: Path = cgroups.ROOT, own_cgroups: Path = cgroups.OWN) -> int:
    """At least 1: the smallest of the CPU affinity and the quotas of the process's cgroup and of those above it.

    Version 2 has `cpu.max` (systemd's `CPUQuota=`, a container's `--cpus`), version 1 `cpu.cfs_quota_us`.
    """
    cores = len(os.sched_getaffinity(0))
    for folder in cgroups.folders("cpu", cgroup_root, own_cgroups):
        quota = _quota(folder)
        if quota is not None:
            cores = min(cores, math.ceil(quota))
    return max(1, cores)


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

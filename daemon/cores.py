"""How many cores this process may use: affinity and cgroup quota, not what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """At least 1: the smaller of the CPU affinity and the cgroup quota (v2 `cpu.max`, v1 `cpu.cfs_quota_us`)."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup_root / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        try:
            quota_us = int((cgroup_root / "cpu/cpu.cfs_quota_us").read_text())
            period_us = int((cgroup_root / "cpu/cpu.cfs_period_us").read_text())
            if quota_us > 0:
                cores = min(cores, math.ceil(quota_us / period_us))
        except (OSError, ValueError):
            pass
    return max(1, cores)

"""How much memory this process may use: what the machine has, or less where a container or a service is limited.

The CPU engines share it out between models and everything else.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from depthwire.daemon.seam import cgroups


def usable_memory_bytes(cgroup_root: Path = cgroups.ROOT, own_cgroups: Path = cgroups.OWN) -> int:
    """The least of the machine's memory and the limits of the process's cgroup and of those above it.

    Version 2 has `memory.max` (systemd's `MemoryMax=`, a container's `--memory`), version 1 `memory.limit_in_bytes`.
    """
    limits = (
        _limit(folder / name)
        for folder in cgroups.folders("memory", cgroup_root, own_cgroups)
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    total: int = psutil.virtual_memory().total
    return min([total, *(limit for limit in limits if limit is not None)])


def _limit(file: Path) -> int | None:
    """The bytes that a file says; None where it says `max`, or is not there."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None

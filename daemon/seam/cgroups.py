"""The control groups that limit this process: a container's, a service's, and those above them.

cores.py and memory.py ask. In a container the root of the mount is the process's own group; a service stands further
down, where /proc/self/cgroup says. Version 2 has one tree, version 1 one for each controller.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def folders(controller: str, root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """The folders that may hold a controller's limit (`cpu`, `memory`) for this process; not all need be there."""
    yield from (root, root / controller)
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:  # number:controllers:path, where version 2 has no controllers
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers or controller in controllers.split(","):
            mount = root / controller if controllers else root
            place = PurePosixPath(path.lstrip("/"))
            yield from (mount / above for above in (place, *place.parents))

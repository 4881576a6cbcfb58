"""Files that appear whole or not at all: made in a staging folder beside their place, and renamed out of it.

Downloads of checkpoints and the cache of converted networks use it. A process that ends in good order removes what it
has begun; one that is killed leaves it behind, of a large network over a gigabyte where nobody looks: the next one
removes it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".depthwire-new-"
ABANDONED_S = 2 * 3600.0
"""A staging folder in which nothing was written for so long is that of a process that was killed."""

_own: set[Path] = set()
"""Those of this process."""


@contextlib.contextmanager
def staging_folder(place: Path) -> Iterator[Path]:
    """An empty folder inside `place`, on its file system, so that the last step can be a rename; removed at the end.

    Raises OSError if it cannot be made.
    """
    staging = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    _own.add(staging)
    try:
        remove_abandoned(place)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _own.discard(staging)


def remove_own() -> None:
    """Remove what other threads of this process have begun, which then fail: for a process that is about to end."""
    for staging in list(_own):
        shutil.rmtree(staging, ignore_errors=True)


def remove_abandoned(place: Path) -> None:
    """Remove what killed processes have left in `place`."""
    for staging in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # it is another process's, and may go at any moment
            newest = max(path.lstat().st_mtime for path in (staging, *staging.rglob("*")))
            if time.time() - newest > ABANDONED_S:
                shutil.rmtree(staging, ignore_errors=True)

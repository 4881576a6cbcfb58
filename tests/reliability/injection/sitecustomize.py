"""Faults for a real worker: put this folder on a daemon's PYTHONPATH and its null engine fails when it is told to.

Python imports this by its name at the start of every process; only workers of a daemon whose environment has
DEPTHWIRE_TEST_FAULTS change anything. With it the null engine also answers with the picture's own mean brightness
instead of a constant, so that a test can tell one picture's answer from another's.

A fault is ordered by creating a file with the fault's name in the folder that DEPTHWIRE_TEST_FAULTS names. The next
batch takes the file away and has the fault: `segfault`, `out_of_memory` (what the engine raises when it has no memory),
`poisoned` (a sticky device error: every later batch would fail too), `item` (one item of the batch raises), `hang` (the
batch never ends), `exit` (the process ends without a word).

Two more variables count with it: DEPTHWIRE_TEST_PICTURE_MS, which every picture of a batch takes, so that the daemon's
capacity is known and is none of the CPU's; and DEPTHWIRE_TEST_SEEN, a file to which the brightness of every picture is
appended that the engine runs.

DEPTHWIRE_TEST_WALL_CLOCK makes the wall clock of any Python process jump, four times a second: an hour ahead of what is
right, an hour behind it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class StickyDeviceError(RuntimeError):
    """What a GPU says to everything once its context is broken."""


def _install(folder: Path) -> None:
    from depthwire.daemon import engine_null

    broken = False
    picture_s = 1e-3 * float(os.environ.get("DEPTHWIRE_TEST_PICTURE_MS", "0"))
    seen = Path(os.environ["DEPTHWIRE_TEST_SEEN"]) if "DEPTHWIRE_TEST_SEEN" in os.environ else None

    def ordered(name: str) -> bool:
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def prepare(self: Any, bgr: Any, height: int, width: int) -> float:
        if ordered("item"):
            raise RuntimeError("injected: this item cannot be prepared")
        return float(bgr.mean())

    def infer(self: Any, batch: Sequence[float]) -> Sequence[float]:
        nonlocal broken
        if seen is not None:
            with seen.open("a") as file:
                file.writelines(f"{brightness:g}\n" for brightness in batch)
        if picture_s:
            time.sleep(picture_s * len(batch))
        if ordered("segfault"):
            import ctypes

            ctypes.string_at(0)
        if ordered("exit"):
            os._exit(1)
        if ordered("hang"):
            time.sleep(3600)
        if ordered("out_of_memory"):
            raise MemoryError("injected: the device has no memory left")
        if broken or ordered("poisoned"):
            broken = True
            raise StickyDeviceError("injected: an illegal memory access was encountered")
        return batch

    def is_poisoned(self: Any, error: BaseException) -> bool:
        return isinstance(error, StickyDeviceError)

    engine_null.NullNetwork.prepare = prepare  # type: ignore[method-assign]
    engine_null.NullNetwork.infer = infer  # type: ignore[method-assign]
    engine_null.NullEngine.is_poisoned = is_poisoned  # type: ignore[method-assign]


def unsettle_wall_clock() -> None:
    """For this process."""
    real, real_ns, monotonic = time.time, time.time_ns, time.monotonic

    def step_s() -> int:
        return (3600, -3600)[int(4 * monotonic()) % 2]

    time.time = lambda: real() + step_s()
    time.time_ns = lambda: real_ns() + step_s() * 10**9


def _is_worker() -> bool:
    """`python -m` has not put the module's name into sys.argv yet when this runs, so the original line is asked."""
    return "depthwire.daemon.worker" in sys.orig_argv


if "DEPTHWIRE_TEST_WALL_CLOCK" in os.environ:
    unsettle_wall_clock()
if (_folder := os.environ.get("DEPTHWIRE_TEST_FAULTS")) and _is_worker():
    _install(Path(_folder))

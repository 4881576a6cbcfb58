"""Faults for a real daemon: put this folder on its PYTHONPATH and it fails when, and as, its environment says.

Python imports this by its name at the start of every process; only processes of a daemon with one of these variables
change anything.

DEPTHWIRE_TEST_FAULTS names a folder. The worker's null engine then answers with the picture's own mean brightness
instead of a constant, so that a test can tell one picture's answer from another's, and has a fault when a file with
its name appears there. The next batch of at least as many requests as the file says (or the next picture, the next
result) takes the file away and has the fault, and the batch's size stands in a file NAME.hit:

    segfault, exit, hang   the process dies, ends without a word, or is never done with the batch
    poisoned               a sticky device error: every later batch fails too
    out_of_memory          the engine has no memory for this batch
    once                   the batch raises, and would not again
    batch_item             it raises because of one input, which also does so alone
    item, item_memory      a picture cannot be prepared, this once; there is no memory to do it
    finish                 a result cannot be written, this once

DEPTHWIRE_TEST_SERVICE_S is how many seconds every picture of a batch takes, so that the daemon's capacity is known and
is none of the CPU's. DEPTHWIRE_TEST_SEEN is a file to which the brightness of every picture is appended that the engine
runs. DEPTHWIRE_TEST_BATCH_S makes every batch of that engine take so many seconds, so that others wait behind it.
DEPTHWIRE_TEST_LEAK is `front:BYTES` or `worker:BYTES`: so many bytes are never given back for each answer.
DEPTHWIRE_TEST_HEARTBEAT is `INTERVAL,TIMEOUT` in milliseconds, in place of the front's own.

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


def _install_faults(folder: Path, batch_s: float) -> None:
    from depthwire.daemon.engines import null as engine_null

    finish_of_engine = engine_null.NullNetwork.finish
    broken = False
    service_s = float(os.environ.get("DEPTHWIRE_TEST_SERVICE_S", "0"))
    seen = Path(os.environ["DEPTHWIRE_TEST_SEEN"]) if "DEPTHWIRE_TEST_SEEN" in os.environ else None
    culprit: object = None

    def ordered(name: str, size: int = 1) -> bool:
        try:
            if size < int((folder / name).read_text() or "1"):
                return False
            (folder / name).rename(folder / f"{name}.hit")
        except FileNotFoundError:
            return False
        (folder / f"{name}.hit").write_text(str(size))
        return True

    def prepare(self: Any, bgr: Any, height: int, width: int) -> float:
        if ordered("item"):
            raise RuntimeError("injected: this item cannot be prepared")
        if ordered("item_memory"):
            raise MemoryError("injected: no memory left for this item")
        return float(bgr.mean())

    def infer(self: Any, batch: Sequence[float]) -> Sequence[float]:
        nonlocal broken, culprit
        size = len(batch)
        if seen is not None:
            with seen.open("a") as file:
                file.writelines(f"{brightness:g}\n" for brightness in batch)
        time.sleep(batch_s + service_s * size)
        if ordered("segfault", size):
            import ctypes

            ctypes.string_at(0)
        if ordered("exit", size):
            os._exit(1)
        if ordered("hang", size):
            time.sleep(3600)
        if ordered("out_of_memory", size):
            raise MemoryError("injected: the device has no memory left")
        if broken or ordered("poisoned", size):
            broken = True
            raise StickyDeviceError("injected: an illegal memory access was encountered")
        if ordered("once", size):
            raise RuntimeError("injected: this once")
        if ordered("batch_item", size):
            culprit = batch[-1]
        if any(item is culprit for item in batch):  # the same object when the worker tries the parts
            raise RuntimeError("injected: there is an item in this batch that cannot be run")
        return batch

    def finish(self: Any, output: float, target: Any) -> tuple[float, float]:
        if ordered("finish"):
            raise RuntimeError("injected: this result cannot be written")
        return finish_of_engine(self, output, target)  # type: ignore[no-any-return]

    def is_poisoned(self: Any, error: BaseException) -> bool:
        return isinstance(error, StickyDeviceError)

    engine_null.NullNetwork.prepare = prepare  # type: ignore[method-assign]
    engine_null.NullNetwork.infer = infer  # type: ignore[method-assign]
    engine_null.NullNetwork.finish = finish  # type: ignore[method-assign]
    engine_null.NullEngine.is_poisoned = is_poisoned  # type: ignore[method-assign]


def unsettle_wall_clock() -> None:
    """For this process."""
    real, real_ns, monotonic = time.time, time.time_ns, time.monotonic

    def step_s() -> int:
        return (3600, -3600)[int(4 * monotonic()) % 2]

    time.time = lambda: real() + step_s()
    time.time_ns = lambda: real_ns() + step_s() * 10**9


def _install_leak(owner: Any, name: str, size: int) -> None:
    """Have a function keep `size` bytes with each call."""
    original = getattr(owner, name)
    leaked: list[bytes] = []

    def leaking(*arguments: Any, **keywords: Any) -> Any:
        leaked.append(b"x" * size)
        return original(*arguments, **keywords)

    setattr(owner, name, leaking)


def _install_heartbeat(interval_ms: int, timeout_ms: int) -> None:
    import zmq

    from depthwire.daemon.front import loop as front

    original = front.make_router

    def router(*arguments: Any) -> Any:
        made = original(*arguments)
        made.setsockopt(zmq.HEARTBEAT_IVL, interval_ms)
        made.setsockopt(zmq.HEARTBEAT_TIMEOUT, timeout_ms)
        made.setsockopt(zmq.TCP_MAXRT, timeout_ms)
        return made

    front.make_router = router


def _is_module(name: str) -> bool:
    """`python -m` has not put the module's name into sys.argv yet when this runs, so the original line is asked."""
    return name in sys.orig_argv


def _install() -> None:
    if "DEPTHWIRE_TEST_WALL_CLOCK" in os.environ:
        unsettle_wall_clock()
    leak = os.environ.get("DEPTHWIRE_TEST_LEAK", ":0").split(":")
    if _is_module("depthwire.daemon.worker"):
        if folder := os.environ.get("DEPTHWIRE_TEST_FAULTS"):
            _install_faults(Path(folder), float(os.environ.get("DEPTHWIRE_TEST_BATCH_S", "0")))
        if leak[0] == "worker":
            from depthwire.daemon.images import decode  # before the pipeline imports the function from it

            _install_leak(decode, "decode_image", int(leak[1]))
    elif _is_module("depthwire.daemon"):
        if heartbeat := os.environ.get("DEPTHWIRE_TEST_HEARTBEAT"):
            _install_heartbeat(*map(int, heartbeat.split(",")))
        if leak[0] == "front":
            from depthwire.daemon.front.metrics import Metrics

            _install_leak(Metrics, "answered", int(leak[1]))


_install()

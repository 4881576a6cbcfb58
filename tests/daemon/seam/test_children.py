"""No child outlives the process that it works for, in whichever way that ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from depthwire.daemon.seam import children

LIMIT_S = 60.0
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def a_process_that_goes_on() -> Iterator[None]:
    yield
    children._has_ended = False


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_gone(pid):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.01)


def test_what_a_child_said_comes_back() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = children.run_child([sys.executable, "-c", code], LIMIT_S)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_one_that_takes_too_long_is_killed() -> None:
    before = set(psutil.Process().children())  # other tests' helpers, such as multiprocessing's
    with pytest.raises(subprocess.TimeoutExpired):
        children.run_child(SLEEP, 0.1)
    assert set(psutil.Process().children()) <= before


def test_the_end_ends_them_and_lets_none_begin() -> None:
    ended: list[BaseException] = []

    def run() -> None:
        try:
            children.run_child(SLEEP, LIMIT_S)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not children._running:
        time.sleep(0.001)
    (child,) = children._running
    children.end_children()
    assert is_gone(child.pid)
    thread.join(LIMIT_S)
    assert [type(error) for error in ended] == [children.ChildrenEnded]
    with pytest.raises(children.ChildrenEnded):
        children.run_child([sys.executable, "-c", ""], LIMIT_S)


CHILD = """
import os, sys, time
from depthwire.daemon.seam.children import die_with_parent
die_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())])
time.sleep(600)
"""


def test_a_child_is_gone_with_a_parent_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        wait_until_gone(child)


def test_a_child_whose_parent_is_gone_already_does_not_begin() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, "1"], capture_output=True, text=True, timeout=LIMIT_S)
    assert (done.returncode, done.stdout) == (70, "")

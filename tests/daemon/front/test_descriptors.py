"""A daemon that runs out of file descriptors says so, and allows itself all that it may."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from depthwire.daemon.front.descriptors import Descriptors


def test_the_end_of_the_descriptors_is_told_while_it_lasts_and_once_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lowest = os.dup(0)
    os.close(lowest)
    assert lowest >= 10, "pytest holds some"
    scarce, plenty = Descriptors(0, lowest + 2), Descriptors(0, lowest + 1000)
    for now in (0.0, 0.5, 1.0, 2.0):
        scarce.look(now)
        plenty.look(now)
    assert scarce.problem == f"2 of {lowest + 2} file descriptors are left: raise `ulimit -n`"
    assert plenty.problem is None
    assert len(caplog.records) == 1


def test_none_left_is_told_too_and_so_is_that_they_are_back() -> None:
    code = (
        "import os, resource; from depthwire.daemon.front.descriptors import Descriptors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); d = Descriptors(0, 64); held = []\n"
        "try:\n    while True: held.append(os.dup(0))\nexcept OSError: d.look(0.0); print(d.problem)\n"
        "for fd in held: os.close(fd)\n"
        "d.look(0.9); print(d.problem); d.look(1.0); print(d.problem)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    problem = "0 of 64 file descriptors are left: raise `ulimit -n`"
    assert said.stdout.splitlines() == [problem, problem, "None"], said.stderr


def test_the_limit_is_raised_to_what_is_allowed() -> None:
    hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))\n"
        "from depthwire.daemon.front.descriptors import raise_limit\n"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert said.stdout.split() == [str(hard), str(hard)], said.stderr

"""Debian's own ROS 1, as an independent reader and writer, and to run the ROS 1 node in."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import pytest

import depthwire.client

DEBIAN_PYTHON = Path("/usr/bin/python3")


@functools.cache
def _folder_with_depthwire() -> str:
    """A folder that holds this depthwire by its name, as any Python finds it; the repository need not be called so."""
    folder = tempfile.mkdtemp(prefix="depthwire-ros-")
    atexit.register(shutil.rmtree, folder)
    (Path(folder) / "depthwire").symlink_to(Path(depthwire.client.__file__).resolve().parents[1])
    return folder


def environment_for_ros() -> dict[str, str]:
    """For Debian's Python: this depthwire and what it needs from this environment, beside what ROS brings."""
    package = _folder_with_depthwire()
    return {"PYTHONPATH": f"{package}:{sysconfig.get_path('platlib')}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}


def need_in_debian(*modules: str) -> None:
    """Skip the test unless Debian's Python has these modules and can use what is installed for this one.

    With DEPTHWIRE_NEED_ROS, which `make test-ros` sets, the test fails instead.
    """
    same = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = f"import sys, {', '.join(modules)}; assert sys.version.startswith('{same}.')"
    command, environment = [DEBIAN_PYTHON, "-c", probe], environment_for_ros()
    is_there = DEBIAN_PYTHON.exists()
    if not is_there or subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        reason = f"needs Debian's packages of {', '.join(modules)}, for Python {same} (make test-ros)"
        if os.environ.get("DEPTHWIRE_NEED_ROS"):
            pytest.fail(reason)
        pytest.skip(reason)


def run_in_debian(script: str, *modules: str, **inputs: Any) -> dict[str, Any]:
    """What a script prints as JSON under Debian's Python with these modules of ROS; skips where they are absent."""
    need_in_debian(*modules)
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", script],
        input=json.dumps(inputs),
        env=environment_for_ros(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result

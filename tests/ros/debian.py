"""Debian's own ROS 1, as an independent reader and writer, and to run the ROS 1 node in."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import depthwire.client

DEBIAN_PYTHON = Path("/usr/bin/python3")


def environment_for_ros() -> dict[str, str]:
    """For Debian's Python: this depthwire and what it needs from this environment, beside what ROS brings."""
    package = Path(depthwire.client.__file__).parents[2]
    return {"PYTHONPATH": f"{package}:{sysconfig.get_path('platlib')}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}


def run_in_debian(script: str, *modules: str, **inputs: Any) -> dict[str, Any]:
    """What a script prints as JSON under Debian's Python with its ROS packages; skips where they are absent."""
    same = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = f"import sys, {', '.join(modules)}; assert sys.version.startswith('{same}.')"
    environment = environment_for_ros()
    if subprocess.run([DEBIAN_PYTHON, "-c", probe], env=environment, capture_output=True, check=False).returncode:
        pytest.skip(f"needs Debian's packages of {', '.join(modules)} and Python {same}")
    command = [DEBIAN_PYTHON, "-c", script]
    done = subprocess.run(
        command, input=json.dumps(inputs), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result

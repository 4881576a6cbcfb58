"""A typed user script with OpenCV frames passes mypy and pyright against the installed wheel; a wrong one does not.

pyright is run as basedpyright, whose wheels bring it and its Node, in pyright's own standard mode.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packages.conftest import Environment

SCRIPT = Path(__file__).with_name("typed_script.py")
WRONG = """
from depthwire.client import DepthClient

def wrong(client: DepthClient) -> None:
    client.metric_depth(3.5)
    client.pc("photo.jpg", (500, 500, 320, 240))
    for item in client.stream(3, "pc"):
        print(item)
    text: str = client.metric_depth("photo.jpg").min
    client.no_such_method()
"""
WRONG_LINES = [5, 6, 7, 9, 10]

Checker = Callable[[Environment, Path], tuple[list[int], str]]


def mypy(environment: Environment, script: Path) -> tuple[list[int], str]:
    """The lines in which mypy finds errors, and what it says."""
    python = str(environment.bin / "python")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", python, script.name]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, timeout=170, check=False)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert all(line.startswith(script.name) for line in lines), done.stdout
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return sorted({int(line.split(":")[1]) for line in lines}), done.stdout


def pyright(environment: Environment, script: Path) -> tuple[list[int], str]:
    """The lines in which pyright finds errors, and what it says."""
    pytest.importorskip("basedpyright", reason="needs the extra check")
    settings = script.parent / "pyrightconfig.json"
    settings.write_text(json.dumps({"typeCheckingMode": "standard", "include": [script.name]}))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", str(environment.bin / "python")]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, timeout=170, check=False)
    found = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    return sorted({one["range"]["start"]["line"] + 1 for one in found}), json.dumps(found, indent=1)


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_typed_script_passes(check: Checker, installed: Environment, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    lines, said = check(installed, script)
    assert lines == [], said


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_wrong_one_does_not(check: Checker, installed: Environment, tmp_path: Path) -> None:
    """So that the types are seen at all: without py.typed everything would pass."""
    script = tmp_path / "script.py"
    script.write_text(WRONG, encoding="utf-8")
    lines, said = check(installed, script)
    assert lines == WRONG_LINES, said

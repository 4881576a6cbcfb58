"""`make` with a Python that cannot: it says so, and leaves no broken .venv behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT

OLD = """#!/bin/sh
# A Python 3.9 as far as the Makefile asks: its version, and whatever it is told to run by -c.
if [ "$1" = -c ]; then
    exec python3 -c "import sys; sys.version_info = (3, 9, 18, 'final', 0); exec(sys.argv.pop(1))" "$2"
fi
echo "it was used all the same: $*" >&2
mkdir -p "$3/bin"
"""
NO_VENV = """#!/bin/sh
# Debian's Python without python3-venv: it makes a folder and an interpreter, then it fails.
if [ "$1" = -m ]; then
    mkdir -p "$3/bin" && touch "$3/bin/python"
    echo "ensurepip is not available" >&2
    exit 1
fi
exec python3 "$@"
"""


def make(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """`make demo` in a folder with the Makefile alone, and a Python that is this script."""
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "setup.py", "constraints.txt"):
        (folder / name).touch()
    script = folder / "other-python"
    script.write_text(python)
    script.chmod(0o755)
    return subprocess.run(
        ["make", "demo", f"PYTHON={script}"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("python", "said"),
    [(OLD, "depthwire needs Python 3.10 or newer, and {python} is 3.9"), (NO_VENV, "apt install python3-venv")],
    ids=["3.9", "without venv"],
)
def test_a_python_that_cannot_leaves_nothing_behind(python: str, said: str, tmp_path: Path) -> None:
    done = make(tmp_path, python)
    assert done.returncode != 0
    assert said.format(python=tmp_path / "other-python") in done.stderr
    assert "it was used all the same" not in done.stderr
    assert not (tmp_path / ".venv").exists()
    assert "Traceback" not in done.stderr

"""Distributions made of this checkout, and environments that see them and what they need, but not the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "daemon" / "models" / "starter"


@dataclass(frozen=True)
class Distributions:
    """What `make dist` makes, in one folder."""

    folder: Path

    def __getitem__(self, pattern: str) -> Path:
        (path,) = self.folder.glob(pattern)
        return path


@dataclass(frozen=True)
class Environment:
    """A virtual environment with wheels of ours, whose other packages are those that the tests run with."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def variables(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **more}

    def run(self, *command: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env=self.variables(), capture_output=True, text=True, timeout=timeout, check=False
        )


def make_environment(folder: Path, wheels: Sequence[Path]) -> Environment:
    """Install `wheels`, and nothing else, into a new environment in `folder`, without asking any index."""
    venv.create(folder, symlinks=True)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # The dependencies' folder as a plain path: what is installed there by reference, as our checkout is, stays unseen.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    options = ["--no-index", "--no-deps", "--force-reinstall", "--prefix", str(folder)]
    subprocess.run([*pip, *options, *map(str, wheels)], check=True, timeout=120)
    return Environment(folder)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("dist")
    for source in (ROOT, STARTER):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
        made = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    return Distributions(folder)


@pytest.fixture(scope="session")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with both wheels."""
    wheels = [distributions["depthwire-*.whl"], distributions["depthwire_starter-*.whl"]]
    return make_environment(tmp_path_factory.mktemp("environment"), wheels)

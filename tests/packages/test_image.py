"""The container image, as far as it goes without Docker: built from what its Dockerfile copies, and run."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.curve import Keys
from tests.daemon.test_service_files import instructions
from tests.packages.conftest import ROOT, Environment, make_environment


def copied_files(folder: Path) -> Path:
    """The build stage's working directory after its COPYs: nothing of the repository but what they name."""
    for name, text in instructions():
        if name == "COPY" and "--from" not in text:
            *sources, target = shlex.split(text)
            for source in sources:
                place = folder / target / (source if target.endswith("/") else "")
                if (ROOT / source).is_dir():
                    shutil.copytree(
                        ROOT / source, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "build")
                    )
                else:
                    shutil.copy(ROOT / source, place)
    return folder


def final_stage() -> dict[str, str]:
    names = [name for name, _ in instructions()]
    return dict(instructions()[len(names) - names[::-1].index("FROM") :])


def settings() -> dict[str, str]:
    return dict(item.split("=", 1) for item in shlex.split(final_stage()["ENV"]))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    source = copied_files(tmp_path_factory.mktemp("src"))
    wheels = tmp_path_factory.mktemp("wheels")
    for project in (source, source / "daemon" / "models" / "starter"):
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        made = subprocess.run(
            [*command, "--wheel-dir", wheels, project], capture_output=True, text=True, timeout=120, check=False
        )
        assert made.returncode == 0, made.stderr[-3000:]
    return make_environment(tmp_path_factory.mktemp("opt"), sorted(wheels.glob("*.whl")))


class Container:
    """The image's ENTRYPOINT as a process, with its ENV, and its HEALTHCHECK."""

    def __init__(self, image: Environment, folder: Path, arguments: Sequence[str], metrics: str) -> None:
        self.image, self.folder = image, folder
        self.variables = {
            **image.variables(**{name: value for name, value in settings().items() if name != "PATH"}),
            "XDG_CACHE_HOME": str(folder),
            "HF_HOME": str(folder),
            "DEPTHWIRE_METRICS": metrics,
            "http_proxy": "http://127.0.0.1:1",
        }
        (program,) = json.loads(final_stage()["ENTRYPOINT"])
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [image.bin / program, *arguments], env=self.variables, cwd=folder, stdout=log, stderr=log
            )

    def health(self) -> subprocess.CompletedProcess[str]:
        (program, *arguments) = json.loads(final_stage()["HEALTHCHECK"].partition(" CMD ")[2])
        return subprocess.run(
            [self.image.bin / program, *arguments],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def wait_healthy(self) -> str:
        give_up_at = time.monotonic() + 120
        while (checked := self.health()).returncode != 0:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up_at, (checked, self.log.read_text())
        return checked.stdout


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("form", ["HOST:PORT", ":PORT", "everywhere"])
def test_the_image_serves_and_its_health_check_tells_with_keys_and_elsewhere(
    image: Environment, tmp_path: Path, form: str
) -> None:
    keys = Keys(tmp_path / "keys")
    bind = f"tcp://{free_address()}"
    address = free_address()
    metrics = {"HOST:PORT": address, ":PORT": address[len("127.0.0.1") :]}.get(form, f"0.0.0.0:{address[10:]}")
    arguments = ["--bind", bind, "--engine", "null"]
    arguments += ["--curve-key", str(keys.lab), "--authorized-clients", str(keys.clients)]
    container = Container(image, tmp_path, arguments, metrics)
    try:
        assert container.wait_healthy() == "ok\n"
        container.process.send_signal(getattr(signal, final_stage()["STOPSIGNAL"]))
        assert container.process.wait(60) == 0, container.log.read_text()
        gone = container.health()
        assert gone.returncode == 1
        assert "no answer from" in gone.stdout
    finally:
        container.process.kill()
        container.process.wait(10)


def test_the_weights_are_in_the_image(image: Environment, tmp_path: Path) -> None:
    shown = image.run("depthwire", "models", "--json", cwd=tmp_path)
    (starter,) = [model for model in json.loads(shown.stdout)["models"] if model["name"] == "vitt_starter"]
    assert starter["path"].startswith(str(image.folder))

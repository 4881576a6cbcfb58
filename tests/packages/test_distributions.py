"""What `make dist` makes: complete, small for a client, fit for an index's page, and enough to run every command."""

from __future__ import annotations

import email
import email.message
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT, Distributions, Environment

COMMANDS = ("depthwire", "depthwired", "depthwire-bench", "depthwire-train")
ROS_2 = "client/ros/ros2/depthwire_ros"


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, timeout=30, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return [name for name in listed.stdout.splitlines() if name != ".gitignore" and (ROOT / name).exists()]


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_the_sdist_has_every_file_of_the_repository(distributions: Distributions) -> None:
    with tarfile.open(distributions["depthwire-*.tar.gz"]) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    missing = sorted(set(tracked_files()) - inside)
    assert missing == []


def test_the_wheel_has_the_ros_2_package_and_the_model_card(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions["depthwire-*.whl"]) as archive:
        inside = {name.removeprefix("depthwire/") for name in archive.namelist()}
    rooms = tuple(f"{room}/" for room in ("protocol", "client", "daemon", "bench", "training"))
    modules = {f for f in tracked_files() if f.startswith(rooms) and f.endswith(".py") and "models/starter/" not in f}
    wanted = modules | {f for f in tracked_files() if f.startswith(ROS_2)} | {"training/MODEL_CARD.md"}
    assert sorted(wanted - inside) == []


def test_the_weights_are_a_distribution_of_their_own(distributions: Distributions) -> None:
    assert distributions["depthwire-*.whl"].stat().st_size < 2.5e6
    with zipfile.ZipFile(distributions["depthwire-*.whl"]) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".safetensors")]
    with zipfile.ZipFile(distributions["depthwire_starter-*.whl"]) as archive:
        inside = set(archive.namelist())
    assert {f"depthwire_starter/{n}" for n in ("depthwire_starter_vitt.safetensors", "MODEL_CARD.md")} <= inside


def test_both_are_of_one_version_and_ask_for_each_other_by_name(distributions: Distributions) -> None:
    ours, weights = (metadata(distributions[f"{name}-*.whl"]) for name in ("depthwire", "depthwire_starter"))
    assert ours["Version"] == weights["Version"]
    wanted = [text for text in ours.get_all("Requires-Dist", []) if "depthwire" in text]
    assert wanted == [
        'depthwire[starter]; extra == "daemon"',
        f'depthwire-starter=={ours["Version"]}; extra == "starter"',
    ]
    assert not [text for text in ours.get_all("Requires-Dist", []) if "@" in text], "an address of this machine"


def test_a_checkout_takes_the_weights_from_its_own_folder() -> None:
    """So that `pip install '.[daemon]'` asks no index for a name which is not ours there yet."""
    folder = ROOT / "build" / "test-egg-info"  # setuptools wants it within the project
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", folder]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60, capture_output=True)
    requirements = (folder / "depthwire.egg-info" / "requires.txt").read_text()
    assert f"depthwire-starter @ {(ROOT / 'daemon/models/starter').as_uri()}" in requirements


def test_the_page_on_an_index_points_at_nothing_that_is_not_there(distributions: Distributions) -> None:
    for name in ("depthwire", "depthwire_starter"):
        text = str(metadata(distributions[f"{name}-*.whl"]).get_payload())
        assert len(text) > 1000
        assert re.findall(r"\]\((?!https?://)[^)]*\)", text) == []
        assert "![" not in text


def test_twine_finds_nothing_to_complain_of(distributions: Distributions) -> None:
    files = sorted(map(str, distributions.folder.iterdir()))
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, checked.stdout.count("PASSED")) == (0, 4), checked.stdout + checked.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_from_the_wheel(installed: Environment, tmp_path: Path, command: str) -> None:
    """With its --help, that of each of its subcommands, and its --version; in a folder without any file of ours."""
    where = installed.run(
        str(installed.bin / "python"), "-c", "import depthwire.client as c; print(c.__file__)", cwd=tmp_path
    )
    assert where.stdout.startswith(str(installed.folder)), where
    version = installed.run(command, "--version", cwd=tmp_path)
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(rf"{command}, version \d+\.\d+\.\d+\n", version.stdout)
    shown = installed.run(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    names = re.findall(r"^  (\w[\w-]*)", shown.stdout.partition("\nCommands:\n")[2].partition("\n\n")[0], re.MULTILINE)
    assert bool(names) == (command != "depthwired")
    for name in names:
        help_of_one = installed.run(command, name, "--help", cwd=tmp_path)
        assert help_of_one.returncode == 0, help_of_one.stderr
        assert help_of_one.stdout.startswith(f"Usage: {command} {name}")


@pytest.mark.full
def test_the_demo_runs_from_the_wheels(installed: Environment, tmp_path: Path) -> None:
    done = installed.run(
        str(installed.bin / "python"), "-m", "depthwire.client.demo", "--out", "out", cwd=tmp_path, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"depth.png", "cloud.ply"} & {path.name for path in (tmp_path / "out").iterdir()}, done.stdout

"""What a terminal, a full disk or a reader that is gone does to what is printed never stops the work itself."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from depthwire.client.cli import __main__ as cli
from depthwire.client.cli import console
from depthwire.client.images import user_path
from depthwire.client.streams.image_files import source_word
from depthwire.client.view.faults import Exit
from tests.client.cli.test_commands import picture
from tests.client.fake_daemon import FakeDaemon

ODD_NAMES = [b"a.png", b"caf\xe9.png", b"~tilde.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ODD_NAMES:
        picture(folder / "x.png").rename(os.fsdecode(os.path.join(os.fsencode(folder), name)))  # noqa: PTH118 - bytes
    return folder


def command(daemon: FakeDaemon, *arguments: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", daemon.endpoint, *map(str, arguments)]
    environment = {**os.environ, **more.pop("env", {})}
    return subprocess.run(words, env=environment, timeout=60, check=False, stderr=subprocess.PIPE, **more)


def done_in(out: Path) -> int:
    return len(list(out.glob("*.npy")))


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text, and /dev/full")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "cp437"])
def test_names_and_signs_that_a_terminal_lacks_end_nothing(
    encoding: str, daemon: FakeDaemon, folder: Path, tmp_path: Path
) -> None:
    words = ["depth", folder, "-o", tmp_path / "out", "--format", "npy"]
    done = command(daemon, *words, stdout=subprocess.PIPE, env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done_in(tmp_path / "out")) == (Exit.DONE, 3), done.stderr
    if encoding == "ascii":  # for which click writes UTF-8
        assert b"caf?" in done.stdout
    else:
        assert b"caf\\udce9" in done.stdout
    if encoding == "cp1252":
        assert b" \x85 " in done.stdout
        assert b" m -> " in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text, and /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_disk_below_stdout_is_said_when_all_is_done(
    more: list[str], unbuffered: str, daemon: FakeDaemon, folder: Path, tmp_path: Path
) -> None:
    words = ["depth", folder, "-o", tmp_path / "out", "--format", "npy", *more]
    with Path("/dev/full").open("wb") as full:
        done = command(daemon, *words, stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    assert (done.returncode, done_in(tmp_path / "out")) == (Exit.FAILED, 3)
    assert done.stderr.splitlines()[-1] == b"depthwire: standard output: the disk is full (No space left on device)"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of this kind are POSIX")
def test_a_reader_that_is_gone_ends_nothing(daemon: FakeDaemon, folder: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = command(daemon, "depth", folder, "-o", tmp_path / "out", "--format", "npy", "--json", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr, done_in(tmp_path / "out")) == (Exit.DONE, b"", 3)


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of this kind are POSIX")
def test_closed_standard_streams_end_nothing(daemon: FakeDaemon, folder: Path, tmp_path: Path) -> None:
    words = f"depth '{folder}' -o '{tmp_path}/out' --format npy"
    script = f"'{sys.executable}' -m depthwire.client.cli --endpoint {daemon.endpoint} {words} <&- >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", script], check=False, timeout=60).returncode == Exit.DONE
    assert done_in(tmp_path / "out") == 3
    script = f"'{sys.executable}' -m depthwire.client.cli --endpoint {daemon.endpoint} depth - -o '{tmp_path}/out' <&-"
    done = subprocess.run(["/bin/sh", "-c", script], check=False, timeout=60, capture_output=True, text=True)
    assert done.stderr.strip() == "depthwire: -: standard input is empty"


def test_what_an_encoding_lacks_is_said_in_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    below = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(below, "ascii"))
    console.prepare()
    print("3 → 60° \udce9", end="", flush=True)
    assert below.getvalue() == b"3 -> 60 deg \\udce9"
    assert console.problem() is None


def test_a_tilde_is_the_home_only_where_nothing_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "~tilde.png").touch()
    for name in ("~tilde.png", "./~tilde.png"):
        assert user_path(name) == tmp_path / "~tilde.png"
    assert user_path("~/a.png") == Path("/home/somebody/a.png")
    assert user_path("./~/a.png") == tmp_path / "~" / "a.png"
    assert user_path("~nobody.of.that.name/a.png") == tmp_path / "~nobody.of.that.name" / "a.png"
    assert user_path("in/~b.png") == Path("in/~b.png")
    assert source_word("~tilde.png") == str(tmp_path / "~tilde.png")
    assert source_word("rtsp://camera/1") == "rtsp://camera/1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["depth", "", "-o", "out"], "an image's name is empty"),
        (["pc", "", "-o", "out"], "an image's name is empty"),
        (["stream", ""], "the source's name is empty"),
        (["depth", "a.png", "-o", "-"], "do not go to standard output"),
        (["pc", "a.png", "-o", "-"], "do not go to standard output"),
        (["stream", "0", "-o", "-"], "do not go to standard output"),
        (["depth", "a.png", "-o", ""], "the name is empty"),
        (["pc", "a.png", "-o", "cloud.pcd"], "name cloud.ply, or a folder"),
        (["depth", "a.png", "-o", "depth.png"], "name a folder"),
        (["stream", "0", "-o", "depth.mcap"], "--format bag"),
    ],
)
def test_names_that_would_not_mean_what_they_say_are_refused(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == Exit.USAGE
    assert says in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_daemons_options_may_stand_behind_the_command(daemon: FakeDaemon, tmp_path: Path) -> None:
    words = [
        "depth",
        picture(tmp_path / "a.png"),
        "-o",
        tmp_path / "out",
        "--timeout",
        7,
        "--endpoint",
        daemon.endpoint,
    ]
    result = CliRunner().invoke(cli.main, ["--endpoint", "tcp://127.0.0.1:1", *map(str, words)])
    assert result.exit_code == Exit.DONE, result.output
    assert (daemon.heard[0].request.timeout_ms or 0) == pytest.approx(7000, abs=3000)
    result = CliRunner().invoke(cli.main, ["health", "--timeout", "-1"])
    assert result.exit_code == Exit.USAGE
    assert "--timeout" in result.stderr


def test_a_host_that_cannot_be_resolved_is_named() -> None:
    host = "a" * 70 + ".invalid"  # longer than a name may be: no resolver is asked
    result = CliRunner().invoke(cli.main, ["--endpoint", f"tcp://{host}:5555", "--timeout", "2", "health"])
    assert result.exit_code == Exit.NO_DAEMON
    assert f"the host name {host} cannot be resolved" in result.stderr
    assert "Start it with" not in result.stderr

"""Processes of ours run no code from the folder that they are started in, and have the standard descriptors open."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from depthwire.daemon.front.supervisor import WorkerLink
from depthwire.daemon.seam import jobs, launch
from depthwire.daemon.seam.arena import Arena

ROOT = Path(__file__).parents[3]
OPTIONS = jobs.WorkerOptions("null", "cpu", "auto", 4, 1, "exact", None, False, "critical", "text")
LIMIT_S = 60


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is one with modules of well-known names, each of which leaves a mark here when it is run."""
    folder, marks = tmp_path / "current", tmp_path / "marks"
    folder.mkdir()
    marks.mkdir()
    for name in ("random", "msgpack", "numpy", "multiprocessing", "runpy", "site", "depthwire"):
        mark = marks / name
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\nraise ImportError('the wrong one')\n")
    monkeypatch.chdir(folder)
    return marks


def as_python_310(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.sys, "version_info", (3, 10, 13))


@pytest.mark.parametrize("python", ["this", "3.10"])
def test_a_worker_runs_nothing_from_the_current_folder(
    marks: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    if python == "3.10":
        as_python_310(monkeypatch)
    arena = Arena(2**20)
    link = WorkerLink(0, OPTIONS, arena.fd, 0.0)
    try:
        poll = select.poll()
        poll.register(link.fileno(), select.POLLIN)
        assert poll.poll(1e3 * LIMIT_S)
        assert [type(message) for message in link.receive()] == [jobs.Hello]
    finally:
        link.kill(LIMIT_S)
        link.close()
        arena.close()
    assert not list(marks.iterdir())


@pytest.mark.parametrize("python", ["this", "3.10"])
@pytest.mark.parametrize(
    "module", ["depthwire.daemon", "depthwire.client.cli", "depthwire.bench", "depthwire.client.demo"]
)
def test_a_command_runs_nothing_from_the_current_folder(
    marks: Path, monkeypatch: pytest.MonkeyPatch, python: str, module: str
) -> None:
    if python == "3.10":
        as_python_310(monkeypatch)
    done = subprocess.run(launch.module_command(module, "--help"), capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert not list(marks.iterdir())


@pytest.mark.parametrize("python", ["this", "3.10"])
def test_pythonpath_arguments_and_the_line_that_started_it_are_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    if python == "3.10":
        as_python_310(monkeypatch)
    package = tmp_path / "library" / "my_package"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(
        "import sys; print(__name__, sys.argv[1:], 'my_package' in sys.orig_argv, '' in sys.path)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    command = launch.module_command("my_package", "--word", "two words")
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.stdout.strip() == "__main__ ['--word', 'two words'] True False", done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no way to tell multiprocessing")
def test_processes_of_multiprocessing_run_nothing_from_the_current_folder(marks: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os\n"
        "from depthwire.daemon.seam.launch import keep_current_folder_from_children\n"
        "if __name__ == '__main__':\n"
        "    keep_current_folder_from_children()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(os.getpid) != os.getpid())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.stdout.strip() == "True", done.stderr
    assert not list(marks.iterdir())


def test_nothing_of_ours_starts_a_module_in_another_way() -> None:
    rooms = ("protocol", "client", "daemon", "bench", "training")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    found = [path.relative_to(ROOT).as_posix() for path in sources if "sys.executable" in path.read_text()]
    assert found == ["daemon/seam/launch.py"]
    assert len(sources) > 100


# ------------------------------------------------------------------------------------------ the standard descriptors

CLOSED_PROGRAM = """
import os, sys
from depthwire.daemon.seam.launch import open_standard_descriptors
open_standard_descriptors()
opened = os.memfd_create("next")
child = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", "import os; [os.fstat(n) for n in range(3)]"])
print("to nobody", file=sys.stderr)
print("to somebody", sys.stdin.readline() == "")
answer = [opened > 2, os.fstat(opened).st_size, child]
open(sys.argv[1], "w").write(repr(answer))
"""


@pytest.mark.parametrize("how", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_descriptor_is_the_null_device(tmp_path: Path, how: str) -> None:
    answer = tmp_path / "answer"
    command = ["sh", "-c", f'exec "$0" "$@" {how}', sys.executable, "-c", CLOSED_PROGRAM, str(answer)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=LIMIT_S)
    assert answer.read_text() == "[True, 0, 0]"


def test_open_standard_descriptors_stay_as_they_are() -> None:
    def files() -> list[object]:
        kept = [os.fstat(number) for number in range(3)]
        return [*((file.st_dev, file.st_ino) for file in kept), sys.stdin, sys.stdout, sys.stderr]

    before = files()
    launch.open_standard_descriptors()
    assert files() == before

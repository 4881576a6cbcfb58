"""A file that is written is at its place whole or not at all, whatever ends the writing, and an error names it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from depthwire.client.view import pictures
from depthwire.client.view.depth_files import save_depth
from depthwire.client.view.faults import fault_of
from depthwire.client.view.new_file import NewFile
from depthwire.client.view.ply import write_ply

RNG = np.random.default_rng(3)
DEPTH = RNG.uniform(0.5, 60, (300, 400)).astype(np.float32)
POINTS = RNG.uniform(-5, 5, (300_000, 3)).astype(np.float32)


class _Depth:
    depth = DEPTH

    @staticmethod
    def as_float32() -> np.ndarray:
        return DEPTH


def depth_file(kind: str) -> Callable[[Path], object]:
    return lambda path: save_depth(path.parent, path.name.split("_")[0], _Depth(), {kind}, False)  # type: ignore[arg-type]


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


WRITERS = {
    "a_depth_mm.png": depth_file("png16"),
    "a_depth.npy": depth_file("npy"),
    "a_depth_picture.png": depth_file("picture"),
    "cloud.ply": lambda path: write_ply(path, POINTS),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there_and_is_said_with_the_files_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(b"of an earlier run")

    class FullDisk:
        """Takes a few bytes and then has no room, as a file at a quota or a full disk."""

        def __init__(self, file: object) -> None:
            self._file, self._left = file, 1000

        def write(self, data: bytes) -> int:
            self._left -= len(data)
            if self._left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self._file.write(data)  # type: ignore[attr-defined,no-any-return]

        def close(self) -> None:
            self._file.close()  # type: ignore[attr-defined]

    usual = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r", **more: FullDisk(usual(self, mode, **more)))
    with pytest.raises(OSError, match="No space") as caught:
        WRITERS[name](path)
    monkeypatch.undo()
    assert fault_of(caught.value).message == f"{path}: the disk is full (No space left on device)"
    assert path.read_bytes() == b"of an earlier run"
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_there_whole_with_the_permissions_of_before(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"of an earlier run")
    path.chmod(0o640)
    WRITERS[name](path)
    assert names_in(tmp_path) == [name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    if path.suffix == ".npy":
        assert (np.load(path) == DEPTH).all()
    elif path.suffix == ".png":
        pictures.pillow().Image.open(path).load()
    else:
        assert path.stat().st_size > POINTS.nbytes


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with NewFile(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names_in(tmp_path) == []


def test_a_new_file_has_the_permissions_that_are_usual(tmp_path: Path) -> None:
    with NewFile(tmp_path / "ours") as file:
        file.write(b"x")
    (tmp_path / "usual").write_bytes(b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    for text in (b"first", b"second"):
        with NewFile(tmp_path / "link") as file:
            file.write(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_bytes() == text
    with NewFile(os.devnull) as file:
        file.write(b"x")
    assert not Path(os.devnull).is_file()
    with pytest.raises(OSError, match="there") as caught, NewFile(tmp_path / "there"):
        pass
    assert caught.value.errno == errno.EISDIR
    assert names_in(tmp_path) == ["link", "there"]


def test_a_killed_process_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"of an earlier run")
    script = """
        import os, signal, sys
        from depthwire.client.view.new_file import NewFile
        with NewFile(sys.argv[1]) as file:
            file.write(bytes(100_000))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=False, timeout=60)
    assert path.read_bytes() == b"of an earlier run"

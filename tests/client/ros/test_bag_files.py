"""Bags on disk: odd names, recordings whose writer was killed, MCAP files of other systems. No daemon is needed."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from depthwire.client.ros import BagError
from depthwire.client.ros.bag_files import OutputTypes, messages_in, open_bag, write_copy
from tests.client.ros.recording import ROS2, Recording

START = 1_700_000_000_000_000_000


def recorded(folder: Path, kind: str, count: int = 3) -> Path:
    recording = Recording(ROS2)
    for number in range(count):
        recording.add("/chatter", START + number, ROS2.type("std_msgs/String")(f"hello {number}"))
    return recording.write(folder, kind)


def times(path: Path) -> list[int]:
    with open_bag(path) as reader:
        return [time for _, time, _ in messages_in(reader)]


@pytest.mark.parametrize("kind", ["sqlite3", "mcap"])
@pytest.mark.parametrize("name", ["drive #2", "what?", "50%25", "ä & ü"])
def test_a_bag_is_read_and_written_whatever_its_path_holds(name: str, kind: str, tmp_path: Path) -> None:
    made = recorded(tmp_path / "plain", kind)
    folder = tmp_path / name / name
    folder.mkdir(parents=True)
    (file,) = (path for path in made.iterdir() if path.suffix in (".db3", ".mcap"))
    odd = folder / f"{name}{file.suffix}"  # as `ros2 bag` names it
    shutil.copy(file, odd)
    metadata = (made / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(metadata.replace(file.name, f"'{odd.name}'"))
    expected = [START, START + 1, START + 2]
    assert times(folder) == times(odd) == expected
    output = folder / f"out {name}"
    with open_bag(folder) as reader:
        write_copy(reader, output, OutputTypes(True), {}, lambda *_: [])
    assert times(output) == expected
    assert sorted(path.name for path in output.iterdir()) == sorted(["metadata.yaml", f"{output.name}{file.suffix}"])


@pytest.mark.parametrize("mode", ["WAL", "PERSIST"])
def test_a_bag_whose_recorder_was_killed_is_refused_with_what_makes_it_whole(mode: str, tmp_path: Path) -> None:
    file = next(recorded(tmp_path / "drive", "sqlite3").glob("*.db3"))
    killed = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=" + sys.argv[2])
database.execute("PRAGMA cache_size=1")
database.execute("PRAGMA wal_autocheckpoint=0")
database.execute("BEGIN")
more = "INSERT INTO messages(topic_id, timestamp, data) SELECT topic_id, timestamp + 1000, data FROM messages"
database.execute(more)
database.execute("UPDATE messages SET data = randomblob(300000)" if sys.argv[2] == "PERSIST" else "COMMIT")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", killed, str(file), mode], check=True)
    for path in (file, file.parent):
        with pytest.raises(BagError, match=rf"is not whole: what {file.name}-(wal|journal) beside it holds") as caught:
            times(path)
    command = caught.value.message.split("makes it whole: ")[1].replace("python3", sys.executable, 1)
    subprocess.run(command, shell=True, check=True)
    assert len(times(file)) == (6 if mode == "WAL" else 3)


def test_an_empty_log_beside_a_bag_is_no_reason_to_refuse_it(tmp_path: Path) -> None:
    file = next(recorded(tmp_path / "drive", "sqlite3").glob("*.db3"))
    file.with_name(f"{file.name}-wal").touch()
    assert len(times(file)) == 3
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (3,)


@pytest.mark.parametrize(("profile", "says"), [("ros1", "is of 'ros1'"), ("", "does not say"), ("x" * 400, "is of 'x")])
def test_an_mcap_of_another_system_says_so(profile: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "drive.mcap"
    text = profile.encode()
    header = struct.pack("<I", len(text)) + text + struct.pack("<I", 0)
    file.write_bytes(b"\x89MCAP0\r\n\x01" + struct.pack("<Q", len(header)) + header + bytes(64))
    for path in (file, tmp_path):
        with pytest.raises(BagError, match=f"drive.mcap is an MCAP file, but {says}") as caught:
            times(path)
        assert "reindex" not in caught.value.message


def test_a_file_that_is_damaged_at_its_head_is_no_mcap_of_another_system(tmp_path: Path) -> None:
    for damage in (b"", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n\x01" + b"\xff" * 20, b"nonsense" * 9):
        (tmp_path / "drive.mcap").write_bytes(damage)
        with pytest.raises(BagError, match="cannot be read as a bag"):
            times(tmp_path / "drive.mcap")

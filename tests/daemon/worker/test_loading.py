"""Downloads and loads from disk keep out of each other's way in a worker. The worker's own code, in this process."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from depthwire.daemon.engines.engine import EngineOptions
from depthwire.daemon.engines.null import NullEngine
from depthwire.daemon.models import catalogue, checkpoints
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena
from depthwire.daemon.worker.pipeline import Worker

LIMIT_S = 20.0
OPTIONS = jobs.WorkerOptions("null", "cpu", "auto", 4, 1, "exact", None, True, "critical", "text")
ON_DISK = ("vitt", "starter")
HUNG = [("vits", "hypersim"), ("vits", "vkitti"), ("vits", "relative"), ("vitb", "relative"), ("vitb", "hypersim")]


class FileEngine(NullEngine):
    """The null engine as one that needs files."""

    name = "file"


class House:
    """A worker, the front's end of its channel, and a hub that answers when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.starts, their_starts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.arena = Arena(2**20)
        self.worker = Worker(theirs, their_starts, self.arena.fd, FileEngine(EngineOptions()), OPTIONS, 1)
        self.hub = threading.Event()
        self.on_disk = {ON_DISK}
        self.problem: Exception | None = None

        def find(checkpoint: Checkpoint, _: Path | None) -> Path | None:
            return Path("file") if (checkpoint.encoder, checkpoint.dataset) in self.on_disk else None

        def resolve(checkpoint: Checkpoint, folder: Path | None, **_: Any) -> Path:
            if find(checkpoint, folder) is None:
                assert self.hub.wait(LIMIT_S)
                if self.problem is not None:
                    raise self.problem
                self.on_disk.add((checkpoint.encoder, checkpoint.dataset))
            return Path("file")

        monkeypatch.setattr(checkpoints, "find_on_disk", find)
        monkeypatch.setattr(checkpoints, "resolve", resolve)

    def load(self, key: tuple[str, str]) -> None:
        self.worker._hear(jobs.Load(*key))

    def says(self, count: int = 1) -> list[jobs.Message]:
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        said = []
        for _ in range(count):
            assert poll.poll(1e3 * LIMIT_S), "the worker says nothing"
            said.append(jobs.unpack(self.channel.recv(jobs.MAX_MESSAGE_BYTES)))
        return said


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House(monkeypatch)
    yield house
    house.hub.set()
    for pool in (house.worker._downloader, house.worker._loader, house.worker._finishers):
        pool.shutdown()


def test_downloads_that_hang_keep_no_file_on_disk_from_loading(house: House) -> None:
    for key in HUNG:
        house.load(key)
    assert {tuple(message) for message in house.says(len(HUNG))} == set(HUNG)
    house.load(ON_DISK)
    assert house.says() == [jobs.Loaded(*ON_DISK, 0)]


def test_a_download_s_end_is_told_and_then_its_file_is_loaded(house: House) -> None:
    house.load(HUNG[0])
    assert house.says() == [jobs.Fetching(*HUNG[0])]
    house.load(HUNG[0])  # the front had given it up
    assert house.says() == [jobs.Fetching(*HUNG[0])]
    house.hub.set()
    assert house.says() == [jobs.Fetched(*HUNG[0])]
    house.load(HUNG[0])
    assert house.says() == [jobs.Loaded(*HUNG[0], 0)]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (lambda checkpoint: checkpoints.CheckpointNotFound(checkpoint, None, "no network"), "MODEL_NOT_FOUND"),
        (lambda _: OSError("no space left"), "INTERNAL"),
    ],
)
def test_a_download_that_fails_is_told_with_its_reason_and_can_be_tried_again(
    house: House, problem: Callable[[Checkpoint], Exception], code: str
) -> None:
    house.problem = problem(catalogue.lookup(*HUNG[0]))
    house.hub.set()
    for _ in range(2):
        house.load(HUNG[0])
        fetching, failed = house.says(2)
        assert fetching == jobs.Fetching(*HUNG[0])
        assert isinstance(failed, jobs.LoadFailed)
        assert failed.code == code


def test_a_load_that_is_under_way_is_not_begun_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, begun = threading.Event(), []
    load = house.worker._engine.load

    def slowly(checkpoint: Checkpoint, path: Path | None) -> Any:
        begun.append(checkpoint)
        assert goes_on.wait(LIMIT_S)
        return load(checkpoint, path)

    monkeypatch.setattr(house.worker._engine, "load", slowly)
    for _ in range(5):
        house.load(ON_DISK)
    goes_on.set()
    assert house.says() == [jobs.Loaded(*ON_DISK, 0)]
    assert len(begun) == 1

"""Cameras and videos: stored pixels, cameras that go away, come back and are silent, and the pace of recordings."""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthwire.client import Frame
from depthwire.client.streams import capture
from depthwire.client.streams.capture import CameraLostError, Capture, spaced

cv2 = pytest.importorskip("cv2")

WIDTH, HEIGHT = 64, 48
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


class FakeCamera:
    """OpenCV's VideoCapture by a script: each opening takes the next list of reads; None is a read that fails.

    A callable is called before its read fails. Past the end of the script nothing can be opened.
    """

    script: list[list[Any]]
    openings = 0

    def __init__(self) -> None:
        self._reads: Iterator[Any] = iter(())

    def open(self, _: object) -> bool:
        FakeCamera.openings += 1
        if not self.script:
            return False
        self._reads = iter(self.script.pop(0))
        return True

    def read(self) -> tuple[bool, Any]:
        given = next(self._reads, None)
        if callable(given):
            given()
            return False, None
        return given is not None, given

    def get(self, _: int) -> float:
        return -1.0  # as of a driver that knows no such property

    def set(self, *_: object) -> bool:
        return True

    def release(self) -> None:
        pass


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Capture]]:
    """A camera with a script, which does not pause for long."""
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(capture, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(capture, "LONGEST_PAUSE_S", 0.002)
    monkeypatch.setattr(FakeCamera, "openings", 0)
    opened: list[Capture] = []

    def open_it(*script: list[Any]) -> Capture:
        FakeCamera.script = list(script)
        opened.append(Capture("camera 0", 0, is_live=True))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def test_a_camera_that_goes_away_is_said_to_and_opened_again(
    camera: Callable[..., Capture], capsys: pytest.CaptureFixture[str]
) -> None:
    frames = list(itertools.islice(camera([PICTURE] * 2, [], [PICTURE]), 5))
    assert [type(frame.error) for frame in frames] == [
        type(None),
        type(None),
        CameraLostError,
        CameraLostError,
        type(None),
    ]
    assert "no frames any more" in str(frames[2].error)
    assert capsys.readouterr().err == ""
    assert [frame.name for frame in frames] == [
        "camera0_000000",
        "camera0_000001",
        "camera0",
        "camera0",
        "camera0_000002",
    ]
    assert all(frame.taken is not None for frame in frames if frame.error is None)


def test_pauses_grow_while_a_camera_is_gone(camera: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(capture, "FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr(capture, "LONGEST_PAUSE_S", 10.0)
    gone = camera([PICTURE])
    monkeypatch.setattr(gone._closed, "wait", pauses.append)
    list(itertools.islice(gone, 8))
    assert pauses[:6] == [1, 2, 4, 8, 10, 10]


def test_a_camera_that_is_silent_is_said_to_be_and_waited_for(
    camera: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "SILENCE_S", 0.05)
    go_on = threading.Event()
    frames = iter(camera([PICTURE, lambda: go_on.wait(10)], [PICTURE]))
    assert next(frames).error is None
    for _ in range(2):
        assert "no frame for 0.05 s" in str(next(frames).error)
    go_on.set()
    assert any(frame.error is None for frame in itertools.islice(frames, 50))


def test_a_camera_that_never_gives_a_frame_is_an_error(camera: Callable[..., Capture]) -> None:
    with pytest.raises(OSError, match="gives no frames"):
        next(iter(camera([])))
    assert FakeCamera.openings == 1


def test_nobody_reads_a_camera_whose_stream_has_ended(camera: Callable[..., Capture]) -> None:
    frames = iter(camera([PICTURE] * 1000))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    names = [thread for thread in threading.enumerate() if thread.name == "depthwire camera"]
    for thread in names:
        thread.join(5)
    assert not any(thread.is_alive() for thread in names)


def test_a_turned_video_gives_its_stored_pixels_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*"mp4v"), 10, (WIDTH, HEIGHT))
    for _ in range(3):
        writer.write(PICTURE)
    writer.release()
    data = plain.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    place = data.index(upright, data.index(b"tkhd"))
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(data[:place] + quarter + data[place + len(upright) :])
    source = Capture("turned.mp4", str(turned), is_live=False)
    shapes = {np.shape(frame.image) for frame in source}
    source.close()
    assert shapes == {(HEIGHT, WIDTH, 3)}
    assert capsys.readouterr().err.count("stored pixels") == 1


def test_a_clock_that_jumps_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(capture.time, "sleep", slept.append)
    monkeypatch.setattr(capture.time, "monotonic", lambda: 100.0 + sum(slept))
    times = [0.0, 1.0, 1.5, 1.75e9, 1.75e9 + 2, 5.0, 6.0]
    frames = [Frame(b"", {"time": time}) for time in times]
    played = spaced(iter(frames), lambda before, after: (after.meta or {})["time"] - (before.meta or {})["time"])
    assert list(played) == frames
    assert slept == pytest.approx([0, 1, 0.5, 0, 2, 0, 1])

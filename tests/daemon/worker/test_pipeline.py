"""A worker answers each job exactly once, puts the result where it was told to, and fails no neighbour of a bad one.

A real worker process with the null engine (a plane at half the range), spoken to through its link.
"""

from __future__ import annotations

import logging
import os
import random
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from depthwire.daemon.engines import choose
from depthwire.daemon.front.supervisor import WorkerLink
from depthwire.daemon.models import catalogue
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena
from depthwire.daemon.seam.layout import layout_of
from depthwire.daemon.worker import __main__ as entry
from depthwire.daemon.worker.pipeline import Staged, take_batch
from depthwire.protocol import ResultOptions

LIMIT_S = 60.0
OPTIONS = jobs.WorkerOptions(
    engine="null",
    device="cpu",
    precision="auto",
    max_batch=4,
    threads=2,
    decode="exact",
    checkpoints=None,
    download=False,
    log_level="critical",
    log_format="text",
)
MODEL = ("vits", "hypersim")
FOREVER = float("inf")
UNTOUCHED = np.frombuffer(b"\xbf" * 4, np.float32)[0]
"""What a result's place holds before the worker writes to it: a negative float32, in each of its bytes."""
FINAL = (jobs.Done, jobs.Failed, jobs.Dropped)


class Bench:
    """A worker, and the front's side of its arena and channel."""

    def __init__(self) -> None:
        self.arena = Arena(64 * 2**20)
        self.link = WorkerLink(0, OPTIONS, self.arena.fd, 0.0)
        self.tickets = 0
        self.jobs: dict[int, jobs.Stage] = {}
        self.started: set[int] = set()
        self.unread: list[jobs.Message] = []

    def next_message(self) -> jobs.Message:
        if not self.unread:
            poll = select.poll()
            poll.register(self.link.fileno(), select.POLLIN)
            assert poll.poll(1e3 * LIMIT_S), "the worker says nothing"
            said = self.link.receive()
            self.unread = [*self.link.receive_starts(), *said]
            assert self.unread, "the worker hung up"
        return self.unread.pop(0)

    def expect(self, kind: type[Any]) -> Any:
        message = self.next_message()
        assert isinstance(message, kind), message
        return message

    def load(self, encoder: str = MODEL[0], dataset: str = MODEL[1]) -> None:
        self.link.send(jobs.Load(encoder, dataset))
        loaded = self.expect(jobs.Loaded)
        assert (loaded.encoder, loaded.dataset) == (encoder, dataset)

    def reserve(self, length: int) -> int:
        block = self.arena.reserve(length)
        assert block is not None
        return block

    def stage(self, image: bytes, width: int, height: int, *, cloud: bool = False, **fields: Any) -> jobs.Stage:
        """Hand an image over, its result's place filled with what no result is."""
        self.tickets += 1
        at = self.reserve(len(image))
        self.arena.write(at, image)
        options = ResultOptions.from_wire(fields.get("options") or {}, "pc")
        layout = layout_of("pc" if cloud else "metric_depth", width, height, options)
        result = self.reserve(layout.bytes)
        self.arena.memory[result : result + layout.bytes] = b"\xbf" * layout.bytes
        job = jobs.Stage(
            **{
                "ticket": self.tickets,
                "encoder": MODEL[0],
                "dataset": MODEL[1],
                "input_height": 518,
                "input_width": 518,
                "image_offset": at,
                "image_length": len(image),
                "image_format": "jpeg",
                "width": width,
                "height": height,
                "depth_offset": layout.offset("depth_map", result),
                "points_offset": layout.offset("pointcloud", result),
                "colors_offset": layout.offset("colors", result),
                "scale": 20.0,
                "fx": 50.0,
                "fy": 60.0,
                "cx": 30.5,
                "cy": 20.25,
                "deadline": FOREVER,
                **fields,
            }
        )
        self.jobs[job.ticket] = job
        assert self.link.send(job)
        return job

    def answers(self, count: int) -> dict[int, jobs.Message]:
        """The final words on `count` tickets, each of which may have one only."""
        final: dict[int, jobs.Message] = {}
        while len(final) < count:
            message = self.next_message()
            if isinstance(message, jobs.Started):
                self.started.update(message.tickets)
                continue
            assert isinstance(message, FINAL), message
            assert message.ticket not in final, "answered twice"
            final[message.ticket] = message
        return final

    def answer(self, job: jobs.Stage) -> Any:
        return self.answers(1)[job.ticket]

    def nothing_more_comes(self) -> None:
        self.link.send(jobs.Ping(4242))
        assert self.expect(jobs.Pong).number == 4242

    def floats(self, offset: int, count: int) -> npt.NDArray[np.float32]:
        return np.frombuffer(self.arena.memory, np.float32, count, offset)

    def depth(self, job: jobs.Stage) -> npt.NDArray[np.float32]:
        return self.floats(job.depth_offset, job.width * job.height).reshape(job.height, job.width)

    def close(self) -> None:
        self.link.kill(LIMIT_S)
        self.link.close()
        self.arena.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    bench = Bench()
    hello = bench.expect(jobs.Hello)
    assert (hello.pid, hello.engine, hello.device, hello.max_batch) == (bench.link.pid, "null", "cpu", 4)
    bench.load()
    yield bench
    bench.close()


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    """The module's worker, which must have nothing left to say when a test is over."""
    yield shared
    shared.nothing_more_comes()
    for job in shared.jobs.values():
        shared.arena.release(job.image_offset)
        shared.arena.release(job.points_offset if job.points_offset >= 0 else job.depth_offset)
    shared.jobs.clear()
    assert shared.arena.used == 0


@pytest.fixture
def own() -> Iterator[Bench]:
    """A worker of its own, for a test that ends it."""
    bench = Bench()
    bench.expect(jobs.Hello)
    yield bench
    bench.close()


def jpeg(width: int = 64, height: int = 48) -> bytes:
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def test_a_depth_map_lies_where_the_front_said(bench: Bench) -> None:
    job = bench.stage(jpeg(), 64, 48, scale=30.0)
    done = bench.answer(job)
    assert isinstance(done, jobs.Done)
    assert (bench.depth(job) == 15.0).all()
    assert (done.minimum, done.maximum, done.batch_size) == (15.0, 15.0, 1)
    assert min(done.decode_ms, done.infer_ms, done.post_ms) >= 0


def test_a_cloud_lies_beside_its_depth(bench: Bench) -> None:
    job = bench.stage(jpeg(), 64, 48, cloud=True)
    assert isinstance(bench.answer(job), jobs.Done)
    points = bench.floats(job.points_offset, 3 * 64 * 48).reshape(48, 64, 3)
    v, u = np.mgrid[0:48, 0:64]
    expected = np.stack([(u - 30.5) * 10 / 50, (v - 20.25) * 10 / 60, np.full((48, 64), 10.0)], axis=2)
    np.testing.assert_allclose(points, expected, rtol=2e-7, atol=0)
    assert (bench.depth(job) == 10.0).all()


def test_nothing_beside_the_result_is_written(bench: Bench) -> None:
    before, job, after = bench.reserve(64), bench.stage(jpeg(61, 47), 61, 47, cloud=True), bench.reserve(64)
    bench.floats(before, 16).fill(7)
    bench.floats(after, 16).fill(7)
    bench.answer(job)
    assert (bench.floats(before, 16) == 7).all()
    assert (bench.floats(after, 16) == 7).all()
    bench.arena.release(before)
    bench.arena.release(after)


@pytest.mark.parametrize("stride", [1, 2, 7])
def test_a_result_with_options_fills_its_place_and_nothing_beside_it(bench: Bench, stride: int) -> None:
    columns, rows = -(-61 // stride), -(-47 // stride)
    options = {"stride": stride, "organized": True, "colors": True, "depth_format": "uint16_mm", "edge_filter": 0.1}
    before, job, after = (
        bench.reserve(64),
        bench.stage(jpeg(61, 47), 61, 47, cloud=True, options=options),
        bench.reserve(64),
    )
    for guard in (before, after):
        bench.floats(guard, 16).fill(7)
    done = bench.answer(job)
    assert (done.minimum, done.maximum) == (10.0, 10.0)
    pixels = rows * columns
    points = bench.floats(job.points_offset, 3 * pixels).reshape(rows, columns, 3)
    depth = np.frombuffer(bench.arena.memory, np.uint16, pixels, job.depth_offset)
    colors = np.frombuffer(bench.arena.memory, np.uint8, 3 * pixels, job.colors_offset).reshape(rows, columns, 3)
    decoded = cv2.imdecode(np.frombuffer(jpeg(61, 47), np.uint8), cv2.IMREAD_COLOR)
    v, u = stride * np.mgrid[0:rows, 0:columns]
    expected = np.stack([(u - 30.5) * 10 / 50, (v - 20.25) * 10 / 60, np.full((rows, columns), 10.0)], axis=2)
    np.testing.assert_allclose(points, expected, rtol=2e-7, atol=0)
    assert (depth == 10_000).all()
    np.testing.assert_array_equal(colors, decoded[::stride, ::stride, ::-1])
    for guard in (before, after):
        assert (bench.floats(guard, 16) == 7).all()
        bench.arena.release(guard)


def test_a_range_that_leaves_no_depth_is_a_result_without_a_range(bench: Bench) -> None:
    job = bench.stage(jpeg(), 64, 48, options={"range": [0.5, 9.5]})
    done = bench.answer(job)
    assert isinstance(done, jobs.Done)
    assert np.isnan([done.minimum, done.maximum]).all()
    assert np.isnan(bench.depth(job)).all()


def test_a_bad_picture_fails_alone(bench: Bench) -> None:
    good = jpeg()
    sent = [bench.stage(good if number % 3 else good[: len(good) // 2], 64, 48) for number in range(24)]
    answers = bench.answers(24)
    for number, job in enumerate(sent):
        answer = answers[job.ticket]
        if number % 3:
            assert isinstance(answer, jobs.Done)
            assert (bench.depth(job) == 10.0).all()
        else:
            assert isinstance(answer, jobs.Failed)
            assert (answer.code, answer.retryable) == ("BAD_IMAGE", False)
            assert "damaged JPEG" in answer.message
            assert (bench.depth(job) == UNTOUCHED).all()


def test_a_picture_of_another_size_than_the_front_was_told_is_refused(bench: Bench) -> None:
    failed = bench.answer(bench.stage(jpeg(64, 48), 48, 64))
    assert isinstance(failed, jobs.Failed)
    assert failed.code == "BAD_IMAGE"
    assert "64x48 pixels, its header said 48x64" in failed.message


def test_a_batch_is_no_larger_than_the_engine_said_and_holds_one_input_size_only(bench: Bench) -> None:
    image = jpeg()
    sent = [bench.stage(image, 64, 48, input_width=518 + 14 * (number % 2)) for number in range(40)]
    answers = bench.answers(40)
    assert set(answers) == {job.ticket for job in sent}
    for answer in answers.values():
        assert isinstance(answer, jobs.Done)
        assert 1 <= answer.batch_size <= 4


def test_what_runs_is_announced_before_it_is_done(bench: Bench) -> None:
    bench.started.clear()
    sent = [bench.stage(jpeg(), 64, 48) for _ in range(10)]
    bench.answers(10)
    assert bench.started == {job.ticket for job in sent}


def test_a_start_comes_apart_from_what_wakes_the_front_and_is_read_before_what_came_of_it(bench: Bench) -> None:
    job = bench.stage(jpeg(), 64, 48)
    poll = select.poll()
    poll.register(bench.link.starts_fileno, select.POLLIN)
    assert poll.poll(1e3 * LIMIT_S)
    assert bench.link.receive_starts() == [jobs.Started([job.ticket])]
    assert isinstance(bench.answer(job), jobs.Done)
    later = bench.stage(jpeg(), 64, 48)
    poll.unregister(bench.link.starts_fileno)
    poll.register(bench.link.fileno(), select.POLLIN)
    assert poll.poll(1e3 * LIMIT_S)
    (done,) = bench.link.receive()
    assert isinstance(done, jobs.Done)
    assert bench.link.receive_starts() == [jobs.Started([later.ticket])]


def test_what_comes_too_late_is_dropped_and_writes_nothing(bench: Bench) -> None:
    job = bench.stage(jpeg(), 64, 48, deadline=time.monotonic() - 1)
    assert bench.answer(job) == jobs.Dropped(job.ticket)
    assert (bench.depth(job) == UNTOUCHED).all()


def test_what_nobody_waits_for_is_dropped_or_done_but_answered_once(bench: Bench) -> None:
    rng, image = random.Random(3), jpeg(320, 240)
    sent = [bench.stage(image, 320, 240) for _ in range(30)]
    dropped = rng.sample(sent, 15)
    for job in dropped:
        bench.link.send(jobs.Drop(job.ticket))
    answers = bench.answers(30)
    for job in sent:
        if job not in dropped:
            assert isinstance(answers[job.ticket], jobs.Done)
    for job in sent:
        bench.link.send(jobs.Drop(job.ticket))  # long over: no word about it, which the fixture checks


def test_a_job_for_a_model_that_is_not_loaded_fails_without_telling_a_stranger_why(bench: Bench) -> None:
    failed = bench.answer(bench.stage(jpeg(), 64, 48, encoder="vitl"))
    assert isinstance(failed, jobs.Failed)
    assert failed.code == "INTERNAL"
    assert "vitl" not in failed.message


def test_a_model_can_be_unloaded_and_loaded_again(bench: Bench) -> None:
    bench.load("vitb", "vkitti")
    assert isinstance(bench.answer(bench.stage(jpeg(), 64, 48, encoder="vitb", dataset="vkitti")), jobs.Done)
    bench.link.send(jobs.Unload("vitb", "vkitti"))
    assert isinstance(bench.answer(bench.stage(jpeg(), 64, 48, encoder="vitb", dataset="vkitti")), jobs.Failed)
    bench.load("vitb", "vkitti")
    assert isinstance(bench.answer(bench.stage(jpeg(), 64, 48, encoder="vitb", dataset="vkitti")), jobs.Done)


def test_a_model_that_is_not_in_the_catalogue_cannot_be_loaded_and_the_worker_lives_on(bench: Bench) -> None:
    bench.link.send(jobs.Load("vitx", "mars"))
    failed = bench.expect(jobs.LoadFailed)
    assert (failed.encoder, failed.dataset) == ("vitx", "mars")
    assert "vitx_mars" in failed.message


def test_pings_are_answered_in_order_also_while_it_works(bench: Bench) -> None:
    for number in range(20):
        bench.stage(jpeg(320, 240), 320, 240)
        bench.link.send(jobs.Ping(number))
    pongs: list[int] = []
    final = 0
    while len(pongs) < 20 or final < 20:
        message = bench.next_message()
        if isinstance(message, jobs.Pong):
            pongs.append(message.number)
        final += isinstance(message, FINAL)
    assert pongs == list(range(20))


def test_a_worker_that_is_told_to_stop_ends_well(own: Bench) -> None:
    own.link.stop()
    own.link.wait(LIMIT_S)
    assert own.link.exit_text == "exited with code 0"


def test_a_worker_ends_by_itself_when_the_front_is_gone(own: Bench) -> None:
    own.link._channel.close()
    own.link.wait(LIMIT_S)
    assert own.link.has_exited()


def test_a_terminal_s_interrupt_reaches_the_front_alone(own: Bench) -> None:
    """Ctrl-C goes to the terminal's foreground group; a worker that died of it could not drain."""
    assert os.getpgid(own.link.pid) != os.getpgid(0)
    assert os.getsid(own.link.pid) != os.getsid(0)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("there is no device cuda:7"), os.EX_CONFIG),
        (ModuleNotFoundError("No module named 'torch'"), os.EX_CONFIG),
        (RuntimeError("CUDA driver initialization failed"), os.EX_TEMPFAIL),
        (OSError("Cannot allocate memory"), os.EX_TEMPFAIL),
    ],
    ids=["no such device", "not installed", "driver not up", "no memory"],
)
def test_only_settings_that_can_never_work_end_a_worker_with_78(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: Any) -> None:
        raise error

    ends = socket.socketpair()
    descriptors = [end.detach() for end in ends]
    monkeypatch.setattr(sys, "argv", ["worker", *map(str, [*descriptors, 0]), OPTIONS.to_json()])
    monkeypatch.setattr(choose, "create_engine", fail)
    monkeypatch.setattr(entry, "set_up_logging", lambda *_: None)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as exit_:
        entry.main()
    assert exit_.value.code == status


BROKEN = """
import sys
if "depthwire.daemon.worker" in sys.orig_argv:
    from depthwire.daemon.engines.null import NullEngine, NullNetwork

    def fail(*_):
        raise RuntimeError("injected")

    def broken_classifier(*_):
        raise AttributeError("injected: this torch has no such error")

    NullEngine.is_poisoned = broken_classifier
    for owner in (NullEngine, NullNetwork):
        if hasattr(owner, {step!r}):
            setattr(owner, {step!r}, fail)
"""


@pytest.mark.parametrize("step", ["prepare", "infer", "finish", "load", "warm"])
def test_an_exception_that_leaves_a_thread_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It would answer pings without its thread, or without the answer that was to come, for as long as it lives."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN.format(step=step))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bench = Bench()
    try:
        bench.expect(jobs.Hello)
        if step == "load":
            bench.link.send(jobs.Load(*MODEL))
        else:
            bench.load()
            if step == "warm":
                bench.link.send(jobs.Warm(*MODEL, 518, 518))
            else:
                for _ in range(2):  # with more than one here, results are finished in threads of their own
                    bench.stage(jpeg(), 64, 48)
        bench.link.wait(LIMIT_S)
        assert bench.link.exit_text == "exited with code 70"
    finally:
        bench.close()


def staged(ticket: int, network: object, width: int = 518, place: int = 0) -> Staged:
    checkpoint = catalogue.lookup(*MODEL)
    model = (checkpoint.encoder, checkpoint.dataset, 518, width)
    job = jobs.Stage(
        *(ticket, *model, 0, 0, "png", 8, 8, 0, -1, 1.0, 1.0, 1.0, 0, 0, 1.0),
        place=place or ticket,
    )
    network_: Any = network
    return Staged(job, network_, None, 0.0)


def test_a_batch_is_the_oldest_input_and_those_that_fit_beside_it() -> None:
    one, other = object(), object()
    ready = [staged(1, one), staged(2, one, 686), staged(3, other), staged(4, one), staged(5, one), staged(6, one)]
    assert [s.job.ticket for s in take_batch(ready, 3)] == [1, 4, 5]
    assert [s.job.ticket for s in ready] == [2, 3, 6]
    assert [s.job.ticket for s in take_batch(ready, 3)] == [2]
    assert [s.job.ticket for s in take_batch(ready, 3)] == [3]
    assert [s.job.ticket for s in take_batch(ready, 3)] == [6]
    assert ready == []


def test_what_took_another_one_s_place_runs_when_that_would_have_run() -> None:
    network = object()
    ready = [staged(2, network), staged(3, network), staged(4, network, place=1)]
    assert [s.job.ticket for s in take_batch(ready, 2)] == [4, 2]

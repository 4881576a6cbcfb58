"""The CUDA engine. Where there is no GPU, its code runs on CPU tensors with stand-ins for streams and recordings:
that shows what is computed, split, kept and given back, but not that a GPU's streams are in order. The tests marked
`cuda` show that.
"""

from __future__ import annotations

import contextlib
import mmap
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from depthwire.daemon.engines import cuda as engine_cuda
from depthwire.daemon.engines import cuda_graphs
from depthwire.daemon.engines.choose import create_engine
from depthwire.daemon.engines.cuda import PINNED_BYTES, CudaEngine, CudaNetwork, choose_device, is_poisoned
from depthwire.daemon.engines.cuda_graphs import GraphRecorder, RecordedShape, batch_sizes, split
from depthwire.daemon.engines.cuda_memory import is_out_of_memory
from depthwire.daemon.engines.engine import EngineOptions, PageLocking
from depthwire.daemon.engines.torch_cpu import TorchEngine
from depthwire.daemon.front.residency import PROMOTE_AFTER, Bucket, Residency, State
from depthwire.daemon.models import catalogue, checkpoints
from depthwire.daemon.models.depth_anything import build
from depthwire.daemon.results.target import Target
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena, map_arena
from depthwire.daemon.worker.pipeline import Staged, Worker

DEVICE_ERROR = getattr(torch, "AcceleratorError", RuntimeError)  # from torch 2.8 on a class of its own
STARTER = catalogue.lookup("vitt", "starter")
STARTER_PATH = checkpoints.resolve(STARTER, None)
SIZE = (56, 84)
CPU = torch.device("cpu")
REAL_RECORD = GraphRecorder._record

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def cuda_test(test: Callable[..., None]) -> Callable[..., None]:
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    marked: Callable[..., None] = pytest.mark.cuda(skip(test))
    return marked


def picture(height: int = 120, width: int = 180, seed: int = 0) -> Picture:
    """Smooth, as a photo is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def target(height: int = 120, width: int = 180, *, points: bool = True) -> Target:
    place = np.full((height, width, 3), -1, np.float32) if points else None
    return Target(np.full((height, width), -1, np.float32), place, 20.0, 90.0, 95.0, 88.5, 60.25)


def on_the_cpu(bgr: Picture, size: tuple[int, int], to: Target) -> tuple[float, float]:
    network = TorchEngine(EngineOptions(device="cpu")).load(STARTER, STARTER_PATH)
    return network.finish(network.infer([network.prepare(bgr, *size)])[0], to)


# ---- which batch sizes ------------------------------------------------------------------------------------------


def test_powers_of_two_up_to_the_greatest_batch_are_recorded() -> None:
    assert [batch_sizes(n) for n in (1, 2, 3, 8, 12)] == [[1], [2, 1], [2, 1], [8, 4, 2, 1], [8, 4, 2, 1]]


def test_a_batch_is_split_into_recorded_sizes_and_nothing_is_padded() -> None:
    assert split(7, [1, 2, 4, 8]) == [4, 2, 1]
    assert split(8, [8, 4, 2, 1]) == [8]
    assert split(19, [8, 4, 2, 1]) == [8, 8, 2, 1]
    assert split(5, [2, 1]) == [2, 2, 1]
    for count in range(1, 40):
        assert sum(split(count, batch_sizes(8))) == count


def test_a_recorded_shape_gives_each_picture_its_own_answer() -> None:
    inputs = torch.zeros((4, 3, 2, 2))
    ran: list[int] = []

    def recording(batch: int) -> Callable[[], Tensor]:
        outputs = torch.empty((batch, 2, 2))

        def replay() -> Tensor:
            ran.append(batch)
            return outputs.copy_(inputs[:batch].sum(1))

        return replay

    shape = RecordedShape(inputs, {batch: recording(batch) for batch in (4, 2, 1)})
    outputs = shape.run([torch.full((3, 2, 2), float(value)) for value in range(11)])
    assert ran == [4, 4, 2, 1]
    assert [float(output[0, 0]) for output in outputs] == [3.0 * value for value in range(11)]


# ---- a rehearsal on the CPU ---------------------------------------------------------------------------------------


class StandInStream:
    """Work on the CPU is done when it has been asked for."""

    def __init__(self) -> None:
        self.awaited: list[object] = []

    def record_event(self) -> object:
        return object()

    def wait_event(self, event: object) -> None:
        self.awaited.append(event)

    def synchronize(self) -> None: ...


class Rehearsal:
    """Makes networks of the CUDA engine that run on the CPU. A recording is a call that writes to one place."""

    def __init__(self) -> None:
        self.stream = StandInStream()
        self.recorded: list[tuple[int, ...]] = []
        self.emptied = 0
        self.fail_recording_with: BaseException | None = None

    def recorder(self) -> GraphRecorder:
        return GraphRecorder(CPU)

    def network(self, model: Any = None, *, max_batch: int = 4, recorder: GraphRecorder | None = None) -> CudaNetwork:
        stream: Any = self.stream
        own = engine_cuda.OwnStream(CPU)
        model = model or build(STARTER.encoder, STARTER.metric, STARTER_PATH)
        return CudaNetwork(model, CPU, torch.float32, max_batch, stream, own, recorder or self.recorder())

    def record(self, forward: Callable[[], Tensor]) -> Callable[[], Tensor]:
        if self.fail_recording_with is not None:
            raise self.fail_recording_with
        outputs = forward()
        self.recorded.append(tuple(outputs.shape))

        def replay() -> Tensor:
            return outputs.copy_(forward())

        return replay

    def empty_cache(self) -> None:
        self.emptied += 1


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    rehearsal = Rehearsal()
    for module in (cuda_graphs, engine_cuda):
        monkeypatch.setattr(module, "new_stream", lambda device, priority=0: StandInStream())
    monkeypatch.setattr(engine_cuda, "_wait_for", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "empty_cache", rehearsal.empty_cache)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    monkeypatch.setattr(GraphRecorder, "_record", rehearsal.record)
    return rehearsal


@pytest.mark.parametrize("warmed", [True, False], ids=["recorded", "eager"])
def test_depth_and_points_are_the_cpu_engine_s(rehearsal: Rehearsal, warmed: bool) -> None:
    network = rehearsal.network()
    if warmed:
        network.warm(*SIZE)
    inputs = [network.prepare(picture(seed=seed), *SIZE) for seed in range(3)]
    for seed, output in enumerate(network.infer(inputs)):
        ours, expected = target(), target()
        lowest, highest = network.finish(output, ours)
        assert (lowest, highest) == pytest.approx(on_the_cpu(picture(seed=seed), SIZE, expected), rel=1e-3)
        assert (lowest, highest) == (ours.depth.min(), ours.depth.max())
        np.testing.assert_allclose(ours.depth, expected.depth, rtol=2e-3)
        assert ours.points is not None
        assert expected.points is not None
        np.testing.assert_allclose(ours.points, expected.points, rtol=2e-3, atol=1e-3)


def test_the_network_waits_for_every_picture_of_its_batch(rehearsal: Rehearsal) -> None:
    network = rehearsal.network()
    inputs = [network.prepare(picture(seed=seed), *SIZE) for seed in range(3)]
    network.infer(inputs)
    assert rehearsal.stream.awaited == [prepared.ready for prepared in inputs]


def test_a_result_without_points_and_one_with_invalid_pixels(rehearsal: Rehearsal) -> None:
    network, place = rehearsal.network(), target(points=False)
    output = torch.full(SIZE, 0.5)
    assert network.finish(output, place) == (10.0, 10.0)
    output[3, 4] = torch.nan
    assert np.isnan(network.finish(output, place)).all()


def test_warming_records_every_batch_size_greatest_first_and_forgetting_drops_them(rehearsal: Rehearsal) -> None:
    network = rehearsal.network(max_batch=6)
    rehearsal.recorded.clear()
    network.warm(*SIZE)
    assert rehearsal.recorded == [(4, *SIZE), (2, *SIZE), (1, *SIZE)]
    shape = weakref.ref(network._warm[SIZE].recorded)
    network.forget(*SIZE)
    network.forget(*SIZE)
    assert shape() is None
    assert len(network.infer([network.prepare(picture(), *SIZE)])) == 1


def test_a_recording_outlives_the_encoder_s_own_memory_of_its_positions(rehearsal: Rehearsal) -> None:
    network = rehearsal.network(max_batch=1)
    network.warm(*SIZE)
    positions = network._warm[SIZE].positions
    assert positions is network._model.pretrained.position_embedding(SIZE[0] // 14, SIZE[1] // 14)
    network._model.pretrained._positions.clear()
    assert network._warm[SIZE].positions is positions


def test_no_more_sizes_are_recorded_than_the_front_was_told(rehearsal: Rehearsal) -> None:
    """One that was not used is forgotten for one that ran often: residency.py decides it, the network does it."""
    residency = Residency(2**30, max_shapes=2)
    residency.set(STARTER, State.READY, 0, 0.0)
    network = rehearsal.network(max_batch=1)
    for now, width in enumerate([56, 70, *[84] * (PROMOTE_AFTER + 1)]):
        bucket = Bucket(STARTER, 56, width)
        forgotten = residency.make_room_for_shape(bucket, float(now))
        if forgotten is None:
            residency.begin(bucket, "vitt_starter_518", float(now))
            residency.end(bucket)
            continue
        for old in forgotten:
            network.forget(*old.size)
        network.warm(56, width)
        residency.set_shape(bucket, State.READY, float(now))
    assert list(network._warm) == [(56, 70), (56, 84)]


def test_where_recording_fails_it_is_not_tried_again_and_said_once(
    rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    network = rehearsal.network()
    rehearsal.recorded.clear()
    rehearsal.fail_recording_with = RuntimeError("operation not permitted when stream is capturing")
    network.warm(*SIZE)
    rehearsal.fail_recording_with = None
    network.warm(56, 70)
    assert rehearsal.recorded == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not permitted when stream is capturing" in caplog.text
    inputs = [network.prepare(picture(seed=seed), *SIZE) for seed in range(5)]
    assert [output.shape for output in network.infer(inputs)] == [SIZE] * 5


def test_a_device_that_cannot_record_at_all_is_served_eagerly(
    rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal.fail_recording_with = RuntimeError("CUDA graphs are not supported")
    network = rehearsal.network()
    network.warm(*SIZE)
    assert len(network.infer([network.prepare(picture(), *SIZE)])) == 1
    assert caplog.text.count("do not work here") == 1


# ---- out of memory ------------------------------------------------------------------------------------------------


class SmallDevice(torch.nn.Module):
    """A network with memory for `room` pictures at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.pretrained = self
        self.ran: list[int] = []
        self.activations: weakref.ref[Tensor] | None = None

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        return torch.zeros(1)

    def forward(self, inputs: Tensor) -> Tensor:
        activations = inputs * 2
        self.activations = weakref.ref(activations)
        if len(inputs) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        self.ran.append(len(inputs))
        return activations.mean(1)


class InProcess:
    """A real Worker, in this process, with a network of our choice: a batch in, what it says to the front out."""

    def __init__(self, engine: Any) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.arena = Arena(2**20)
        options = jobs.WorkerOptions("torch", "cpu", "auto", 8, 2, "exact", None, False, "critical", "text")
        self.worker = Worker(theirs, theirs, self.arena.fd, engine, options, 2)
        self._theirs = theirs

    def run(self, network: Any, inputs: Sequence[Any]) -> dict[int, jobs.Message]:
        staged = [
            Staged(
                jobs.Stage(
                    *(ticket, *("vitt", "starter"), *SIZE, 0, 0, "png", 10, 8),
                    *(320 * ticket, -1, 20.0, 1.0, 1.0, 0.0, 0.0, float("inf")),
                ),
                network,
                prepared,
                0.0,
            )
            for ticket, prepared in enumerate(inputs)
        ]
        self.worker._run_batch(staged)
        self._ours.settimeout(60)
        answers: dict[int, jobs.Message] = {}
        while len(answers) < len(inputs):
            message = jobs.unpack(self._ours.recv(jobs.MAX_MESSAGE_BYTES))
            assert isinstance(message, (jobs.Done, jobs.Failed))
            answers[message.ticket] = message
        return answers

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
        self.arena.close()


class RehearsedEngine:
    """What the worker asks of an engine, answered as CudaEngine does."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        return is_out_of_memory(error)

    def is_poisoned(self, error: BaseException) -> bool:
        return is_poisoned(error, lambda: None)


@pytest.fixture
def in_process() -> Iterator[InProcess]:
    worker = InProcess(RehearsedEngine())
    yield worker
    worker.close()


def test_a_batch_too_large_for_the_device_is_halved_until_it_fits(rehearsal: Rehearsal, in_process: InProcess) -> None:
    model = SmallDevice(room=2)
    network = rehearsal.network(model)
    answers = in_process.run(network, [network.prepare(picture(), *SIZE) for _ in range(8)])
    assert [type(answers[ticket]) for ticket in range(8)] == [jobs.Done] * 8
    assert model.ran == [2, 2, 2, 2]
    assert {answer.batch_size for answer in answers.values() if isinstance(answer, jobs.Done)} == {2}
    assert rehearsal.emptied == 3  # for the 8 and both 4


def test_a_single_picture_too_large_fails_alone_and_may_be_tried_again(
    rehearsal: Rehearsal, in_process: InProcess
) -> None:
    network = rehearsal.network(SmallDevice(room=0))
    answers = in_process.run(network, [network.prepare(picture(), *SIZE) for _ in range(3)])
    for answer in answers.values():
        assert isinstance(answer, jobs.Failed)
        assert (answer.code, answer.retryable) == ("INTERNAL", True)


def test_what_a_failed_batch_had_made_is_gone_before_its_halves_are_tried(rehearsal: Rehearsal) -> None:
    model = SmallDevice(room=1)
    network = rehearsal.network(model)
    inputs = [network.prepare(picture(), *SIZE) for _ in range(2)]
    with pytest.raises(torch.OutOfMemoryError) as held:
        network.infer(inputs)
    assert model.activations is not None
    assert model.activations() is None, held.value  # the error is still alive here, as it is in the worker


def test_a_batch_size_without_memory_is_not_recorded_and_a_batch_of_it_is_split(
    rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    model = SmallDevice(room=2)
    network = rehearsal.network(model, max_batch=8)
    network.warm(*SIZE)
    assert "no memory for a batch of 8 at 56x84" in caplog.text
    model.ran.clear()
    assert len(network.infer([network.prepare(picture(), *SIZE) for _ in range(7)])) == 7
    assert model.ran == [2, 2, 2, 1]


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA out of memory. Tried to allocate 20.00 MiB.",
    ],
)
def test_too_little_memory_for_a_recording_does_not_end_recording_whoever_says_it(
    rehearsal: Rehearsal, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    network = rehearsal.network()
    rehearsal.fail_recording_with = RuntimeError(text)
    network.warm(*SIZE)
    assert "no memory for a batch of 1 at 56x84" in caplog.text
    assert "do not work here" not in caplog.text
    rehearsal.fail_recording_with = None
    rehearsal.recorded.clear()
    network.warm(*SIZE)
    assert rehearsal.recorded == [(4, *SIZE), (2, *SIZE), (1, *SIZE)]


def test_memory_that_torch_keeps_is_given_back_before_a_batch_size_is_left_out(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SmallDevice(room=2)
    network = rehearsal.network(model, max_batch=4)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(model, "room", 4))
    rehearsal.recorded.clear()
    network.warm(*SIZE)
    assert rehearsal.recorded == [(4, *SIZE), (2, *SIZE), (1, *SIZE)]


def test_a_batch_without_memory_does_not_wait_for_a_warm_up(rehearsal: Rehearsal) -> None:
    recorder = rehearsal.recorder()
    network = rehearsal.network(SmallDevice(room=1), recorder=recorder)
    inputs = [network.prepare(picture(), *SIZE) for _ in range(2)]
    errors: list[BaseException] = []

    def infer() -> None:
        try:
            network.infer(inputs)
        except torch.cuda.OutOfMemoryError as error:
            errors.append(error)

    engine = threading.Thread(target=infer, daemon=True)
    with recorder.lock:  # as a warm-up holds it
        engine.start()
        engine.join(20)
        is_waiting = engine.is_alive()
    assert not is_waiting
    assert len(errors) == 1
    assert rehearsal.emptied == 0


# ---- recording ------------------------------------------------------------------------------------------------------


class StandInGraph:
    """Notes what is done with a CUDA graph; `end_fails` as where the recording is broken."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.end_fails = False

    def capture_begin(self, **options: Any) -> None:
        self.calls.append(("begin", options))

    def capture_end(self) -> None:
        self.calls.append("end")
        if self.end_fails:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    def replay(self) -> None:
        self.calls.append("replay")


@pytest.fixture
def graph(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> StandInGraph:
    graph = StandInGraph()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(GraphRecorder, "_record", REAL_RECORD)
    return graph


def test_a_recording_neither_waits_for_the_device_nor_empties_its_caches(
    rehearsal: Rehearsal, graph: StandInGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: waited.append("device"))
    streams: list[Any] = []
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: (streams.append(stream), contextlib.nullcontext())[1])
    recorder = rehearsal.recorder()
    assert graph.calls == [("begin", {"pool": (0, 1), "capture_error_mode": "thread_local"}), "end"]
    assert streams == [recorder._recording_stream]
    shape = recorder.record(lambda inputs: inputs.sum(1), SIZE, torch.float32, [1])
    assert shape is not None
    assert (waited, rehearsal.emptied) == ([], 0)
    with torch.inference_mode():
        shape.run([torch.zeros((3, *SIZE))])
    assert graph.calls[-3:] == [graph.calls[0], "end", "replay"]


@pytest.mark.parametrize("end_fails", [True, False])
def test_what_broke_a_recording_is_told_and_not_that_it_is_broken(
    rehearsal: Rehearsal, graph: StandInGraph, end_fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = rehearsal.recorder()
    graph.end_fails = end_fails

    def without_memory_while_recording(inputs: Tensor) -> Tensor:
        if graph.calls[-1] != "end":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return inputs.sum(1)

    assert recorder.record(without_memory_while_recording, SIZE, torch.float32, [1]) is None
    assert graph.calls[-1] == "end"
    assert "no memory for a batch of 1" in caplog.text
    graph.end_fails = False
    assert recorder.record(lambda inputs: inputs.sum(1), SIZE, torch.float32, [1]) is not None


# ---- uploads --------------------------------------------------------------------------------------------------------


def test_page_locked_memory_is_one_piece_for_each_thread_whatever_the_pictures_sizes(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned: list[int] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: (pinned.append(tensor.nbytes), tensor)[1])
    network = rehearsal.network(SmallDevice(room=8))

    def decode() -> None:
        for size in (40, 90, 200, 500, 1100, 1800):
            network.prepare(np.zeros((size, size, 3), np.uint8), *SIZE)

    threads = [threading.Thread(target=decode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pinned == [PINNED_BYTES] * 3


@pytest.mark.parametrize("pieces", [1, 4])
def test_a_picture_larger_than_that_goes_up_in_pieces_each_once_the_one_before_has_left(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    bgr = picture(123, 77)
    monkeypatch.setattr(engine_cuda, "PINNED_BYTES", -(-bgr.size // pieces))
    waits: list[Any] = []
    monkeypatch.setattr(engine_cuda, "_wait_for", waits.append)
    network = rehearsal.network(SmallDevice(room=8))
    np.testing.assert_array_equal(network._upload(bgr).numpy(), bgr)
    assert waits == [network._own.stream] * pieces
    every_other = bgr[:, ::2]
    np.testing.assert_array_equal(network._upload(every_other).numpy(), every_other)


# ---- errors, devices, precision -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("shape '[1, 2]' is invalid for input of size 3"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def healthy() -> None:
    pass


def lost() -> None:
    raise RuntimeError("CUDA error: unknown error")


def full() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(
    ("error", "probe", "expected"),
    [
        (
            DEVICE_ERROR("CUDA error: an illegal memory access was encountered"),
            healthy,
            True,
        ),
        (RuntimeError("CUDA error: device-side assert triggered"), healthy, True),
        (RuntimeError("CUDA error: unspecified launch failure"), healthy, True),
        (RuntimeError("CUDA error: misaligned address"), healthy, True),
        (
            DEVICE_ERROR("CUDA error: invalid configuration argument"),
            healthy,
            False,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), healthy, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), lost, True),
        (RuntimeError("shape '[1, 2]' is invalid for input of size 3"), full, False),
        (torch.OutOfMemoryError("CUDA out of memory."), lost, False),
        (ValueError("a damaged picture"), lost, False),
        (KeyError("vits"), lost, False),
    ],
)
def test_a_lost_device_is_told_from_a_failed_request(
    error: BaseException, probe: Callable[[], None], expected: bool
) -> None:
    assert is_poisoned(error, probe) is expected


class Exited(BaseException):
    pass


def test_a_worker_ends_whichever_step_finds_the_device_lost(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the network: where every upload fails, the network is never reached."""

    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise Exited

    monkeypatch.setattr("depthwire.daemon.worker.pipeline.end_process", leave)
    poison = RuntimeError("CUDA error: an illegal memory access was encountered")

    class Lost:
        def __getattr__(self, name: str) -> Any:
            raise poison

    in_process.worker._networks["vitt", "starter"] = Lost()
    job = jobs.Stage(1, "vitt", "starter", *SIZE, 0, 0, "png", 10, 8, 0, -1, 1.0, 1.0, 1.0, 0.0, 0.0, float("inf"))
    monkeypatch.setattr("depthwire.daemon.worker.pipeline.decode_image", lambda *_: picture())
    steps: list[Callable[[], None]] = [
        lambda: in_process.worker._decode(job),
        lambda: in_process.worker._run_batch([Staged(job, Lost(), None, 0.0)]),
        lambda: in_process.worker._finish(Staged(job, Lost(), None, 0.0), None),
        lambda: in_process.worker._warm(jobs.Warm("vitt", "starter", *SIZE)),
    ]
    for number, step in enumerate(steps, 1):
        with contextlib.suppress(Exited):  # the real exit does not return, so that what catches it here never sees it
            step()
        assert codes == [70] * number


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_a_cuda_device_that_is_not_there_is_refused_with_the_reason(device: str) -> None:
    for make in (CudaEngine, lambda options: create_engine("torch", options)):
        with pytest.raises(ValueError, match=f"there is no device {device}; torch sees 0 CUDA devices here"):
            make(EngineOptions(device=device))
    with pytest.raises(ValueError, match="no CUDA device"):
        CudaEngine(EngineOptions(device="auto"))


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "cuda:-1"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        choose_device(device)


def test_the_torch_engine_is_the_cpu_s_where_the_cpu_is_asked_for() -> None:
    engine = create_engine("torch", EngineOptions(device="cpu"))
    assert isinstance(engine, TorchEngine)
    assert not isinstance(engine, PageLocking)
    assert (engine.name, engine.device, engine.precision) == ("torch", "cpu", "float32")


def test_precision_is_float16_unless_asked_otherwise_and_refused_where_there_is_none() -> None:
    hopper, turing = (9, 0), (7, 5)
    assert engine_cuda._choose_precision("auto", turing) == "float16"
    assert [engine_cuda._choose_precision(name, hopper) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]
    with pytest.raises(ValueError, match="does not compute in bfloat16"):
        engine_cuda._choose_precision("bfloat16", turing)
    with pytest.raises(ValueError, match="'int8' is not known"):
        engine_cuda._choose_precision("int8", hopper)


# ---- on a GPU -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpu() -> CudaEngine:
    return CudaEngine(EngineOptions(device="cuda:0", max_batch=4))


def depths(network: Any, pictures: Sequence[Picture], size: tuple[int, int]) -> list[Floats]:
    places = [target(*bgr.shape[:2]) for bgr in pictures]
    outputs = network.infer([network.prepare(bgr, *size) for bgr in pictures])
    for output, place in zip(outputs, places, strict=True):
        network.finish(output, place)
    return [place.depth for place in places]


@cuda_test
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("warmed", [True, False], ids=["recorded", "eager"])
def test_depth_on_the_gpu_is_the_cpu_s(precision: str, warmed: bool) -> None:
    network = CudaEngine(EngineOptions(device="cuda:0", precision=precision)).load(STARTER, STARTER_PATH)
    bgr, size, expected = picture(480, 640), (518, 686), target(480, 640)
    if warmed:
        network.warm(*size)
    on_the_cpu(bgr, size, expected)
    ours = depths(network, [bgr], size)[0]
    difference = np.abs(ours - expected.depth) / expected.depth
    assert difference.mean() < {"float32": 1e-4, "float16": 1e-3, "bfloat16": 5e-3}[precision]


@cuda_test
def test_a_recording_gives_what_the_same_launches_give(gpu: CudaEngine) -> None:
    pictures = [picture(seed=seed) for seed in range(7)]
    network = gpu.load(STARTER, STARTER_PATH)
    eager = [depths(network, [bgr], SIZE)[0] for bgr in pictures]
    network.warm(*SIZE)
    assert network._warm[SIZE].recorded is not None, "nothing could be recorded"
    for recorded in (depths(network, pictures, SIZE), [depths(network, [bgr], SIZE)[0] for bgr in pictures]):
        for ours, expected in zip(recorded, eager, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=5e-3)


@cuda_test
def test_sizes_are_warmed_and_forgotten_beside_the_work_without_a_trace_in_it(gpu: CudaEngine) -> None:
    network = gpu.load(STARTER, STARTER_PATH)
    pictures = [picture(seed=seed) for seed in range(3)]
    network.warm(*SIZE)
    expected = depths(network, pictures, SIZE)
    failures: list[BaseException] = []

    def warm_others() -> None:
        try:
            for round_ in range(3):
                for width in (98, 112, 126, 140):
                    network.warm(56, width)
                    if round_:
                        network.forget(56, width)
        except BaseException as error:
            failures.append(error)

    warmer = threading.Thread(target=warm_others)
    warmer.start()
    rounds = 0
    while warmer.is_alive() or rounds < 10:
        for ours, before in zip(depths(network, pictures, SIZE), expected, strict=True):
            np.testing.assert_array_equal(ours, before)
        rounds += 1
    warmer.join()
    assert not failures
    assert gpu._recorder._works


@cuda_test
def test_all_sizes_may_be_forgotten_and_a_new_one_recorded(gpu: CudaEngine) -> None:
    network = gpu.load(STARTER, STARTER_PATH)
    for width in (56, 70, 56):
        network.warm(56, width)
        assert network._warm[56, width].recorded is not None
        network.forget(56, width)
    assert gpu._recorder._works


@cuda_test
def test_results_go_straight_into_the_page_locked_arena(gpu: CudaEngine) -> None:
    arena = Arena(8 * 2**20)
    memory: mmap.mmap = map_arena(arena.fd)
    gpu.page_lock(memory)
    depth: Floats = np.ndarray((120, 180), np.float32, memory, 4096)
    points: Floats = np.ndarray((120, 180, 3), np.float32, memory, 2**20)
    assert torch.from_numpy(depth).is_pinned()
    network, expected = gpu.load(STARTER, STARTER_PATH), target()
    output = network.infer([network.prepare(picture(), *SIZE)])[0]
    network.finish(output, expected)
    place = Target(depth, points, 20.0, 90.0, 95.0, 88.5, 60.25)
    for _ in range(20):
        arena.memory[:] = bytes(arena.size)
        network.finish(output, place)
        np.testing.assert_array_equal(depth, expected.depth)
        assert expected.points is not None
        np.testing.assert_array_equal(points, expected.points)
    assert np.frombuffer(arena.memory, np.uint8, 4096).max() == 0


@cuda_test
def test_an_arena_that_cannot_be_page_locked_is_used_as_it_is(
    gpu: CudaEngine, caplog: pytest.LogCaptureFixture
) -> None:
    memory = mmap.mmap(-1, 2**20)
    gpu.page_lock(memory)
    gpu.page_lock(memory)  # a second time is an error to CUDA
    assert "cannot be page-locked" in caplog.text
    assert depths(gpu.load(STARTER, STARTER_PATH), [picture()], SIZE)[0].min() >= 0


@cuda_test
def test_threads_prepare_and_finish_beside_each_other(gpu: CudaEngine) -> None:
    network = gpu.load(STARTER, STARTER_PATH)
    network.warm(*SIZE)
    pictures = [picture(200 + 10 * seed, 300, seed) for seed in range(8)]
    expected = [depths(network, [bgr], SIZE)[0] for bgr in pictures]
    lock = threading.Lock()
    wrong: list[int] = []

    def serve(number: int) -> None:
        for _ in range(20):
            prepared = network.prepare(pictures[number], *SIZE)
            with lock:  # as one engine thread
                output = network.infer([prepared])[0]
            place = target(*pictures[number].shape[:2])
            network.finish(output, place)
            if not np.allclose(place.depth, expected[number], rtol=1e-5):
                wrong.append(number)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@cuda_test
def test_an_engine_says_which_gpu_it_runs_on(gpu: CudaEngine) -> None:
    assert gpu.device == f"cuda:0 ({torch.cuda.get_device_name(0)})"
    assert gpu.memory_bytes > 2**28
    assert not gpu.is_poisoned(RuntimeError("anything"))


@cuda_test
def test_the_daemon_serves_from_the_gpu(tmp_path: Path) -> None:
    from depthwire.client import CameraIntrinsics, DepthClient
    from tests.e2e.conftest import Daemon, free_endpoint

    arguments = ["--device", "cuda:0", "--model", "vitt_starter", "--preload", "vitt_starter"]
    daemon = Daemon(free_endpoint(), arguments, tmp_path / "daemon.log")
    daemon.start()
    try:
        bgr, expected = picture(480, 640), target(480, 640)
        on_the_cpu(bgr, (518, 686), expected)
        with DepthClient(daemon.endpoint, timeout=120) as client:
            health = client.health()
            assert (health["engine"], health["precision"]) == ("torch", "float16")
            assert torch.cuda.get_device_name(0) in health["device"]
            futures = [client.submit("metric_depth", bgr, max_depth=20.0, timeout=120) for _ in range(30)]
            for future in futures:
                relative = np.abs(future.result().depth - expected.depth) / expected.depth
                assert relative.mean() < 5e-3
            cloud = client.pc(bgr, CameraIntrinsics(500.0, 500.0, 320.0, 240.0), max_depth=20.0)
            np.testing.assert_array_equal(cloud.points[:, 2].reshape(480, 640), cloud.depth)
    finally:
        daemon.stop()

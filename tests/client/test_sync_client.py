"""DepthClient against a scripted daemon on real sockets."""

from __future__ import annotations

import concurrent.futures
import gc
import sys
import threading
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zmq

from depthwire.client import (
    BadImageError,
    CameraIntrinsics,
    CancelledError,
    DeadlineExceededError,
    DepthClient,
    DepthMap,
    InvalidRequestError,
    PointCloud,
    ProtocolError,
    UnknownOpError,
)
from depthwire.protocol import ResultOptions
from tests.client.fake_daemon import HEIGHT, PATIENCE_S, WIDTH, FakeDaemon, Heard, answer_frames

JPEG = b"\xff\xd8" + bytes(3000)
CAMERA = CameraIntrinsics(500, 510, 16, 12)


def test_every_operation_comes_back_as_its_result(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        cloud = client.pc(JPEG, CAMERA, max_depth=20.0, meta={"n": 3})
        depth = client.metric_depth(JPEG, meta={"n": 4})
        relative = client.rel_depth(JPEG, meta={"n": 5})
        health = client.health()
    assert isinstance(cloud, PointCloud)
    assert cloud.points.shape == (HEIGHT * WIDTH, 3)
    assert (cloud.points == 3).all()
    assert (cloud.depth == 3).all()
    assert (cloud.model, cloud.timing, cloud.meta) == ("vits_hypersim_518", {"batch_size": 1}, {"n": 3})
    assert type(depth) is DepthMap
    assert depth.depth.shape == (HEIGHT, WIDTH)
    assert (depth.min, depth.max) == (4, 4)
    assert (relative.depth == 5).all()
    assert health["status"] == "ok"


def test_all_options_reach_the_daemon(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        client.pc(
            JPEG,
            CAMERA,
            max_depth=np.float32(12.5),  # type: ignore[arg-type]
            encoder="vitb",
            dataset="vkitti",
            model_input_size=266,
            timeout=8,
            stream="front",
            meta={"frame": "cam0"},
        )
    request = daemon.heard[0].request
    assert (request.op, bytes(request.image or b""), request.intrinsics) == ("pc", JPEG, CAMERA)
    assert (request.max_depth, request.encoder, request.dataset) == (12.5, "vitb", "vkitti")
    assert (request.model_input_size, request.stream, request.meta) == (266, "front", {"frame": "cam0"})
    assert request.timeout_ms is not None
    assert 0 < request.timeout_ms <= 8000


def test_the_options_of_a_result_reach_the_daemon_and_shape_the_answer(daemon: FakeDaemon) -> None:
    options = ResultOptions((0.5, 20.0), 0.125, 3, organized=True, colors=True, depth_format="uint16_mm")
    bounds: Any = np.float32([0.5, 20])
    with DepthClient(daemon.endpoint) as client:
        cloud = client.pc(
            JPEG,
            CAMERA,
            meta={"n": 7},
            range=bounds,
            edge_filter=np.float32(0.125),  # type: ignore[arg-type]
            stride=np.int64(3),  # type: ignore[arg-type]
            organized=True,
            colors=True,
            depth_format="uint16_mm",
        )
        client.metric_depth(JPEG, stride=1, depth_format="float32")
        half = client.rel_depth(JPEG, meta={"n": 2}, depth_format="float16")
    assert [heard.request.options for heard in daemon.heard] == [
        options,
        ResultOptions(),
        ResultOptions(depth_format="float16"),
    ]
    rows, columns = HEIGHT // 3, -(-WIDTH // 3)
    assert cloud.points.shape == (rows, columns, 3)
    assert cloud.colors is not None
    assert (cloud.colors.dtype, cloud.colors.shape) == (np.uint8, cloud.points.shape)
    assert (cloud.depth == np.full((rows, columns), 7000, np.uint16)).all()
    assert (cloud.as_float32() == 7).all()
    assert cloud.intrinsics == CAMERA.scaled_to(WIDTH, HEIGHT).decimated(3)
    assert (half.depth == np.full((HEIGHT, WIDTH), 2, np.float16)).all()
    for array in (cloud.points, cloud.depth, cloud.colors):
        assert array.flags.writeable


@pytest.mark.parametrize(
    "asked", [{"depth_format": "float16"}, {"organized": True}, {"colors": True}], ids=lambda asked: next(iter(asked))
)
def test_an_answer_without_what_was_asked_for_is_a_protocol_error(daemon: FakeDaemon, asked: dict[str, Any]) -> None:
    daemon.script = lambda d, heard: d.send(heard, *answer_frames(replace(heard.request, options=ResultOptions()), 1))
    with DepthClient(daemon.endpoint) as client, pytest.raises(ProtocolError):
        client.pc(JPEG, CAMERA, **asked)


def test_the_clients_defaults_fill_what_a_request_leaves_out(daemon: FakeDaemon) -> None:
    client = DepthClient(daemon.endpoint, encoder="vits", dataset="hypersim", max_depth=9.0, timeout=None)
    with client:
        client.metric_depth(JPEG, dataset="vkitti")
        client.rel_depth(JPEG)
        client.health(timeout=3)
    metric, relative, health = (heard.request for heard in daemon.heard)
    assert (metric.encoder, metric.dataset, metric.max_depth, metric.timeout_ms) == ("vits", "vkitti", 9.0, None)
    assert (relative.encoder, relative.max_depth) == ("vits", None)
    assert (health.encoder, health.timeout_ms is not None) == (None, True)


def test_results_stand_over_the_received_frames(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        received: list[Any] = []
        on_message = client._core.on_message
        client._core.on_message = lambda frames: (received.append(frames), on_message(frames))[1]  # type: ignore
        cloud = client.pc(JPEG, CAMERA, meta={"n": 1})
    for array, frame in ((cloud.depth, received[0][1]), (cloud.points, received[0][2])):
        assert array.ctypes.data == np.frombuffer(frame, np.uint8).ctypes.data
        assert not array.flags.owndata
        assert array.flags.writeable
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, memoryview)
        assert isinstance(base.obj, zmq.Frame)


def test_a_result_lets_go_of_its_frames_when_it_is_dropped(daemon: FakeDaemon) -> None:
    daemon.script = lambda daemon, heard: None if heard.number == 1 else daemon.answer(heard)
    with DepthClient(daemon.endpoint) as client:
        waiting = client.submit("metric_depth", JPEG, timeout=60, meta={"n": 1})
        depth = client.metric_depth(JPEG, timeout=90).depth  # its timer stays behind the one that still waits
        base: Any = depth
        while isinstance(base, np.ndarray):
            base = base.base
        frame = weakref.ref(base.obj)
        client.health()  # the I/O thread has moved on to something else
        del base, depth
        gc.collect()
        assert frame() is None
        assert not waiting.done()


def test_many_answers_out_of_order_reach_their_own_futures(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(100)]
        for heard in reversed(daemon.wait_for_requests(100)):
            daemon.answer(heard)
        for n, future in enumerate(futures):
            assert (future.result(PATIENCE_S).depth == n).all()


def test_threads_share_a_client(daemon: FakeDaemon) -> None:
    wrong: list[object] = []

    def hammer(client: DepthClient, first: int) -> None:
        numbers = range(first, first + 150)
        wrong.extend(n for n in numbers if not (client.metric_depth(JPEG, meta={"n": n}).depth == n).all())

    with DepthClient(daemon.endpoint) as client:
        threads = [threading.Thread(target=hammer, args=(client, 1000 * i)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(daemon.heard) == 450
    assert len({heard.request.id for heard in daemon.heard}) == 450


def test_an_expired_request_fails_and_the_daemon_hears_of_it(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        with pytest.raises(DeadlineExceededError, match=r"no answer to metric_depth within 0\.2 s"):
            client.metric_depth(JPEG, timeout=0.2)
        daemon.wait_until(lambda: bool(daemon.cancels))
        assert daemon.cancels == [daemon.heard[0].request.id]


@pytest.mark.parametrize("timeout", [1e9, 1e300])
def test_a_timeout_of_years_is_a_timeout_like_others(daemon: FakeDaemon, timeout: float) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        future = client.submit("metric_depth", JPEG, timeout=timeout)
        (heard,) = daemon.wait_for_requests(1)
        assert heard.request.timeout_ms == 86_400_000
        daemon.script = FakeDaemon.answer
        daemon.answer(heard)
        assert future.result(PATIENCE_S).min == 0
        assert client.health()["status"] == "ok"


def test_a_late_answer_disturbs_nobody(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        with pytest.raises(DeadlineExceededError):
            client.metric_depth(JPEG, timeout=0.2, meta={"n": 1})
        (late,) = daemon.wait_for_requests(1)
        daemon.answer(late)
        daemon.script = FakeDaemon.answer
        assert (client.metric_depth(JPEG, meta={"n": 2}).depth == 2).all()


def test_cancelling_fails_the_future_at_once_and_tells_the_daemon(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        future = client.submit("metric_depth", JPEG)
        (heard,) = daemon.wait_for_requests(1)
        assert future.cancel()
        assert future.done()
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result()
        daemon.wait_until(lambda: daemon.cancels == [heard.request.id])
        daemon.script = FakeDaemon.answer
        daemon.answer(heard)
        assert client.health()["status"] == "ok"


def test_an_answered_future_cannot_be_cancelled(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        future = client.submit("metric_depth", JPEG)
        future.result()
        assert not future.cancel()
        assert not future.cancelled()
        assert future.exception() is None
    assert daemon.cancels == []


def test_futures_work_with_the_standard_librarys_wait_and_callbacks(daemon: FakeDaemon) -> None:
    called = threading.Event()
    with DepthClient(daemon.endpoint) as client:
        futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(10)]
        done, pending = concurrent.futures.wait(futures, PATIENCE_S)
        futures[0].add_done_callback(lambda future: called.set())
    assert len(done) == 10
    assert not pending
    assert called.is_set()


def test_waiting_inside_a_callback_is_refused_instead_of_hanging(daemon: FakeDaemon) -> None:
    outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def callback(_: object) -> None:
        try:
            outcome.set_result(client.health())
        except RuntimeError as error:
            outcome.set_exception(error)

    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        client.submit("metric_depth", JPEG).add_done_callback(callback)
        daemon.answer(daemon.wait_for_requests(1)[0])
        with pytest.raises(RuntimeError, match="inside a callback"):
            outcome.result(PATIENCE_S)


def test_a_callback_that_exits_does_not_take_the_client_with_it(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint) as client:
        future = client.submit("metric_depth", JPEG)
        future.add_done_callback(lambda _: sys.exit(1))
        other = client.submit("metric_depth", JPEG)
        for heard in daemon.wait_for_requests(2):
            daemon.answer(heard)
        assert isinstance(other.result(PATIENCE_S), DepthMap)


def test_errors_of_the_daemon_arrive_as_their_own_class(daemon: FakeDaemon) -> None:
    daemon.script = lambda daemon, heard: daemon.refuse(heard, BadImageError("not a picture", field="image"))
    with DepthClient(daemon.endpoint) as client:
        with pytest.raises(BadImageError, match="not a picture") as caught:
            client.metric_depth(JPEG)
        assert caught.value.field == "image"
        with pytest.raises(BadImageError):
            client.submit("rel_depth", JPEG).result()


def test_garbage_from_the_daemon_does_not_disturb_the_answer_after_it(daemon: FakeDaemon) -> None:
    def babble(daemon: FakeDaemon, heard: Heard) -> None:
        daemon.send(heard, b"")
        daemon.send(heard, b"\xff\xff\xff")
        daemon.send(heard, *[b"x"] * 40)
        header, depth = answer_frames(heard.request, heard.number)
        daemon.send(heard, b"\x80", depth)
        daemon.send(heard, header, depth)

    daemon.script = babble
    with DepthClient(daemon.endpoint) as client:
        assert (client.metric_depth(JPEG, meta={"n": 5}).depth == 5).all()


def test_what_is_wrong_with_a_request_is_said_before_it_is_sent(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        with pytest.raises(InvalidRequestError, match="max_depth is -1"):
            client.metric_depth(JPEG, max_depth=-1)
        with pytest.raises(InvalidRequestError, match="'max_dept' is not a field"):
            client.submit("metric_depth", JPEG, max_dept=3)
        with pytest.raises(InvalidRequestError, match="camera_intrinsics is missing"):
            client.submit("pc", JPEG)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="it must be CameraIntrinsics"):
            client.pc(JPEG, {"fx": 1})  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match="timeout is 0"):
            client.metric_depth(JPEG, timeout=0)
        with pytest.raises(UnknownOpError):
            client.submit("nonsense", JPEG)  # type: ignore[call-overload]
        with pytest.raises(UnknownOpError):
            client.submit("cancel")  # type: ignore[call-overload]
        with pytest.raises(BadImageError, match="image is empty"):
            client.metric_depth(b"")
        with pytest.raises(FileNotFoundError):
            client.metric_depth("there-is-no-such-picture.jpg")
        client.health()
    assert [heard.request.op for heard in daemon.heard] == ["health"]


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("timeout_ms", 200, "give timeout, in seconds"),
        ("timeout_ms", None, "give timeout, in seconds"),
        ("id", 7, "the client's own"),
        ("v", 1, "the client's own"),
        ("camera_intrinsics", CAMERA.to_wire(), "give intrinsics"),
        ("target", 3, "belongs to cancel"),
    ],
)
def test_a_field_of_the_wire_that_is_no_option_is_refused_instead_of_ignored(
    name: str, value: object, advice: str, daemon: FakeDaemon
) -> None:
    options: dict[str, Any] = {name: value}
    with DepthClient(daemon.endpoint) as client:
        with pytest.raises(InvalidRequestError, match=advice) as caught:
            client.submit("metric_depth", JPEG, **options)
        assert caught.value.field == name
        with pytest.raises(InvalidRequestError, match=advice):
            client.submit("health", **options)
    assert daemon.heard == []


def test_an_impossible_endpoint_is_refused_by_name() -> None:
    for endpoint in ("nonsense", "tcp://", "tcp://127.0.0.1:notaport"):
        with pytest.raises(InvalidRequestError, match="endpoint"):
            DepthClient(endpoint)

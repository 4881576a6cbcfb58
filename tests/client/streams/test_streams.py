"""`stream()` of both clients against the scripted daemon: one test for the two, which must not differ."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from depthwire.client import (
    AsyncDepthClient,
    BadImageError,
    CameraIntrinsics,
    ClientClosedError,
    ConnectionLostError,
    DepthClient,
    Frame,
    InvalidRequestError,
    StreamItem,
    UnknownOpError,
)
from tests.client.fake_daemon import HEIGHT, PATIENCE_S, WIDTH, FakeDaemon, Heard

JPEG = b"\xff\xd8" + bytes(3000)
CAMERA = CameraIntrinsics(500, 510, 16, 12)

Collect = Callable[..., "list[StreamItem[Any]]"]


def numbered(count: int) -> Iterator[tuple[bytes, dict[str, int]]]:
    for number in range(count):
        yield JPEG, {"n": number}


def _with_threads(endpoint: str, frames: Iterable[Any], op: Any, *arguments: Any, **options: Any) -> list[Any]:
    with DepthClient(endpoint, connect_timeout=0.5) as client:
        return list(client.stream(frames, op, *arguments, **options))


def _with_asyncio(endpoint: str, frames: Iterable[Any], op: Any, *arguments: Any, **options: Any) -> list[Any]:
    async def collect() -> list[Any]:
        async with AsyncDepthClient(endpoint, connect_timeout=0.5) as client:
            return [item async for item in client.stream(frames, op, *arguments, **options)]

    return asyncio.run(asyncio.wait_for(collect(), PATIENCE_S))


def _with_an_async_source(endpoint: str, frames: Iterable[Any], op: Any, *arguments: Any, **options: Any) -> list[Any]:
    async def give() -> AsyncIterator[Any]:
        for frame in frames:
            await asyncio.sleep(0)
            yield frame

    return _with_asyncio(endpoint, give(), op, *arguments, **options)  # type: ignore[arg-type]


@pytest.fixture(params=[_with_threads, _with_asyncio, _with_an_async_source])
def collect(request: pytest.FixtureRequest) -> Collect:
    found: Collect = request.param
    return found


def test_all_delivers_every_frame_in_order_with_its_meta_and_its_age(collect: Collect, daemon: FakeDaemon) -> None:
    held: list[Heard] = []

    def answer_in_pairs_the_second_first(daemon: FakeDaemon, heard: Heard) -> None:
        held.append(heard)
        if len(held) == 2:
            for each in reversed(held):
                daemon.answer(each)
            held.clear()

    daemon.script = answer_in_pairs_the_second_first
    items = collect(daemon.endpoint, numbered(20), "metric_depth", policy="all", in_flight=4, encoder="vits")
    assert [item.index for item in items] == list(range(20))
    assert [item.meta["n"] for item in items] == list(range(20))
    assert [float(item.result.depth[0, 0]) for item in items] == list(range(20))
    assert all(item.dropped == 0 and 0 < item.age < PATIENCE_S for item in items)
    assert {heard.request.stream for heard in daemon.heard} == {None}
    assert {heard.request.encoder for heard in daemon.heard} == {"vits"}


def test_an_error_of_one_frame_is_that_frame_s_and_the_stream_goes_on(collect: Collect, daemon: FakeDaemon) -> None:
    def refuse_the_fourth(daemon: FakeDaemon, heard: Heard) -> None:
        if heard.number == 4:
            daemon.refuse(heard, BadImageError("cut off", field="image"))
        else:
            daemon.answer(heard)

    daemon.script = refuse_the_fourth
    frames: list[Any] = list(numbered(5))
    frames[1] = "no/such/file.jpg"
    frames[2] = object()
    frames[3] = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), {"n": 3}, CAMERA)
    items = collect(daemon.endpoint, frames, "pc", CAMERA, policy="all")
    assert [type(item.error) for item in items] == [type(None), FileNotFoundError, TypeError, type(None), BadImageError]
    assert items[3].result.points.shape == (HEIGHT * WIDTH, 3)
    with pytest.raises(BadImageError, match="cut off"):
        _ = items[4].result


def test_latest_drops_what_is_old_and_ends_with_the_newest(collect: Collect, daemon: FakeDaemon) -> None:
    def answer_after_a_while(daemon: FakeDaemon, heard: Heard) -> None:
        time.sleep(0.02)
        daemon.answer(heard)

    def quick(count: int) -> Iterator[Any]:
        for frame in numbered(count):
            time.sleep(0.001)
            yield frame

    daemon.script = answer_after_a_while
    items = collect(daemon.endpoint, quick(200), "rel_depth")
    numbers = [item.meta["n"] for item in items]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 199
    assert len(numbers) < 100
    assert sum(item.dropped for item in items) == 200 - len(items)
    assert len({heard.request.stream for heard in daemon.heard}) == 1
    assert daemon.heard[0].request.stream


def test_what_the_source_raises_comes_behind_all_that_it_gave(collect: Collect, daemon: FakeDaemon) -> None:
    seen: list[int] = []

    def failing() -> Iterator[Any]:
        yield from numbered(3)
        seen.append(3)
        raise OSError("the camera was unplugged")

    with pytest.raises(OSError, match="unplugged"):
        collect(daemon.endpoint, failing(), "metric_depth", policy="all")
    daemon.wait_for_requests(3)
    assert seen == [3]


@pytest.mark.parametrize(
    ("op", "options", "field"),
    [
        ("health", {}, "op"),
        ("metric_depth", {"policy": "newest"}, "policy"),
        ("metric_depth", {"in_flight": 0}, "in_flight"),
        ("metric_depth", {"in_flight": 65}, "in_flight"),
        ("metric_depth", {"stream": "front"}, "stream"),
        ("metric_depth", {"meta": {}}, "meta"),
        ("metric_depth", {"max_depth": -1}, "max_depth"),
        ("metric_depth", {"no_such_option": 1}, "no_such_option"),
        ("metric_depth", {"timeout_ms": 200}, "timeout_ms"),
        ("metric_depth", {"image": JPEG}, "image"),
        ("metric_depth", {"camera_intrinsics": CAMERA.to_wire()}, "camera_intrinsics"),
    ],
)
def test_what_every_frame_would_be_refused_with_is_raised_at_once(
    op: Any, options: dict[str, Any], field: str, daemon: FakeDaemon
) -> None:
    with DepthClient(daemon.endpoint) as client, pytest.raises((InvalidRequestError, UnknownOpError)) as caught:
        client.stream(numbered(1), op, **options)
    assert caught.value.field == field
    assert daemon.heard == []


def test_all_asks_the_source_for_no_more_than_there_is_room_for(daemon: FakeDaemon) -> None:
    given: list[int] = []

    def source() -> Iterator[Any]:
        for number in range(30):
            given.append(number)
            yield JPEG

    with (
        DepthClient(daemon.endpoint) as client,
        client.stream(source(), "metric_depth", policy="all", in_flight=3) as s,
    ):
        daemon.wait_for_requests(3)
        time.sleep(0.1)  # nobody takes an item
        assert len(given) == 3
        assert next(s).index == 0
        daemon.wait_for_requests(4)
        assert [item.index for item in s] == list(range(1, 30))
        assert s.counts.results == 30


def test_a_consumer_that_is_slow_gets_the_newest_result(daemon: FakeDaemon) -> None:
    go_on = threading.Event()

    def source() -> Iterator[Any]:
        for number, frame in enumerate(numbered(11)):
            daemon.wait_for_requests(number)  # so that each is answered
            yield frame
        go_on.set()

    with DepthClient(daemon.endpoint) as client:
        stream = client.stream(source(), "metric_depth")
        assert go_on.wait(PATIENCE_S)
        daemon.wait_for_requests(11)
        time.sleep(0.1)
        item = next(stream)
    assert item.index >= 9
    assert item.dropped == item.index


def test_a_stream_lives_through_a_restart_of_the_daemon(daemon: FakeDaemon) -> None:
    def source() -> Iterator[Any]:
        for number, frame in enumerate(numbered(12)):
            if number == 6:
                daemon.stop()
                daemon.start()
            yield frame

    with DepthClient(daemon.endpoint) as client:
        items = list(client.stream(source(), "metric_depth", policy="all", in_flight=2))
    assert [item.index for item in items] == list(range(12))
    assert [item.error for item in items] == [None] * 12


def test_a_latest_stream_whose_daemon_is_gone_says_so_and_goes_on(daemon: FakeDaemon) -> None:
    stop = threading.Event()

    def source() -> Iterator[Any]:
        while not stop.is_set():
            time.sleep(0.005)
            yield JPEG

    with DepthClient(daemon.endpoint, connect_timeout=0.2) as client:
        stream = client.stream(source(), "metric_depth")
        assert next(stream).error is None
        daemon.stop()
        assert any(isinstance(item.error, ConnectionLostError) for item in stream)
        daemon.start()
        assert any(item.error is None for item in stream)
        stop.set()


def test_closing_takes_back_what_is_in_flight_and_closes_the_source(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    closed = threading.Event()

    def source() -> Iterator[Any]:
        try:
            while True:
                time.sleep(0.005)
                yield JPEG
        finally:
            closed.set()

    with DepthClient(daemon.endpoint) as client:
        with client.stream(source(), "metric_depth") as stream:
            daemon.wait_for_requests(3)
        assert list(stream) == []
        assert closed.wait(PATIENCE_S)
        daemon.wait_until(lambda: len(daemon.cancels) >= 2)


def test_a_stream_that_nobody_holds_ends_by_itself(daemon: FakeDaemon) -> None:
    with DepthClient(daemon.endpoint) as client:
        for item in client.stream(((JPEG, {"n": 0}) for _ in iter(int, 1)), "metric_depth"):
            assert item.error is None
            break
        del item
        gc.collect()
        deadline = time.monotonic() + PATIENCE_S
        while any(thread.name.startswith("depthwire stream") for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_closed_client_ends_its_streams(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    client = DepthClient(daemon.endpoint)
    stream = client.stream(((JPEG, None) for _ in iter(int, 1)), "metric_depth")
    daemon.wait_for_requests(1)
    client.close()
    with pytest.raises(ClientClosedError):
        list(stream)
    assert list(stream) == []


def test_a_task_that_waits_for_an_item_can_be_cancelled_and_asks_again(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold

    async def ask_twice() -> None:
        async with (
            AsyncDepthClient(daemon.endpoint) as client,
            client.stream(numbered(1), "metric_depth", policy="all") as stream,
        ):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.1)
            daemon.answer((await asyncio.to_thread(daemon.wait_for_requests, 1))[0])
            assert (await anext(stream)).error is None

    asyncio.run(asyncio.wait_for(ask_twice(), PATIENCE_S))


def test_cancelling_one_of_two_tasks_that_wait_leaves_the_other_waiting(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold

    async def ask_with_two_tasks() -> None:
        async with (
            AsyncDepthClient(daemon.endpoint) as client,
            client.stream(numbered(1), "metric_depth", policy="all") as stream,
        ):
            heard = (await asyncio.to_thread(daemon.wait_for_requests, 1))[0]
            given_up, patient = (asyncio.ensure_future(anext(stream)) for _ in range(2))
            await asyncio.sleep(0)  # both wait
            given_up.cancel()
            await asyncio.wait([given_up])
            assert given_up.cancelled()
            daemon.answer(heard)
            assert (await patient).index == 0

    asyncio.run(asyncio.wait_for(ask_with_two_tasks(), PATIENCE_S))


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_an_async_source_that_cannot_be_read_is_refused_at_once(daemon: FakeDaemon) -> None:
    class Unplugged:
        def __aiter__(self) -> AsyncIterator[Any]:
            raise OSError("the camera was unplugged")

    class Mistaken:
        async def __aiter__(self) -> Any:
            return self

    async def ask() -> None:
        async with AsyncDepthClient(daemon.endpoint) as client:
            with pytest.raises(OSError, match="unplugged"):
                client.stream(Unplugged(), "metric_depth")
            with pytest.raises(TypeError, match="coroutine"):
                client.stream(mistaken, "metric_depth")

    mistaken: Any = Mistaken()
    asyncio.run(asyncio.wait_for(ask(), PATIENCE_S))


def test_a_closed_client_reads_no_further_from_an_async_source(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    given: list[int] = []
    closed = asyncio.Event()

    async def source() -> AsyncIterator[Any]:
        try:
            while True:
                given.append(len(given))
                yield JPEG
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    async def close_while_it_runs() -> None:
        client = AsyncDepthClient(daemon.endpoint)
        stream = client.stream(source(), "metric_depth", policy="latest")
        await asyncio.to_thread(daemon.wait_for_requests, 1)
        await client.close()
        await asyncio.wait_for(closed.wait(), PATIENCE_S)
        count = len(given)
        with pytest.raises(ClientClosedError):
            await anext(stream)
        assert len(given) == count

    asyncio.run(close_while_it_runs())

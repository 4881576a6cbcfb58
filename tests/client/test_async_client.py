"""AsyncDepthClient against the scripted daemon, and that it is its twin's twin."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthwire.client import (
    AsyncDepthClient,
    BadImageError,
    CameraIntrinsics,
    ClientClosedError,
    ConnectionLostError,
    DeadlineExceededError,
    DepthClient,
    InvalidRequestError,
    MissingEncoderError,
    OverloadedError,
)
from tests.client.fake_daemon import PATIENCE_S, FakeDaemon, Heard

JPEG = b"\xff\xd8" + bytes(3000)
CAMERA = CameraIntrinsics(500, 510, 16, 12)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 3 * PATIENCE_S))


async def heard_by(daemon: FakeDaemon, count: int) -> list[Heard]:
    return await asyncio.to_thread(daemon.wait_for_requests, count)


@pytest.mark.parametrize(
    "name", ["__init__", "pc", "metric_depth", "rel_depth", "health", "submit", "stream", "from_profile", "close"]
)
def test_both_clients_take_the_same_arguments(name: str) -> None:
    def parameters(client: type) -> list[inspect.Parameter]:
        given = inspect.signature(getattr(client, name)).parameters.values()
        return [each.replace(annotation=str(each.annotation).replace("AsyncFrames", "Frames")) for each in given]

    assert parameters(AsyncDepthClient) == parameters(DepthClient)


def test_both_clients_have_the_same_public_names() -> None:
    def names(client: type) -> set[str]:
        return {re.sub("^__a?(enter|exit)__$", r"\1", name) for name in dir(client) if name not in dir(object)}

    assert {name for name in names(DepthClient) if not name.startswith("_")} == {
        name for name in names(AsyncDepthClient) if not name.startswith("_")
    }


def test_every_operation_comes_back_as_its_result(daemon: FakeDaemon) -> None:
    async def test() -> None:
        async with AsyncDepthClient(daemon.endpoint) as client:
            cloud = await client.pc(JPEG, CAMERA, max_depth=20.0, meta={"n": 3})
            depth = await client.metric_depth(JPEG, meta={"n": 4})
            relative = await client.rel_depth(JPEG, meta={"n": 5})
            health = await client.health()
        assert (cloud.points == 3).all()
        assert (cloud.depth == 3).all()
        assert (depth.depth == 4).all()
        assert (relative.depth == 5).all()
        assert health["status"] == "ok"

    run(test())


def test_many_requests_in_flight_reach_their_own_futures(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        async with AsyncDepthClient(daemon.endpoint) as client:
            futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(60)]
            for heard in reversed(await heard_by(daemon, 60)):
                daemon.answer(heard)
            for n, result in enumerate(await asyncio.gather(*futures)):
                assert (result.depth == n).all()

    run(test())


def test_an_expired_request_fails_and_the_daemon_hears_of_it(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        async with AsyncDepthClient(daemon.endpoint) as client:
            with pytest.raises(DeadlineExceededError):
                await client.metric_depth(JPEG, timeout=0.2)
            await asyncio.to_thread(daemon.wait_until, lambda: daemon.cancels == [daemon.heard[0].request.id])

    run(test())


def test_cancelling_the_task_takes_the_request_back(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        async with AsyncDepthClient(daemon.endpoint) as client:
            task = asyncio.create_task(client.metric_depth(JPEG))
            (heard,) = await heard_by(daemon, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(daemon.wait_until, lambda: daemon.cancels == [heard.request.id])

    run(test())


def test_cancelling_the_future_takes_the_request_back(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        async with AsyncDepthClient(daemon.endpoint) as client:
            future = client.submit("metric_depth", JPEG)
            (heard,) = await heard_by(daemon, 1)
            assert future.cancel()
            assert future.cancelled()
            await asyncio.to_thread(daemon.wait_until, lambda: daemon.cancels == [heard.request.id])

    run(test())


def test_a_request_cancelled_while_its_image_loads_is_never_sent(daemon: FakeDaemon, tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "picture.jpg"
        path.write_bytes(JPEG)
        async with AsyncDepthClient(daemon.endpoint) as client:
            future = client.submit("metric_depth", path)
            future.cancel()
            await client.metric_depth(path, meta={"n": 2})
        assert [heard.number for heard in daemon.heard] == [2]

    run(test())


def test_files_and_arrays_are_read_beside_the_loop(daemon: FakeDaemon, tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "picture.jpg"
        path.write_bytes(JPEG)
        async with AsyncDepthClient(daemon.endpoint) as client:
            await client.metric_depth(path)
            try:
                await client.metric_depth(np.zeros((20, 30, 3), np.uint8))
            except MissingEncoderError:
                pytest.skip("neither OpenCV nor Pillow is here")
            with pytest.raises(FileNotFoundError):
                await client.metric_depth("there-is-no-such-picture.jpg")
        images = [bytes(heard.request.image or b"") for heard in daemon.heard]
        assert images[0] == JPEG
        assert images[1].startswith(b"\xff\xd8\xff")

    run(test())


def test_requests_outlive_a_restart_of_the_daemon(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        async with AsyncDepthClient(daemon.endpoint, timeout=60, connect_timeout=60) as client:
            futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(20)]
            await heard_by(daemon, 20)
            await asyncio.to_thread(daemon.stop)
            daemon.script = FakeDaemon.answer
            await asyncio.to_thread(daemon.start)
            for n, result in enumerate(await asyncio.gather(*futures)):
                assert (result.depth == n).all()

    run(test())


def test_retryable_errors_are_retried_and_others_arrive_as_their_class(daemon: FakeDaemon) -> None:
    def script(daemon: FakeDaemon, heard: Heard) -> None:
        if heard.number == 1:
            daemon.refuse(heard, BadImageError("not a picture"))
        elif len(daemon.heard) == 1:
            daemon.refuse(heard, OverloadedError("full", retry_after_ms=1))
        else:
            daemon.answer(heard)

    async def test() -> None:
        async with AsyncDepthClient(daemon.endpoint) as client:
            await client.metric_depth(JPEG)
            with pytest.raises(BadImageError):
                await client.metric_depth(JPEG, meta={"n": 1})

    daemon.script = script
    run(test())
    assert len(daemon.heard) == 3


def test_without_a_daemon_the_error_says_where_to_look(no_daemon: str) -> None:
    async def test() -> None:
        async with AsyncDepthClient(no_daemon, connect_timeout=0.2) as client:
            with pytest.raises(ConnectionLostError, match="is depthwired running there"):
                await client.health()

    run(test())


def test_what_is_wrong_with_a_request_is_said_at_once(daemon: FakeDaemon) -> None:
    async def test() -> None:
        async with AsyncDepthClient(daemon.endpoint) as client:
            with pytest.raises(InvalidRequestError, match="max_depth is -1"):
                client.submit("metric_depth", JPEG, max_depth=-1)
            with pytest.raises(InvalidRequestError, match="image is missing"):
                client.submit("metric_depth")  # type: ignore[call-overload]
            with pytest.raises(InvalidRequestError, match="timeout_ms is no option: give timeout, in seconds"):
                client.submit("metric_depth", JPEG, timeout_ms=200)

    run(test())


def test_closing_fails_what_is_pending(daemon: FakeDaemon) -> None:
    async def test() -> None:
        daemon.script = FakeDaemon.hold
        client = AsyncDepthClient(daemon.endpoint)
        future = client.submit("metric_depth", JPEG)
        await heard_by(daemon, 1)
        await client.close()
        await client.close()
        with pytest.raises(ClientClosedError):
            await future
        with pytest.raises(ClientClosedError):
            await client.health()

    run(test())


def test_a_client_serves_one_loop_after_another(daemon: FakeDaemon) -> None:
    client = AsyncDepthClient(daemon.endpoint)

    async def test() -> None:
        assert (await client.health())["status"] == "ok"

    run(test())
    run(test())
    run(client.close())

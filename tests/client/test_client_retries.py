"""What a client does while the daemon is away, back again, or too busy."""

from __future__ import annotations

import pytest

from depthwire.client import ConnectionLostError, DepthClient, OverloadedError, SupersededError
from tests.client.fake_daemon import PATIENCE_S, FakeDaemon, Heard

JPEG = b"\xff\xd8" + bytes(3000)


def test_requests_outlive_a_restart_of_the_daemon_and_are_answered_once_each(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    answers: list[int] = []
    with DepthClient(daemon.endpoint, timeout=60, connect_timeout=60) as client:
        futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(50)]
        for n, future in enumerate(futures):
            future.add_done_callback(lambda _, n=n: answers.append(n))
        held = daemon.wait_for_requests(50)
        for heard in held[::2]:
            daemon.answer(heard)
        for future in futures[::2]:
            future.result(PATIENCE_S)
        daemon.stop()
        daemon.script = FakeDaemon.answer
        daemon.start()
        for n, future in enumerate(futures):
            assert (future.result(PATIENCE_S).depth == n).all()
        client.health()  # the callbacks of what came before have run
    assert sorted(answers) == list(range(50))
    assert [heard.number for heard in daemon.heard[50:75]] == list(range(1, 50, 2))
    image_ids = [heard.request.id for heard in daemon.heard]
    assert len(set(image_ids)) == len(image_ids)


def test_a_request_that_takes_the_daemon_down_each_time_is_given_up(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    with DepthClient(daemon.endpoint, timeout=60, connect_timeout=60, retries=2) as client:
        future = client.submit("metric_depth", JPEG)
        for attempt in range(3):
            daemon.wait_for_requests(attempt + 1)
            daemon.stop()
            daemon.start()
        with pytest.raises(ConnectionLostError, match="sent 3 times"):
            future.result(PATIENCE_S)
    assert len(daemon.heard) == 3


def test_requests_made_before_the_daemon_starts_are_answered_when_it_does(daemon: FakeDaemon) -> None:
    daemon.stop()
    with DepthClient(daemon.endpoint, connect_timeout=60) as client:
        futures = [client.submit("metric_depth", JPEG, meta={"n": n}) for n in range(5)]
        daemon.start()
        for n, future in enumerate(futures):
            assert (future.result(PATIENCE_S).depth == n).all()


def test_without_a_daemon_the_error_says_where_to_look(no_daemon: str) -> None:
    with (
        DepthClient(no_daemon, connect_timeout=0.2) as client,
        pytest.raises(ConnectionLostError, match=f"no daemon answers at {no_daemon}: is depthwired running there"),
    ):
        client.health()


def test_an_overloaded_daemon_is_asked_again_after_the_time_it_named(daemon: FakeDaemon) -> None:
    def once_full(daemon: FakeDaemon, heard: Heard) -> None:
        if len(daemon.heard) == 1:
            daemon.refuse(heard, OverloadedError("full", retry_after_ms=150))
        else:
            daemon.answer(heard)

    daemon.script = once_full
    with DepthClient(daemon.endpoint) as client:
        assert (client.metric_depth(JPEG, meta={"n": 7}).depth == 7).all()
    first, second = daemon.heard
    assert second.at - first.at >= 0.15
    assert second.request.id != first.request.id


def test_a_daemon_that_stays_overloaded_is_not_asked_forever(daemon: FakeDaemon) -> None:
    daemon.script = lambda daemon, heard: daemon.refuse(heard, OverloadedError("full", retry_after_ms=1))
    with DepthClient(daemon.endpoint, retries=2) as client, pytest.raises(OverloadedError, match="full"):
        client.metric_depth(JPEG)
    assert len(daemon.heard) == 3


def test_meta_may_be_reused_after_submit(daemon: FakeDaemon) -> None:
    daemon.stop()
    with DepthClient(daemon.endpoint, connect_timeout=60) as client:
        meta = {"n": 1}
        future = client.submit("metric_depth", JPEG, meta=meta)
        meta["n"] = 2
        daemon.start()
        assert future.result(PATIENCE_S).meta == {"n": 1}


def test_while_no_daemon_is_there_only_the_newest_of_a_stream_waits(no_daemon: str) -> None:
    with DepthClient(no_daemon) as client:
        old = client.submit("metric_depth", JPEG, stream="front")
        new = client.submit("metric_depth", JPEG, stream="front")
        with pytest.raises(SupersededError):
            old.result(PATIENCE_S)
        assert not new.done()


def test_the_number_of_waiting_requests_is_bounded(no_daemon: str) -> None:
    with DepthClient(no_daemon, max_pending=10) as client:
        for _ in range(10):
            client.submit("metric_depth", JPEG)
        with pytest.raises(OverloadedError, match="10 requests of this client"):
            client.submit("metric_depth", JPEG)

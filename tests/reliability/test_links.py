"""Bad links: one that is slow is served, one that is dead without a word is given up and its work taken back."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import psutil
import pytest
import simplejpeg
import zmq

from depthwire.client import DepthClient, connection
from depthwire.protocol import frames
from tests.e2e.conftest import DaemonFactory
from tests.pictures import encode
from tests.reliability.conftest import Count
from tests.reliability.links import Link
from tests.reliability.oracle import Oracle, grey_jpeg

RATE = 30_000.0
"""Bytes a second."""
HEARTBEAT_S = (10.0, 30.0)
"""The front's own: how often it asks, and how long it waits for a sign of life."""
QUICK_HEARTBEAT_S = (3.0, 1.5)
"""The first one is due only after the link has died, as with the real times."""
SLACK_S = 10.0


def test_a_picture_over_a_slow_link_is_served(
    count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory
) -> None:
    """With the heartbeats as they are shipped. At full counts the way back is as slow, and the depth map larger."""
    daemon = faulty_daemon()
    rng = np.random.default_rng(0)
    picture = encode(rng.integers(0, 255, (300, 340, 3), np.uint8), ".jpg", [1, 100])
    expected = np.float32(simplejpeg.decode_jpeg(picture, colorspace="BGR").mean())
    down_rate = count(0, int(RATE)) or math.inf
    with Link(daemon.endpoint, RATE, down_rate) as link, Oracle(daemon.endpoint, interval_s=0.02) as oracle:
        with DepthClient(link.endpoint, timeout=170, retries=0) as client:
            begun = time.monotonic()
            depth = client.metric_depth(picture, max_depth=1.0).depth
            took_s = time.monotonic() - begun
        figures |= {"picture_bytes": len(picture), "took_s": round(took_s, 1), "connections": link.connections}
    assert len(picture) >= 200_000
    assert depth.shape == (300, 340)
    assert np.all(depth == expected)
    assert took_s > 0.8 * len(picture) / RATE, "the link was not slow"
    assert link.connections == 1, "the link was cut in between"
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}


@pytest.mark.parametrize("size", [(32, 32), (1280, 720)], ids=["idle", "under a reply"])
def test_a_link_that_dies_without_a_word_is_given_up_and_its_work_taken_back(
    size: tuple[int, int], count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory
) -> None:
    """At full counts with the times as they are shipped, else with shorter ones.

    Small replies go into the kernel's buffers, and heartbeats after them. Behind large ones no heartbeat gets out.
    """
    interval_s, timeout_s = (QUICK_HEARTBEAT_S, HEARTBEAT_S)[count(0, 1)]
    environment = {"DEPTHWIRE_TEST_BATCH_S": str(timeout_s / 12)}
    if (interval_s, timeout_s) != HEARTBEAT_S:
        environment["DEPTHWIRE_TEST_HEARTBEAT"] = f"{1e3 * interval_s:.0f},{1e3 * timeout_s:.0f}"
    daemon = faulty_daemon("--max-batch", "1", environment=environment)
    picture = grey_jpeg(*size, 100)
    context: zmq.Context[Any] = zmq.Context()
    with (
        Link(daemon.endpoint) as link,
        Oracle(daemon.endpoint) as oracle,
        DepthClient(daemon.endpoint, timeout=30) as client,
        context.socket(zmq.DEALER) as dealer,
    ):
        client.health()
        connections = _connections(daemon.process.pid)
        dealer.linger = 0
        dealer.connect(link.endpoint)
        for n in range(60):
            dealer.send_multipart(frames.encode({"v": 1, "id": n, "op": "metric_depth", "image": picture}))
        assert dealer.poll(10_000)
        link.die()
        died_at = time.monotonic()
        arena = 0
        while (info := client.health())["counters"]["dropped"]["gone"] == 0:
            arena = max(arena, info["queue"]["arena_used_bytes"])
            assert time.monotonic() < died_at + interval_s + timeout_s + SLACK_S, "it is still there"
            time.sleep(0.05)
        dropped_s = time.monotonic() - died_at
        oracle.wait_for_answers(3)
        # Between two of the oracle's requests there is nothing left in the arena.
        _until(lambda: client.health()["queue"]["arena_used_bytes"] == 0)
        assert client.health()["queue"]["waiting"] <= 1
        assert _connections(daemon.process.pid) == connections
    context.term()
    figures |= {
        "heartbeat_s": [interval_s, timeout_s],
        "dropped_after_s": round(dropped_s, 1),
        "requests_taken_back": info["counters"]["dropped"]["gone"],
        "arena_held_mb": round(arena / 1e6, 1),
        "oracle": dict(oracle.codes),
    }
    assert dropped_s > timeout_s - 1, "that was something else than the heartbeat"
    assert arena > 0
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}


def test_a_client_whose_link_dies_under_its_pictures_finds_another_way(
    count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had sent half is more than the kernel's buffers hold, so that no heartbeat of its own gets out."""
    daemon = faulty_daemon()
    if not count(0, 1):
        monkeypatch.setattr(connection, "HEARTBEAT_MS", 3000)
        monkeypatch.setattr(connection, "HEARTBEAT_TIMEOUT_MS", 1500)
    limit_s = 1e-3 * (connection.HEARTBEAT_MS + connection.HEARTBEAT_TIMEOUT_MS) + SLACK_S
    rng = np.random.default_rng(0)
    pictures = [encode(rng.integers(0, 255, (1000, 1500, 3), np.uint8), ".jpg", [1, 100]) for _ in range(2)]
    expected = [np.float32(simplejpeg.decode_jpeg(picture, colorspace="BGR").mean()) for picture in pictures]
    with Link(daemon.endpoint, up_rate=4e6) as link, DepthClient(link.endpoint, timeout=170) as client:
        client.health()
        futures = [client.submit("metric_depth", pictures[n % 2], max_depth=1.0) for n in range(16)]
        _until(lambda: link.up_bytes > len(pictures[0]) // 2)
        link.die()
        died_at = time.monotonic()
        link.up_rate = math.inf
        _until(lambda: link.connections > 1, limit_s)
        noticed_s = time.monotonic() - died_at
        for n, future in enumerate(futures):
            assert np.all(future.result(60).depth == expected[n % 2])
    figures |= {"bytes_on_their_way": 8 * sum(map(len, pictures)), "noticed_after_s": round(noticed_s, 1)}


def _connections(pid: int) -> int:
    return len(psutil.Process(pid).net_connections("tcp"))


def _until(is_true: Any, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.002)

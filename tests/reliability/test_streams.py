"""Streams against a daemon of known speed: fresh results from a camera that is too fast, and its fair share."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from depthwire.client import DepthClient
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.pictures import jpeg
from tests.reliability.conftest import Count

SERVICE_S = 0.05

Picture = tuple[bytes, dict[str, int]]


@pytest.fixture
def paced_daemon(faulty_daemon: DaemonFactory, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A daemon that needs SERVICE_S for each picture."""
    monkeypatch.setenv("DEPTHWIRE_TEST_SERVICE_S", str(SERVICE_S))
    return faulty_daemon()


def camera(seconds: float, interval_s: float) -> Iterator[Picture]:
    picture = jpeg(640, 480)
    begun = due = time.monotonic()
    number = 0
    while due - begun < seconds:
        yield picture, {"n": number}
        number += 1
        due += interval_s
        time.sleep(max(0.0, due - time.monotonic()))


def test_a_camera_ten_times_too_fast_gets_fresh_results_and_memory_stays_flat(
    paced_daemon: Daemon, count: Count, figures: dict[str, Any]
) -> None:
    ages: list[float] = []
    memory: list[int] = []
    itself = psutil.Process()
    seconds = count(6, 600)
    with DepthClient(paced_daemon.endpoint) as client:
        stream = client.stream(camera(seconds, SERVICE_S / 10), "metric_depth")
        for item in stream:
            assert item.error is None
            assert item.result.meta == item.meta
            ages.append(item.age / SERVICE_S)
            if len(ages) % 10 == 0:
                memory.append(itself.memory_info().rss + paced_daemon.memory())
    half = len(ages) // 2
    early, late = statistics.median(ages[:half]), statistics.median(ages[half:])
    figures.update(
        results=len(ages),
        dropped=stream.counts.dropped,
        age_in_service_times={"p50": round(statistics.median(ages), 2), "p99": round(sorted(ages)[-half // 50 - 1], 2)},
        age_growth=round(late / early, 3),
        results_per_service_time=round(len(ages) * SERVICE_S / seconds, 3),
        memory_growth_mib=round((memory[-1] - memory[len(memory) // 3]) / 2**20, 1),
    )
    assert stream.counts.dropped > 3 * len(ages)
    assert statistics.median(ages) <= 2.5
    assert late < 5 * early
    assert memory[-1] - memory[len(memory) // 3] < 40 * 2**20  # in each half, several times that went through


def test_a_fast_camera_gets_its_share_beside_many_clients(
    paced_daemon: Daemon, count: Count, figures: dict[str, Any]
) -> None:
    """Its frame is replaced many times while it waits its turn, and keeps its turn."""
    done = [0] * 12
    stop = threading.Event()
    picture = jpeg(320, 240)

    def load(number: int) -> None:
        with DepthClient(paced_daemon.endpoint) as client:
            while not stop.is_set():
                client.metric_depth(picture)
                done[number] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    try:
        with DepthClient(paced_daemon.endpoint) as client:
            before = list(done)
            items = list(client.stream(camera(count(5, 120), 0.02), "metric_depth"))
            others = statistics.median(after - earlier for earlier, after in zip(before, done, strict=True))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    figures.update(results=len(items), of_each_other=others, age_s=round(statistics.median(i.age for i in items), 3))
    assert others >= 3
    assert len(items) > 0.3 * others


def test_a_stream_of_all_frames_loses_none_while_the_daemon_restarts(paced_daemon: Daemon) -> None:
    restarting = threading.Thread(target=lambda: (paced_daemon.kill(), paced_daemon.start()))
    with DepthClient(paced_daemon.endpoint, connect_timeout=60) as client:
        items = []
        for item in client.stream(camera(2, SERVICE_S), "metric_depth", policy="all", timeout=60):
            items.append(item)
            if len(items) == 10:
                restarting.start()
    restarting.join()
    assert [item.index for item in items] == list(range(len(items)))
    assert [item.error for item in items] == [None] * len(items)
    assert [item.result.meta["n"] for item in items] == list(range(len(items)))

"""One client of 32 that sends and never reads: the others are served as if it were not there, and it costs little."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import zmq

from depthwire.bench.load import run_load
from depthwire.bench.statistics import percentile
from depthwire.client import DepthClient
from depthwire.protocol import Request
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.reliability.capacity import grey_load
from tests.reliability.conftest import Count
from tests.reliability.oracle import grey_jpeg

PICTURE_S = 0.02
CAPACITY = round(1 / PICTURE_S)
OTHERS = 31
SEND_QUEUE = 32
WIDTH, HEIGHT = 320, 240
REPLY_BYTES = 4 * WIDTH * HEIGHT
FIRST, RATE = 80, 5
"""What the deaf client sends at once, enough to fill every buffer on the way, and then each second."""


@contextlib.contextmanager
def one_more_client(endpoint: str, reads: bool) -> Iterator[None]:
    """The 32nd client, which sends the same whether it reads or not."""
    over = threading.Event()

    def run() -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.RCVHWM, 1)
        socket.setsockopt(zmq.RCVBUF, 4096)
        socket.connect(endpoint)
        picture = grey_jpeg(WIDTH, HEIGHT, 50)
        for number in range(10**6):
            if number >= FIRST and over.wait(1 / RATE):
                break
            socket.send_multipart(Request(number, "metric_depth", picture).to_frames())
            while reads and socket.poll(20 if number < FIRST else 0):
                socket.recv_multipart()
            if not reads and number < FIRST:
                time.sleep(0.02)
        socket.close(0)
        context.term()

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.025 * FIRST)
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def others_p99_ms(daemon: Daemon, seconds: float, seed: int) -> float:
    """At half load, in an open loop whose moments the seed decides."""
    load = grey_load(
        daemon, WIDTH, HEIGHT, mode="open", rate=CAPACITY / 2, clients=OTHERS, duration_s=seconds, warmup_s=0.5,
        seed=seed, timeout_s=30,
    )  # fmt: skip
    run = run_load(load)
    assert run.report()["errors"] == {}
    return percentile(run.measured.latency_ms, 99)


def test_one_client_that_never_reads_neither_slows_the_others_nor_takes_memory(
    faulty_daemon: DaemonFactory, count: Count, figures: dict[str, Any]
) -> None:
    arguments = ["--max-batch", "4", "--send-queue", str(SEND_QUEUE)]
    daemon = faulty_daemon(*arguments, environment={"DEPTHWIRE_TEST_SERVICE_S": str(PICTURE_S)})
    pairs, seconds = count(1, 6), count(2, 8)
    with one_more_client(daemon.endpoint, reads=True):
        others_p99_ms(daemon, 1, seed=99)
    memory_before, most = daemon.memory(), 0
    rises, p99s = [], {True: [], False: []}
    for pair in range(pairs):
        p99 = {}
        for reads in (True, False) if pair % 2 else (False, True):
            with one_more_client(daemon.endpoint, reads):
                p99[reads] = others_p99_ms(daemon, seconds, seed=pair)
                if not reads:
                    most = max(most, daemon.memory())
            p99s[reads].append(round(p99[reads], 1))
        rises.append(p99[False] / p99[True] - 1)
    with DepthClient(daemon.endpoint) as client:
        health = client.health()
    growth_mb = (most - memory_before) / 2**20
    bound_mb = SEND_QUEUE * REPLY_BYTES / 2**20 + 8
    figures |= {
        "pairs": pairs,
        "seconds_each": seconds,
        "p99_ms_beside_one_that_reads": p99s[True],
        "p99_ms_beside_one_that_never_does": p99s[False],
        "median_rise_percent": round(100 * statistics.median(rises), 1),
        "memory_growth_mb": round(growth_mb, 1),
        "bound_mb": round(bound_mb, 1),
        "dropped": health["counters"]["dropped"],
    }
    assert statistics.median(rises) < count(900, 10) / 100
    assert growth_mb < bound_mb
    assert health["counters"]["dropped"]["unanswerable"] > 0
    assert "does not read its replies" in daemon.log
    assert "could not be answered: " in daemon.log
    assert daemon.log.count("WARNING") < 20 + 2 * pairs * (seconds + 10)  # not a line for each

"""Everything at once, with the real network: cameras up to 12 megapixels at 30 frames/s, input sizes up to a limit,
clients that stop reading, storms of cancels; beside them polite clients, who get right answers all the time.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from depthwire.client import CameraIntrinsics, DepthClient, DepthwireError
from depthwire.protocol import Request
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.pictures import jpeg
from tests.reliability.conftest import Count

CAMERAS = [(640, 480), (1920, 1080), (4000, 3000)]
INPUT_SIZES = [56, 154, 322, 518, 742]
CAMERA = CameraIntrinsics(900.0, 900.0, 500.0, 400.0)
POLITE = 2
PATIENCE_S = 120.0


class Campaign:
    """What all of them share: where to, until when, and what came of it."""

    def __init__(self, endpoint: str, until: float) -> None:
        self.endpoint = endpoint
        self.until = until
        self.results: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.waits: list[float] = []

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def polite(self, number: int) -> None:
        """One request after the other, whose right answers are known from before the storm."""
        pictures = [jpeg(320, 240, seed=10 * number + n) for n in range(4)]
        with DepthClient(self.endpoint, timeout=PATIENCE_S) as client:
            right = [client.metric_depth(picture).depth for picture in pictures]
            self.ready.wait()
            for n in itertools.cycle(range(len(pictures))):
                if self.is_over:
                    return
                sent = time.monotonic()
                try:
                    answer = client.metric_depth(pictures[n])
                except DepthwireError as error:
                    self.wrong.append(f"a polite client heard {error!r}")
                    continue
                self.waits.append(time.monotonic() - sent)
                self.results["polite"] += 1
                if not np.array_equal(answer.depth, right[n]):
                    self.wrong.append(f"picture {n} of polite client {number} came back otherwise")

    def camera(self, width: int, height: int) -> None:
        """A stream at 30 frames/s, of which the newest counts."""
        picture = jpeg(width, height)
        self.ready.wait()

        def frames() -> Iterator[bytes]:
            for n in itertools.count():
                if self.is_over:
                    return
                yield picture
                time.sleep(max(0.0, begun + n / 30 - time.monotonic()))

        begun = time.monotonic()
        with DepthClient(self.endpoint, timeout=PATIENCE_S) as client:
            for item in client.stream(frames(), "rel_depth", stride=8):
                self._count(f"camera {width}x{height}", item.error)

    def sizes(self) -> None:
        """Inputs of all sizes, a few at a time."""
        rng, picture = random.Random(1), jpeg(640, 480)
        self.ready.wait()
        with DepthClient(self.endpoint, timeout=PATIENCE_S) as client:
            while not self.is_over:
                futures = [
                    client.submit("rel_depth", picture, model_input_size=rng.choice(INPUT_SIZES)) for _ in range(3)
                ]
                for future in futures:
                    self._count("sizes", future.exception())

    def storm(self) -> None:
        """Large pictures that are taken back while they are decoded."""
        picture = jpeg(4000, 3000)
        self.ready.wait()
        with DepthClient(self.endpoint, timeout=PATIENCE_S) as client:
            while not self.is_over:
                futures = [client.submit("rel_depth", picture) for _ in range(4)]
                time.sleep(0.05)
                for future in futures:
                    future.cancel()
                for future in futures:
                    with contextlib.suppress(Exception):
                        future.result()
                    self.results["storm"] += 1

    def deaf(self) -> None:
        """Clouds that nobody reads, from a connection that stays for a while."""
        picture = jpeg(1000, 800)
        self.ready.wait()
        with zmq.Context() as context:
            while not self.is_over:
                with context.socket(zmq.DEALER) as dealer:
                    dealer.linger, dealer.rcvhwm = 0, 1
                    dealer.connect(self.endpoint)
                    for n in range(12):
                        dealer.send_multipart(Request(n, "pc", memoryview(picture), intrinsics=CAMERA).to_frames())
                    self.results["unread"] += 12
                    stay = time.monotonic() + 5
                    while not self.is_over and time.monotonic() < stay:
                        time.sleep(0.1)

    def run(self, *parts: Callable[[], None]) -> None:
        self.ready = threading.Event()
        failures: list[BaseException] = []

        def guarded(part: Callable[[], None]) -> None:
            try:
                part()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(part,), daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        time.sleep(2)  # the polite ones learn what is right
        self.ready.set()
        for thread in threads:
            thread.join(max(0.0, self.until - time.monotonic()) + 2 * PATIENCE_S)
            assert not thread.is_alive(), "somebody never got an answer"
        assert failures == []

    def _count(self, who: str, error: BaseException | None) -> None:
        if error is None:
            self.results[who] += 1
        else:
            self.errors[f"{who}: {getattr(error, 'code', error)}"] += 1


@pytest.fixture
def daemon(start_daemon: DaemonFactory) -> Daemon:
    return start_daemon("--model", "vitt_starter", "--arena-mb", "256", "--max-unsent-mb-per-client", "32")


def test_polite_clients_get_right_answers_whatever_others_ask_for(
    daemon: Daemon, count: Count, figures: dict[str, Any]
) -> None:
    seconds = count(15, 3600)
    campaign = Campaign(daemon.endpoint, time.monotonic() + 2 + seconds)
    campaign.run(
        *[lambda number=number: campaign.polite(number) for number in range(POLITE)],  # type: ignore[misc]
        *[lambda size=size: campaign.camera(*size) for size in CAMERAS],  # type: ignore[misc]
        campaign.sizes,
        campaign.storm,
        campaign.deaf,
    )
    figures.update(
        seconds=seconds,
        results=dict(campaign.results),
        errors=dict(campaign.errors),
        polite_wait_s={"p50": round(statistics.median(campaign.waits), 3), "max": round(max(campaign.waits), 3)},
    )
    assert campaign.wrong == []
    assert set(campaign.errors) <= {"sizes: OVERLOADED"}
    for who in ("polite", "sizes", *(f"camera {width}x{height}" for width, height in CAMERAS)):
        assert campaign.results[who] > 0, f"{who} got nothing in {seconds} s"
    deadline = time.monotonic() + PATIENCE_S
    with DepthClient(daemon.endpoint) as client:
        while any((held := client.health()["queue"])[name] for name in ("waiting", "in_flight", "arena_used_bytes")):
            assert time.monotonic() < deadline, f"{held} is left"
            time.sleep(0.2)
        assert client.health()["workers"][0]["restarts"] == 0

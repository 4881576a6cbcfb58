"""A good client beside every fault: it keeps asking, knows the right answer to each question, and checks it by content.

Used by the campaigns of this folder. The pictures are plain grey, so that the daemon of `faulty_daemon`, whose null
engine answers with the mean brightness, must give back the very grey that was sent, in the very size that was sent.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from depthwire.client import DepthClient, DepthwireError
from tests.pictures import encode

GREYS = range(10, 250, 10)


def grey_jpeg(width: int, height: int, grey: int) -> bytes:
    """A picture whose every decoded pixel is exactly `grey`: a flat block has no coefficients to round."""
    return encode(np.full((height, width, 3), grey, np.uint8), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])


@dataclass(frozen=True)
class Answer:
    """One request of the oracle: when it was sent, how long the answer took, and what it was."""

    sent_at: float
    seconds: float
    code: str
    """OK, or the error's code."""
    retryable: bool = True


@dataclass
class Oracle:
    """Ask from a thread of its own until stopped, pausing `interval_s` between an answer and the next request."""

    endpoint: str
    interval_s: float = 0.0
    retries: int = 0
    timeout_s: float = 30.0
    width: int = 64
    height: int = 48
    greys: Sequence[int] = GREYS
    """What it asks about, in turn. Oracles with greys of their own also notice each other's answers."""
    answers: list[Answer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What came back as a result and was not the right one. Must stay empty whatever happens."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._pictures = [(grey, grey_jpeg(self.width, self.height, grey)) for grey in self.greys]
        self._thread = threading.Thread(target=self._run, name="oracle", daemon=True)

    def __enter__(self) -> Oracle:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(self.timeout_s + 30)
        assert not self._thread.is_alive(), "the oracle still waits for an answer"

    @property
    def codes(self) -> Counter[str]:
        return Counter(answer.code for answer in self.answers)

    def wait_for_answers(self, count: int, timeout_s: float = 60.0) -> None:
        """Until that many more right answers have come."""
        goal = self.codes["OK"] + count
        deadline = time.monotonic() + timeout_s
        while self.codes["OK"] < goal:
            assert time.monotonic() < deadline, f"the oracle got no more answers: {self.codes}"
            time.sleep(0.01)

    def _run(self) -> None:
        with DepthClient(self.endpoint, timeout=self.timeout_s, retries=self.retries) as client:
            for number, (grey, picture) in enumerate(itertools.cycle(self._pictures)):
                if self._stop.wait(self.interval_s):
                    return
                self._ask(client, number, grey, picture)

    def _ask(self, client: DepthClient, number: int, grey: int, picture: bytes) -> None:
        sent_at = time.monotonic()
        try:
            # max_depth 1 leaves the engine's number as it is
            result = client.metric_depth(picture, max_depth=1.0, meta={"number": number})
        except DepthwireError as error:
            self.answers.append(Answer(sent_at, time.monotonic() - sent_at, error.code, error.retryable))
            return
        self.answers.append(Answer(sent_at, time.monotonic() - sent_at, "OK"))
        if result.depth.shape != (self.height, self.width) or not np.all(result.depth == grey):
            self.wrong.append(f"{grey}: got {result.depth.shape} {result.depth.min()}…{result.depth.max()}")
        if result.meta != {"number": number}:
            self.wrong.append(f"{number}: got the answer to {result.meta}")

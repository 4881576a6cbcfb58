"""How a daemon starts, and what a new shape does to the others: from launch to the first answer, cold and warm.

The standard set calls it. Both starts use a cache folder of their own, so that "cold" is cold and nothing of the
user's is touched.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from depthwire.bench import launch
from depthwire.bench.images import BenchImage, synthetic
from depthwire.bench.load import Show
from depthwire.bench.statistics import percentile, spread
from depthwire.client import DepthClient

ANSWER_TIMEOUT_S = 600.0
NEW_SHAPES = ((848, 480), (1280, 720), (512, 480))
"""Pictures whose network inputs differ from a 640×480 one's and from each other's."""
_KNOWN_BEFORE_S = 3.0
_KNOWN_AFTER_S = 1.0


def first_answers(flags: Sequence[str], image: BenchImage, show: Show) -> dict[str, Any]:
    """Seconds from launching a daemon to its first depth map in hand: with an empty cache, then with a filled one."""
    with tempfile.TemporaryDirectory(prefix="depthwire-bench-cache-") as cache:
        seconds = {}
        for state in ("cold", "warm"):
            show(f"launching a daemon, {state} cache")
            begun = time.monotonic()
            with launch.daemon(flags, environment={"XDG_CACHE_HOME": cache}) as endpoint:
                with DepthClient(endpoint, timeout=ANSWER_TIMEOUT_S) as client:
                    client.metric_depth(image.data)
                seconds[f"{state}_s"] = round(time.monotonic() - begun, 3)
        return seconds


@dataclass
class _KnownShape:
    """A client that goes on asking for one shape: when each of its requests was sent and answered."""

    endpoint: str
    image: BenchImage
    times: list[tuple[float, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with DepthClient(self.endpoint, timeout=ANSWER_TIMEOUT_S) as client:
            while not self.stop.is_set():
                sent = time.monotonic()
                client.metric_depth(self.image.data)
                self.times.append((sent, time.monotonic()))


def new_shape_delay(flags: Sequence[str], image: BenchImage, show: Show) -> dict[str, Any]:
    """How much longer requests of a known shape take while another client brings a new one.

    `delay_ms` is the slowest known request that overlaps a new shape's first one, less the median before; `batch_ms`
    how long the network needs for that new shape once it is prepared, which is the delay that cannot be avoided.
    """
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="depthwire-bench-cache-") as cache,
        launch.daemon(flags, environment={"XDG_CACHE_HOME": cache}) as endpoint,
        DepthClient(endpoint, timeout=ANSWER_TIMEOUT_S) as other,
    ):
        other.metric_depth(image.data)
        known = _KnownShape(endpoint, image)
        thread = threading.Thread(target=known.run, daemon=True)
        thread.start()
        for width, height in NEW_SHAPES:
            show(f"a new shape, {width}x{height}, beside a known one")
            picture = synthetic(width, height)
            begun = time.monotonic()
            time.sleep(_KNOWN_BEFORE_S)
            sent = time.monotonic()
            other.metric_depth(picture.data)
            answered = time.monotonic()
            time.sleep(_KNOWN_AFTER_S)
            rows.append(
                {"shape": [width, height], "first_s": round(answered - sent, 3)}
                | _delay(known.times.copy(), begun, sent, answered)
            )
        known.stop.set()
        thread.join()
        for row in rows:  # alone and prepared: what one batch of it takes
            picture = synthetic(*row["shape"])
            times = [other.metric_depth(picture.data).timing["infer_ms"] for _ in range(3)]
            row["batch_ms"] = round(spread(times)["median"], 2)
    return {"shapes": rows}


def _delay(times: list[tuple[float, float]], begun: float, sent: float, answered: float) -> dict[str, Any]:
    before = [done - start for start, done in times if begun <= start and done <= sent]
    meanwhile = [done - start for start, done in times if done > sent and start < answered]
    if not before or not meanwhile:
        return {"delay_ms": None}
    usual_s = percentile(before, 50)
    return {
        "known_p50_ms": round(1e3 * usual_s, 2),
        "known_slowest_ms": round(1e3 * max(meanwhile), 2),
        "delay_ms": round(1e3 * (max(meanwhile) - usual_s), 2),
    }

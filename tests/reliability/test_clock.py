"""A wall clock that jumps by two hours four times a second, in every process: nothing that is timed may notice."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from depthwire.client import DeadlineExceededError, DepthClient
from tests.e2e.conftest import DaemonFactory
from tests.reliability.conftest import Count
from tests.reliability.injection import sitecustomize
from tests.reliability.oracle import Oracle, grey_jpeg

PICTURE_S = 0.01


def test_a_wall_clock_set_back_and_forth_an_hour_is_no_deadline_error(
    faulty_daemon: DaemonFactory, monkeypatch: pytest.MonkeyPatch, count: Count, figures: dict[str, Any]
) -> None:
    environment = {"DEPTHWIRE_TEST_SERVICE_S": str(PICTURE_S), "DEPTHWIRE_TEST_WALL_CLOCK": "1"}
    monkeypatch.setattr(time, "time", time.time)  # so that both are put back
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    sitecustomize.unsettle_wall_clock()
    seconds = count(4, 120)
    # Every time limit is far below the hour, and far above what the daemon needs.
    limits = ["--silence-timeout-s", "5", "--batch-timeout-s", "5", "--stall-timeout-s", "5", "--probe-interval-s", "5"]
    daemon = faulty_daemon("--log-level", "debug", *limits, environment=environment)
    with Oracle(daemon.endpoint, timeout_s=10.0) as oracle, DepthClient(daemon.endpoint) as client:
        until, unready = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            health = client.health()
            unready += not health["ready"]
            time.sleep(0.1)
        slow = client.submit("rel_depth", grey_jpeg(64, 48, 50))
        # What is late is late all the same: three pictures' time for what waits behind twenty.
        blockers = [client.submit("rel_depth", grey_jpeg(64, 48, 50)) for _ in range(20)]
        asked_at = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            client.rel_depth(grey_jpeg(64, 48, 60), timeout=3 * PICTURE_S)
        late_after_s = time.monotonic() - asked_at
        for future in [slow, *blockers]:
            future.result(30)
    dates = {moment.replace(minute=0, second=0, microsecond=0) for moment in logged_moments(daemon.log)}
    figures |= {
        "seconds": seconds,
        "steps": 4 * seconds,
        "answers": dict(oracle.codes),
        "longest_s": round(max(answer.seconds for answer in oracle.answers), 3),
        "unready": unready,
        "late_after_s": round(late_after_s, 3),
    }
    assert max(dates) - min(dates) >= timedelta(hours=2), "the daemon's clock did not jump"
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}
    assert oracle.codes["OK"] > 20 * seconds
    assert unready == 0
    assert health["workers"][0]["restarts"] == 0
    assert late_after_s < 5
    assert 0 < health["uptime_s"] < 3600


def logged_moments(log: str) -> list[datetime]:
    found = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ ", log, re.MULTILINE)
    return [datetime.fromisoformat(moment) for moment in found]

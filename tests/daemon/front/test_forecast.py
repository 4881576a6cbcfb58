"""What is measured of each bucket, and that it is neither trusted too early nor for too long."""

from __future__ import annotations

import pytest

from depthwire.daemon.front.forecast import KEEPS_S, MAX_BUCKETS, Forecast
from depthwire.daemon.front.residency import Bucket
from depthwire.daemon.models import catalogue

VITS = catalogue.lookup("vits", "hypersim")
BUCKET = Bucket(VITS, 518, 518)


def note(forecast: Forecast, seconds: float, now: float, *, batch: int = 1, bucket: Bucket = BUCKET) -> None:
    """One pass of `batch` requests, all answered."""
    for _ in range(batch):
        forecast.note_answer(bucket, seconds, batch, seconds / batch, 2 * seconds, now)


def test_the_first_passes_are_not_trusted() -> None:
    forecast = Forecast()
    for n, seconds in enumerate((5.0, 1.0, 0.1)):  # what compiling and cold caches look like
        note(forecast, seconds, float(n), batch=8)
        pace = forecast.pace(BUCKET, float(n))
        assert pace is not None
        assert not pace.is_certain
    note(forecast, 0.1, 3.0, batch=8)
    assert pace.is_certain


def test_the_least_is_below_everything_measured_and_rises_when_that_is_long_ago() -> None:
    forecast = Forecast()
    for n in range(40):
        note(forecast, 0.1 if n == 3 else 0.2, 0.5 * n, batch=4)
    pace = forecast.pace(BUCKET, 20.0)
    assert pace is not None
    assert pace.least_pass_s == pytest.approx(0.09)
    assert pace.least_request_s == pytest.approx(0.09 / 4)
    for n in range(80):
        note(forecast, 0.2, 20.0 + 0.5 * n, batch=4)
    assert pace.least_pass_s == pytest.approx(0.18)
    assert pace.largest_batch == 4


def test_a_burst_of_slow_passes_does_not_raise_the_least() -> None:
    forecast = Forecast()
    note(forecast, 0.01, 0.0)
    for n in range(1000):
        note(forecast, 0.5, 0.002 * n)
    pace = forecast.pace(BUCKET, 2.0)
    assert pace is not None
    assert pace.least_pass_s == pytest.approx(0.009)


def test_likely_is_above_nearly_all_that_was_measured_and_follows_it() -> None:
    forecast = Forecast()
    held = [0.1, 0.12, 0.09, 0.15] * 20
    for n, seconds in enumerate(held):
        forecast.note_answer(BUCKET, 0.01, 1, 0.01, seconds, float(n))
    pace = forecast.pace(BUCKET, 80.0)
    assert pace is not None
    assert max(held) < pace.likely_s < 2.5 * max(held)
    for n in range(30):
        forecast.note_answer(BUCKET, 0.01, 1, 0.01, 0.02, 80.0 + n)
    assert 0.02 <= pace.likely_s < 0.05
    for _ in range(8):
        forecast.note_too_late(BUCKET, 0.5)  # those that came too late count, or only the quick would
    assert pace.likely_s > 0.5


def test_buckets_are_told_apart_and_the_oldest_forgotten() -> None:
    forecast = Forecast()
    for n in range(3 * MAX_BUCKETS):
        note(forecast, 0.001 * (n + 1), 0.0, bucket=Bucket(VITS, 14, 14 * n))
    assert forecast.pace(Bucket(VITS, 14, 0), 0.0) is None
    known = forecast.pace(Bucket(VITS, 14, 14 * (3 * MAX_BUCKETS - 1)), 0.0)
    assert known is not None
    assert known.least_pass_s == pytest.approx(0.0009 * 3 * MAX_BUCKETS)
    assert sum(forecast.pace(Bucket(VITS, 14, 14 * n), 0.0) is not None for n in range(3 * MAX_BUCKETS)) == MAX_BUCKETS


def test_what_was_measured_long_ago_is_unknown() -> None:
    forecast = Forecast()
    for _ in range(10):
        note(forecast, 3.0, 0.0)
    assert forecast.pace(BUCKET, KEEPS_S) is not None
    assert forecast.pace(BUCKET, KEEPS_S + 1) is None
    note(forecast, 0.1, KEEPS_S + 1)
    pace = forecast.pace(BUCKET, KEEPS_S + 1)
    assert pace is not None
    assert not pace.is_certain


def test_the_mean_is_right_from_the_first_answer_on_and_follows_the_last_few_dozen() -> None:
    forecast = Forecast()
    assert forecast.mean_request_s(BUCKET) == 0.0
    forecast.note_answer(BUCKET, 0.1, 1, 0.3, 0.1, 0.0)
    assert forecast.mean_request_s(BUCKET) == pytest.approx(0.3)
    for _ in range(50):
        for since_last_s in (0.16, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0):  # a batch of eight: one answer after another
            forecast.note_answer(BUCKET, 0.1, 8, since_last_s, 0.1, 0.0)
    assert forecast.mean_request_s(BUCKET) == pytest.approx(0.02, rel=0.15)

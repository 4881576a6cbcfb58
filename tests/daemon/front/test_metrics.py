"""The counters: each answer is counted once, under labels that nobody can make endless."""

from __future__ import annotations

from depthwire.daemon.front.metrics import ANONYMOUS, MAX_SERIES, OTHER, Histogram, Metrics

ROBOT = (b"robot",)


def test_an_answer_is_counted_under_what_it_was() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.answered("pc", "vits_hypersim_518", "OK", ROBOT)
    metrics.answered("pc", "", "BAD_IMAGE", ROBOT)
    assert metrics.requests == {
        ("pc", "vits_hypersim_518", "OK", ANONYMOUS): 3,
        ("pc", "", "BAD_IMAGE", ANONYMOUS): 1,
    }
    assert metrics.by_op() == {"pc": {"OK": 3, "BAD_IMAGE": 1}}
    assert metrics.by_model() == {"vits_hypersim_518": 3}


def test_only_who_has_proved_a_name_is_counted_under_it() -> None:
    metrics = Metrics()
    metrics.names[ROBOT] = "arm-7"
    metrics.answered("pc", "m", "OK", ROBOT)
    metrics.answered("pc", "m", "OK", (b"arm-7",))
    assert set(metrics.requests) == {("pc", "m", "OK", "arm-7"), ("pc", "m", "OK", ANONYMOUS)}


def test_an_operation_that_is_none_makes_no_label_of_its_own() -> None:
    metrics = Metrics()
    for op in ("drop table", "x" * 1000, None):
        metrics.answered(op, "", "UNKNOWN_OP", ROBOT)
    assert metrics.requests == {(OTHER, "", "UNKNOWN_OP", ANONYMOUS): 3}


def test_the_number_of_series_is_bounded_and_the_sum_right_all_the_same() -> None:
    metrics = Metrics()
    for n in range(50_000):
        metrics.answered("pc", f"model{n}", "OK", ROBOT)
    assert len(metrics.requests) <= MAX_SERIES + 1
    assert sum(metrics.requests.values()) == 50_000
    metrics.answered("pc", "model0", "OK", ROBOT)
    assert metrics.requests["pc", "model0", "OK", ANONYMOUS] == 2


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    histogram = Histogram((1, 2))
    for value in (0.0, 1.0, 1.5, 2.0, 2.1, 1e9):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert histogram.total == 0.0 + 1.0 + 1.5 + 2.0 + 2.1 + 1e9


def test_a_result_is_timed_in_every_stage_and_never_waited_less_than_nothing() -> None:
    metrics = Metrics()
    metrics.timed(decode_ms=4.0, infer_ms=12.0, post_ms=2.0, total_ms=20.0)
    metrics.timed(decode_ms=4.0, infer_ms=12.0, post_ms=8.0, total_ms=20.0)
    sums = {stage: histogram.total for stage, histogram in metrics.latency_ms.items()}
    assert sums == {"queue": 2.0, "decode": 8.0, "infer": 24.0, "post": 10.0, "total": 40.0}
    assert all(sum(histogram.counts) == 2 for histogram in metrics.latency_ms.values())

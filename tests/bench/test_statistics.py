"""Figures are what they are called: percentiles that happened, rates without the window's bias, honest spreads."""

import numpy as np
import pytest

from depthwire.bench.statistics import completion_rate, percentile, spread, summary


def test_percentiles_of_a_thousand_known_samples_are_the_samples_of_that_rank() -> None:
    samples = np.random.default_rng(1).permutation(np.arange(1.0, 1001.0))
    figures = summary(samples)
    assert [figures[name] for name in ("p50", "p90", "p99", "p99.9")] == [500, 900, 990, 999]
    assert (figures["samples"], figures["min"], figures["max"], figures["mean"]) == (1000, 1, 1000, 500.5)


def test_a_percentile_is_never_smoothed_below_what_happened() -> None:
    assert percentile([1.0] * 9 + [100.0], 99) == 100
    assert percentile([5.0], 99.9) == 5


def test_no_samples_make_no_figures() -> None:
    assert summary([]) == {"samples": 0}
    assert spread([]) == {"samples": 0}


def test_spread_tells_median_extremes_and_the_middle_half() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == {"samples": 5, "median": 3, "min": 1, "max": 5, "iqr": 2}


@pytest.mark.parametrize("begin", [0.5, 1.2, 1.9])
def test_the_rate_of_batched_answers_does_not_depend_on_where_the_window_cuts(begin: float) -> None:
    done = [second + 0.001 * place for second in range(20) for place in range(4)]
    assert completion_rate(done, begin, begin + 8) == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("begin", [0.05, 0.5, 0.95])
def test_a_first_answer_that_was_begun_before_the_window_does_not_count_as_quick(begin: float) -> None:
    assert completion_rate([1.0, 2.0, 3.0, 4.0], begin, begin + 4) == pytest.approx(1.0)


def test_a_server_that_falls_silent_is_not_measured_only_up_to_its_last_answer() -> None:
    assert completion_rate([0.1 * n for n in range(20)], 0.0, 10.0) == pytest.approx(1.9, rel=0.06)


def test_no_answer_in_the_window_is_a_rate_of_zero() -> None:
    assert completion_rate([0.5], 1.0, 2.0) == 0
    assert completion_rate([], 1.0, 2.0) == 0

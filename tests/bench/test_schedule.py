"""The moments at which an open loop sends, and the order in which operations are mixed."""

from itertools import islice

import numpy as np
import pytest

from depthwire.bench.mix import mixed, parse_mix
from depthwire.bench.schedule import intended_times


def test_a_poisson_schedule_has_the_rate_asked_for_and_the_spread_of_its_kind() -> None:
    times = intended_times("poisson", 200.0, 100.0, seed=7)
    assert len(times) == pytest.approx(20_000, abs=5 * 20_000**0.5)
    gaps = np.diff(times)
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.05)
    assert gaps.std() == pytest.approx(1 / 200, rel=0.05)  # of an exponential distribution the same as its mean
    assert times[-1] < 100


def test_the_parts_of_a_poisson_schedule_differ_and_make_up_the_rate() -> None:
    parts = [intended_times("poisson", 90.0, 100.0, seed=7, part=part, parts=3) for part in range(3)]
    assert sum(len(part) for part in parts) == pytest.approx(9000, abs=5 * 9000**0.5)
    assert not np.array_equal(parts[0][:50], parts[1][:50])
    assert np.array_equal(parts[0], intended_times("poisson", 90.0, 100.0, seed=7, part=0, parts=3))


def test_the_parts_of_a_fixed_schedule_together_are_the_schedule() -> None:
    parts = [intended_times("fixed", 10.0, 2.0, seed=0, part=part, parts=3) for part in range(3)]
    assert np.sort(np.concatenate(parts)).tolist() == pytest.approx([n / 10 for n in range(20)])


def test_operations_come_in_exact_proportion_and_spread_out() -> None:
    mix = parse_mix("metric_depth:3, pc:1")
    assert mix == {"metric_depth": 3, "pc": 1}
    some = list(islice(mixed(mix), 8))
    assert some.count("pc") == 2
    assert some[:4] == some[4:]
    assert sorted(islice(mixed(parse_mix("pc:20,rel_depth:20")), 2)) == ["pc", "rel_depth"]


@pytest.mark.parametrize("text", ["health", "pc:0", "pc:-1", "pc:x", "", "pc,,pc"])
def test_a_mix_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not one of|the weight of"):
        parse_mix(text)

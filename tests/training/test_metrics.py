"""Scores against cases made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from depthwire.training.evaluate import Row, group_rows, markdown
from depthwire.training.metrics import mean_scores, ordinal_accuracy, score
from depthwire.training.prediction import HeldOut


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def receding() -> np.ndarray:
    """Depth that grows from the lowest row to the highest."""
    return np.broadcast_to(np.geomspace(30, 1, 40, dtype=np.float32)[:, None], (40, 50)).copy()


def test_a_map_of_twice_the_depth_is_wrong_in_scale_and_right_in_shape() -> None:
    truth = receding()
    scores = score(2 * truth, truth, rng())
    assert scores.abs_rel == pytest.approx(1.0)
    assert scores.delta1 == 0
    assert scores.delta1_aligned == 1
    assert scores.ordinal == 1
    assert scores.rmse == pytest.approx(float(np.sqrt(np.mean(truth.astype(float) ** 2))), rel=1e-5)


def test_sky_counts_for_order_and_not_for_distance() -> None:
    truth = receding()
    truth[:10] = np.inf
    depth = np.where(np.isinf(truth), 80.0, truth).astype(np.float32)
    right = score(depth, truth, rng())
    depth[:10] = 0.5
    wrong = score(depth, truth, rng())
    assert right.abs_rel == wrong.abs_rel == 0
    assert right.ordinal == 1
    assert wrong.ordinal < 0.8


def test_where_the_rows_mislead_the_prior_fails_and_hard_pairs_tell_the_network_from_it() -> None:
    truth = receding()
    truth[:20] = 0.8  # something hangs into the upper half
    by_rows = receding()
    all_pairs, hard, prior = ordinal_accuracy(by_rows, truth, rng())
    assert all_pairs == pytest.approx(prior)
    assert hard == 0
    assert ordinal_accuracy(truth, truth, rng())[:2] == (1, 1)


def test_near_scores_leave_out_what_is_beyond_forty_metres() -> None:
    truth = np.full((8, 8), 60.0, np.float32)
    truth[4:] = 10
    depth = truth.copy()
    depth[:4] = 30
    scores = score(depth, truth, rng())
    assert scores.abs_rel == pytest.approx(0.25)
    assert scores.abs_rel_near == 0


def test_means_leave_out_what_a_picture_does_not_have() -> None:
    truth = np.full((8, 8), np.inf, np.float32)
    empty, full = score(truth, truth, rng()), score(receding(), receding(), rng())
    assert mean_scores([empty, full])["abs_rel"] == 0


def test_the_table_says_which_targets_are_met() -> None:
    means = dict.fromkeys(("abs_rel", "abs_rel_near", "rmse", "delta1", "delta1_aligned"), 0.25)
    means |= {"ordinal": 0.9, "prior": 0.8, "ordinal_hard": float("nan")}
    text = markdown([Row(group, 3, means) for group in ("all", "indoors", "outdoors")])
    assert "AbsRel indoors: 0.250, target ≤ 0.20: not met" in text
    assert "AbsRel outdoors below 40 m: 0.250, target ≤ 0.30: met" in text


def test_scenes_of_random_size_have_a_row_of_their_own_and_count_for_no_target() -> None:
    truth = receding()
    kinds = (("attic", False, 1.0), ("harbour", True, 1.0), ("still life", False, 5.0))
    pictures = [
        HeldOut(np.zeros((40, 50, 3), np.uint8), truth, kind, outdoors, number)
        for number, (kind, outdoors, _) in enumerate(kinds)
    ]
    rows = group_rows(pictures, [score(factor * truth, truth, rng()) for _, _, factor in kinds])
    reached = {row.group: (row.pictures, row.means["abs_rel"]) for row in rows}
    assert reached["all"] == (2, 0)
    assert reached["indoors"] == reached["attic"] == reached["harbour"] == reached["outdoors"] == (1, 0)
    assert reached["still life"] == (1, pytest.approx(4.0))

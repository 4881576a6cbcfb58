"""Scores of a depth map against the truth, and of the order in which it puts pairs of points.

evaluate.py and the trainer call it. AbsRel and δ1 are the client's (client/demo/accuracy.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthwire.client.demo.accuracy import accuracy
from depthwire.training.losses import MAX_DEPTH_M

Floats = NDArray[np.float32]

ORDINAL_RATIO = 1.25
"""Pairs count whose true depths differ by more than this factor: people see which is nearer."""
OUTDOOR_LIMIT_M = 40.0
_PAIRS = 4000


@dataclass(frozen=True)
class Scores:
    """Scores of one picture."""

    abs_rel: float
    rmse: float
    """Metres."""
    delta1: float
    delta1_aligned: float
    """δ1 after the map is scaled to the median of the truth."""
    abs_rel_near: float
    """AbsRel of what is nearer than 40 m; NaN where nothing is."""
    ordinal: float
    """Share of the pairs in the right order."""
    ordinal_hard: float
    """The same of the pairs whose higher point is the nearer one; NaN where there are none."""
    prior: float
    """What "lower in the picture is nearer" scores on the pairs of `ordinal`."""


def score(depth: Floats, truth: Floats, rng: np.random.Generator) -> Scores:
    """Score a depth map.

    Args:
        depth: (H, W) metres, above 0.
        truth: (H, W) metres; inf in the sky, which counts for the order of points only.
        rng: draws the pairs; the same generator gives the same pairs.
    """
    counted = (truth > 0) & (truth <= MAX_DEPTH_M)
    near = counted & (truth < OUTDOOR_LIMIT_M)
    found, true = depth[counted], truth[counted].astype(np.float64)
    order = ordinal_accuracy(depth, truth, rng)
    if not found.size:
        return Scores(np.nan, np.nan, np.nan, np.nan, np.nan, *order)
    abs_rel, delta1 = accuracy(found, true)
    aligned = found * (np.median(true) / np.median(found))
    return Scores(
        abs_rel=abs_rel,
        rmse=float(np.sqrt(np.mean((found - true) ** 2))),
        delta1=delta1,
        delta1_aligned=accuracy(aligned, true)[1],
        abs_rel_near=accuracy(depth[near], truth[near].astype(np.float64))[0] if near.any() else np.nan,
        ordinal=order[0],
        ordinal_hard=order[1],
        prior=order[2],
    )


def ordinal_accuracy(
    depth: Floats, truth: Floats, rng: np.random.Generator, pairs: int = _PAIRS
) -> tuple[float, float, float]:
    """Shares of random pairs of points that are in the right order: all, those where the rows mislead, by rows alone.

    Pairs count whose true depths differ by more than ORDINAL_RATIO and whose rows differ. NaN where no pair counts.
    """
    height, width = truth.shape
    rows = rng.integers(height, size=(2, pairs))
    columns = rng.integers(width, size=(2, pairs))
    true, found = truth[rows, columns], depth[rows, columns]
    with np.errstate(invalid="ignore"):  # sky against sky
        ratio = np.maximum(true[0] / true[1], true[1] / true[0])
    counted = (ratio > ORDINAL_RATIO) & (rows[0] != rows[1]) & (true > 0).all(axis=0)
    first_nearer = true[0] < true[1]
    right = (found[0] < found[1]) == first_nearer
    prior_right = (rows[0] > rows[1]) == first_nearer
    return _share(right[counted]), _share(right[counted & ~prior_right]), _share(prior_right[counted])


def mean_scores(scores: list[Scores]) -> dict[str, float]:
    """The mean of each score over pictures, leaving out those that do not have it; NaN where none has."""
    means = {}
    for name in Scores.__dataclass_fields__:
        values = np.array([getattr(entry, name) for entry in scores], np.float64)
        values = values[np.isfinite(values)]
        means[name] = float(values.mean()) if values.size else float("nan")
    return means


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else float("nan")

"""Numbers out of samples: percentiles that were observed, a rate that a short window does not bias, spreads.

Every report's figures are computed here, so that they mean the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PERCENTILES = (50.0, 90.0, 99.0, 99.9)

Samples = npt.NDArray[np.float64] | Sequence[float]


def percentile(samples: Samples, percent: float) -> float:
    """The smallest sample that at least `percent` % of all samples do not exceed (nearest rank): one that happened."""
    values = np.sort(np.asarray(samples, np.float64))
    rank = math.ceil(percent * len(values) / 100 - 1e-9)  # 99.9 × 1000 / 100 is a hair above 999 in floating point
    return float(values[max(rank, 1) - 1])


def summary(samples: Samples, digits: int = 4) -> dict[str, Any]:
    """Count, mean, extremes and percentiles; only the count where there is no sample."""
    values = np.asarray(samples, np.float64)
    if not len(values):
        return {"samples": 0}
    figures = {f"p{percent:g}": percentile(values, percent) for percent in PERCENTILES}
    figures |= {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    return {"samples": len(values), **{name: round(value, digits) for name, value in figures.items()}}


def spread(samples: Samples, digits: int = 4) -> dict[str, Any]:
    """Median, extremes and interquartile range: what a measurement repeated a few times is told as."""
    values = np.asarray(samples, np.float64)
    if not len(values):
        return {"samples": 0}
    low, middle, high = np.percentile(values, (25, 50, 75))
    figures = {"median": middle, "min": values.min(), "max": values.max(), "iqr": high - low}
    return {"samples": len(values), **{name: round(float(value), digits) for name, value in figures.items()}}


def completion_rate(done: Samples, begin: float, end: float) -> float:
    """Completions a second between `begin` and `end`.

    Counted from the last completion before the window, or where there is none from the first one in it, to the last:
    answers come a batch at a time, and a window that cuts through the wait for one would count up to a batch too few or
    too many. A silence at the end that is longer than any gap before counts in full: the server may have stopped.
    """
    moments = np.sort(np.asarray(done, np.float64))
    inside = moments[(moments > begin) & (moments <= end)]
    if not len(inside):
        return 0.0
    before = moments[moments <= begin]
    first = float(before[-1]) if len(before) else begin
    if not len(before) and len(inside) > 1:  # what was done of the first one's work before the window nobody knows
        first, inside = float(inside[0]), inside[1:]
    gaps = np.diff(np.concatenate(([first], inside)))
    last = end if end - inside[-1] > gaps.max() else float(inside[-1])
    return len(inside) / (last - first) if last > first else 0.0

"""How far a depth map is from the truth: the two scores by which depth networks are compared. The demo shows them,
and the evaluation of trained networks (training/metrics.py) is built on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(depth: NDArray[Any], true_depth: NDArray[np.float64]) -> tuple[float, float]:
    """AbsRel, the mean of |d − t| / t, and δ1, the share of pixels with max(d/t, t/d) < 1.25 (Eigen et al., 2014).

    depth, true_depth: metres, of one shape; pixels where either is not finite and positive do not count.
    """
    counted = np.isfinite(depth) & (depth > 0) & (true_depth > 0)
    found, true = depth[counted].astype(np.float64), true_depth[counted]
    return float(np.mean(np.abs(found - true) / true)), float(np.mean(np.maximum(found / true, true / found) < 1.25))

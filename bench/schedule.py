"""When an open loop sends: moments that are fixed before the first request, whatever the server does meanwhile.

Gil Tene, "How NOT to Measure Latency": a generator that waits for answers before it sends leaves out exactly the
requests that would have suffered, so latency counts from these intended moments.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Arrivals: TypeAlias = Literal["poisson", "fixed"]


def intended_times(
    arrivals: Arrivals, rate: float, duration_s: float, seed: int, part: int = 0, parts: int = 1
) -> npt.NDArray[np.float64]:
    """Seconds from the start, ascending, of this generator's share of `rate` requests a second.

    Of a fixed schedule part k sends every `parts`-th request; of a Poisson process each part is one of its own at
    rate / parts, which together are one at `rate`.
    """
    if arrivals == "fixed":
        times: npt.NDArray[np.float64] = np.arange(part, int(rate * duration_s), parts) / rate
        return times
    random = np.random.default_rng([seed, part])
    share = rate / parts
    gaps = random.exponential(1 / share, int(share * duration_s + 8 * (share * duration_s) ** 0.5 + 16))
    moments: npt.NDArray[np.float64] = np.cumsum(gaps)
    return moments[moments < duration_s]

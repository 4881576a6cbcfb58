"""The operation mix: which operations a load asks for, and in which proportion, as `metric_depth:3,pc:1`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import cycle

from depthwire.protocol import IMAGE_OPS


def parse_mix(text: str) -> dict[str, int]:
    """Operation → weight. Raises ValueError for an operation that takes no image, or a weight that is no count."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        op, _, weight = part.strip().partition(":")
        if op not in IMAGE_OPS:
            raise ValueError(f"{op!r} is not one of {', '.join(sorted(IMAGE_OPS))}")
        if weight and not (weight.isascii() and weight.isdigit() and int(weight) > 0):
            raise ValueError(f"the weight of {op} is {weight!r}; write a number above 0, as in metric_depth:3,pc:1")
        mix[op] = mix.get(op, 0) + int(weight or 1)
    return mix


def mixed(mix: dict[str, int]) -> Iterator[str]:
    """The operations without end, exactly in proportion over each round and spread evenly within it."""
    divisor = math.gcd(*mix.values())
    due = [((turn + 0.5) / (weight // divisor), op) for op, weight in mix.items() for turn in range(weight // divisor)]
    return cycle([op for _, op in sorted(due)])

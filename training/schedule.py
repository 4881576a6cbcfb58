"""How a run goes on: how much of its budget is spent, at which sizes it trains now, and how large its steps are.

train.py asks it before every step. A budget of minutes makes the most of a machine whose speed is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from depthwire.protocol.messages import PATCH
from depthwire.training.errors import TrainingError


class BadStages(TrainingError):
    """A text does not describe stages. It says which part, and what is expected."""


@dataclass(frozen=True)
class Stage:
    """A part of a run with its own picture sizes."""

    share: float
    """Of the budget."""
    shapes: tuple[tuple[int, int], ...]
    """Height and width of the network's input in pixels; one of them for each step, all as often."""
    batch: int


DEFAULT_STAGES = (
    "0.3:112x154+112x140+126x154+140x112:24,"
    "0.4:126x168+126x196+112x196+154x126:20,"
    "0.3:154x210+154x266+154x238+210x154:12"
)
"""The last are the shapes of pictures at INPUT_SIZE: 4:3, 16:9, 3:2 and upright."""


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read `SHARE:HEIGHTxWIDTH+…:BATCH,…`, sizes in multiples of 14; the shares are scaled to sum to 1.

    Raises:
        BadStages: the text has another form.
    """
    stages = [_parse_stage(part.strip()) for part in text.split(",")]
    total = sum(stage.share for stage in stages)
    return tuple(Stage(stage.share / total, stage.shapes, stage.batch) for stage in stages)


def _parse_stage(text: str) -> Stage:
    try:
        share, sizes, batch = text.split(":")
        shapes = tuple((int(size.split("x")[0]), int(size.split("x")[1])) for size in sizes.split("+"))
        stage = Stage(float(share), shapes, int(batch))
    except (ValueError, IndexError):
        raise BadStages(f"{text!r} is no stage; write SHARE:HEIGHTxWIDTH+HEIGHTxWIDTH:BATCH") from None
    if stage.share <= 0 or stage.batch < 1:
        raise BadStages(f"{text!r}: share and batch must be above 0")
    odd = [side for shape in stage.shapes for side in shape if side % PATCH or side < PATCH]
    if odd:
        raise BadStages(f"{text!r}: sides must be multiples of {PATCH}, got {odd[0]}")
    return stage


@dataclass(frozen=True)
class Budget:
    """How long a run is: a number of steps, or minutes of wall clock (of the run, whatever lay between its parts)."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a run needs --steps or --minutes, one of them")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the budget that is spent, 0…1, before step number `step`."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, elapsed_s / (60 * self.minutes))


def stage_at(stages: tuple[Stage, ...], progress: float) -> Stage:
    """The stage at a share of the budget; the last one at its end."""
    end = 0.0
    for stage in stages:
        end += stage.share
        if progress < end:
            return stage
    return stages[-1]


def learning_rate(peak: float, progress: float, warm_up: float, last_share: float) -> float:
    """Linear warm-up over the first share `warm_up` of the budget, then a cosine down to `last_share` of the peak."""
    if progress < warm_up:
        return peak * progress / warm_up
    along = (progress - warm_up) / max(1 - warm_up, 1e-9)
    return peak * (last_share + (1 - last_share) * (1 + math.cos(math.pi * along)) / 2)

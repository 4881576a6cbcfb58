"""Which pictures a step sees: those seen least so far, in random order, from a folder that may still be growing.

train.py draws from it and stores its state with the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from depthwire.training.errors import TrainingError
from depthwire.training.shards import SUFFIX, Shard, find_shards

Pick = tuple[str, int]
"""File name of a shard and the number of a picture in it."""


class NoPictures(TrainingError):
    """A data folder has no shard. The text says how to make some."""


class Sampler:
    """Plans the pictures of the next steps.

    Whatever has been seen least comes first: new shards of a growing folder at once, and every picture once before
    any twice. With weights, a layout's pictures are seen that many times as often as those of weight 1, or never.

    Raises:
        NoPictures: the folder has no shard, or every layout in it has the weight 0.
    """

    def __init__(
        self, folder: Path, seed: int, plan_pictures: int = 4096, weights: Mapping[str, float] | None = None
    ) -> None:
        self.folder = folder
        self._weights = dict(weights or {})
        self._frequencies: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
        self._seed = seed
        self._plan_pictures = plan_pictures
        self._shards: dict[str, Shard] = {}
        self._uses: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = {}
        self._queue: list[Pick] = []
        self._plans = 0
        self._look_for_shards()

    @property
    def pictures(self) -> int:
        """How many there are, as far as is known."""
        return sum(len(uses) for uses in self._uses.values())

    def take(self, count: int) -> list[tuple[Shard, int]]:
        """The next `count` pictures."""
        while len(self._queue) < count:
            self._plan()
        taken, self._queue = self._queue[:count], self._queue[count:]
        return [(self._shards[name], number) for name, number in taken]

    def state(self, untrained: Sequence[tuple[Shard, int]] = ()) -> dict[str, Any]:
        """What `restore` needs to go on with the same pictures; plain numbers, lists and texts.

        untrained: pictures taken of late that no step has used; they come first again.
        """
        return {
            "uses": {name: uses.tolist() for name, uses in self._uses.items()},
            "queue": [*((shard.path.name, number) for shard, number in untrained), *self._queue],
            "plans": self._plans,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises:
            NoPictures: a shard that is planned for is gone.
        """
        self._uses = {name: np.array(uses, np.int64) for name, uses in state["uses"].items()}
        self._queue = [(name, number) for name, number in state["queue"]]
        self._plans = state["plans"]
        gone = sorted(set(self._uses) - set(self._shards))
        if gone:
            raise NoPictures(
                f"{self.folder} lacks {len(gone)} shards that the run has used, {gone[0]} first; render them again, or "
                "begin a new run with another --out"
            )

    def _plan(self) -> None:
        self._look_for_shards()
        rng = np.random.default_rng([self._seed, self._plans])
        self._plans += 1
        names = sorted(self._uses)
        uses = np.concatenate([self._uses[name] for name in names])
        frequencies = np.concatenate([self._frequencies[name] for name in names])
        starts = np.cumsum([0, *(len(self._uses[name]) for name in names)])
        seen = (uses + rng.random(len(uses))) / np.maximum(frequencies, 1e-9)
        # A plan of all pictures would see every one once, whatever its weight.
        count = min(self._plan_pictures, -(-np.count_nonzero(frequencies) // 4))
        chosen = np.argsort(seen)[:count]
        chosen = rng.permutation(chosen)
        for index in chosen:
            place = int(np.searchsorted(starts, index, side="right")) - 1
            number = int(index - starts[place])
            self._uses[names[place]][number] += 1
            self._queue.append((names[place], number))

    def _weight_of(self, shard: Shard, number: int) -> float:
        return self._weights.get(shard.facts[number].kind, 1.0)

    def _look_for_shards(self) -> None:
        for shard in find_shards(self.folder):
            name = shard.path.name
            shard = self._shards.setdefault(name, shard)
            if name not in self._uses:
                self._uses[name] = np.zeros(len(shard), np.int64)
            if name not in self._frequencies:
                self._frequencies[name] = np.array([self._weight_of(shard, number) for number in range(len(shard))])
        if not self._shards:
            raise NoPictures(
                f"no picture in {self.folder} (*{SUFFIX}); make some with depthwire-train render --out {self.folder}"
            )
        if not any(frequencies.any() for frequencies in self._frequencies.values()):
            raise NoPictures(f"every picture in {self.folder} is of a layout whose weight is 0; leave one above 0")

"""The null engine: a plane of constant depth, to measure everything but the network.

It takes no checkpoint and resizes nothing: fitting a picture to a network and back is the network's cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from depthwire.daemon.engines.engine import EngineOptions
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.results.project import complete
from depthwire.daemon.results.target import Target


class NullNetwork:
    bytes = 0

    def __init__(self, constant: float, threads: int) -> None:
        self._constant = constant
        self._threads = threads
        self._rows_pool = ThreadPoolExecutor(threads, "rows")

    def prepare(self, bgr: npt.NDArray[np.uint8], height: int, width: int) -> float:
        return self._constant

    def warm(self, height: int, width: int) -> None:
        """Nothing to make ready."""

    def forget(self, height: int, width: int) -> None:
        """Nothing to give up."""

    def infer(self, batch: Sequence[float]) -> Sequence[float]:
        return batch

    def finish(self, output: float, target: Target) -> tuple[float, float]:
        target.depth.fill(output * target.scale)
        return complete(target, self._rows_pool, self._threads)


class NullEngine:
    name = "null"
    device = "cpu"
    precision = "float32"
    max_shapes = 0
    memory_bytes = 2**30

    def __init__(self, options: EngineOptions) -> None:
        self.max_batch = options.max_batch or 8
        self._options = options

    def load(self, checkpoint: Checkpoint, path: Path | None) -> NullNetwork:
        return NullNetwork(self._options.constant_depth, self._options.threads)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def is_poisoned(self, error: BaseException) -> bool:
        return False

"""Batches prepared beside the step: in a thread where the step needs the cores, in processes where a GPU does it.

train.py orders them in the order of its steps. What is in a batch does not depend on who prepares it.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from depthwire.training.augment import Augmentation, make_batch
from depthwire.training.shards import Shard

Picks = list[tuple[Shard, int]]
"""Which pictures a batch is made of: the shard and the number in it."""
_AHEAD_PER_PROCESS = 2
_OPEN_SHARDS = 1024


@dataclass(frozen=True)
class Batch:
    """Pictures as the network sees them, and their depth."""

    picks: Picks
    pictures: NDArray[np.float32]
    """(B, 3, H, W), normalised."""
    depths: NDArray[np.float32]
    """(B, H, W) metres, inf in the sky."""


class Loader:
    """Prepares batches in the order in which they were asked for.

    Args:
        processes: how many prepare; 0 is a thread of this process, which takes little from a step on few cores.
    """

    def __init__(self, processes: int) -> None:
        self.ahead = max(1, _AHEAD_PER_PROCESS * processes)
        """How many batches are worth having under way."""
        self._executor: Executor = (
            ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
            if processes
            else ThreadPoolExecutor(1)
        )
        self._under_way: deque[tuple[Picks, Future[tuple[NDArray[np.float32], NDArray[np.float32]]]]] = deque()

    def __len__(self) -> int:
        """How many batches are under way or ready."""
        return len(self._under_way)

    def order(self, picks: Picks, height: int, width: int, seed: Sequence[int], options: Augmentation) -> None:
        """Begin to prepare a batch; everything random about it follows from `seed`."""
        places = [(shard.path, number) for shard, number in picks]
        future = self._executor.submit(_prepare, places, height, width, tuple(seed), options)
        self._under_way.append((picks, future))

    def take(self) -> Batch:
        """The batch that was ordered first, once it is ready."""
        picks, future = self._under_way.popleft()
        return Batch(picks, *future.result())

    def untrained(self) -> Picks:
        """The pictures of all batches that were ordered and not taken, in their order."""
        return [pick for picks, _ in self._under_way for pick in picks]

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: Ctrl-C is the trainer's to answer, and the other cores have processes of their own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _prepare(
    places: list[tuple[Path, int]], height: int, width: int, seed: tuple[int, ...], options: Augmentation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    picks = [(_shard(path), number) for path, number in places]
    return make_batch(picks, height, width, np.random.default_rng(seed), options)


@lru_cache(_OPEN_SHARDS)
def _shard(path: Path) -> Shard:
    return Shard(path)

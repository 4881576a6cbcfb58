"""The seam between the worker and what runs a network: an Engine loads checkpoints, a Network runs batches.

The worker calls `prepare` for each image in a decode thread, `infer` for each batch in the engine thread and `finish`
for each result in a finishing thread. Nothing on the worker's side of the seam knows which network or device it is.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.results.target import Target

MEMORY_SHARE = 0.5
"""Of the device's memory, for weights: the rest is for activations and for whoever else is there."""


class Network(Protocol):
    """A checkpoint on a device, ready to run."""

    bytes: int
    """Device memory that its weights take."""

    def prepare(self, bgr: npt.NDArray[np.uint8], height: int, width: int) -> Any:
        """The network's input of `height` × `width` for a picture (h, w, 3); called from several threads."""
        ...

    def warm(self, height: int, width: int) -> None:
        """Make this input size ready to run; it may take seconds. Called beside `infer` of other sizes.

        Never called where the engine's `max_shapes` is 0; elsewhere before the first input of a size, unless the front
        has no place for it among the sizes that are kept: then it runs without.
        """
        ...

    def forget(self, height: int, width: int) -> None:
        """Give up what `warm` made for this size; nothing of it is in flight."""
        ...

    def infer(self, batch: Sequence[Any]) -> Sequence[Any]:
        """One output for each prepared input, all of the same size, warm or not. One thread calls it."""
        ...

    def finish(self, output: Any, target: Target) -> tuple[float, float]:
        """Write an output to its target; returns the least and the greatest depth. Called from several threads."""
        ...


class Engine(Protocol):
    """Runs networks on one device."""

    name: str
    device: str
    precision: str
    max_batch: int
    max_shapes: int
    """How many input sizes, of all networks together, can be kept warm; 0 if none needs to be."""
    memory_bytes: int
    """Memory that loaded checkpoints may take together, unless the operator sets a budget."""

    def load(self, checkpoint: Checkpoint, path: Path | None) -> Network:
        """The checkpoint in file `path` on the device; called beside `infer` of other networks."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether a smaller batch may succeed where this error ended one."""
        ...

    def is_poisoned(self, error: BaseException) -> bool:
        """Whether after this error the device answers nothing but errors until the process ends."""
        ...


@runtime_checkable
class PageLocking(Protocol):
    """An engine whose device writes results to the arena by itself, where the arena's memory is page-locked."""

    def page_lock(self, memory: mmap.mmap) -> None:
        """Page-lock the arena for this device. Called once, before anything is loaded."""
        ...


@dataclass(frozen=True)
class EngineOptions:
    """What an operator chose: device `auto`, `cpu` or `cuda:N`, precision `auto` or a name, threads for the CPU."""

    device: str = "auto"
    precision: str = "auto"
    max_batch: int = 0
    threads: int = 1
    constant_depth: float = 0.5

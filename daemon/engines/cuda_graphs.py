"""CUDA graphs: a network's some four hundred launches for one input size, recorded once and replayed as one.
cuda.py records a size when the front asks it to warm it, beside the work, and replays it in the engine thread.

The front bounds how many sizes are kept (front/residency.py); here is how one is recorded, and for which batch sizes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from depthwire.daemon.engines.cuda_memory import is_out_of_memory

log = logging.getLogger("depthwire.worker")

_WARM_UP_RUNS = 3
"""Before a recording, as torch advises: libraries set themselves up, and cuDNN tries which algorithm is fastest."""


def batch_sizes(max_batch: int) -> list[int]:
    """The batch sizes to record, greatest first: the powers of two up to `max_batch`."""
    return [2**power for power in reversed(range(max_batch.bit_length()))]


def split(count: int, sizes: Sequence[int]) -> list[int]:
    """A batch of `count` as recorded sizes, greatest first, which must include 1: 7 is 4 + 2 + 1.

    Nothing is padded: a recording of 8 would do 7 pictures' work and one nobody's. The alternative, a recording for
    every count, takes twice as long to warm; `make bench-gpu` shows what the split costs.
    """
    parts = []
    for size in sorted(sizes, reverse=True):
        times, count = divmod(count, size)
        parts += [size] * times
    assert not count
    return parts


def new_stream(device: torch.device, priority: int = 0) -> torch.cuda.Stream:
    """A stream on `device`; the lower the number, the sooner its work gets its turn."""
    return torch.cuda.Stream(device, priority)  # type: ignore[no-untyped-call]


class RecordedShape:
    """A network at one input size: runs any number of pictures by replaying recordings, one after the other."""

    def __init__(self, inputs: Tensor, replays: dict[int, Callable[[], Tensor]]) -> None:
        """`inputs` (B, 3, H, W) is what the recordings read; each gives (n, H, W) for the first n of it."""
        self._inputs = inputs
        self._replays = replays

    def run(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """(H, W) for each of the pictures (3, H, W). One thread at a time, always on the same stream."""
        outputs: list[Tensor] = []
        for size in split(len(pictures), list(self._replays)):
            part = pictures[len(outputs) : len(outputs) + size]
            for row, picture in zip(self._inputs[:size].unbind(), part, strict=True):
                row.copy_(picture)
            outputs += self._replays[size]().clone().unbind()  # a copy: the next replay writes to the same place
        return outputs


class GraphRecorder:
    """Makes RecordedShapes on one device."""

    def __init__(self, device: torch.device) -> None:
        self.lock = threading.Lock()
        """Held while recording: one recording at a time, and nobody may give memory back to the device beside it."""
        self._device = device
        # Two streams, since cuBLAS keeps a workspace for each. A recording made on the stream of the warm-up runs
        # would have their workspace built in, and its replays would race with the next shape's warm-up.
        self._warm_up_stream = new_stream(device)
        self._recording_stream = new_stream(device)
        # One pool for all recordings of all networks: they are replayed one after the other, so each may use the
        # memory of all others, and together they take what the largest takes.
        self._pool = torch.cuda.graph_pool_handle()
        self._works = True
        with self.lock, torch.inference_mode():
            # Kept for good, because torch refuses a pool whose last recording has gone; and the first to show whether
            # recording works here at all.
            self._anchor = self._try_to_record(lambda: torch.zeros(1, device=device))

    @torch.inference_mode()
    def record(
        self,
        forward: Callable[[Tensor], Tensor],
        size: tuple[int, int],
        dtype: torch.dtype,
        batches: Sequence[int],
    ) -> RecordedShape | None:
        """Run `forward` at this input size, (n, 3, height, width) → (n, height, width), and record it for `batches`.

        A batch size for which there is no memory is left out. None if no recording could be made: run it eagerly.
        """
        replays: dict[int, Callable[[], Tensor]] = {}
        with self.lock, torch.cuda.stream(self._warm_up_stream):
            inputs = torch.empty(
                (max(batches), 3, *size), dtype=dtype, device=self._device, memory_format=torch.channels_last
            ).zero_()
            for batch in sorted(batches, reverse=True):  # the greatest first: the others fit into its memory
                run = partial(forward, inputs[:batch])
                try:
                    replay = self._warm_up_and_record(run)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    log.warning("no memory for a batch of %d at %dx%d; it will be split: %s", batch, *size, error)
                    continue
                if replay is not None:
                    replays[batch] = replay
        return RecordedShape(inputs, replays) if 1 in replays else None

    def _warm_up_and_record(self, run: Callable[[], Tensor]) -> Callable[[], Tensor] | None:
        """Tries twice where memory runs out: beside a recording, torch gives the device back nothing that it keeps."""
        try:
            return self._warm_up_and_record_once(run)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold every layer's activations
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
        return self._warm_up_and_record_once(run)

    def _warm_up_and_record_once(self, run: Callable[[], Tensor]) -> Callable[[], Tensor] | None:
        for _ in range(_WARM_UP_RUNS):
            run()
        self._warm_up_stream.synchronize()
        return self._try_to_record(run)

    def _try_to_record(self, forward: Callable[[], Tensor]) -> Callable[[], Tensor] | None:
        """None, and nothing is tried again, after the first failure: torch's allocator may not recover from one.

        Too little memory, whoever says so, is none: it is raised, and the next recording is tried.
        """
        if not self._works:
            return None
        try:
            return self._record(forward)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._works = False
            log.warning("CUDA graphs do not work here (%s); every launch is made by itself, which is slower", error)
            return None

    def _record(self, forward: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Nothing else on the device waits for it. `torch.cuda.graph` would wait for all streams, and empty the caches
        of device and page-locked memory, which the work beside it then has to ask the driver for again."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._recording_stream):
            # Thread-local: other threads go on allocating, copying and replaying meanwhile, which "global" would answer
            # with an error to them and to us. A lock instead would make known shapes wait for a new one.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                outputs = forward()
            except BaseException:
                with contextlib.suppress(RuntimeError):  # that the recording is broken, which is known
                    graph.capture_end()
                raise
            graph.capture_end()

        def replay() -> Tensor:
            graph.replay()
            return outputs

        return replay

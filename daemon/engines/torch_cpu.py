"""The torch engine on the CPU: where OpenVINO is not installed, and the reference that other engines are compared with.

A thin layer over models/: it holds the weights and turns arrays into tensors and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from depthwire.daemon.engines.engine import MEMORY_SHARE, EngineOptions
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.models.depth_anything import DepthAnythingV2, build
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.models.upsample import upsample
from depthwire.daemon.results.project import complete
from depthwire.daemon.results.target import Target
from depthwire.daemon.seam.memory import usable_memory_bytes
from depthwire.protocol.messages import PATCH

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class TorchNetwork:
    def __init__(self, model: DepthAnythingV2, threads: int) -> None:
        self._threads = threads
        self._rows_pool = ThreadPoolExecutor(threads, "rows")
        self._model = model
        self.bytes = sum(weight.numel() * weight.element_size() for weight in model.parameters())

    def prepare(self, bgr: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.float32]:
        return normalise(bgr, height, width)

    def warm(self, height: int, width: int) -> None:
        """Nothing to make ready: eager torch takes any size."""

    def forget(self, height: int, width: int) -> None:
        """Nothing to give up."""

    @torch.inference_mode()
    def infer(self, batch: Sequence[npt.NDArray[np.float32]]) -> Sequence[npt.NDArray[np.float32]]:
        inputs = torch.from_numpy(np.stack(batch))
        rows, columns = inputs.shape[2] // PATCH, inputs.shape[3] // PATCH
        taken = self._model.pretrained(inputs)
        # The encoder's products give the same bits at any batch size, the head's convolutions do not: run one by one,
        # which costs them nothing on a CPU, an answer does not depend on who else happened to ask.
        parts = ([tokens[i : i + 1] for tokens in taken] for i in range(len(batch)))
        return [self._model.depth_head(part, rows, columns)[0].numpy() for part in parts]

    def finish(self, output: npt.NDArray[np.float32], target: Target) -> tuple[float, float]:
        height, width = target.depth.shape
        upsample(output * np.float32(target.scale), height, width, target.depth)
        return complete(target, self._rows_pool, self._threads)


class TorchEngine:
    name = "torch"
    device = "cpu"
    max_shapes = 0

    def __init__(self, options: EngineOptions) -> None:
        self.precision = "float32" if options.precision == "auto" else options.precision
        self.memory_bytes = int(MEMORY_SHARE * usable_memory_bytes())
        self.max_batch = options.max_batch or 4
        self._threads = options.threads
        torch.set_num_threads(options.threads)

    def load(self, checkpoint: Checkpoint, path: Path | None) -> TorchNetwork:
        """The checkpoint in memory. Raises WrongCheckpoint if the file is not what its name says."""
        assert path is not None
        model = build(checkpoint.encoder, checkpoint.metric, path)
        if self.precision != "float32":
            model.to_half(DTYPES[self.precision])
        return TorchNetwork(model, self._threads)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def is_poisoned(self, error: BaseException) -> bool:
        return False

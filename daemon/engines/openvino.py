"""The OpenVINO engine: the fastest way to run the network on a CPU. bfloat16 where the processor computes in it, else
float32. Converted once per checkpoint by openvino_conversion.py, a process of its own, and kept by compiled_cache.py.

One compiled network serves every picture size: it is as fast as one compiled for a size, a new size costs some 30 ms
and not seconds, and the weights are in memory once. The position embedding, the only thing that must be made for a
size, is an input.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from depthwire.daemon.engines.compiled_cache import CompiledCache, file_digest, user_cache_folder
from depthwire.daemon.engines.engine import MEMORY_SHARE, EngineOptions
from depthwire.daemon.engines.openvino_files import EXIT_CANNOT_WRITE, EXIT_WRONG_CHECKPOINT, MODEL_FILE, POSITIONS_FILE
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.results.project import complete
from depthwire.daemon.results.resample import interpolate_positions, upsample
from depthwire.daemon.results.target import Target
from depthwire.daemon.seam.children import run_child
from depthwire.daemon.seam.launch import module_command
from depthwire.daemon.seam.memory import usable_memory_bytes
from depthwire.protocol.distribution import installed_version
from depthwire.protocol.messages import PATCH

log = logging.getLogger("depthwire.worker")

CONVERSION_TIMEOUT_S = 900.0
MAX_KEPT_POSITIONS = 8
"""Position embeddings kept per network, one for each size: 18 MB each at 1722×518 for vitl."""

KEPT_PRIMITIVES = 64
"""What OpenVINO has made for a layer and a size and may keep, least recently used first out. Its own 5000 take over
2 MB for each new picture size and give nothing back; 64 take 1.00 of the time at one size, 1.02 at four in turns, and
0.99 where each is new (16: up to 1.06)."""

_COPIES_OF_WEIGHTS = 2
"""In memory: as they are in the file, mapped, and as the processor wants them."""

_SOURCES = ("engines/openvino_conversion.py", "models/depth_anything.py")
"""What decides how a checkpoint is converted."""
_DAEMON = Path(__file__).parents[1]

Array = NDArray[np.float32]


class ConversionFailed(ValueError):
    """A checkpoint could not be converted. The text says why: an unreadable file, or another network's weights."""


@dataclass(frozen=True)
class Prepared:
    """An input of the network."""

    picture: Array
    """(1, 3, H, W), normalised."""
    positions: Array
    """(1, 1 + patches, width): the position embedding for H × W."""


class OpenVinoNetwork:
    def __init__(self, compiled: openvino.CompiledModel, positions: Array, weight_bytes: int, threads: int) -> None:
        self._request = compiled.create_infer_request()
        self._positions = positions
        self._kept: OrderedDict[tuple[int, int], Array] = OrderedDict()
        self._kept_lock = threading.Lock()
        self._threads = threads
        self._rows_pool = ThreadPoolExecutor(threads, "rows")
        self.bytes = _COPIES_OF_WEIGHTS * weight_bytes

    def prepare(self, bgr: NDArray[np.uint8], height: int, width: int) -> Prepared:
        return Prepared(normalise(bgr, height, width)[None], self._positions_for(height // PATCH, width // PATCH))

    def warm(self, height: int, width: int) -> None:
        """Make the position embedding for this size; all else is ready for any."""
        self._positions_for(height // PATCH, width // PATCH)

    def forget(self, height: int, width: int) -> None:
        with self._kept_lock:
            self._kept.pop((height // PATCH, width // PATCH), None)

    def infer(self, batch: Sequence[Prepared]) -> Sequence[Array]:
        """(H, W) for each, one after the other: on a CPU that is as fast, and an answer does not depend on others."""
        outputs = []
        for prepared in batch:
            result = self._request.infer([prepared.picture, prepared.positions], share_inputs=True, share_outputs=True)
            outputs.append(result[0][0].copy())  # the next one is written to the same memory
        return outputs

    def finish(self, output: Array, target: Target) -> tuple[float, float]:
        height, width = target.depth.shape
        upsample(output * np.float32(target.scale), height, width, target.depth)
        return complete(target, self._rows_pool, self._threads)

    def _positions_for(self, rows: int, columns: int) -> Array:
        with self._kept_lock:
            kept = self._kept.get((rows, columns))
            if kept is None:
                kept = self._kept[rows, columns] = interpolate_positions(self._positions, rows, columns)
            self._kept.move_to_end((rows, columns))
            if len(self._kept) > MAX_KEPT_POSITIONS:
                self._kept.popitem(last=False)
            return kept


class OpenVinoEngine:
    """Raises ValueError for a device or a precision that it does not have."""

    name = "openvino"
    device = "cpu"
    max_shapes = 0

    def __init__(self, options: EngineOptions, cache_folder: Path | None = None) -> None:
        if options.device not in ("auto", "cpu"):
            raise ValueError(f"the engine openvino runs on the CPU, not on {options.device}; use --engine torch")
        self._core = openvino.Core()
        self.precision = _choose_precision(options.precision, "BF16" in self._capabilities())
        # A batch is run as its parts, so a larger one would only make its first answer wait for its last.
        self.max_batch = options.max_batch or 1
        self.memory_bytes = int(MEMORY_SHARE * usable_memory_bytes())
        self._threads = options.threads
        if cache_folder is None and (own := user_cache_folder()) is not None:
            cache_folder = own / "openvino"
        self._cache = CompiledCache(cache_folder)

    def load(self, checkpoint: Checkpoint, path: Path | None) -> OpenVinoNetwork:
        """The checkpoint, converted unless that was done before.

        Raises ConversionFailed if the file is not what its name says.
        """
        assert path is not None
        ingredients = _ingredients(checkpoint, path)
        entry = self._cache.find(checkpoint.name, ingredients)
        if entry is not None:
            try:
                return self._open(entry)
            except OSError as error:  # it has just been read to the end: this says nothing of the entry
                log.warning("the cached network %s cannot be opened: %s", entry, error)
                return self._convert_in_memory(checkpoint, path)
            except (RuntimeError, ValueError) as error:
                log.warning("the cached network %s cannot be read and is made again: %s", entry, error)
                self._cache.discard(entry)
        entry = self._cache.store(
            checkpoint.name, ingredients, lambda folder: _convert_in_process_of_its_own(checkpoint, path, folder)
        )
        return self._open(entry) if entry is not None else self._convert_in_memory(checkpoint, path)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError) or "bad_alloc" in str(error)

    def is_poisoned(self, error: BaseException) -> bool:
        return False

    def _capabilities(self) -> list[str]:
        capabilities: list[str] = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return capabilities

    def _open(self, entry: Path) -> OpenVinoNetwork:
        model = self._core.read_model(entry / MODEL_FILE)
        positions: Array = np.load(entry / POSITIONS_FILE, allow_pickle=False)
        return OpenVinoNetwork(self._compile(model), positions, _weight_bytes(model), self._threads)

    def _convert_in_memory(self, checkpoint: Checkpoint, path: Path) -> OpenVinoNetwork:
        from depthwire.daemon.engines.openvino_conversion import convert

        model, positions = convert(checkpoint.encoder, checkpoint.metric, path)
        return OpenVinoNetwork(self._compile(model), positions, _weight_bytes(model), self._threads)

    def _compile(self, model: openvino.Model) -> openvino.CompiledModel:
        settings: dict[str, Any] = {
            # Without it OpenVINO takes half precision wherever the processor has it.
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[self.precision],
            # All cores on one picture: two at a time answer 2 % (vits) to 10 % (vitt) more, each twice as late.
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._threads,
            # Pinned threads cannot give way to decoding, to a second worker or to the neighbours on the machine.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": KEPT_PRIMITIVES,
        }
        return self._core.compile_model(model, "CPU", settings)


def _weight_bytes(model: openvino.Model) -> int:
    return sum(int(op.get_byte_size()) for op in model.get_ops() if op.get_type_name() == "Constant")


def _choose_precision(name: str, has_bfloat16: bool) -> str:
    if name == "auto":
        return "bfloat16" if has_bfloat16 else "float32"
    if name == "float16":
        raise ValueError("the engine openvino has no float16 on the CPU; use --precision float32 or auto")
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"precision {name!r} is not known; write auto, float32 or bfloat16")
    if name == "bfloat16" and not has_bfloat16:
        raise ValueError("this processor does not compute in bfloat16; use --precision float32 or auto")
    return name


def _ingredients(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """All that the converted network depends on. Not among them are size and precision: it takes any."""
    return {
        "checkpoint": file_digest(path),
        "encoder": checkpoint.encoder,
        "metric": checkpoint.metric,
        "openvino": openvino.__version__,
        "depthwire": installed_version(),  # "unknown" in a checkout: the sources' digests tell one from another
        "sources": {source: file_digest(_DAEMON / source) for source in _SOURCES},
    }


def _convert_in_process_of_its_own(checkpoint: Checkpoint, path: Path, folder: Path) -> None:
    """Have openvino_conversion.py write into `folder`. Raises OSError if it could not write, else ConversionFailed."""
    log.info("converting %s for OpenVINO; this is done once", checkpoint.name)
    kind = "metric" if checkpoint.metric else "relative"
    arguments = [checkpoint.encoder, kind, str(path), str(folder), str(os.getpid())]
    command = module_command("depthwire.daemon.engines.openvino_conversion", *arguments)
    try:
        done = run_child(command, CONVERSION_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ConversionFailed(f"converting {checkpoint.name} took longer than {error.timeout:.0f} s") from None
    if done.returncode == EXIT_CANNOT_WRITE:
        raise OSError(done.stdout.strip())
    if done.returncode == EXIT_WRONG_CHECKPOINT:
        raise ConversionFailed(done.stdout.strip())
    if done.returncode != 0:
        log.error("converting %s ended with status %d:\n%s", checkpoint.name, done.returncode, done.stderr)
        raise ConversionFailed(f"converting {checkpoint.name} for OpenVINO failed (exit status {done.returncode})")

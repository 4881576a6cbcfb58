"""The torch engine on CUDA: half precision with the head's last layers in float32, and everything around the network
on the device too. A picture goes up as bytes, and its depth map and points come down straight into the arena.

Streams: each decode and finishing thread has its own, so that copies overlap with the network, which has another one.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from depthwire.daemon.engines.cuda_graphs import GraphRecorder, RecordedShape, batch_sizes, new_stream
from depthwire.daemon.engines.cuda_memory import is_out_of_memory
from depthwire.daemon.engines.engine import MEMORY_SHARE, EngineOptions
from depthwire.daemon.engines.torch_cpu import DTYPES
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.models.depth_anything import MAX_CACHED_POSITIONS, DepthAnythingV2, build
from depthwire.daemon.models.on_device import normalise_on_device, project_on_device, upsample_on_device
from depthwire.daemon.results.target import Target
from depthwire.protocol.messages import PATCH

log = logging.getLogger("depthwire.worker")

DEFAULT_MAX_BATCH = 8
_FIRST_CAPABILITY_WITH_BFLOAT16 = 8
"""Compute capability, major number: Ampere."""

PINNED_BYTES = 8 * 2**20
"""Page-locked memory of each thread that decodes: the pixels of 1080p at once, larger pictures in pieces."""
_STICKY_TEXTS = (
    "illegal memory access",
    "illegal instruction",
    "device-side assert",
    "misaligned address",
    "unspecified launch failure",
    "uncorrectable ECC error",
)
"""After these the CUDA context answers every call with the same error, for as long as the process lives."""


class OwnStream(threading.local):
    """A stream for each thread that asks, on the device that is then the thread's own.

    Of high priority: what decodes and finishes is short, and must not queue behind a batch. It also keeps these
    streams apart from the network's: torch hands out 32 of each priority in turn, so among equals a decode thread
    could be given the very one that a recording is made on.
    """

    def __init__(self, device: torch.device) -> None:
        torch.cuda.set_device(device)  # a thread starts on cuda:0, and coming back to it costs a context there
        self.stream = new_stream(device, priority=-1)
        self._pinned: Tensor | None = None

    @property
    def pinned(self) -> Tensor:
        """Page-locked memory of the thread's own, for good: torch would keep a piece for each size that was ever in use
        at once, rounded up to a power of two, and never give one back."""
        if self._pinned is None:
            self._pinned = torch.empty(PINNED_BYTES, dtype=torch.uint8).pin_memory()
        return self._pinned


@dataclass(frozen=True)
class Prepared:
    """A picture on its way to the device."""

    pixels: Tensor
    """(3, H, W) in the network's dtype, normalised."""
    ready: torch.cuda.Event
    """When it is there."""


@dataclass(frozen=True)
class WarmShape:
    """What `warm` made for an input size."""

    recorded: RecordedShape | None
    """None: run it eagerly."""
    positions: Tensor | None
    """The encoder's position embedding. A recording reads it where it lay, so it must outlive the encoder's own cache
    of a few."""


class CudaNetwork:
    def __init__(
        self,
        model: DepthAnythingV2,
        device: torch.device,
        dtype: torch.dtype,
        max_batch: int,
        stream: torch.cuda.Stream,
        own: OwnStream,
        recorder: GraphRecorder,
    ) -> None:
        self._model = model
        self._device = device
        self._dtype = dtype
        self._max_batch = max_batch
        self._stream = stream
        self._own = own
        self._recorder = recorder
        self._warm: dict[tuple[int, int], WarmShape] = {}
        self.bytes = sum(weight.numel() * weight.element_size() for weight in model.parameters())

    @torch.inference_mode()
    def prepare(self, bgr: npt.NDArray[np.uint8], height: int, width: int) -> Prepared:
        """Start the upload of a picture and its way to the network's input; returns without waiting for its end."""
        stream = self._own.stream
        with torch.cuda.stream(stream):
            pixels = normalise_on_device(self._upload(bgr), height, width).to(self._dtype)
            return Prepared(pixels, stream.record_event())

    def _upload(self, bgr: npt.NDArray[np.uint8]) -> Tensor:
        """Start copying a picture to the device, through the thread's page-locked memory and on its stream."""
        stream, pinned = self._own.stream, self._own.pinned
        picture = torch.empty(bgr.shape, dtype=torch.uint8, device=self._device)
        sources, places = torch.from_numpy(bgr).reshape(-1), picture.view(-1)
        for start in range(0, len(sources), PINNED_BYTES):
            source = sources[start : start + PINNED_BYTES]
            _wait_for(stream)  # until the piece before, or the picture before, has left
            places[start : start + len(source)].copy_(pinned[: len(source)].copy_(source), non_blocking=True)
        return picture

    def warm(self, height: int, width: int) -> None:
        torch.cuda.set_device(self._device)
        kept: dict[str, Tensor] = {}

        def forward(inputs: Tensor) -> Tensor:
            kept["positions"] = self._model.pretrained.position_embedding(height // PATCH, width // PATCH)
            depths: Tensor = self._model(inputs)
            return depths

        recorded = self._recorder.record(forward, (height, width), self._dtype, batch_sizes(self._max_batch))
        self._warm[height, width] = WarmShape(recorded, kept.get("positions"))

    def forget(self, height: int, width: int) -> None:
        self._warm.pop((height, width), None)

    @torch.inference_mode()
    def infer(self, batch: Sequence[Prepared]) -> Sequence[Tensor]:
        """(H, W) float32 on the device for each, complete.

        Waits for the device: a thread that ran ahead of it would take what is ready as a small batch each time, where
        the next batch should be what came in while this one ran. It also means that no memory used here by one stream
        and allocated for another can go back to the allocator before its use is over.
        """
        torch.cuda.set_device(self._device)
        pictures = [prepared.pixels for prepared in batch]
        height, width = pictures[0].shape[1:]
        warm = self._warm.get((height, width))
        try:
            with torch.cuda.stream(self._stream):
                for prepared in batch:
                    self._stream.wait_event(prepared.ready)
                if warm is not None and warm.recorded is not None:
                    depths = warm.recorded.run(pictures)
                else:
                    inputs = torch.stack(pictures).contiguous(memory_format=torch.channels_last)
                    depths = list(self._model(inputs).unbind())
                _wait_for(self._stream)
        except RuntimeError as error:
            if is_out_of_memory(error):
                # The worker tries the halves while it holds this error, whose frames hold every layer's activations.
                traceback.clear_frames(error.__traceback__)
                self._give_memory_back()
            raise
        return depths

    @torch.inference_mode()
    def finish(self, output: Tensor, target: Target) -> tuple[float, float]:
        height, width = target.depth.shape
        stream = self._own.stream
        with torch.cuda.stream(stream):
            depth = upsample_on_device(output * target.scale, height, width)
            extremes = torch.stack(torch.aminmax(depth))
            results = [(depth, target.depth)]
            if target.points is not None:
                points = project_on_device(depth, target.fx, target.fy, target.cx, target.cy)
                results.append((points, target.points))
            try:
                for result, place in results:
                    torch.from_numpy(place).copy_(result, non_blocking=True)
            finally:
                # Also after an error: the front gives the place to another result as soon as this one has failed.
                _wait_for(stream)
            lowest, highest = extremes.tolist()
        return lowest, highest

    def _give_memory_back(self) -> None:
        # torch's allocator does not allow it beside a recording, nor ever after one that broke. A warm-up holds the
        # lock for seconds, and no batch may wait for that: the halves are tried with what memory there is.
        if not self._recorder.lock.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()
        finally:
            self._recorder.lock.release()


class CudaEngine:
    """Raises ValueError for a device or a precision that it does not have."""

    name = "torch"
    max_shapes = MAX_CACHED_POSITIONS

    def __init__(self, options: EngineOptions) -> None:
        self._device = choose_device(options.device)
        if self._device.type != "cuda":
            raise ValueError("there is no CUDA device here; use --device cpu")
        self.precision = _choose_precision(options.precision, torch.cuda.get_device_capability(self._device))
        properties = torch.cuda.get_device_properties(self._device)
        self.device = f"{self._device} ({properties.name})"
        self.memory_bytes = int(MEMORY_SHARE * properties.total_memory)
        self.max_batch = options.max_batch or DEFAULT_MAX_BATCH
        torch.cuda.set_device(self._device)
        _set_up_torch()
        self._stream = new_stream(self._device)
        self._own = OwnStream(self._device)
        self._recorder = GraphRecorder(self._device)

    def page_lock(self, memory: mmap.mmap) -> None:
        """Let the device write to the arena by itself, twice as fast and without keeping a thread busy."""
        address = np.frombuffer(memory, np.uint8).ctypes.data
        error = int(torch.cuda.cudart().cudaHostRegister(address, len(memory), 0))  # type: ignore[no-untyped-call]
        if error:
            log.warning("the arena cannot be page-locked (CUDA error %d); results leave the device slower", error)
            with contextlib.suppress(RuntimeError):
                self._probe()  # CUDA repeats an error to the next launch, which must not be a request's

    def load(self, checkpoint: Checkpoint, path: Path | None) -> CudaNetwork:
        """The checkpoint on the device. Raises WrongCheckpoint if the file is not what its name says."""
        assert path is not None
        torch.cuda.set_device(self._device)
        model = build(checkpoint.encoder, checkpoint.metric, path)
        dtype = DTYPES[self.precision]
        if dtype != torch.float32:
            model.to_half(dtype)
        # Channels last is how the tensor cores want a convolution's input, and how tokens lie as pictures anyway.
        model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.cuda.current_stream(self._device).synchronize()  # other streams read the weights from now on
        return CudaNetwork(model, self._device, dtype, self.max_batch, self._stream, self._own, self._recorder)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return is_out_of_memory(error)

    def is_poisoned(self, error: BaseException) -> bool:
        return is_poisoned(error, self._probe)

    def _probe(self) -> None:
        """Something tiny on the device, to the end."""
        with torch.cuda.stream(self._own.stream):
            torch.zeros(1, device=self._device).add_(1)
            _wait_for(self._own.stream)


def choose_device(name: str) -> torch.device:
    """The device called `name`: `auto` is the first CUDA device, or the CPU where there is none.

    Raises ValueError for one that torch does not see.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device {name!r} is not known; write auto, cpu, cuda:0, cuda:1, …") from None
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count()
    if device.type != "cuda" or (device.index or 0) >= count:
        reason = "" if torch.version.cuda else "; this build of torch is for the CPU alone"
        raise ValueError(f"there is no device {name}; torch sees {count} CUDA devices here{reason}")
    return torch.device("cuda", device.index or 0)


def is_poisoned(error: BaseException, probe: Callable[[], None]) -> bool:
    """Whether the CUDA context is lost: the error says so, or `probe`, which only a healthy device survives, fails."""
    # Every error of CUDA is a RuntimeError, torch.AcceleratorError among them; a bad picture's is not.
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    if any(text in str(error) for text in _STICKY_TEXTS):
        return True
    try:
        probe()
    except RuntimeError as second:
        return not is_out_of_memory(second)
    return False


def _choose_precision(name: str, capability: tuple[int, int]) -> str:
    if name == "auto":
        return "float16"  # bfloat16 is as fast, but 0.2 % off float32 on photos (vitt), where float16 is 0.01 % off
    if name not in DTYPES:
        raise ValueError(f"precision {name!r} is not known; write auto, {', '.join(DTYPES)}")
    if name == "bfloat16" and capability[0] < _FIRST_CAPABILITY_WITH_BFLOAT16:
        raise ValueError("this GPU does not compute in bfloat16; use --precision float16 or auto")
    return name


def _set_up_torch() -> None:
    # TensorFloat-32 rounds to float16's ten bits. Who asks for float32 wants more than that, and the head's last
    # layers are kept in float32 for more than that.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # Partial sums stay in float32, so that float16 overflows no earlier than its results do.
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    # Input sizes are few and warmed beside the work: there is time to try all algorithms.
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(1)  # the CPU is the decode threads'


def _wait_for(stream: torch.cuda.Stream) -> None:
    """Wait for all work of a stream, asleep: waiting as torch does by default would take a core from the decoders."""
    done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    done.record(stream)
    done.synchronize()

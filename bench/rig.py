"""An engine alone in a process of its own: the network without a daemon around it, measured on command.

A process for each engine, since two in one would share thread pools and disturb each other. Imports the daemon, but
only inside that process: what is measured is the very engine that a worker would create.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.bench.images import BenchImage

MIN_REPEATS = 3


@dataclass(frozen=True)
class RigOptions:
    """Which engine, at which precision, with which checkpoint; `threads` 0 is all cores this process may use."""

    model: str
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    max_batch: int = 0
    checkpoints: Path | None = None


@dataclass(frozen=True)
class RigInfo:
    """What the engine says it is, and how long its checkpoint took to load."""

    engine: str
    device: str
    precision: str
    max_batch: int
    threads: int
    load_s: float


@dataclass
class EngineTimes:
    """Milliseconds of each repetition; `infer` is a whole batch's, the others one image's."""

    input_height: int
    input_width: int
    batch: int
    first_infer_ms: float
    """The first batch of this shape and size, with whatever the engine compiles or captures for it."""
    infer: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    prepare: list[float] = field(default_factory=list)
    finish: list[float] = field(default_factory=list)
    rss_mb: float = 0.0


class EngineRig:
    """The caller's end: one command at a time. Made by `engine_rig`."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self.info: RigInfo = self._answer()

    def measure(self, image: BenchImage, batch: int, seconds: float) -> EngineTimes:
        """Run batches of `image` for about `seconds` after one to warm up. Raises EngineFailure."""
        return self._ask("measure", image, batch, seconds)  # type: ignore[no-any-return]

    def depth(self, image: BenchImage) -> npt.NDArray[np.float32]:
        """The depth map (height, width) of an image at its own size, in metres or the network's own measure."""
        return self._ask("depth", image)  # type: ignore[no-any-return]

    def _ask(self, *command: Any) -> Any:
        self._channel.send(command)
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._channel.recv()
        except EOFError:
            raise EngineFailure("the engine's process ended; its error stands above") from None
        if isinstance(answer, EngineFailure):
            raise answer
        return answer


class EngineFailure(Exception):
    """The engine does not exist here, or failed; the text is the engine's."""


@contextlib.contextmanager
def engine_rig(options: RigOptions) -> Iterator[EngineRig]:
    """An engine, loaded and ready, for the length of the block. Raises EngineFailure."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(options, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield EngineRig(ours)
    finally:
        ours.close()
        process.join(2)
        process.kill()
        process.join()


# ------------------------------------------------------------------------------------------ in the engine's process


def _serve(options: RigOptions, channel: Connection) -> None:
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        try:
            bench = LoadedEngine(options)
        except Exception as error:
            channel.send(EngineFailure(f"{options.engine} {options.precision}: {error}"))
            return
        channel.send(bench.info)
        while True:
            name, *arguments = channel.recv()
            try:
                channel.send(getattr(bench, name)(*arguments))
            except Exception as error:
                channel.send(EngineFailure(f"{options.engine} {options.precision}: {type(error).__name__}: {error}"))


class LoadedEngine:
    """A network on its engine, with the daemon's own decoding before and its upsampling behind it.

    The peers in `peers/` serve with it too, so that their network is ours to the last bit.
    """

    def __init__(self, options: RigOptions) -> None:
        from depthwire.daemon.engines.choose import create_engine
        from depthwire.daemon.engines.engine import EngineOptions
        from depthwire.daemon.models.catalogue import lookup, parse_model_key
        from depthwire.daemon.models.checkpoints import resolve
        from depthwire.daemon.seam.cores import usable_cores

        threads = options.threads or usable_cores()
        engine_options = EngineOptions(
            device=options.device, precision=options.precision, max_batch=options.max_batch, threads=threads
        )
        engine = create_engine(options.engine, engine_options)
        self._key = parse_model_key(options.model)
        checkpoint = lookup(self._key.encoder, self._key.dataset)
        begun = time.perf_counter()
        path = None if engine.name == "null" else resolve(checkpoint, options.checkpoints, allow_download=False)
        self._network = engine.load(checkpoint, path)
        self._max_shapes = engine.max_shapes
        self._warmed: set[tuple[int, int]] = set()
        self.scale = checkpoint.native_max_depth or 1.0
        self.info = RigInfo(
            engine.name, engine.device, engine.precision, engine.max_batch, threads, time.perf_counter() - begun
        )

    def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Pixels (height, width, 3), blue first."""
        from depthwire.daemon.images.decode import decode_image
        from depthwire.daemon.images.header import read_image_header

        header = read_image_header(data)
        return decode_image(memoryview(data), header.format, header.height, header.width)

    def run(self, pictures: list[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        """Depth maps of pictures, one batch for each size among them."""
        sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
        depths = [np.empty(size, np.float32) for size in sizes]
        for height, width in set(sizes):
            members = [index for index, size in enumerate(sizes) if size == (height, width)]
            input_size = self._input_size(height, width)
            self._warm(*input_size)
            outputs = self._network.infer([self._network.prepare(pictures[index], *input_size) for index in members])
            for index, output in zip(members, outputs, strict=True):
                self._network.finish(output, self._target(depths[index]))
        return depths

    def depth(self, image: BenchImage) -> npt.NDArray[np.float32]:
        return self.run([self.decode(image.data)])[0]

    def measure(self, image: BenchImage, batch: int, seconds: float) -> EngineTimes:
        import psutil

        picture = self.decode(image.data)
        size = self._input_size(*picture.shape[:2])
        begun = time.perf_counter()
        self._warm(*size)
        inputs = [self._network.prepare(picture, *size) for _ in range(batch)]
        self._timed_infer(inputs)
        times = EngineTimes(*size, batch, 1e3 * (time.perf_counter() - begun))
        _, outputs = self._timed_infer(inputs)
        ends = time.perf_counter() + seconds
        while len(times.infer) < MIN_REPEATS or time.perf_counter() < ends:
            took, outputs = self._timed_infer(inputs)
            times.infer.append(took)
        depth = np.empty(picture.shape[:2], np.float32)
        for _ in range(max(5, min(50, len(times.infer)))):
            begun = time.perf_counter()
            picture = self.decode(image.data)
            decoded = time.perf_counter()
            self._network.prepare(picture, *size)
            prepared = time.perf_counter()
            self._network.finish(outputs[0], self._target(depth))
            times.decode.append(1e3 * (decoded - begun))
            times.prepare.append(1e3 * (prepared - decoded))
            times.finish.append(1e3 * (time.perf_counter() - prepared))
        times.rss_mb = psutil.Process().memory_info().rss / 2**20
        return times

    def _input_size(self, height: int, width: int) -> tuple[int, int]:
        from depthwire.daemon.models.geometry import network_input_size

        return network_input_size(height, width, self._key.size)

    def _target(self, depth: npt.NDArray[np.float32]) -> Any:
        from depthwire.daemon.results.target import Target

        return Target(depth, None, self.scale, 1.0, 1.0, 0.0, 0.0)

    def _warm(self, height: int, width: int) -> None:
        """What the front asks for before the first input of a size, where the engine wants to be asked."""
        if self._max_shapes and (height, width) not in self._warmed:
            self._network.warm(height, width)
            self._warmed.add((height, width))

    def _timed_infer(self, inputs: list[Any]) -> tuple[float, Any]:
        begun = time.perf_counter()
        outputs = self._network.infer(inputs)
        # On a GPU `infer` may return before the work is done. An engine without torch has not imported it.
        torch: Any = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - begun), outputs

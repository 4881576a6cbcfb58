"""The worker's pipeline: decode, infer, project. `__main__` starts it, the front speaks to it through seam/jobs.py.

The intake's threads read the front's messages and turn images into network inputs; the engine thread takes the oldest
ready input and all that fit beside it as the next batch, the moment the last one ends; finishing threads write results
into the arena. So batch N+1 is decoded while N runs and N−1 is projected.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from depthwire.daemon.engines.engine import Engine, Network, PageLocking
from depthwire.daemon.images.decode import decode_image
from depthwire.daemon.models import catalogue, checkpoints
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import map_arena
from depthwire.daemon.worker.ending import end_process
from depthwire.daemon.worker.intake import Intake
from depthwire.daemon.worker.result_writer import ResultWriter
from depthwire.protocol import DepthwireError, InternalError, ModelNotFoundError

log = logging.getLogger("depthwire.worker")

Result = TypeVar("Result")

_DOWNLOADS = 4
"""At a time: more would only share the link."""

EXIT_POISONED = 70
"""The device answers nothing but errors, or a thread has ended: only a new process helps (EX_SOFTWARE)."""


@dataclass(eq=False)
class Staged:
    """An input that is ready to run."""

    job: jobs.Stage
    network: Network
    input: Any
    decode_ms: float
    infer_ms: float = 0.0
    batch_size: int = 0

    @property
    def bucket(self) -> tuple[Any, ...]:
        """What must agree for two inputs to share a batch."""
        return (id(self.network), self.job.input_height, self.job.input_width)


def take_batch(ready: list[Staged], max_batch: int) -> list[Staged]:
    """Remove from `ready` and return the next batch: the input whose place is first, and those that fit beside it."""
    ready.sort(key=lambda staged: staged.job.place)
    bucket = ready[0].bucket
    batch = [staged for staged in ready if staged.bucket == bucket][:max_batch]
    for staged in batch:
        ready.remove(staged)
    return batch


def _or_end(step: Callable[..., None], *arguments: Any) -> None:
    """Run what a thread of the worker is for; an exception that leaves it ends the process, and the front replaces it.

    Each request's errors are answered within. Whatever passes that is a fault of ours, after which the thread would be
    missing, or an answer, while pings are answered as ever and nobody notices.
    """
    try:
        step(*arguments)
    except BaseException:
        log.critical("the worker cannot go on and is to be replaced", exc_info=True)
        end_process(EXIT_POISONED)


class Worker:
    def __init__(
        self,
        channel: socket.socket,
        starts: socket.socket,
        arena_fd: int,
        engine: Engine,
        options: jobs.WorkerOptions,
        threads: int,
    ) -> None:
        self._channel = channel
        self._starts = starts
        self._send_lock = threading.Lock()
        self._arena = map_arena(arena_fd)
        self._results = ResultWriter(self._arena, threads)
        if isinstance(engine, PageLocking):
            engine.page_lock(self._arena)
        self._engine = engine
        self._folder = Path(options.checkpoints) if options.checkpoints else None
        self._download = options.download
        self._decode_fast = options.decode == "fast"
        self._networks: dict[tuple[str, str], Network] = {}
        self._ready: list[Staged] = []
        self._ready_changed = threading.Condition()
        self._live: set[int] = set()
        self._dropped: set[int] = set()
        self._intake = Intake(channel, threads, self._hear, self._decode)
        self._finishers = ThreadPoolExecutor(threads, "finish")
        # Apart from each other: a download may take an hour, and a load some minutes of conversion.
        self._downloader = ThreadPoolExecutor(_DOWNLOADS, "download")
        self._loader = ThreadPoolExecutor(2, "load")
        self._warmer = ThreadPoolExecutor(1, "warm")
        self._loading: set[tuple[str, str]] = set()
        self._downloading: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Serve the front until it says Stop or goes away."""
        threading.Thread(target=_or_end, args=(self._run_engine,), name="engine", daemon=True).start()
        engine = self._engine
        self._send(
            jobs.Hello(
                os.getpid(),
                engine.name,
                engine.device,
                engine.precision,
                engine.max_batch,
                engine.max_shapes,
                engine.memory_bytes,
            )
        )
        _or_end(self._intake.run)

    def _hear(self, message: jobs.Message) -> bool:
        """Take note of what the front says; False if that is to end."""
        match message:
            case jobs.Stage() as job:
                self._live.add(job.ticket)
            case jobs.Drop(ticket):
                if ticket in self._live:
                    self._dropped.add(ticket)
                    self._give_up(ticket)
            case jobs.Ping(number):
                self._send(jobs.Pong(number))
            case jobs.Load(encoder, dataset):
                self._begin_load(encoder, dataset)
            case jobs.Unload(encoder, dataset):
                self._networks.pop((encoder, dataset), None)
            case jobs.Warm() as warm:
                self._warmer.submit(_or_end, self._warm, warm)
            case jobs.Forget(encoder, dataset, height, width):
                if (network := self._networks.get((encoder, dataset))) is not None:
                    network.forget(height, width)
            case jobs.Stop():
                return False
        return True

    def _decode(self, job: jobs.Stage) -> None:
        if self._is_over(job):
            return
        begun = time.monotonic()
        try:
            network = self._networks[job.encoder, job.dataset]
            data = memoryview(self._arena)[job.image_offset : job.image_offset + job.image_length]
            may_be_smaller = self._decode_fast and job.colors_offset < 0
            enough = (job.input_height, job.input_width) if may_be_smaller else None
            picture = decode_image(data, job.image_format, job.height, job.width, enough)
            if job.colors_offset >= 0:
                self._results.write_colors(picture, job)
            prepared = self._try_twice(lambda: network.prepare(picture, job.input_height, job.input_width))
        except BaseException as error:  # one bad picture is one bad answer, whatever it does to a decoder
            self._fail(job, error)
            return
        staged = Staged(job, network, prepared, 1e3 * (time.monotonic() - begun))
        with self._ready_changed:
            self._ready.append(staged)
            self._ready_changed.notify()

    def _give_up(self, ticket: int) -> None:
        """Take a picture that nobody waits for out of its row at once, so that another may have its room."""
        if (job := self._intake.withdraw(ticket)) is not None:
            self._is_over(job)
            return
        with self._ready_changed:
            found = [staged for staged in self._ready if staged.job.ticket == ticket]
            for staged in found:
                self._ready.remove(staged)
        for staged in found:
            self._is_over(staged.job)

    def _run_engine(self) -> None:
        while True:
            with self._ready_changed:
                while not self._ready:
                    self._ready_changed.wait()
                batch = take_batch(self._ready, self._engine.max_batch)
            batch = [staged for staged in batch if not self._is_over(staged.job)]
            if batch:
                self._announce(batch)
                self._run_batch(batch)

    def _announce(self, batch: Sequence[Staged]) -> None:
        try:
            self._starts.send(jobs.pack(jobs.Started([staged.job.ticket for staged in batch])))
        except OSError:  # as in `_send`
            end_process(1)

    def _run_batch(self, batch: Sequence[Staged], *, is_last_try: bool = False) -> None:
        """Infer a batch; where it fails as a whole, its parts on their own, so that one input fails only itself.

        Every input is tried twice, the last time alone: a device may fail once for no reason of the input's.
        """
        begun = time.monotonic()
        try:
            outputs = batch[0].network.infer([staged.input for staged in batch])
        except BaseException as error:
            self._exit_if_poisoned(error)
            is_out_of_memory = self._engine.is_out_of_memory(error)
            if len(batch) == 1 and (is_last_try or is_out_of_memory):
                self._fail(batch[0].job, error)
                return
            log.warning("a batch of %d failed (%s); trying its parts", len(batch), error)
            half = len(batch) // 2 if is_out_of_memory else 1
            for start in range(0, len(batch), half):
                self._run_batch(batch[start : start + half], is_last_try=not is_out_of_memory)
            return
        infer_ms = 1e3 * (time.monotonic() - begun)
        for staged, output in zip(batch, outputs, strict=True):
            staged.infer_ms, staged.batch_size, staged.input = infer_ms, len(batch), None
            # With no other request here the device has nothing to wait for, and a hand-over is saved.
            if len(self._live) == 1:
                self._finish(staged, output)
            else:
                self._finishers.submit(_or_end, self._finish, staged, output)

    def _finish(self, staged: Staged, output: Any) -> None:
        job, begun = staged.job, time.monotonic()
        if self._is_over(job):
            return
        try:
            minimum, maximum = self._try_twice(lambda: self._results.write(staged.network, output, job))
        except BaseException as error:
            self._fail(job, error)
            return
        post_ms = 1e3 * (time.monotonic() - begun)
        self._end(job)
        self._send(
            jobs.Done(job.ticket, minimum, maximum, staged.decode_ms, staged.infer_ms, post_ms, staged.batch_size)
        )

    def _begin_load(self, encoder: str, dataset: str) -> None:
        """Load a checkpoint, or go on with it: the front may have given up waiting for it and ask again."""
        key = (encoder, dataset)
        if key in self._downloading:
            self._send(jobs.Fetching(*key))
        elif key not in self._loading:
            self._loading.add(key)
            self._loader.submit(_or_end, self._load, encoder, dataset)

    def _load(self, encoder: str, dataset: str) -> None:
        key = (encoder, dataset)
        try:
            checkpoint = catalogue.lookup(encoder, dataset)
            path = None
            if self._engine.name != "null":
                if self._must_download(checkpoint):
                    self._downloading.add(key)
                    self._loading.discard(key)
                    self._send(jobs.Fetching(*key))
                    self._downloader.submit(_or_end, self._fetch, checkpoint)
                    return
                path = checkpoints.resolve(checkpoint, self._folder, allow_download=False)
            network = self._engine.load(checkpoint, path)
        except BaseException as error:
            self._loading.discard(key)
            self._fail_load(encoder, dataset, error)
            return
        self._networks[key] = network
        self._loading.discard(key)
        self._send(jobs.Loaded(encoder, dataset, network.bytes))

    def _must_download(self, checkpoint: Checkpoint) -> bool:
        may_download = self._download and not checkpoint.builtin
        return may_download and checkpoints.find_on_disk(checkpoint, self._folder) is None

    def _fetch(self, checkpoint: Checkpoint) -> None:
        key = (checkpoint.encoder, checkpoint.dataset)
        try:
            checkpoints.resolve(checkpoint, self._folder)
        except BaseException as error:
            self._downloading.discard(key)
            self._fail_load(*key, error)
            return
        self._downloading.discard(key)
        self._send(jobs.Fetched(*key))

    def _fail_load(self, encoder: str, dataset: str, error: BaseException) -> None:
        self._exit_if_poisoned(error)
        log.error("%s_%s could not be loaded: %s", encoder, dataset, error)  # for an operator, who needs no traceback
        code = ModelNotFoundError.code if isinstance(error, checkpoints.CheckpointNotFound) else InternalError.code
        self._send(jobs.LoadFailed(encoder, dataset, code, str(error)[: jobs.MAX_ERROR_CHARACTERS]))

    def _warm(self, warm: jobs.Warm) -> None:
        try:
            self._networks[warm.encoder, warm.dataset].warm(warm.input_height, warm.input_width)
        except BaseException as error:
            self._exit_if_poisoned(error)
            log.exception("%s_%s cannot run at %dx%d", *warm)
            self._send(jobs.WarmFailed(*warm, str(error)[: jobs.MAX_ERROR_CHARACTERS]))
            return
        self._send(jobs.Warmed(*warm))

    def _is_over(self, job: jobs.Stage) -> bool:
        """Whether nobody waits for this job any more; says so to the front if that is so."""
        if job.ticket not in self._dropped and time.monotonic() < job.deadline:
            return False
        self._end(job)
        self._send(jobs.Dropped(job.ticket))
        return True

    def _exit_if_poisoned(self, error: BaseException) -> None:
        """End this process where no other answer than errors can follow: the front replaces it, and tries again."""
        if self._engine.is_poisoned(error):
            log.critical("the device is unusable until this worker is replaced", exc_info=error)
            end_process(EXIT_POISONED)

    def _try_twice(self, step: Callable[[], Result]) -> Result:
        """Do a step of one request's work again after an error that says nothing of the request."""
        try:
            return step()
        except DepthwireError:
            raise
        except BaseException as error:
            self._exit_if_poisoned(error)
            if self._engine.is_out_of_memory(error):
                raise
            log.warning("a step of one request failed (%s); trying it once more", error)
            return step()

    def _fail(self, job: jobs.Stage, error: BaseException) -> None:
        self._exit_if_poisoned(error)
        retryable = False
        if isinstance(error, DepthwireError):
            code, message = error.code, error.message
        elif self._engine.is_out_of_memory(error):  # which passes, unlike what else fails twice
            log.error("ticket %d failed: out of memory (%s)", job.ticket, error)
            code, message, retryable = InternalError.code, "the daemon has no memory left for this image now", True
        else:  # its text may hold paths or pixels: it is for the log, not for a stranger
            log.error("ticket %d failed", job.ticket, exc_info=error)
            code, message = InternalError.code, "the daemon failed on this image; its log says why"
        self._end(job)
        self._send(jobs.Failed(job.ticket, code, message[: jobs.MAX_ERROR_CHARACTERS], retryable))

    def _end(self, job: jobs.Stage) -> None:
        """From here on nothing in this process touches the job's memory."""
        self._live.discard(job.ticket)
        self._dropped.discard(job.ticket)

    def _send(self, message: jobs.Message) -> None:
        try:
            with self._send_lock:
                self._channel.send(jobs.pack(message))
        except OSError:  # the front is gone, and with it the reason to be
            end_process(1)

"""A load generator's process: clients of the library in one event loop, sending as a LoadPlan says.

`load` starts one or more of these, so that Python's lock in one process limits neither the load nor the clock; it
speaks to each over a pipe: Ready, the start moment, Progress now and then, and the Records at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from itertools import cycle
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from depthwire.bench.images import BenchImage
from depthwire.bench.mix import mixed
from depthwire.bench.plan import LoadPlan
from depthwire.bench.records import OK, Records
from depthwire.bench.schedule import intended_times
from depthwire.client import AsyncDepthClient, DepthwireError

PRIME_TIMEOUT_S = 600.0
"""For the first answer of each picture's shape: the daemon may have a checkpoint to load and a graph to compile."""
ERROR_PAUSE_S = 0.01
"""A closed loop whose requests are refused at once would spin."""
DRAIN_S = 90.0
PROGRESS_S = 0.25
UNANSWERED = "UNANSWERED"
"""The code of what had no answer when the drain ended: an error of its own, never left out."""


class Ready(NamedTuple):
    """Connected, and every shape has been answered once."""


class Progress(NamedTuple):
    answered: int
    failed: int


class Failure(NamedTuple):
    """The generator could not do its work; the text is for the user."""

    text: str


def run_generator(plan: LoadPlan, part: int, channel: Connection) -> None:
    """Entry of the process: the `part`-th of `plan.processes` generators."""
    try:
        asyncio.run(_Generator(plan, part, channel).run())
    except (DepthwireError, OSError) as error:
        channel.send(Failure(str(error)))
    except KeyboardInterrupt:
        pass  # the terminal tells every process of the group; the parent says it once


class _Generator:
    def __init__(self, plan: LoadPlan, part: int, channel: Connection) -> None:
        self._plan = plan
        self._part = part
        self._channel = channel
        self._work: Iterator[tuple[str, BenchImage]] = zip(mixed(plan.mix), cycle(plan.images))
        self._records = Records()
        self._failed = 0

    async def run(self) -> None:
        async with _clients(self._plan, self._part) as clients:
            await asyncio.gather(*(client.health(timeout=30) for client in clients))
            if self._part == 0:
                await self._prime(clients[0])
            self._channel.send(Ready())
            start: float = await asyncio.get_running_loop().run_in_executor(None, self._channel.recv)
            reporter = asyncio.ensure_future(self._report())
            end = start + self._plan.warmup_s + self._plan.duration_s
            sender = self._closed(clients, start, end) if self._plan.mode == "closed" else self._open(clients, start)
            requests = await sender
            await self._drain(requests, end)
            reporter.cancel()
            self._channel.send(self._records)
            # Stay until the parent has measured what it measures: a hundred connections that end cost the daemon CPU.
            await asyncio.get_running_loop().run_in_executor(None, self._channel.recv)

    async def _prime(self, client: AsyncDepthClient) -> None:
        for image in {(image.width, image.height): image for image in self._plan.images}.values():
            for op in self._plan.mix:
                await _submit(client, op, image, PRIME_TIMEOUT_S)

    async def _closed(self, clients: list[AsyncDepthClient], start: float, end: float) -> list[asyncio.Task[None]]:
        await _sleep_until(start)

        async def one_in_flight(client: AsyncDepthClient) -> None:
            while (now := time.monotonic()) < end:
                if not await self._request(client, now):
                    await asyncio.sleep(ERROR_PAUSE_S)

        return [asyncio.ensure_future(one_in_flight(client)) for client in clients for _ in range(self._plan.in_flight)]

    async def _open(self, clients: list[AsyncDepthClient], start: float) -> list[asyncio.Task[bool]]:
        plan = self._plan
        times = intended_times(
            plan.arrivals, plan.rate, plan.warmup_s + plan.duration_s, plan.seed, self._part, plan.processes
        )
        requests = []
        for moment, client in zip(times.tolist(), cycle(clients), strict=False):
            await _sleep_until(start + moment)
            requests.append(asyncio.ensure_future(self._request(client, start + moment)))
        return requests

    async def _request(self, client: AsyncDepthClient, intended: float) -> bool:
        op, image = next(self._work)
        sent = time.monotonic()
        code, timing = OK, None
        try:
            result = await _submit(client, op, image, self._plan.timeout_s)
            timing = result.timing
        except DepthwireError as error:
            code = error.code
        except asyncio.CancelledError:
            code = UNANSWERED
        self._records.add(intended, sent, time.monotonic(), op, code, timing)
        self._failed += code != OK
        return code == OK

    async def _drain(self, requests: list[asyncio.Task[Any]], end: float) -> None:
        """Wait for what is under way: leaving out the slowest answers would flatter the rest."""
        if not requests:
            return
        _, unanswered = await asyncio.wait(requests, timeout=max(0.0, end - time.monotonic()) + DRAIN_S)
        for request in unanswered:
            request.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)

    async def _report(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            while True:
                self._channel.send(Progress(len(self._records), self._failed))
                await asyncio.sleep(PROGRESS_S)


@contextlib.asynccontextmanager
async def _clients(plan: LoadPlan, part: int) -> AsyncIterator[list[AsyncDepthClient]]:
    """This process's clients. They never send twice: an error must show as one."""
    clients = [
        AsyncDepthClient(
            plan.endpoint,
            retries=0,
            timeout=plan.timeout_s,
            encoder=plan.encoder,
            dataset=plan.dataset,
            model_input_size=plan.model_input_size,
            max_pending=1_000_000,
        )
        for _ in range(plan.clients_of(part))
    ]
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


def _submit(client: AsyncDepthClient, op: str, image: BenchImage, timeout_s: float | None) -> Any:
    submit: Any = client.submit  # its overloads are for operations known beforehand
    return submit(op, image.data, image.intrinsics if op == "pc" else None, timeout=timeout_s)


async def _sleep_until(moment: float) -> None:
    while (wait_s := moment - time.monotonic()) > 0:
        await asyncio.sleep(wait_s)

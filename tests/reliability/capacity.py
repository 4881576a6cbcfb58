"""A daemon of known capacity and load for it: what the campaigns about overload share.

The engine takes a known time for each picture, so that capacity is limited by that and not by a CPU which the load
itself needs; heavy load comes from processes of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from depthwire.bench.images import BenchImage
from depthwire.bench.plan import LoadPlan
from depthwire.client import AsyncDepthClient, DepthwireError
from tests.e2e.conftest import Daemon
from tests.reliability.oracle import grey_jpeg

ERROR_PAUSE_S = 0.01


def grey_load(daemon: Daemon, width: int = 64, height: int = 48, **settings: Any) -> LoadPlan:
    """A plan of the bench's load generator, whose every picture is the same plain grey."""
    image = BenchImage("grey", grey_jpeg(width, height, 100), width, height)
    return LoadPlan(daemon.endpoint, [image], {"metric_depth": 1}, **settings)


def answers_by_client(endpoint: str, in_flight: list[int], seconds: float, warmup_s: float = 1.0) -> list[int]:
    """How many answers each of several clients gets that always have so many requests in flight."""
    return asyncio.run(_answers_by_client(endpoint, in_flight, seconds, warmup_s))


async def _answers_by_client(endpoint: str, in_flight: list[int], seconds: float, warmup_s: float) -> list[int]:
    picture, answers = grey_jpeg(64, 48, 100), [0] * len(in_flight)
    begin = time.monotonic() + warmup_s
    end = begin + seconds

    async def keep_asking(number: int, client: AsyncDepthClient) -> None:
        while time.monotonic() < end:
            try:
                await client.metric_depth(picture)
                answers[number] += begin <= time.monotonic() < end
            except DepthwireError:
                await asyncio.sleep(ERROR_PAUSE_S)

    clients = [AsyncDepthClient(endpoint, retries=0, timeout=30) for _ in in_flight]
    try:
        await asyncio.gather(
            *(keep_asking(n, clients[n]) for n, requests in enumerate(in_flight) for _ in range(requests))
        )
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return answers

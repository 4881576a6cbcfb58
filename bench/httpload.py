"""A closed loop over HTTP, for the comparison servers: so many clients, each with a connection that it keeps.

In a process of its own, like the load generator, one thread a client: the standard library's HTTP client waits outside
Python's lock and costs less than any package's.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import multiprocessing
import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.bench.images import BenchImage
from depthwire.bench.records import OK, Records

ANSWER_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class HttpPlan:
    """A closed loop on one server, with as many clients as the depthwire side of the comparison has."""

    port: int
    path: str
    base64_json: bool
    """An image in base64 inside JSON, and the depth likewise; else bytes both ways."""
    images: list[BenchImage] = field(repr=False)
    clients: int = 1
    duration_s: float = 5.0
    warmup_s: float = 1.0


def run_http_load(plan: HttpPlan) -> tuple[Records, float, float]:
    """Every request with its times, and the begin and end of the measured window."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_generate, args=(plan, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        answer: tuple[Records, float, float] = ours.recv()
        return answer
    finally:
        process.kill()
        process.join()


def http_depth(plan: HttpPlan, image: BenchImage) -> npt.NDArray[np.float32]:
    """One request's depth map (height, width). Raises ConnectionError where the server answers with an error."""
    connection = _connect(plan.port)
    with contextlib.closing(connection):
        return _ask(connection, plan, image)


def why_not_ready(plan: HttpPlan) -> str:
    """Empty once a server does the work. The health pages of some are up before their network is."""
    try:
        http_depth(plan, plan.images[0])
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    return ""


def _generate(plan: HttpPlan, channel: Connection) -> None:
    records, lock, work = Records(), threading.Lock(), cycle(plan.images)
    start = time.monotonic()
    begin = start + plan.warmup_s
    end = begin + plan.duration_s

    def client() -> None:
        connection = _connect(plan.port)
        while (sent := time.monotonic()) < end:
            with lock:
                image = next(work)
            code = OK
            try:
                _ask(connection, plan, image)
            except (OSError, http.client.HTTPException) as error:
                code = type(error).__name__
                connection.close()
            with lock:
                records.add(sent, sent, time.monotonic(), "metric_depth", code)
        connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(plan.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    channel.send((records, begin, end))


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)


def _ask(connection: http.client.HTTPConnection, plan: HttpPlan, image: BenchImage) -> npt.NDArray[np.float32]:
    """Send an image and build the array that a caller wants, which is where our client ends too."""
    if plan.base64_json:
        body = json.dumps({"image": base64.b64encode(image.data).decode("ascii")}).encode()
        answer: Any = json.loads(_post(connection, plan.path, body, "application/json"))
        depth = np.frombuffer(base64.b64decode(answer["depth"]), np.float32)
        height, width = answer["shape"]
        return depth.reshape(height, width)
    depth = np.frombuffer(_post(connection, plan.path, image.data, "application/octet-stream"), np.float32)
    return depth.reshape(image.height, image.width)


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> bytes:
    connection.request("POST", path, body, {"Content-Type": kind})
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise ConnectionError(f"the server answered {response.status}: {content[:200]!r}")
    return content

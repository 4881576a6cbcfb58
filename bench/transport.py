"""The transport on its own: a daemon with the null engine, a bare ROUTER/DEALER echo of the same frames, a memcpy.

All three take turns in one run, so that whatever the machine does meanwhile falls on each of them. The daemon is asked
through DepthClient: what is measured is what a caller gets.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zmq

from depthwire.bench import launch
from depthwire.bench.echo import pack_sizes
from depthwire.bench.images import BenchImage, synthetic
from depthwire.bench.load import Show
from depthwire.bench.statistics import percentile, summary
from depthwire.client import DepthClient
from depthwire.protocol import Request
from depthwire.protocol.messages import Op

ROUNDS = 5
_REPLY_TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class ResultSize:
    """A kind of answer to move: an operation on an image of a size, how often, and what it may cost above the echo.

    The limit is `echo_factor` × the echo + the measured decode + `allowance_ms`; None where no target is set.
    """

    op: Op
    width: int
    height: int
    repeats: int
    echo_factor: float = 1.0
    allowance_ms: float | None = None

    def __str__(self) -> str:
        return f"{self.op} {self.width}x{self.height}"


SIZES = (
    ResultSize("metric_depth", 640, 480, 300, 1.0, 0.6),
    ResultSize("pc", 1280, 720, 60, 1.5, 1.0),
    ResultSize("pc", 4000, 3000, 10),
)


@dataclass
class Moved:
    """Milliseconds of each repetition, and the sizes of the reply's frames."""

    frames: list[int]
    daemon: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    """From arrival to reply by the daemon's own account."""
    echo: list[float] = field(default_factory=list)
    echo_bytes: int = 0
    memcpy: list[float] = field(default_factory=list)


def transport_table(show: Show, sizes: tuple[ResultSize, ...] = SIZES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """One row for each transport and result size, from a daemon and an echo of our own."""
    rows = []
    with launch.ipc_endpoint() as daemon_ipc, launch.ipc_endpoint() as echo_ipc:
        echo_tcp = f"tcp://127.0.0.1:{launch.free_port()}"
        daemon_tcp = f"tcp://127.0.0.1:{launch.free_port()}"
        with (
            launch.daemon(["--engine", "null"], [daemon_tcp, daemon_ipc]),
            launch.running("depthwire.bench.echo", [echo_tcp, echo_ipc], lambda: _why_no_echo(echo_tcp)),
        ):
            for daemon_endpoint, echo_endpoint in ((daemon_tcp, echo_tcp), (daemon_ipc, echo_ipc)):
                for size in sizes:
                    show(f"{size} over {daemon_endpoint.partition(':')[0]}")
                    rows.append(_row(daemon_endpoint, size, move(daemon_endpoint, echo_endpoint, size, rounds)))
    return rows


def move(daemon_endpoint: str, echo_endpoint: str, size: ResultSize, rounds: int) -> Moved:
    """Measure one result size, the daemon, the echo and the memcpy in turns of a round's share of the repetitions."""
    image = synthetic(size.width, size.height)
    moved = Moved(reply_frame_sizes(daemon_endpoint, size, image))
    source = np.ones(sum(moved.frames), np.uint8)
    target = np.zeros_like(source)
    request = [pack_sizes(moved.frames), image.data]
    with DepthClient(daemon_endpoint, retries=0) as client, _dealer(echo_endpoint) as dealer:
        turn = max(1, size.repeats // rounds)
        for round_number in range(rounds + 1):
            for _ in range(turn):
                _ask(client, size, image, moved)
            for _ in range(turn):
                _ask_echo(dealer, request, moved)
            for _ in range(turn):
                begun = time.perf_counter()
                np.copyto(target, source)
                moved.memcpy.append(1e3 * (time.perf_counter() - begun))
            if round_number == 0:  # the warm-up
                moved = Moved(moved.frames)
    return moved


def reply_frame_sizes(endpoint: str, size: ResultSize, image: BenchImage) -> list[int]:
    """The sizes of the frames of one reply, taken off the wire below the client."""
    intrinsics = image.intrinsics if size.op == "pc" else None
    with _dealer(endpoint) as dealer:
        dealer.send_multipart(Request(1, size.op, image=image.data, intrinsics=intrinsics).to_frames())
        return [len(frame.buffer) for frame in dealer.recv_multipart(copy=False)]


def _ask(client: DepthClient, size: ResultSize, image: BenchImage, moved: Moved) -> None:
    begun = time.perf_counter()
    if size.op == "pc":
        timing = client.pc(image.data, image.intrinsics).timing
    else:
        timing = client.metric_depth(image.data).timing
    moved.daemon.append(1e3 * (time.perf_counter() - begun))
    moved.decode.append(timing["decode_ms"])
    moved.inside.append(timing["total_ms"])


def _ask_echo(dealer: zmq.Socket[bytes], request: list[bytes], moved: Moved) -> None:
    begun = time.perf_counter()
    dealer.send_multipart(request, copy=False)
    frames = dealer.recv_multipart(copy=False)
    moved.echo.append(1e3 * (time.perf_counter() - begun))
    moved.echo_bytes = sum(len(frame.buffer) for frame in frames)


def _row(endpoint: str, size: ResultSize, moved: Moved) -> dict[str, Any]:
    daemon, decode, echo = (percentile(samples, 50) for samples in (moved.daemon, moved.decode, moved.echo))
    row: dict[str, Any] = {
        "transport": endpoint.partition(":")[0],
        "op": size.op,
        "image": [size.width, size.height],
        "reply_bytes": sum(moved.frames),
        "echo_bytes": moved.echo_bytes,
        "daemon_ms": summary(moved.daemon),
        "decode_ms": summary(moved.decode),
        "inside_ms": summary(moved.inside),
        "echo_ms": summary(moved.echo),
        "memcpy_ms": summary(moved.memcpy),
        "ratio_to_echo_p50": round(daemon / echo, 4),
        "above_echo_and_decode_ms": round(daemon - echo - decode, 4),
    }
    if size.allowance_ms is not None:
        limit = size.echo_factor * echo + decode + size.allowance_ms
        row["limit_ms"] = round(limit, 4)
        row["met"] = daemon <= limit
    return row


@contextlib.contextmanager
def _dealer(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    context: zmq.Context[Any] = zmq.Context()
    dealer: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.setsockopt(zmq.RCVTIMEO, _REPLY_TIMEOUT_MS)
    dealer.connect(endpoint)
    try:
        yield dealer
    finally:
        dealer.close()
        context.term()


def _why_no_echo(endpoint: str) -> str:
    with _dealer(endpoint) as dealer:
        dealer.setsockopt(zmq.RCVTIMEO, 1000)
        dealer.send_multipart([pack_sizes([1]), b"?"])
        try:
            dealer.recv_multipart()
        except zmq.Again:
            return "it does not answer"
        return ""


TRANSPORT_HEADS = ("transport", "answer", "MB", "depthwire p50", "p99", "echo p50", "p99", "decode", "memcpy", "above")


def transport_cells(row: dict[str, Any]) -> list[str]:
    """A row for a Markdown table, under TRANSPORT_HEADS; milliseconds. `above` is p50 less echo less decode."""
    width, height = row["image"]
    daemon, echo = row["daemon_ms"], row["echo_ms"]
    times = (daemon["p50"], daemon["p99"], echo["p50"], echo["p99"], row["decode_ms"]["p50"], row["memcpy_ms"]["p50"])
    return [
        row["transport"],
        f"{row['op']} {width}×{height}",
        f"{row['reply_bytes'] / 1e6:.1f}",
        *(f"{value:.2f}" for value in times),
        f"{row['above_echo_and_decode_ms']:.2f}",
    ]

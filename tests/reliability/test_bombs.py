"""Small messages made to cost much: each is answered at once, in little memory, and the good client notices nothing.

The corpus is in bombs.py. `make test` sends each once, `make soak` ten times and asserts the 50 ms of the design.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
import zmq

from depthwire.protocol import parse_reply
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.reliability import bombs
from tests.reliability.bombs import BOMBS, WORTH_ID, Frames, header
from tests.reliability.conftest import Count
from tests.reliability.oracle import Oracle, grey_jpeg

MEMORY_MB = 32
PROMISED_MS = 50.0
WIDE_MARGIN_MS = 5000.0
"""What a loaded machine may add. The bombs that this is about take from many seconds to hours where they go off."""


class Memory:
    """The highest resident memory of the daemon's processes since it was last reset, from the kernel."""

    def __init__(self, daemon: Daemon) -> None:
        front = psutil.Process(daemon.process.pid)
        self._pids = [front.pid, *(child.pid for child in front.children())]

    def reset(self) -> None:
        for pid in self._pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def megabytes(self, name: str) -> float:
        """VmRSS now, or VmHWM since `reset`, over all processes; what they share counts in each."""
        total = 0
        for pid in self._pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith(name)).split()[1])
        return total / 1024


@pytest.fixture
def bomber() -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.sndhwm = 0
    yield socket
    socket.close()
    context.term()


def detonate(socket: zmq.Socket[bytes], frames: Frames) -> tuple[float, str]:
    """Milliseconds from handing the message's last frame to ZeroMQ until the answer, and what it was."""
    socket.send_multipart(frames)
    begun = time.perf_counter()
    assert socket.poll(60_000), "no answer"
    message = socket.recv_multipart()
    elapsed_ms = 1e3 * (time.perf_counter() - begun)
    if message[0] == b"":  # what looked like an envelope came back as one
        message = message[1:]
    reply = parse_reply(message)
    assert reply.id in (WORTH_ID, None)
    return elapsed_ms, reply.error.code if reply.error else "OK"


def warm_up(socket: zmq.Socket[bytes]) -> None:
    """What first requests allocate for good is not the bombs': results, a few MB of message, each kind of decoder."""
    for image in (grey_jpeg(640, 480, 9), bombs.png(640, 480), bombs.riff(bombs.webp())):
        for _ in range(3):
            assert detonate(socket, bombs.request(image))[1] == "OK"


def test_no_bomb_takes_time_or_memory_or_the_good_client_s_answers(
    faulty_daemon: DaemonFactory, bomber: zmq.Socket[bytes], count: Count, figures: dict[str, Any]
) -> None:
    tries = count(1, 10)
    daemon = faulty_daemon()
    bomber.connect(daemon.endpoint)
    warm_up(bomber)
    slow: dict[str, float] = {}
    wrong: dict[str, str] = {}
    growth: dict[str, float] = {}
    worst: dict[str, float] = {}
    memory = Memory(daemon)
    with Oracle(daemon.endpoint, interval_s=0.02) as oracle:
        oracle.wait_for_answers(10)
        for name, bomb in BOMBS.items():
            frames = bomb.make()
            taken = []
            for _ in range(tries):
                before = memory.megabytes("VmRSS")
                memory.reset()
                elapsed_ms, code = detonate(bomber, frames)
                growth[name] = max(growth.get(name, 0), memory.megabytes("VmHWM") - before)
                taken.append(elapsed_ms)
                if code != bomb.code:
                    wrong[name] = f"{code}, not {bomb.code}"
            slow[name], worst[name] = statistics.median(taken), max(taken)
        oracle.wait_for_answers(10)
    longest, largest = max(slow, key=slow.__getitem__), max(growth, key=growth.__getitem__)
    figures |= {
        "bombs": len(BOMBS),
        "tries": tries,
        "median_ms": round(statistics.median(slow.values()), 2),
        "slowest": [longest, round(slow[longest], 1)],
        "next_slowest": sorted((round(ms, 1) for ms in slow.values()), reverse=True)[1:4],
        "max_ms": round(max(worst.values()), 1),
        "most_memory": [largest, round(growth[largest], 1)],
        "oracle": dict(oracle.codes),
    }
    assert len(BOMBS) >= 30
    assert wrong == {}
    assert {name: mb for name, mb in growth.items() if mb >= MEMORY_MB} == {}
    limit_ms = count(int(WIDE_MARGIN_MS), int(PROMISED_MS))
    assert {name: ms for name, ms in slow.items() if ms >= limit_ms} == {}
    assert (oracle.wrong, set(oracle.codes)) == ([], {"OK"})
    assert "is replaced" not in daemon.log
    assert psutil.pid_exists(daemon.worker_pid)


@pytest.mark.parametrize("frames", [19, 1000, 100_000])
def test_behind_a_message_of_too_many_frames_the_next_one_is_read_as_it_is(
    frames: int, faulty_daemon: DaemonFactory, bomber: zmq.Socket[bytes]
) -> None:
    bomber.connect(faulty_daemon().endpoint)
    for _ in range(2):
        bomber.send_multipart([header(op="health"), *[b"\x80"] * frames])
        bomber.send(header(op="health", meta={"next": frames}))
        replies = []
        for _ in range(2):
            assert bomber.poll(30_000)
            replies.append(parse_reply(bomber.recv_multipart()))
        assert [reply.error.code if reply.error else "OK" for reply in replies] == ["INVALID_REQUEST", "OK"]
        assert replies[1].fields["meta"] == {"next": frames}
    assert not bomber.poll(200)


def test_a_frame_far_above_the_limit_ends_its_connection_before_it_is_in_memory(
    faulty_daemon: DaemonFactory, bomber: zmq.Socket[bytes], figures: dict[str, Any]
) -> None:
    daemon = faulty_daemon("--max-image-mb", "1")
    memory = Memory(daemon)
    events = bomber.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    with Oracle(daemon.endpoint, interval_s=0.02) as oracle:
        oracle.wait_for_answers(5)
        before = memory.megabytes("VmRSS")
        memory.reset()
        bomber.connect(daemon.endpoint)
        bomber.send_multipart([header(image=msgpack.ExtType(1, b"\0")), bytes(200 * 2**20)])
        assert events.poll(30_000), "the connection lives"
        oracle.wait_for_answers(5)
    growth = memory.megabytes("VmHWM") - before
    bomber.disable_monitor()
    events.close()
    figures |= {"frame_mb": 200, "growth_mb": round(growth, 1)}
    assert growth < MEMORY_MB
    assert (oracle.wrong, set(oracle.codes)) == ([], {"OK"})

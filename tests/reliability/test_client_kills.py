"""Clients that are killed while a large reply is on its way to them: memory and descriptors come back."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from depthwire.client import DepthClient
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.pictures import jpeg
from tests.reliability.conftest import Count
from tests.reliability.oracle import Oracle

WIDTH, HEIGHT = 1280, 720
REPLY_BYTES = 16 * WIDTH * HEIGHT
IN_FLIGHT = 4
AT_ONCE = 5
"""Clients that live at the same time."""
GROWTH_BYTES = 5 * 2**20
"""What allocators may keep of memory that is not the arena's; a single reply has 15 MB."""
ARENA_BYTES = AT_ONCE * (IN_FLIGHT + 1) * (REPLY_BYTES + 2**20)
"""The most that these clients can have made the daemon touch of the arena at any time."""

CLIENT = """
import sys, zmq
from depthwire.protocol import frames
endpoint, path, is_reading = sys.argv[1], sys.argv[2], sys.argv[3] == "reading"
image = open(path, "rb").read()
dealer = zmq.Context().socket(zmq.DEALER)
dealer.rcvhwm = 1
dealer.connect(endpoint)
def ask(n):
    camera = {"fx": 900.0, "fy": 900.0, "cx": 640.0, "cy": 360.0}
    dealer.send_multipart(frames.encode({"v": 1, "id": n, "op": "pc", "image": image, "camera_intrinsics": camera}))
for n in range(int(sys.argv[4])):
    ask(n)
first = dealer.recv_multipart(copy=False)
print(len(first), flush=True)
while is_reading:
    n += 1
    ask(n)
    dealer.recv_multipart(copy=False)
sys.stdin.read()
"""
"""Asks for clouds and gets at least one; then it goes on reading, or leaves the next one half-way in the connection."""


def test_clients_killed_in_mid_reply_leave_nothing_behind(
    count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory, tmp_path: Any
) -> None:
    daemon = faulty_daemon()
    path = tmp_path / "picture.jpg"
    path.write_bytes(jpeg(WIDTH, HEIGHT))
    kills = count(10, 200)
    with Oracle(daemon.endpoint, interval_s=0.01) as oracle:
        fresh = _settled(daemon)
        _kill_clients(daemon, path, 2 * AT_ONCE)  # warms up: threads, pools, the arena's pages
        before = _settled(daemon)
        held = _kill_clients(daemon, path, kills)
        after = _settled(daemon)
        oracle.wait_for_answers(20)
    figures |= {
        "kills": kills,
        "arena_held_at_kill_mb_median": round(statistics.median(held) / 1e6, 1),
        "private_memory_before_mb": round(before["private"] / 1e6, 1),
        "private_memory_after_mb": round(after["private"] / 1e6, 1),
        "arena_touched_mb": round((after["shared"] - fresh["shared"]) / 1e6, 1),
        "descriptors_before": before["descriptors"],
        "descriptors_after": after["descriptors"],
        "oracle": dict(oracle.codes),
    }
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}
    assert statistics.median(held) >= REPLY_BYTES, "the clients were not killed in mid-reply"
    assert after["descriptors"] == before["descriptors"]
    assert after["private"] - before["private"] < GROWTH_BYTES
    assert after["shared"] - fresh["shared"] < ARENA_BYTES
    assert after["restarts"] == 0


def _kill_clients(daemon: Daemon, path: Any, kills: int) -> list[int]:
    """Start and kill so many, half of them while they read; returns the bytes of replies under way at each kill."""
    held = []
    with DepthClient(daemon.endpoint, timeout=60) as client:
        for start in range(0, kills, AT_ONCE):
            modes = [("reading", "stuck")[n % 2] for n in range(start, min(start + AT_ONCE, kills))]
            command = [sys.executable, "-c", CLIENT, daemon.endpoint, str(path)]
            victims = [
                subprocess.Popen([*command, mode, str(IN_FLIGHT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for mode in modes
            ]
            for victim in victims:
                assert victim.stdout is not None
                assert victim.stdout.readline() == b"3\n"
                time.sleep(random.random() * 0.05)
                held.append(client.health()["queue"]["arena_used_bytes"])
                victim.kill()
            for victim in victims:
                victim.communicate(timeout=30)
    return held


def _settled(daemon: Daemon) -> dict[str, Any]:
    """Memory and descriptors of front and worker once nothing of the clients is left, which must not take long."""
    with DepthClient(daemon.endpoint, timeout=60) as client:
        deadline = time.monotonic() + 20
        while True:
            info = client.health()
            family = [psutil.Process(daemon.process.pid), psutil.Process(info["workers"][0]["pid"])]
            connections = len(family[0].net_connections("tcp"))
            # The listening socket, the oracle's connection and the one that asks.
            if connections == 3 and info["queue"]["arena_used_bytes"] < REPLY_BYTES and not info["queue"]["waiting"]:
                break
            if time.monotonic() > deadline:
                pytest.fail(f"{connections} connections, {info['queue']} are left")
            time.sleep(0.05)
        time.sleep(0.3)
        used = min(client.health()["queue"]["arena_used_bytes"] for _ in range(100))
        assert used == 0, "the arena is never empty"
        sizes = [process.memory_info() for process in family]
        return {
            "private": sum(size.rss - size.shared for size in sizes),
            "shared": max(size.shared for size in sizes),
            "descriptors": [process.num_fds() for process in family],
            "restarts": info["workers"][0]["restarts"],
        }

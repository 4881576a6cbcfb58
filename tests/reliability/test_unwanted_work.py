"""What nobody waits for never reaches the engine: the engine writes down every picture that it runs."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import zmq

from depthwire.client import DepthClient
from depthwire.protocol import Request, parse_reply
from tests.e2e.conftest import DaemonFactory
from tests.reliability.conftest import Count
from tests.reliability.oracle import grey_jpeg

PICTURE_S = 0.15
MAX_BATCH = 2
BLOCKERS, EACH = 3 * MAX_BATCH, 5
"""What a worker holds at a time: whatever comes after them starts only when they are done."""

BLOCKER, GOOD, EXPIRED, CANCELLED, SUPERSEDED, NEWEST, GONE = GREYS = range(10, 80, 10)
PICTURES = {grey: grey_jpeg(64, 48, grey) for grey in GREYS}
LIMIT_MS = 60_000


class Wire:
    """A client without the client library, which would keep from the daemon what it can see to itself."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._greys: dict[int, int] = {}

    def ask(self, grey: int, **fields: Any) -> int:
        request_id = len(self._greys)
        self._greys[request_id] = grey
        self._socket.send_multipart(Request(request_id, "rel_depth", PICTURES[grey], **fields).to_frames())
        return request_id

    def cancel(self, target: int) -> None:
        self._socket.send_multipart(Request(10**6 + target, "cancel", target=target).to_frames())

    def ping(self) -> None:
        """Wait until the daemon has read everything that was sent; for one that is sent no other reply meanwhile."""
        self._socket.send_multipart(Request(10**9, "health").to_frames())
        assert self._socket.poll(LIMIT_MS)
        assert parse_reply(self._socket.recv_multipart()).op == "health"

    def answers(self) -> Counter[tuple[int, str]]:
        """The outcome of each picture, by its grey, when all have one."""
        codes: Counter[tuple[int, str]] = Counter()
        while codes.total() < len(self._greys):
            assert self._socket.poll(LIMIT_MS), f"no answer; so far {codes}"
            reply = parse_reply(self._socket.recv_multipart())
            if reply.op != "cancel":
                assert reply.id is not None
                codes[self._greys[reply.id], "OK" if reply.error is None else reply.error.code] += 1
        return codes

    def close(self) -> None:
        self._socket.close(0)


def one_round(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> Counter[tuple[int, str]]:
    """Everything that can happen to a request, while what came first still runs."""
    client, gone = Wire(context, endpoint), Wire(context, endpoint)
    gone.ping()
    for _ in range(BLOCKERS):
        client.ask(BLOCKER)
    time.sleep(PICTURE_S / 2)
    cancelled = []
    for _ in range(EACH):
        client.ask(EXPIRED, timeout_ms=1.5e3 * PICTURE_S)
        cancelled.append(client.ask(CANCELLED))
        client.ask(SUPERSEDED, stream="left")
        client.ask(GOOD)
        gone.ask(GONE)
    client.ask(NEWEST, stream="left")
    for request_id in cancelled:
        client.cancel(request_id)
    gone.ping()
    gone.close()
    answers = client.answers()
    client.close()
    return answers


def test_expired_cancelled_superseded_and_abandoned_requests_never_reach_the_engine(
    faulty_daemon: DaemonFactory, tmp_path: Path, count: Count, figures: dict[str, Any]
) -> None:
    seen_path, rounds = tmp_path / "seen", count(3, 80)
    environment = {"DEPTHWIRE_TEST_SERVICE_S": str(PICTURE_S), "DEPTHWIRE_TEST_SEEN": str(seen_path)}
    daemon = faulty_daemon("--max-batch", str(MAX_BATCH), environment=environment)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    codes = sum((one_round(context, daemon.endpoint) for _ in range(rounds)), Counter())
    context.term()
    with DepthClient(daemon.endpoint) as client:
        health = client.health()
    seen = Counter(int(float(line)) for line in seen_path.read_text().splitlines())
    dropped = health["counters"]["dropped"]
    figures |= {"rounds": rounds, "unwanted": 4 * EACH * rounds, "seen": dict(seen), "dropped": dropped}
    assert codes == Counter(
        {
            (BLOCKER, "OK"): BLOCKERS * rounds,
            (GOOD, "OK"): EACH * rounds,
            (NEWEST, "OK"): rounds,
            (EXPIRED, "DEADLINE_EXCEEDED"): EACH * rounds,
            (CANCELLED, "CANCELLED"): EACH * rounds,
            (SUPERSEDED, "SUPERSEDED"): EACH * rounds,
        }
    )
    assert [seen[grey] for grey in (EXPIRED, CANCELLED, SUPERSEDED, GONE)] == [0, 0, 0, 0]
    assert [seen[grey] for grey in (BLOCKER, GOOD, NEWEST)] == [BLOCKERS * rounds, EACH * rounds, rounds]
    assert dropped["gone"] == EACH * rounds
    assert "went away" in daemon.log
    assert health["queue"]["waiting"] == health["queue"]["in_flight"] == 0

"""Mutated requests, hundreds in flight at a time: each gets exactly one structured answer, and nothing else happens."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import psutil
import zmq

from depthwire.client import DepthClient
from depthwire.protocol import ERROR_CLASSES, Reply, parse_reply
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.reliability.conftest import Count
from tests.reliability.mutations import KINDS, Frames, bare_id, envelope_length, mutated
from tests.reliability.oracle import Oracle

WINDOW = 48
"""In flight at a time: fewer than one client may have, so that none is refused for that."""

GROWTH_MB = 20


def answer_of(message: Frames, sent: list[Frames]) -> tuple[Reply, Frames]:
    """A reply, and the envelope in front of it, which is that of one of the messages that were sent."""
    for length in sorted({envelope_length(frames) for frames in sent}):
        envelope, body = message[:length], message[length:]
        if body and (b"\x84" <= body[0][:1] <= b"\x8f" or body[0][:1] == b"\xde"):  # a map of 4 fields or more
            try:
                return parse_reply(body), envelope
            except Exception:
                continue
    raise AssertionError(f"not a reply: {[frame[:40] for frame in message]}")


class Mutator:
    """A raw DEALER that sends windows of mutations and settles each with its answer."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(endpoint)
        self.codes = Counter[str]()
        self.by_kind: dict[str, Counter[str]] = {kind.__name__: Counter() for kind in KINDS}
        self.slowest_s = 0.0

    def close(self) -> None:
        self._socket.close()
        self._context.term()

    def run(self, seeds: range) -> None:
        sent = {seed: mutated(seed) for seed in seeds}
        begun = time.monotonic()
        for frames in sent.values():
            self._socket.send_multipart(frames)
        replies = []
        for _ in range(len(sent)):
            assert self._socket.poll(30_000), f"{len(replies)} answers to {len(sent)} of {seeds}"
            replies.append(answer_of(self._socket.recv_multipart(), list(sent.values())))
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        self._settle(sent, replies)

    def _settle(self, sent: dict[int, Frames], replies: list[tuple[Reply, Frames]]) -> None:
        """Find for each answer a message of its own that it answers; those without an id fit many, and come last."""
        open_ids = {seed: bare_id(frames) for seed, frames in sent.items()}
        for reply, envelope in sorted(replies, key=lambda answered: answered[0].id is None):
            fitting = [
                seed
                for seed, ids in open_ids.items()
                if reply.id in ids and sent[seed][: envelope_length(sent[seed])] == envelope
            ]
            assert fitting, f"an answer to nothing that was asked: {reply} {envelope}"
            seed = min(fitting, key=lambda seed: len(open_ids[seed]))
            del open_ids[seed]
            code = reply.error.code if reply.error else "OK"
            self.codes[code] += 1
            if reply.id is not None:
                self.by_kind[KINDS[seed % len(KINDS)].__name__][code] += 1

    def is_quiet(self) -> bool:
        """Whether nothing more comes: a second answer to anything would."""
        return not self._socket.poll(300)


def descriptors(daemon: Daemon) -> int:
    front = psutil.Process(daemon.process.pid)
    return sum(process.num_fds() for process in (front, *front.children()))


def test_each_mutation_of_a_request_gets_exactly_one_answer_and_harms_nobody(
    faulty_daemon: DaemonFactory, count: Count, figures: dict[str, Any]
) -> None:
    mutations = count(3000, 100_000)
    daemon = faulty_daemon()
    worker = daemon.worker_pid
    begun = time.monotonic()
    with Oracle(daemon.endpoint, interval_s=0.02) as oracle:
        mutator = Mutator(daemon.endpoint)
        oracle.wait_for_answers(3)
        before = (0, 0)
        for first in range(0, mutations, WINDOW):
            mutator.run(range(first, min(first + WINDOW, mutations)))
            if before == (0, 0) and first >= mutations // 4:
                before = (daemon.memory(), descriptors(daemon))
        growth, opened = daemon.memory() - before[0], descriptors(daemon) - before[1]
        quiet = mutator.is_quiet()
        mutator.close()
        oracle.wait_for_answers(3)
    with DepthClient(daemon.endpoint) as client:
        health = client.health()
    seconds = time.monotonic() - begun
    figures |= {
        "mutations": mutations,
        "answers": dict(mutator.codes),
        "by_kind": {name: dict(codes) for name, codes in mutator.by_kind.items()},
        "per_second": round(mutations / seconds),
        "longest_window_s": round(mutator.slowest_s, 2),
        "memory_growth_mb": round(growth / 2**20, 1),
        "descriptors": opened,
        "oracle": dict(oracle.codes),
    }
    assert mutator.codes.total() == mutations
    assert quiet
    assert set(mutator.codes) <= {*ERROR_CLASSES, "OK"}
    assert mutator.codes["INTERNAL"] == 0
    assert min(mutator.codes[code] for code in ("OK", "INVALID_REQUEST", "BAD_IMAGE", "UNKNOWN_OP")) > mutations / 1000
    assert (health["workers"][0]["pid"], health["workers"][0]["restarts"]) == (worker, 0)
    assert "Traceback" not in daemon.log
    assert health["queue"]["in_flight"] == health["queue"]["arena_used_bytes"] == 0
    assert growth < GROWTH_MB * 2**20
    assert opened == 0
    assert (oracle.wrong, set(oracle.codes)) == ([], {"OK"})

"""Results leave from where the worker wrote them, the memory comes back when they have left, and nobody waits.

A real ROUTER with the front's options faces real DEALERs; only the arena's content stands in for a worker's.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
import zmq

from depthwire.daemon.config import Config
from depthwire.daemon.front.outbox import ZERO_COPY_FROM_BYTES, Outbox
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.seam.arena import Arena
from depthwire.daemon.seam.jobs import Done
from depthwire.protocol import parse_reply

Socket: TypeAlias = Any
MakePending: TypeAlias = Callable[..., Pending]
DONE = Done(1, 0.5, 2.0, 1.0, 2.0, 3.0, 4)
HIGH_WATER_MARK = 8
MAX_UNSENT_BYTES = 2_000_000
STALL_TIMEOUT_S = 10.0
names = itertools.count()


class Wire:
    """A ROUTER, an arena and an outbox over both."""

    def __init__(self, endpoint: str, high_water_mark: int = HIGH_WATER_MARK, arena_bytes: int = 64 * 2**20) -> None:
        self.context: Any = zmq.Context()
        self.router: Socket = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.router.setsockopt(zmq.SNDHWM, high_water_mark)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.bind(endpoint)
        self.endpoint = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.arena = Arena(arena_bytes)
        self.now = 0.0
        self.outbox = Outbox(self.router, self.arena, MAX_UNSENT_BYTES, STALL_TIMEOUT_S, lambda: self.now)
        self.dealers: list[Socket] = []

    def connect(self, name: bytes, **options: int) -> Socket:
        """A client that has said hello, so that the ROUTER knows it."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.IDENTITY, name)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 20_000)
        for option, value in options.items():
            dealer.setsockopt(getattr(zmq, option), value)
        dealer.connect(self.endpoint)
        dealer.send(b"hello")
        assert self.router.poll(20_000)
        assert self.router.recv_multipart() == [name, b"hello"]
        self.dealers.append(dealer)
        return dealer

    def result(self, pending: Pending, depth: float = 1.0) -> Pending:
        """Puts a result for this request into the arena."""
        floats = (4 if pending.request.op == "pc" else 1) * pending.width * pending.height
        block = self.outbox.reserve(pending.client, 4 * floats)
        assert block is not None
        pending.result_block = block
        self.pixels(block, floats).fill(depth)
        return pending

    def pixels(self, offset: int, count: int) -> np.ndarray:
        return np.frombuffer(self.arena.memory, np.float32, count, offset)

    def pass_time(self, until: float) -> list[tuple[bytes, ...]]:
        """Look as often as the front does; the clients that are named as stalled."""
        named = []
        while self.now < until:
            self.now = min(until, self.now + 0.5)
            named += self.outbox.stalled()
        return named

    def settle(self) -> None:
        """Wait until all memory has come back."""
        while self.arena.used:
            poller = zmq.Poller()
            poller.register(self.arena.wake_fd, zmq.POLLIN)
            poller.register(self.router, zmq.POLLIN)  # as the front does: a closed connection ends in our thread
            assert poller.poll(20_000), "memory does not come back"
            self.outbox.collect()

    def close(self) -> None:
        for socket in (*self.dealers, self.router):
            socket.close()
        self.context.term()
        self.arena.close()


@pytest.fixture(params=["inproc", "tcp"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(f"inproc://outbox-{next(names)}" if request.param == "inproc" else "tcp://127.0.0.1:*")
    yield wire
    wire.close()


@pytest.fixture
def tcp() -> Iterator[Wire]:
    wire = Wire("tcp://127.0.0.1:*")
    yield wire
    wire.close()


@pytest.fixture
def inproc() -> Iterator[Wire]:
    wire = Wire(f"inproc://outbox-{next(names)}")
    yield wire
    wire.close()


@pytest.fixture
def roomy() -> Iterator[Wire]:
    wire = Wire(f"inproc://outbox-{next(names)}", arena_bytes=256 * 2**20)
    yield wire
    wire.close()


def test_a_depth_map_arrives_with_its_numbers_and_its_memory_comes_back(wire: Wire, make_pending: MakePending) -> None:
    dealer = wire.connect(b"robot")
    pending = wire.result(make_pending(width=320, height=240), depth=2.5)
    assert wire.outbox.send_result(pending, DONE, total_ms=10.0)
    wire.outbox.release(pending.result_block)
    reply = parse_reply(dealer.recv_multipart())
    assert reply.error is None
    assert (reply.id, reply.op) == (pending.request.id, "metric_depth")
    assert (reply.fields["depth_map"] == np.full((240, 320), 2.5, np.float32)).all()
    assert (reply.fields["min"], reply.fields["max"]) == (0.5, 2.0)
    assert reply.fields["timing"] == {
        "queue_ms": 4.0,
        "decode_ms": 1.0,
        "infer_ms": 2.0,
        "post_ms": 3.0,
        "total_ms": 10.0,
        "batch_size": 4,
    }
    wire.settle()
    assert wire.outbox.unsent_bytes((b"robot",)) == 0


def test_a_cloud_is_two_frames_points_before_depth(wire: Wire, make_pending: MakePending) -> None:
    dealer = wire.connect(b"robot")
    pending = wire.result(make_pending(op="pc", width=200, height=100))
    pixels = 200 * 100
    wire.pixels(pending.result_block, 3 * pixels)[:] = np.arange(3 * pixels)
    wire.pixels(pending.result_block + 12 * pixels, pixels)[:] = np.arange(pixels) / 2
    assert wire.outbox.send_result(pending, DONE, total_ms=6.0)
    wire.outbox.release(pending.result_block)
    reply = parse_reply(dealer.recv_multipart())
    assert (reply.fields["pointcloud"] == np.arange(3 * pixels, dtype=np.float32).reshape(-1, 3)).all()
    assert (reply.fields["depth_map"] == np.arange(pixels, dtype=np.float32).reshape(100, 200) / 2).all()
    wire.settle()


def test_the_frame_that_zeromq_holds_is_the_arena_itself(inproc: Wire, make_pending: MakePending) -> None:
    """Between the threads of one process ZeroMQ passes the very frame on, so its address can be read on arrival."""
    dealer = inproc.connect(b"robot")
    pending = inproc.result(make_pending(op="pc", width=320, height=240))
    assert inproc.outbox.send_result(pending, DONE, total_ms=6.0)
    _, points, depth = dealer.recv_multipart(copy=False)
    addresses = [np.frombuffer(frame.buffer, np.uint8).ctypes.data for frame in (points, depth)]
    base = inproc.pixels(0, 1).ctypes.data
    assert addresses == [base + pending.result_block, base + pending.result_block + 12 * 320 * 240]


def test_what_is_not_sent_yet_still_shows_what_the_arena_holds(inproc: Wire, make_pending: MakePending) -> None:
    dealer = inproc.connect(b"robot")
    pending = inproc.result(make_pending(width=320, height=240), depth=1.0)
    assert inproc.outbox.send_result(pending, DONE, total_ms=6.0)
    inproc.pixels(pending.result_block, 320 * 240).fill(9.0)
    assert (parse_reply(dealer.recv_multipart()).fields["depth_map"] == 9.0).all()


def test_a_small_result_is_copied_so_its_memory_is_back_at_once(inproc: Wire, make_pending: MakePending) -> None:
    dealer = inproc.connect(b"robot")
    pending = inproc.result(make_pending(width=64, height=64), depth=1.0)
    assert ZERO_COPY_FROM_BYTES > 4 * 64 * 64
    assert inproc.outbox.send_result(pending, DONE, total_ms=6.0)
    inproc.outbox.release(pending.result_block)
    inproc.outbox.collect()
    assert inproc.arena.used == 0
    inproc.pixels(pending.result_block, 64 * 64).fill(9.0)
    assert (parse_reply(dealer.recv_multipart()).fields["depth_map"] == 1.0).all()


def test_memory_comes_back_only_after_the_peer_has_received(inproc: Wire, make_pending: MakePending) -> None:
    dealer = inproc.connect(b"robot")
    pending = inproc.result(make_pending(width=320, height=240))
    assert inproc.outbox.send_result(pending, DONE, total_ms=6.0)
    inproc.outbox.release(pending.result_block)
    inproc.outbox.collect()
    size = 4 * 320 * 240
    assert inproc.arena.used == size
    assert inproc.outbox.unsent_bytes((b"robot",)) == size
    frames = dealer.recv_multipart(copy=False)
    inproc.outbox.collect()
    assert inproc.arena.used == size  # inproc hands the frame itself over: it is the receiver's now
    del frames
    inproc.settle()
    assert inproc.outbox.unsent_bytes((b"robot",)) == 0


def test_memory_stays_while_the_request_s_own_hold_is_there(wire: Wire, make_pending: MakePending) -> None:
    dealer = wire.connect(b"robot")
    pending = wire.result(make_pending(width=320, height=240))
    assert wire.outbox.send_result(pending, DONE, total_ms=6.0)
    dealer.recv_multipart()
    wire.outbox.collect()
    assert wire.arena.used == 4 * 320 * 240
    wire.outbox.release(pending.result_block)
    wire.settle()


def test_a_client_that_never_was_there_costs_nothing(wire: Wire, make_pending: MakePending) -> None:
    pending = wire.result(make_pending(b"nobody", width=320, height=240))
    assert not wire.outbox.send_result(pending, DONE, total_ms=6.0)
    wire.outbox.release(pending.result_block)
    wire.settle()
    assert wire.outbox.unsent_bytes((b"nobody",)) == 0


def test_a_client_that_went_away_is_noticed_and_its_results_freed(tcp: Wire, make_pending: MakePending) -> None:
    dealer = tcp.connect(b"robot", RCVHWM=1, RCVBUF=4096)
    for _ in range(HIGH_WATER_MARK):
        pending = tcp.result(make_pending(width=1000, height=1000))
        assert tcp.outbox.send_result(pending, DONE, total_ms=6.0)
        tcp.outbox.release(pending.result_block)
    dealer.close()
    tcp.settle()
    assert tcp.outbox.unsent_bytes((b"robot",)) == 0
    for _ in range(200):  # the ROUTER learns of it on a later send; how much later is libzmq's business
        pending = tcp.result(make_pending(width=1000, height=1000))
        sent = tcp.outbox.send_result(pending, DONE, total_ms=6.0)
        tcp.outbox.release(pending.result_block)
        tcp.settle()
        if not sent:
            break
    else:
        pytest.fail("the departed client is still sent to")


def test_a_client_that_does_not_read_is_refused_not_waited_for_and_others_go_on(
    wire: Wire, make_pending: MakePending
) -> None:
    slow = wire.connect(b"slow", RCVHWM=1, RCVBUF=4096)
    quick = wire.connect(b"quick")
    sent = 0
    while True:
        pending = wire.result(make_pending(b"slow", width=500, height=400))
        accepted = wire.outbox.send_result(pending, DONE, total_ms=6.0)
        wire.outbox.release(pending.result_block)
        if not accepted:
            break
        sent += 1
        assert sent < 70, "a client that never reads is sent results without end"
    wire.outbox.collect()
    assert 0 < wire.outbox.unsent_bytes((b"slow",)) <= sent * 4 * 500 * 400

    pending = wire.result(make_pending(b"quick", width=500, height=400), depth=7.0)
    assert wire.outbox.send_result(pending, DONE, total_ms=6.0)
    wire.outbox.release(pending.result_block)
    assert (parse_reply(quick.recv_multipart()).fields["depth_map"] == 7.0).all()

    for _ in range(sent):
        assert parse_reply(slow.recv_multipart()).error is None
    wire.settle()
    assert wire.outbox.unsent_bytes((b"slow",)) == 0


def test_a_client_that_reads_loses_nothing_of_a_burst(make_pending: MakePending) -> None:
    """One turn of the front may answer 128 requests at once; the default send queue holds several such turns."""
    wire = Wire("tcp://127.0.0.1:*", Config().send_queue)
    dealer = wire.connect(b"robot")
    replies = [b"reply %d" % number for number in range(2000)]
    for start in range(0, len(replies), 200):
        burst = replies[start : start + 200]
        assert all(wire.outbox.send([b"robot"], [reply]) for reply in burst)
        assert [dealer.recv() for _ in burst] == burst
    wire.close()


def test_the_whole_envelope_comes_back(wire: Wire) -> None:
    dealer = wire.connect(b"proxy")
    assert wire.outbox.send([b"proxy", b"peer behind it", b""], [b"header", b"buffer"])
    assert dealer.recv_multipart() == [b"peer behind it", b"", b"header", b"buffer"]


def test_many_replies_arrive_whole_and_in_order_though_their_memory_is_used_again(
    tcp: Wire, make_pending: MakePending
) -> None:
    dealer = tcp.connect(b"robot")
    for number in range(60):
        pending = tcp.result(make_pending(width=400, height=300), depth=float(number))
        assert tcp.outbox.send_result(pending, DONE, total_ms=6.0)
        tcp.outbox.release(pending.result_block)
        tcp.outbox.collect()
        if number % 3 == 2:
            for expected in range(number - 2, number + 1):
                reply = parse_reply(dealer.recv_multipart())
                assert (reply.fields["depth_map"] == expected).all()
    tcp.settle()
    assert tcp.outbox.unsent_bytes((b"robot",)) == 0


def sent_results(wire: Wire, make_pending: MakePending, count: int) -> None:
    """`count` results of 800,000 bytes on their way to the robot."""
    for _ in range(count):
        pending = wire.result(make_pending(width=500, height=400))
        assert wire.outbox.send_result(pending, DONE, total_ms=6.0)
        wire.outbox.release(pending.result_block)


def test_a_client_with_too_much_unread_is_held_back_until_it_reads(inproc: Wire, make_pending: MakePending) -> None:
    dealer = inproc.connect(b"robot")
    sent_results(inproc, make_pending, 2)
    assert inproc.outbox.slow_clients == set()
    sent_results(inproc, make_pending, 1)
    assert inproc.outbox.slow_clients == {(b"robot",)}
    dealer.recv_multipart()
    while inproc.outbox.slow_clients:
        inproc.outbox.collect()
    assert inproc.outbox.unsent_bytes((b"robot",)) == 2 * 800_000


def test_what_is_reserved_counts_before_it_is_made(inproc: Wire, make_pending: MakePending) -> None:
    pending = inproc.result(make_pending(op="pc", width=500, height=400))
    assert inproc.outbox.unsent_bytes((b"robot",)) == 3_200_000
    assert inproc.outbox.slow_clients == {(b"robot",)}
    inproc.outbox.release(pending.result_block)
    assert inproc.outbox.unsent_bytes((b"robot",)) == 0
    assert inproc.outbox.slow_clients == set()


def test_a_client_that_reads_nothing_is_named_once_a_timeout(inproc: Wire, make_pending: MakePending) -> None:
    inproc.connect(b"robot")
    sent_results(inproc, make_pending, 3)
    patience_s = STALL_TIMEOUT_S + 800_000 / 2**20
    assert inproc.pass_time(patience_s - 0.1) == []
    assert inproc.pass_time(patience_s) == [(b"robot",)]
    assert inproc.outbox.stalled() == []
    assert inproc.pass_time(2 * patience_s - 0.1) == []
    assert inproc.pass_time(2 * patience_s + 0.1) == [(b"robot",)]


def test_a_client_that_reads_slowly_is_not_stalled(inproc: Wire, make_pending: MakePending) -> None:
    dealer = inproc.connect(b"robot")
    sent_results(inproc, make_pending, 6)
    for step in range(1, 4):
        assert inproc.pass_time(step * (STALL_TIMEOUT_S - 1)) == []
        dealer.recv_multipart()
        while inproc.outbox.unsent_bytes((b"robot",)) > (6 - step) * 800_000:
            inproc.outbox.collect()
        assert inproc.outbox.stalled() == []


def test_a_client_has_as_long_for_a_result_as_a_slow_link_needs_for_its_bytes(
    roomy: Wire, make_pending: MakePending
) -> None:
    """A cloud of 12 megapixels is 192 MB: whoever reads it at 100 Mbit/s is at it for longer than the timeout."""
    dealer = roomy.connect(b"robot")
    pending = roomy.result(make_pending(op="pc", width=4000, height=3000))
    assert roomy.outbox.send_result(pending, DONE, total_ms=6.0)
    roomy.outbox.release(pending.result_block)
    assert roomy.pass_time(20.0) == []
    dealer.recv_multipart()
    roomy.settle()
    assert roomy.outbox.slow_clients == set()


def test_a_client_that_takes_no_byte_of_a_large_result_is_stalled_later(roomy: Wire, make_pending: MakePending) -> None:
    roomy.connect(b"robot")
    pending = roomy.result(make_pending(op="pc", width=4000, height=3000))
    assert roomy.outbox.send_result(pending, DONE, total_ms=6.0)
    roomy.outbox.release(pending.result_block)
    patience_s = STALL_TIMEOUT_S + 192_000_000 / 2**20
    assert roomy.pass_time(patience_s - 0.1) == []
    assert roomy.pass_time(patience_s + 0.1) == [(b"robot",)]


def test_time_in_which_the_front_was_frozen_is_nobody_s_fault(inproc: Wire, make_pending: MakePending) -> None:
    inproc.connect(b"robot")
    sent_results(inproc, make_pending, 3)
    assert inproc.pass_time(5.0) == []
    inproc.now = 1000.0
    assert inproc.outbox.stalled() == []
    assert inproc.pass_time(1005.7) == []
    assert inproc.pass_time(1005.8) == [(b"robot",)]


def test_a_client_is_not_blamed_for_a_result_that_is_still_being_made(inproc: Wire, make_pending: MakePending) -> None:
    """A cloud of 16 megapixels alone reaches the default limit, and a CPU may need longer for it than the timeout."""
    inproc.connect(b"robot")
    pending = inproc.result(make_pending(op="pc", width=500, height=400))
    assert inproc.pass_time(100 * STALL_TIMEOUT_S) == []
    assert inproc.outbox.send_result(pending, DONE, total_ms=6.0)
    assert inproc.outbox.stalled() == []
    assert inproc.pass_time(inproc.now + STALL_TIMEOUT_S + pending.layout.bytes / 2**20 + 0.1) == [(b"robot",)]


def test_a_block_that_was_never_sent_is_nobody_s_debt(inproc: Wire) -> None:
    block = inproc.arena.reserve(struct.calcsize("f") * 100)
    assert block is not None
    inproc.outbox.release(block)
    assert inproc.arena.used == 0
    assert inproc.outbox.unsent_bytes(()) == 0

"""A daemon that ends waits for those who read its last replies, and for nobody else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest

from depthwire.daemon.front.farewell import STILL_S, unsent_bytes, wait_for_readers


def waited(look: Callable[[float], dict[int, int]], limit_s: float = 60.0) -> tuple[bool, float]:
    """Whether all was taken, and after how long, where `look` says what is unsent at each time."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    done = wait_for_readers(limit_s, lambda: look(now), lambda: now, sleep)
    return done, now


def test_with_nothing_unsent_it_is_soon_over() -> None:
    assert waited(lambda _: {}) == (True, pytest.approx(0.1, abs=0.05))


def test_one_who_reads_nothing_is_not_waited_for() -> None:
    done, seconds = waited(lambda _: {7: 200_000})
    assert not done
    assert seconds == pytest.approx(STILL_S, abs=0.1)


def test_one_who_reads_slowly_is_waited_for_beside_one_who_reads_nothing() -> None:
    done, seconds = waited(lambda now: {7: 200_000} | ({8: 1000 - int(now / 4)} if now < 40 else {}))
    assert not done
    assert seconds == pytest.approx(40 + STILL_S, abs=0.1)
    assert waited(lambda now: {8: 1000 - int(now)} if now < 40 else {}) == (True, pytest.approx(40, abs=0.2))


def test_the_limit_holds_for_the_slow_too() -> None:
    assert waited(lambda now: {8: 10_000 - int(now)}, 20.0) == (False, pytest.approx(20, abs=0.1))


def test_without_a_descriptor_to_look_with_it_does_not_wait() -> None:
    def fails(_: float) -> dict[int, int]:
        raise OSError(24, "Too many open files")

    assert waited(fails) == (False, 0.0)


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_the_kernel_tells_what_a_peer_has_not_taken(family: socket.AddressFamily) -> None:
    if family is socket.AF_UNIX:
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours = server.accept()[0]
    with ours, theirs:
        assert ours.fileno() not in unsent_bytes()
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(100_000))
        assert unsent_bytes()[ours.fileno()] > 0

"""The metrics' HTTP server: a good scraper gets its page whatever the others do, and they get little done."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from depthwire.daemon.config import parse_address
from depthwire.daemon.front import exposition
from depthwire.daemon.front.exposition import _MAX_CONNECTIONS, MetricsServer, Page

LIMIT_S = 30.0
"""Only a broken server needs so long."""


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    def broken() -> Page:
        raise RuntimeError("planted")

    body = b"x" * 5_000_000
    pages = {
        "/metrics": lambda: Page(200, "text/plain", b"depthwire_up 1\n"),
        "/large": lambda: Page(200, "text/plain", body),
        "/broken": broken,
    }
    server = MetricsServer("127.0.0.1", 0, pages)
    server.start()
    yield server
    server.close()
    assert not server.is_alive()


def port_of(server: MetricsServer) -> int:
    return int(server.url.rsplit(":", 1)[1].partition("/")[0])


def connect(server: MetricsServer, request: bytes = b"") -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port_of(server)), LIMIT_S)
    peer.sendall(request)
    return peer


def get(server: MetricsServer, path: str = "/metrics") -> bytes:
    with urllib.request.urlopen(server.url.replace("/metrics", path), timeout=LIMIT_S) as reply:
        body: bytes = reply.read()
        return body


def test_a_page_is_served_with_or_without_a_query(server: MetricsServer) -> None:
    assert get(server) == get(server, "/metrics?name=x") == b"depthwire_up 1\n"
    assert len(get(server, "/large")) == 5_000_000


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /nothing HTTP/1.1", b"404"), (b"POST /metrics HTTP/1.1", b"405"), (b"\x00\xff", b"405"), (b"", b"405")],
)
def test_anything_else_gets_a_plain_refusal(server: MetricsServer, request_line: bytes, status: bytes) -> None:
    with connect(server, request_line + b"\r\n\r\n") as peer:
        assert peer.recv(4096).split()[1] == status


def test_an_endless_request_is_cut_off(server: MetricsServer) -> None:
    with connect(server) as peer, pytest.raises(ConnectionError):
        peer.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000_000)
    assert get(server)


def test_the_silent_the_slow_and_the_many_keep_nobody_out(server: MetricsServer) -> None:
    silent = [connect(server) for _ in range(3 * _MAX_CONNECTIONS)]
    deaf = [connect(server, b"GET /large HTTP/1.1\r\n\r\n") for _ in range(_MAX_CONNECTIONS)]
    assert get(server) == b"depthwire_up 1\n"
    assert len(server._connections) <= _MAX_CONNECTIONS
    for peer in [*silent, *deaf]:
        peer.close()


def test_many_who_come_and_go_leave_no_traceback(server: MetricsServer, caplog: pytest.LogCaptureFixture) -> None:
    """The oldest connection is closed for a new one in the very turn in which it has something to say."""
    for _ in range(6):
        peers = [connect(server) for _ in range(_MAX_CONNECTIONS)]
        time.sleep(0.15)  # all of them are let in, one in each turn
        with server_stands_still(server):
            late = [connect(server) for _ in range(4)]
            for peer in peers:
                peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        for peer in [*peers, *late]:
            peer.close()
        assert get(server) == b"depthwire_up 1\n"
    assert [record.getMessage() for record in caplog.records] == []


@contextlib.contextmanager
def server_stands_still(server: MetricsServer) -> Iterator[None]:
    """So that what happens meanwhile is all there in its next turn."""
    go_on, stands = threading.Event(), threading.Event()

    def page() -> Page:
        stands.set()
        assert go_on.wait(LIMIT_S)
        return Page(200, "text/plain", b"x" * 20_000_000)  # more than is taken at once: this connection stays

    server._pages = {**server._pages, "/wait": page}
    with connect(server, b"GET /wait HTTP/1.1\r\n\r\n"):
        assert stands.wait(LIMIT_S)
        yield
        go_on.set()
        time.sleep(0.1)


def test_a_page_that_fails_all_the_time_is_told_of_once_a_second(
    server: MetricsServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        with connect(server, b"GET /broken HTTP/1.1\r\n\r\n") as peer:
            assert peer.recv(1) == b""  # which it closes, so that nobody waits
    assert 1 <= len(caplog.records) < 10


def test_who_says_nothing_is_sent_away(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "_CONNECTION_S", 0.2)
    with connect(server) as peer:
        assert peer.recv(1) == b""


def test_a_page_that_fails_ends_neither_the_server_nor_the_next_scrape(server: MetricsServer) -> None:
    with connect(server, b"GET /broken HTTP/1.1\r\n\r\n") as peer:
        assert get(server)
        peer.shutdown(socket.SHUT_RDWR)


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot serve metrics at 127.0.0.1:{port}"):
            MetricsServer("127.0.0.1", port, {})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("host.lab:1", ("host.lab", 1)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_without_a_host_is_the_loopback_interface(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "9464", "host", "host:", ":65536", "::1:9464", "http://h:1", "a b:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)

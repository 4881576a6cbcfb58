"""http(s) URLs: fetched whole or refused, within their time, and no text ever holds a password."""

from __future__ import annotations

import base64
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from depthwire.client import DeadlineExceededError, ImageFetchError, TooLargeError
from depthwire.client.images import encoded_image
from depthwire.client.web import fetch, without_secrets

BODY = b"\xff\xd8" + bytes(range(256)) * 20
BASIC = "Basic " + base64.b64encode(b"admin:s3 cret@").decode()
HALF = BODY[: len(BODY) // 2]
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n"
BROKEN = {
    "/half": b"Content-Length: %d\r\n\r\n" % len(BODY) + HALF,
    "/none": b"Content-Length: %d\r\n\r\n" % len(BODY),
    "/empty": b"Content-Length: 0\r\n\r\n",
    "/between-chunks": CHUNK % len(HALF) + HALF + b"\r\n",
    "/in-a-chunk": CHUNK % len(BODY) + HALF,
}


def got(url: str, timeout_s: float = 20, max_bytes: int = 10**6) -> bytes:
    return fetch(url, timeout_s, max_bytes)


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/picture.jpg":
            self._send(200, BODY)
        elif self.path == "/moved":
            self._send(302, b"", Location="/picture.jpg")
        elif self.path == "/to-file":
            self._send(302, b"", Location="file:///etc/hostname")
        elif self.path == "/to-ftp":
            self._send(302, b"", Location="ftp://127.0.0.1/picture.jpg")
        elif self.path == "/loop":
            self._send(302, b"", Location="/loop")
        elif self.path.startswith("/private"):
            self.server.seen.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
            if self.headers.get("Authorization") != BASIC:
                self._send(401, b"", **{"WWW-Authenticate": 'Digest realm="camera"'})
            elif self.path == "/private/elsewhere":
                self._send(302, b"", Location=f"http://localhost:{self.server.server_port}/open")  # type: ignore[attr-defined]
            elif self.path == "/private/gone":
                self._send(404, b"")
            else:
                self._send(200, BODY)
        elif self.path == "/open":
            self.server.seen.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
            self._send(200, BODY)
        elif self.path == "/to-private":
            there = f"http://admin:s3%20cret%40@127.0.0.1:{self.server.server_port}/private"  # type: ignore[attr-defined]
            self._send(302, b"", Location=there)
        elif self.path in ("/f%C3%BCr%20uns.jpg?n=%C3%A4%20b", "/a%20b%25.jpg"):
            self._send(200, BODY)
        elif self.path in BROKEN:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + BROKEN[self.path])
            self.close_connection = True
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self.server.stopping.wait(30)  # type: ignore[attr-defined]
        else:
            self._send(404, b"nothing here")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    server.stopping = threading.Event()  # type: ignore[attr-defined]
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.stopping.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(served: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{served.server_port}"


def test_a_url_is_fetched_and_redirects_are_followed(site: str) -> None:
    assert got(f"{site}/picture.jpg") == BODY
    assert got(f"{site}/moved") == BODY


@pytest.mark.parametrize("path", ["/to-file", "/to-ftp"])
def test_redirects_lead_to_the_web_only(site: str, path: str) -> None:
    with pytest.raises(ImageFetchError):
        got(site + path)


def test_what_went_wrong_with_a_url_is_said(site: str) -> None:
    with pytest.raises(ImageFetchError, match="404"):
        got(f"{site}/absent.jpg")
    with pytest.raises(ImageFetchError, match="redirect"):
        got(f"{site}/loop")
    with pytest.raises(ImageFetchError, match="refused"):
        got("http://127.0.0.1:1/picture.jpg")
    with pytest.raises(ImageFetchError, match="not an http or https URL"):
        got("http://")


def test_a_url_is_bounded_in_bytes_and_time(site: str) -> None:
    with pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        got(f"{site}/picture.jpg", max_bytes=1000)
    with pytest.raises(DeadlineExceededError, match=r"not fetched within 0\.2 s"):
        got(f"{site}/slow", timeout_s=0.2)


@pytest.mark.parametrize("path", BROKEN)
def test_a_download_that_breaks_off_or_is_empty_is_told_as_that(site: str, path: str) -> None:
    with pytest.raises(ImageFetchError, match=r"broke off after|is empty"):
        got(site + path)


def test_spaces_umlauts_and_what_is_escaped_already_reach_the_server_once_escaped(site: str) -> None:
    for path in ("/für uns.jpg?n=ä b", "/f%C3%BCr%20uns.jpg?n=%C3%A4%20b", "/a b%.jpg"):
        assert got(site + path) == BODY


def with_password(site: str, path: str) -> str:
    return site.replace("://", "://admin:s3%20cret%40@") + path


def test_user_and_password_are_sent_as_basic_authentication(site: str) -> None:
    assert encoded_image(with_password(site, "/private")) == BODY
    assert got(site + "/to-private") == BODY
    with pytest.raises(ImageFetchError, match=r"401.*asks for Digest"):
        got(site + "/private")


def test_the_password_goes_to_no_other_host(site: str, served: ThreadingHTTPServer) -> None:
    assert got(with_password(site, "/private/elsewhere")) == BODY
    assert served.seen == [("/private/elsewhere", BASIC), ("/open", None)]  # type: ignore[attr-defined]


def said(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


@pytest.mark.parametrize(
    "url",
    [
        "SITE/private/gone",
        "http://admin:s3%20cret%40@127.0.0.1:1/x.jpg",
        "http://admin:s3%20cret%40@127.0.0.1:99999/x.jpg",
        "http://admin:s3%20cret%40@no such host/x.jpg",
        "http://admin:s3%20cret%40@[::1/x.jpg",
        "http://admin:s3%20cret%40@/x.jpg",
        "http://admin:s3%20cret%40@-ü..example/x.jpg",
        "http://admin:s3/cret@127.0.0.1/x.jpg",
        "http://admin:s3#cret@127.0.0.1/x.jpg",
        "ftp://admin:s3%20cret%40@127.0.0.1/x.jpg",
        "SITE/none",
        "http://127.0.0.1:1/snap.cgi?user=admin&pwd=s3cret&size=1",
    ],
)
def test_no_error_shows_a_password(url: str, site: str) -> None:
    url = with_password(site, url[4:]) if url.startswith("SITE") else url
    with pytest.raises(ImageFetchError) as caught:
        encoded_image(url)
    assert "s3" not in said(caught.value)
    assert "cret@" not in said(caught.value)
    assert "127.0.0.1" not in url or "127.0.0.1" in caught.value.message  # the host is what one needs to know


@pytest.mark.parametrize("timeout_s", [1e10, 1e300, float("inf")])
def test_a_time_without_end_is_no_error(site: str, timeout_s: float) -> None:
    assert got(f"{site}/picture.jpg", timeout_s) == BODY


def test_a_slow_url_with_a_password_shows_none(site: str) -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        got(with_password(site, "/slow"), timeout_s=0.1)
    assert "s3" not in said(caught.value)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("photo@2x.jpg", "photo@2x.jpg"),
        ("http://host/a@b.jpg?size=2", "http://host/a@b.jpg?size=2"),
        ("https://u:p@[::1]:80/x", "https://[::1]:80/x"),
        ("rtsp://u:p@cam/1", "rtsp://cam/1"),
        ("http://u@h/x?auth=abc&n=1", "http://h/x?auth=…&n=1"),
    ],
)
def test_all_but_the_secrets_of_a_url_is_shown(word: str, shown: str) -> None:
    assert without_secrets(word) == shown

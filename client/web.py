"""http(s) URLs of images: fetched whole or refused, with the user and password in them sent and never shown.

`images` fetches with it; whatever prints a word that a user gave as a source shows it through `without_secrets`.
"""

from __future__ import annotations

import base64
import http.client
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from depthwire.protocol import DeadlineExceededError, DepthwireError, TooLargeError

FETCH_TIMEOUT_S = 20.0
LONGEST_FETCH_S = 86_400.0
"""Whatever is asked for: threads and sockets take no number of seconds without end."""
_CHUNK_BYTES = 64 * 1024
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET_PARAMETER = re.compile(
    r"([?&;][^=&#?;]*(?:pass|pwd|token|secret|key|auth|sig)[^=&#?;]*=)[^&#;]+", re.IGNORECASE
)
"""A parameter of a query as cameras and signed links have it: `?user=admin&pwd=…`."""
_IN_PATHS = "/%:=&?~#+!$,;'@()*[]"
"""Left as it is in a path or query: what has a meaning there, and what is escaped already."""


class ImageFetchError(DepthwireError):
    """Client only: a URL's image could not be had; the text says why."""

    code = "IMAGE_FETCH"


def is_url(word: str) -> bool:
    """Whether a word is a URL of any scheme, rather than a path."""
    return _SCHEME.match(word) is not None


def without_secrets(word: str) -> str:
    """A URL as it may be shown: without user and password, and without the values of parameters that name secrets.

    What is no URL stays as it is.
    """
    if not (scheme := _SCHEME.match(word)):
        return word
    rest = word[scheme.end() :]
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if "@" in authority:
        rest = rest[authority.rindex("@") + 1 :]
    elif not re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:\d*)?", authority):
        # No host with a port: what stands before may be the beginning of a password with a slash in it.
        rest = rest[rest.rindex("@") + 1 :] if "@" in rest else "…" + rest[len(authority) :]
    return scheme[0] + _SECRET_PARAMETER.sub(r"\1…", rest)


def fetch(url: str, timeout_s: float, max_bytes: int) -> bytes:
    """The body of an http(s) URL. Redirects are followed to http(s) only.

    A user and password in the URL are sent as Basic authentication, to its host alone.
    Raises ImageFetchError, also for a body that breaks off or is empty, DeadlineExceededError after `timeout_s` seconds
    in all, TooLargeError beyond `max_bytes`. No text of theirs holds the password.
    """
    shown = without_secrets(url)
    timeout_s = min(timeout_s, LONGEST_FETCH_S)
    outcome: list[bytes | DepthwireError] = []

    def work() -> None:
        try:
            outcome.append(_download(_Address.of(url), shown, time.monotonic() + timeout_s, max_bytes))
        except DepthwireError as error:
            outcome.append(error)
        except Exception as error:  # OSError, ValueError and http.client's own share no smaller base
            timed_out = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
            outcome.append(_too_slow(shown, timeout_s) if timed_out else ImageFetchError(f"{shown}: {_why(error)}"))

    # In a thread of its own because neither the name lookup nor slowly dripping headers respect a socket's timeout.
    thread = threading.Thread(target=work, name="depthwire fetch", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        raise _too_slow(shown, timeout_s)
    if isinstance(outcome[0], DepthwireError):
        raise outcome[0]
    return outcome[0]


@dataclass(frozen=True, repr=False)
class _Address:
    """A URL as it goes over the wire: ASCII, without user and password, which are the `authorization` header's value.

    `origin` is scheme, host and port.
    """

    url: str
    origin: tuple[str, str, int | None]
    authorization: str | None

    @classmethod
    def of(cls, url: str) -> _Address:
        """Raises ImageFetchError for what is no http(s) URL with a host."""
        shown = without_secrets(url)
        try:
            parts = urllib.parse.urlsplit(url.strip())
            host = parts.hostname or ""
        except ValueError:  # its text would quote the URL
            raise ImageFetchError(f"{shown}: not a URL") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ImageFetchError(f"{shown}: not an http or https URL with a host")
        try:
            port = parts.port
        except ValueError:
            raise ImageFetchError(
                f"{shown}: its port is no number from 0 to 65535 (a / or # in a password is written %2F or %23)"
            ) from None
        try:
            host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ImageFetchError(f"{shown}: its host is no name that can be looked up") from None
        authorization = None
        if parts.username is not None:
            user, password = (urllib.parse.unquote(text or "") for text in (parts.username, parts.password))
            authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        place = host if port is None else f"{host}:{port}"
        path, query = (_escaped(text) for text in (parts.path, parts.query))
        plain = urllib.parse.urlunsplit((parts.scheme, place, path, query, ""))
        return cls(plain, (parts.scheme, host, port), authorization)


def _escaped(text: str) -> str:
    """Spaces, umlauts and the like as %XX; what is escaped already stays as it is."""
    return urllib.parse.quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=_IN_PATHS)


class _WebOnlyRedirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, address: _Address) -> None:
        self._address = address

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        address = _Address.of(newurl)
        request = super().redirect_request(req, fp, code, msg, headers, address.url)
        if request is not None:
            # One that is not the first host's gets no password but its own.
            first = self._address.authorization if address.origin == self._address.origin else None
            _authorize(request, address.authorization or first)
        return request


def _authorize(request: urllib.request.Request, authorization: str | None) -> None:
    if authorization is not None:
        request.add_unredirected_header("Authorization", authorization)


def _too_slow(shown: str, timeout_s: float) -> DeadlineExceededError:
    return DeadlineExceededError(f"{shown}: not fetched within {timeout_s:.3g} s")


def _why(error: Exception) -> str:
    """An error's text without the URLs that it may hold."""
    if isinstance(error, urllib.error.HTTPError) and error.code == 401:
        scheme = (error.headers.get("WWW-Authenticate") or "").partition(" ")[0]
        asks = f" (the server asks for {scheme} authentication)" if scheme else ""
        return f"{error}{asks}: user and password are given as http://USER:PASSWORD@HOST/…, for Basic authentication"
    if isinstance(error, http.client.IncompleteRead):
        return f"the download broke off after {len(error.partial)} bytes of a part"
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", lambda found: without_secrets(found[0]), str(error))


def _download(address: _Address, shown: str, deadline: float, max_bytes: int) -> bytes:
    opener = urllib.request.OpenerDirector()  # unlike build_opener's, it opens no files, FTP or data URLs
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _WebOnlyRedirects(address),
    ):
        opener.add_handler(handler)
    headers = {"User-Agent": "depthwire", "Accept": "image/*"}
    request = urllib.request.Request(address.url, headers=headers)  # noqa: S310
    _authorize(request, address.authorization)
    body = bytearray()
    with opener.open(request, timeout=max(deadline - time.monotonic(), 0.001)) as response:
        try:
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > max_bytes:
                    raise TooLargeError(f"{shown}: larger than {max_bytes} bytes", field="image")
                if time.monotonic() > deadline:
                    raise TimeoutError
        except ConnectionError as error:
            raise ImageFetchError(f"{shown}: the download broke off after {len(body)} bytes: {error}") from None
        # read1 takes the end of the connection for the end of the body, and tells nobody.
        announced = "" if response.chunked else response.headers.get("Content-Length") or ""
    if announced.isdecimal() and len(body) < int(announced):
        raise ImageFetchError(f"{shown}: the download broke off after {len(body)} of {announced} bytes")
    if not body:
        raise ImageFetchError(f"{shown}: the answer is empty")
    return bytes(body)

"""Metrics for Prometheus: turns the front's counters into its text format and serves it over HTTP.

The front starts one thread of it, when `--metrics` is given. The thread only reads. It shares the interpreter with the
front, so whatever scrapers do, it does little: few connections, each soon over, a pause after every step, and one
rendering a second at most.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from depthwire.daemon.config import parse_address
from depthwire.daemon.front.bookkeeping import Bookkeeping
from depthwire.daemon.front.metrics import STAGES, Histogram
from depthwire.daemon.front.residency import State
from depthwire.daemon.logs import Rarely
from depthwire.protocol.distribution import install_hint, installed_version

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

log = logging.getLogger("depthwire.metrics")

_MAX_CONNECTIONS = 8
_CONNECTION_S = 5.0
"""From accepting a connection to closing it, whatever its peer does."""
_MAX_REQUEST_BYTES = 8192
_PAUSE_S = 0.01
_NO_DESCRIPTOR_PAUSE_S = 0.5
_RENDER_INTERVAL_S = 1.0
_STUCK_S = 10.0
"""A front whose loop has not come round for this long is not live."""


def serve_metrics(front: Bookkeeping, address: str) -> MetricsServer:
    """Serve this front's metrics from a thread. Raises OSError where it cannot listen, or has no prometheus-client."""
    host, port = parse_address(address)
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    except ImportError as error:
        raise OSError(f"--metrics needs the package prometheus-client: {install_hint('daemon')} ({error})") from None
    registry: CollectorRegistry = CollectorRegistry()
    registry.register(FrontCollector(front))
    ProcessCollector(registry=registry)
    page = _Cached(lambda: Page(200, CONTENT_TYPE_LATEST, generate_latest(registry)))
    server = MetricsServer(
        host,
        port,
        {
            "/metrics": page,
            "/live": lambda: _verdict(front.clock() - front.turned_at < _STUCK_S, "the loop does not come round"),
            "/ready": lambda: _ready(front),
        },
    )
    server.start()
    return server


class Page(NamedTuple):
    status: int
    content_type: str
    body: bytes


def _verdict(good: bool, problem: str) -> Page:
    return Page(200 if good else 503, "text/plain; charset=utf-8", b"ok\n" if good else f"{problem}\n".encode())


def _ready(front: Bookkeeping) -> Page:
    state = front.readiness()
    return _verdict(state.ready, "; ".join([state.status, *state.problems]))


class _Cached:
    """A page that is made anew at most once in `_RENDER_INTERVAL_S`."""

    def __init__(self, make: Callable[[], Page]) -> None:
        self._make = make
        self._made_at = float("-inf")
        self._page = Page(503, "text/plain", b"")

    def __call__(self) -> Page:
        now = time.monotonic()
        if now - self._made_at >= _RENDER_INTERVAL_S:
            self._page, self._made_at = self._make(), now
        return self._page


class FrontCollector:
    """A collector over the front's own bookkeeping: nothing is counted twice, and nothing costs before a scrape."""

    def __init__(self, front: Bookkeeping) -> None:
        self._front = front

    def collect(self) -> Iterator[Metric]:
        for metric in self._metrics():
            yield metric
            time.sleep(0)  # lets the front's thread in between two metrics, instead of after the whole page

    def describe(self) -> list[Metric]:
        return []  # or the registry would collect once to learn the names, before the front is complete

    def _metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

        front, metrics, now = self._front, self._front.metrics, self._front.clock()
        state = front.readiness()
        links = list(front.supervisor.links)
        yield _labelled(
            "requests", "Answers sent", ["op", "model", "code", "client"], dict(metrics.requests.copy().items())
        )
        yield _labelled(
            "requests_dropped",
            "Admitted requests that nobody was left to answer",
            ["reason"],
            _by_name(metrics.dropped),
        )
        yield _labelled(
            "requests_refused_early", "Requests that could not meet their deadline", [], {(): metrics.refused_early}
        )
        stages = HistogramMetricFamily(
            "depthwire_stage_seconds", "Time of answered requests in each stage", labels=["stage"], unit="seconds"
        )
        for stage in STAGES:
            buckets, total = _buckets(metrics.latency_ms[stage], 1e-3)
            stages.add_metric([stage], buckets, 1e-3 * total)
        yield stages
        batches = HistogramMetricFamily("depthwire_batch_size", "Requests that shared a pass of the network")
        batches.add_metric([], *_buckets(metrics.batch_sizes, 1))
        yield batches
        scheduler, arena = front.scheduler, front.arena
        for name, text, value in (
            ("queue_requests", "Admitted requests that wait for a worker", scheduler.waiting),
            ("queue_bytes", "Bytes of images of requests that wait for a worker", scheduler.waiting_bytes),
            ("open_requests", "Admitted requests that are not answered", len(scheduler)),
            ("arena_bytes", "Shared memory for images and results", arena.size),
            ("arena_used_bytes", "Of it reserved", arena.used),
            ("ready", "1 while a recent inference succeeded and requests are admitted", int(state.ready)),
            ("degraded", "1 while a worker is missing or its engine fails", int(state.degraded)),
            ("uptime_seconds", "Since the daemon started", now - front.started_at),
        ):
            yield GaugeMetricFamily(f"depthwire_{name}", text, value=value)
        yield _labelled(
            "worker_restarts",
            "Workers that were replaced",
            ["worker"],
            {(str(slot),): max(0, n) for slot, n in enumerate(list(front.supervisor.restarts))},
        )
        in_flight = GaugeMetricFamily("depthwire_worker_requests", "Requests at a worker", labels=["worker"])
        for slot, link in enumerate(links):
            in_flight.add_metric([str(slot)], 0 if link is None else len(link.in_flight))
        yield in_flight
        loaded = GaugeMetricFamily("depthwire_models_loaded", "Workers that hold a model", labels=["model"])
        residents = [r for link in links if link is not None for r in link.residency.snapshot()]
        held = [r.checkpoint.name for r in residents if r.state is State.READY]
        for model in sorted(set(held)):
            loaded.add_metric([model], held.count(model))
        yield loaded
        yield _labelled("model_loads", "Models loaded by a worker", ["model"], _by_name(metrics.loads))
        yield _labelled("model_load_failures", "Models that did not load", ["model"], _by_name(metrics.load_failures))
        yield _labelled("model_evictions", "Models unloaded to make room", ["model"], _by_name(metrics.evictions))
        yield _labelled(
            "engine_failures", "Requests and probes that failed in an engine", [], {(): metrics.engine_failures}
        )
        if front.authenticator is not None:
            refused = {(): front.authenticator.refused}
            yield _labelled("handshakes_refused", "Connections without a key that is authorized", [], refused)
        yield _labelled("probes", "Tiny inferences the daemon ran for itself", [], {(): metrics.probes})
        info = GaugeMetricFamily(
            "depthwire_info", "Always 1; what runs here", labels=["version", "engine", "device", "precision"]
        )
        hello = next((link.hello for link in links if link is not None and link.hello is not None), None)
        running = [hello.engine, hello.device, hello.precision] if hello else ["", "", ""]
        info.add_metric([installed_version(), *running], 1)
        yield info


def _labelled(name: str, text: str, labels: list[str], counts: Mapping[Any, float]) -> Metric:
    """A counter with one sample for each tuple of label values."""
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"depthwire_{name}", text, labels=labels)
    for key, count in counts.items():
        family.add_metric(key, count)
    return family


def _by_name(counts: dict[str, int]) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counts.copy().items()}


def _buckets(histogram: Histogram, unit: float) -> tuple[list[tuple[str, float]], float]:
    """Prometheus' buckets, which are cumulative, and the sum."""
    so_far, buckets = 0, []
    for bound, count in zip([*histogram.bounds, float("inf")], list(histogram.counts), strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else f"{unit * bound:g}", float(so_far)))
    return buckets, histogram.total


@dataclass(eq=False)
class _Connection:
    peer: socket.socket
    close_at: float
    request: bytes = b""
    reply: memoryview = field(default_factory=lambda: memoryview(b""))
    is_answered: bool = False
    is_closed: bool = False


class MetricsServer(threading.Thread):
    """A little HTTP/1.0 server for a handful of pages. It accepts at most one connection in `_PAUSE_S`."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        """Listen. Raises OSError naming the address if that is not possible."""
        super().__init__(name="metrics", daemon=True)
        self._pages = pages
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Connection] = []
        self._faults = Rarely()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=16)
        except OSError as error:
            raise OSError(f"cannot serve metrics at {host}:{port}: {error.strerror or error}") from None
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ)
        port = self._listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
        self._is_closing = False

    def run(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except Exception:  # metrics must end neither themselves nor anybody else
                if (before := self._faults.due(time.monotonic())) is not None:
                    log.exception("a scrape failed%s", before)
            time.sleep(_PAUSE_S)
        for connection in self._connections:
            connection.peer.close()
        self._selector.close()
        for end in (self._listener, self._wake, self._waker):
            end.close()

    def close(self) -> None:
        """End the thread; what is not sent by now is not sent."""
        self._is_closing = True
        self._waker.send(b"x")
        self.join(2 * _CONNECTION_S)

    def _turn(self) -> None:
        wait_s = None
        if self._connections:
            wait_s = max(0.0, min(c.close_at for c in self._connections) - time.monotonic())
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(connection := key.data, _Connection) and not connection.is_closed:
                try:
                    self._serve(connection)
                except BlockingIOError:
                    pass
                except OSError:  # the peer is gone
                    self._close(connection)
                except BaseException:  # a page that cannot be made is this connection's end, and no other's
                    self._close(connection)
                    raise
        now = time.monotonic()
        for connection in [c for c in self._connections if c.close_at <= now]:
            self._close(connection)

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):  # it goes on to be readable
                time.sleep(_NO_DESCRIPTOR_PAUSE_S)
            return
        peer.setblocking(False)
        if len(self._connections) >= _MAX_CONNECTIONS:
            self._close(self._connections[0])  # the oldest: a scraper in earnest is done long before
        connection = _Connection(peer, time.monotonic() + _CONNECTION_S)
        self._connections.append(connection)
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection) -> None:
        """Take one step: read some of the request, or write some of the reply."""
        if not connection.is_answered:
            received = connection.peer.recv(_MAX_REQUEST_BYTES)
            connection.request += received
            if not received or len(connection.request) > _MAX_REQUEST_BYTES:
                self._close(connection)
                return
            if b"\r\n\r\n" not in connection.request and b"\n\n" not in connection.request:
                return
            connection.reply = memoryview(self._answer(connection.request))
            connection.is_answered = True
            self._selector.modify(connection.peer, selectors.EVENT_WRITE, connection)
        sent = connection.peer.send(connection.reply)
        connection.reply = connection.reply[sent:]
        if not connection.reply:
            connection.peer.shutdown(socket.SHUT_WR)
            self._close(connection)

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\r\n", 1)[0].decode("latin-1").split()
        method, path = (words[0], words[1].partition("?")[0]) if len(words) >= 2 else ("", "")
        if method not in ("GET", "HEAD"):
            page = Page(405, "text/plain", b"GET only\n")
        elif path not in self._pages:
            page = Page(404, "text/plain", f"the pages are {', '.join(self._pages)}\n".encode())
        else:
            page = self._pages[path]()
        head = f"HTTP/1.0 {page.status} {_REASONS[page.status]}\r\nContent-Type: {page.content_type}\r\n"
        head += f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
        return head.encode("latin-1") + (b"" if method == "HEAD" else page.body)

    def _close(self, connection: _Connection) -> None:
        """End a connection. What `select` has told of it before is to be passed over."""
        if connection.is_closed:
            return
        connection.is_closed = True
        self._connections.remove(connection)
        self._selector.unregister(connection.peer)
        connection.peer.close()


_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

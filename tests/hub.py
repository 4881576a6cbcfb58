"""A stand-in for the hub on this machine, for the real hub client to download checkpoints from."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from depthwire.daemon.models.catalogue import Checkpoint


class StandInHub(ThreadingHTTPServer):
    """As much of the hub as the client asks for: HEAD with commit, checksum and size, then GET.

    It has these checkpoints, each with this content. Tests may change what it says and what it sends.
    """

    daemon_threads = True

    def __init__(self, content: bytes, *checkpoints: Checkpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.revisions = {f"/{c.hub_repository}/resolve/{c.revision}/{c.file_name}": c.revision for c in checkpoints}
        self.content = content
        self.etag = hashlib.sha256(content).hexdigest()
        self.declared_size = len(content)
        self.breaks_off = False
        """Whether the connection ends in the middle of the content."""
        self.missing = False
        self.requests: list[str] = []
        self.user_agents: set[str] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: StandInHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.user_agents.add(self.headers["User-Agent"])
        revision = self.server.revisions.get(self.path)
        if self.server.missing or revision is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.content
        self.send_response(200)
        self.send_header("X-Repo-Commit", revision)
        self.send_header("X-Linked-Etag", f'"{self.server.etag}"')
        self.send_header("X-Linked-Size", str(self.server.declared_size))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content[: len(content) // 2] if self.server.breaks_off else content)
            self.close_connection = self.server.breaks_off

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve_hub(hub: StandInHub) -> Iterator[StandInHub]:
    """Serve it from a thread of its own."""
    with hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()

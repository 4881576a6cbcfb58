"""Peer (c): Mosec over the same engine as depthwired's, JPEG bytes in, raw float32 bytes out.

One stage, batches as large as the engine takes and the shortest batching window that it allows, so that only the
serving differs.
"""

from __future__ import annotations

import sys
from typing import Any

import mosec

from depthwire.bench.peers.settings import PeerSettings
from depthwire.bench.rig import LoadedEngine

SHORTEST_WAIT_MS = 1
TIMEOUT_S = 600


class DepthWorker(mosec.Worker):  # type: ignore[misc]  # its types are not looked at: it is an optional extra
    def __init__(self) -> None:
        super().__init__()
        self.engine = LoadedEngine(PeerSettings.from_environment().rig_options())

    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: Any) -> Any:
        # A list with batching, one body without.
        bodies = data if isinstance(data, list) else [data]
        depths = [depth.tobytes() for depth in self.engine.run([self.engine.decode(body) for body in bodies])]
        return depths if isinstance(data, list) else depths[0]


def main() -> None:
    settings = PeerSettings.from_environment()
    sys.argv = [sys.argv[0], "--address", "127.0.0.1", "--port", str(settings.port), "--timeout", str(1000 * TIMEOUT_S)]
    server = mosec.Server()
    server.append_worker(
        DepthWorker,
        max_batch_size=settings.max_batch,
        max_wait_time=SHORTEST_WAIT_MS,
        timeout=TIMEOUT_S,
        route="/depth",
    )
    server.run()


if __name__ == "__main__":
    main()

"""A bad link: a TCP proxy that lets through so many bytes a second, or from some moment on nothing, without closing.

Used by test_links.py; runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK_S = 0.05
"""How much of a second's bytes go at once."""


@dataclass
class Link:
    """Forwards TCP to `target` (tcp://HOST:PORT); rates in bytes a second."""

    target: str
    up_rate: float = math.inf
    """From the client to the daemon."""
    down_rate: float = math.inf
    up_bytes: int = 0
    down_bytes: int = 0
    connections: int = 0
    endpoint: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._open: list[asyncio.Event] = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def die(self) -> None:
        """On the connections that there are nothing arrives from here on, on either side, and no side is told."""
        self._loop.call_soon_threadsafe(lambda: [is_open.clear() for is_open in self._open])

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        # Small buffers, or the kernel's would take a whole picture at once and hide how slow the link is.
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0, limit=4096)
        self.endpoint = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        await self._end.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        target = urlsplit(self.target)
        is_open = asyncio.Event()
        is_open.set()
        self._open.append(is_open)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            their_reader, their_writer = await asyncio.open_connection(target.hostname, target.port, limit=4096)
            try:
                await asyncio.gather(
                    self._forward(reader, their_writer, "up", is_open),
                    self._forward(their_reader, writer, "down", is_open),
                )
            finally:
                writer.close()
                their_writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str, is_open: asyncio.Event
    ) -> None:
        rate = self.up_rate if way == "up" else self.down_rate
        chunk_bytes = 65536 if rate == math.inf else max(1, int(rate * _CHUNK_S))
        while chunk := await reader.read(chunk_bytes):
            if rate != math.inf:
                await asyncio.sleep(len(chunk) / rate)
            await is_open.wait()
            writer.write(chunk)
            await writer.drain()
            if way == "up":
                self.up_bytes += len(chunk)
            else:
                self.down_bytes += len(chunk)
        writer.close()

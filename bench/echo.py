"""A bare ROUTER that answers every request with frames of given sizes: what ZeroMQ alone costs for the same bytes.

`transport` starts it as a process of its own, beside the daemon that it is the floor for:
`python -m depthwire.bench.echo ENDPOINT…`. The client names the sizes in the message itself, one number a frame.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import zmq

COPY_BELOW_BYTES = 64 * 1024
"""As the daemon and everybody else does: below it a copy is cheaper than zero copy."""


def serve(endpoints: Sequence[str]) -> None:
    """Answer for ever. The frames are kept and sent again without a copy: nothing could answer faster."""
    context: zmq.Context[Any] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 0)
    for endpoint in endpoints:
        router.bind(endpoint)
    kept: dict[bytes, list[bytes]] = {}
    while True:
        identity, sizes, *_ = router.recv_multipart(copy=False)
        frames = kept.get(sizes.bytes)
        if frames is None:
            # Random bytes touch every page: untouched memory is one page of zeros, and never leaves the cache.
            frames = kept[sizes.bytes] = [os.urandom(size) for size in parse_sizes(sizes.bytes)]
        router.send(identity, zmq.SNDMORE)
        for frame in frames[:-1]:
            router.send(frame, zmq.SNDMORE, copy=len(frame) < COPY_BELOW_BYTES)
        router.send(frames[-1], copy=len(frames[-1]) < COPY_BELOW_BYTES)


def pack_sizes(sizes: Sequence[int]) -> bytes:
    """The first frame of a request to the echo."""
    return ",".join(str(size) for size in sizes).encode()


def parse_sizes(text: bytes) -> list[int]:
    """What `pack_sizes` packed."""
    return [int(size) for size in text.split(b",")]


if __name__ == "__main__":
    serve(sys.argv[1:])

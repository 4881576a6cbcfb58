"""What a stream of the library takes as its source: many pictures, and never the letters of a file's name."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthwire.client import AsyncDepthClient, DepthClient
from tests.client.fake_daemon import FakeDaemon

GREY = np.full((24, 32, 3), 90, np.uint8)


def jpeg() -> bytes:
    data = io.BytesIO()
    Image.fromarray(GREY).save(data, "JPEG")
    return data.getvalue()


SINGLE = {
    "a name": "drive.mp4",
    "a path": Path("drive.mp4"),
    "bytes": jpeg(),
    "a bytearray": bytearray(jpeg()),
    "an array": GREY,
    "a grey array": GREY[..., 0],
    "a PIL image": Image.fromarray(GREY),
}


@pytest.mark.parametrize("source", SINGLE.values(), ids=SINGLE.keys())
def test_one_picture_or_a_file_is_no_stream(source: object) -> None:
    daemon = FakeDaemon()
    try:
        with DepthClient(daemon.endpoint) as client, pytest.raises(TypeError, match="iterable of pictures") as refusal:
            client.stream(source, "metric_depth")  # type: ignore[call-overload]
        if "mp4" in str(source)[:20]:
            assert "drive.mp4" in str(refusal.value)
            assert "depthwire stream FILE" in str(refusal.value)

        async def asynchronous() -> None:
            async with AsyncDepthClient(daemon.endpoint) as client:
                with pytest.raises(TypeError, match="iterable of pictures"):
                    client.stream(source, "metric_depth")  # type: ignore[call-overload]

        asyncio.run(asynchronous())
        assert daemon.heard == []
    finally:
        daemon.close()


def test_arrays_of_pictures_are() -> None:
    daemon = FakeDaemon()
    try:
        with DepthClient(daemon.endpoint) as client:
            for source in (np.stack([GREY, GREY]), [GREY, GREY], (GREY, GREY), iter([jpeg(), jpeg()])):
                items = list(client.stream(source, "metric_depth", policy="all"))
                assert [item.error for item in items] == [None, None]
    finally:
        daemon.close()

"""Nothing is kept of a request that is answered; and a leak that is planted is found by the same test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthwire.protocol import Reply
from tests.e2e.conftest import PHOTOS, DaemonFactory
from tests.pictures import jpeg
from tests.reliability.conftest import Count, injected
from tests.reliability.leaks import Ask, read_beside
from tests.reliability.oracle import grey_jpeg

SMALL_LIMIT_BYTES = 5_000_000
PHOTO_LIMIT_BYTES = 20_000_000
PLANTED = 4
"""How many times the limit a planted leak comes to."""
CAMERA = {"fx": 20.0, "fy": 20.0, "cx": 8.0, "cy": 8.0}


def small_requests() -> Ask:
    """Of every kind, refused ones too; each with the answer that it must get."""
    pictures = {grey: grey_jpeg(16, 16, grey) for grey in range(10, 250)}

    def ask(number: int) -> tuple[dict[str, Any], Callable[[Reply], bool]]:
        grey, meta = 10 + number % 240, {"n": number}
        match number % 16:
            case 0:
                return {"op": "health"}, lambda reply: reply.fields["live"] is True
            case 1:
                return {"op": "cancel", "target": 0}, lambda reply: reply.fields["cancelled"] is False
            case 2:
                return {"op": "pc", "image": pictures[grey]}, lambda reply: _code(reply) == "INVALID_REQUEST"
            case 3:
                cut = pictures[grey][:-40]
                return {"op": "metric_depth", "image": cut}, lambda reply: _code(reply) == "BAD_IMAGE"
            case 4:
                fields = {"op": "pc", "image": pictures[grey], "camera_intrinsics": CAMERA, "max_depth": 1.0}
                return fields, lambda reply: bool(np.all(reply.fields["pointcloud"][:, 2] == grey))
            case 5:
                fields = {"op": "rel_depth", "image": pictures[grey], "stream": f"stream {number}", "timeout_ms": 6e4}
                return fields, lambda reply: bool(np.all(reply.fields["depth_map"] == grey))
        fields = {"op": "metric_depth", "image": pictures[grey], "max_depth": 1.0, "meta": meta}
        return fields, lambda reply: bool(np.all(reply.fields["depth_map"] == grey)) and reply.fields["meta"] == meta

    return ask


def photo_requests() -> Ask:
    """The camera's pictures at two input sizes; made ones where they are not there."""
    photos = [path.read_bytes() for path in sorted(Path(PHOTOS).glob("*.jpg"))]
    photos = photos or [jpeg(1280, 720, seed=seed) for seed in range(3)]

    def ask(number: int) -> tuple[dict[str, Any], Callable[[Reply], bool]]:
        fields = {
            "op": "metric_depth",
            "image": photos[number % len(photos)],
            "model_input_size": 56 + 14 * (number % 2),
        }

        def is_right(reply: Reply) -> bool:
            depth = reply.fields["depth_map"]
            return reply.error is None and bool(np.isfinite(depth).all()) and float(np.ptp(depth)) > 0

        return fields, is_right

    return ask


def _code(reply: Reply) -> str | None:
    return None if reply.error is None else reply.error.code


def leaking(process: str, requests: int, limit_bytes: int) -> dict[str, str]:
    """The environment of a daemon that keeps PLANTED times the limit over so many requests."""
    return {**injected(), "DEPTHWIRE_TEST_LEAK": f"{process}:{PLANTED * limit_bytes // requests}"}


def test_small_requests_leave_nothing_behind(
    count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory
) -> None:
    readings = read_beside(faulty_daemon("--log-level", "error"), count(5_000, 1_000_000), small_requests())
    figures |= {"requests": readings.requests, "growth_mb": readings.growth / 1e6, "memory": readings.memory[::19]}
    readings.check(SMALL_LIMIT_BYTES)


@pytest.mark.parametrize("process", ["front", "worker"])
def test_a_leak_of_small_requests_is_found(
    process: str, count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory
) -> None:
    requests = count(2_000, 200_000)
    environment = leaking(process, requests, SMALL_LIMIT_BYTES)
    readings = read_beside(faulty_daemon("--log-level", "error", environment=environment), requests, small_requests())
    figures |= {
        "requests": readings.requests,
        "growth_mb": readings.growth / 1e6,
        "planted": environment["DEPTHWIRE_TEST_LEAK"],
    }
    with pytest.raises(AssertionError, match="memory grew"):
        readings.check(SMALL_LIMIT_BYTES)


def test_real_pictures_leave_nothing_behind(count: Count, figures: dict[str, Any], start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--device", "cpu", "--model", "vitt_starter")
    readings = read_beside(daemon, count(80, 10_000), photo_requests(), connections=3, in_flight=2)
    figures |= {"requests": readings.requests, "growth_mb": readings.growth / 1e6, "memory": readings.memory[::19]}
    readings.check(PHOTO_LIMIT_BYTES)


def test_a_leak_of_real_pictures_is_found(count: Count, figures: dict[str, Any], start_daemon: DaemonFactory) -> None:
    requests = count(40, 600)
    environment = leaking("front", requests, PHOTO_LIMIT_BYTES)
    daemon = start_daemon("--device", "cpu", "--model", "vitt_starter", environment=environment)
    readings = read_beside(daemon, requests, photo_requests(), connections=3, in_flight=2)
    figures |= {
        "requests": readings.requests,
        "growth_mb": readings.growth / 1e6,
        "planted": environment["DEPTHWIRE_TEST_LEAK"],
    }
    with pytest.raises(AssertionError, match="memory grew"):
        readings.check(PHOTO_LIMIT_BYTES)

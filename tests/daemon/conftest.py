"""What several tests of the daemon start from: an admitted request that waits for nothing but the scheduler."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.models import catalogue
from depthwire.daemon.seam import children
from depthwire.protocol import CameraIntrinsics, Op, Request

MakePending = Callable[..., Pending]


@pytest.fixture(autouse=True)
def _an_ending_that_was_only_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have a worker end without ending this process, which is to start children again afterwards."""
    monkeypatch.setattr(children, "_has_ended", False)


@pytest.fixture
def make_pending() -> MakePending:
    """Builds requests as admission would; tickets and arrival times count up."""
    tickets = itertools.count(1)

    def make(
        client: bytes = b"robot",
        *,
        op: Op = "metric_depth",
        stream: str | None = None,
        image: bytes = b"JPEG",
        encoder: str = "vits",
        dataset: str = "hypersim",
        **fields: Any,
    ) -> Pending:
        ticket = next(tickets)
        checkpoint = catalogue.lookup(encoder, dataset)
        camera = CameraIntrinsics(100.0, 100.0, 8.0, 8.0) if op == "pc" else None
        return Pending(
            **{
                "ticket": ticket,
                "client": (client,),
                "envelope": [client],
                "request": Request(fields.pop("request_id", ticket), op, intrinsics=camera, stream=stream),
                "checkpoint": checkpoint,
                "model": f"{checkpoint.name}_{checkpoint.default_input_size}",
                "image": image,
                "image_format": "jpeg",
                "width": 16,
                "height": 16,
                "input_height": 518,
                "input_width": 518,
                "scale": 20.0,
                "camera": camera,
                "arrived": float(ticket),
                "deadline": float("inf"),
                **fields,
            }
        )

    return make

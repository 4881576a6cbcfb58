"""The comparison is honest: a peer does the same job, and one that is not installed is skipped aloud."""

import numpy as np
import pytest

from depthwire.bench import launch
from depthwire.bench.compare import PEERS, Peer, available_peers
from depthwire.bench.engine import relative_difference
from depthwire.bench.httpload import HttpPlan, http_depth, run_http_load, why_not_ready
from depthwire.bench.images import synthetic
from depthwire.bench.peers.settings import PeerSettings
from depthwire.bench.rig import RigOptions, engine_rig


def test_the_fastapi_peer_gives_the_depth_that_our_engine_gives() -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    image = synthetic(320, 240)
    settings = PeerSettings(launch.free_port(), "vitt_starter", "torch", "float32", "cpu", 1, 1, None)
    plan = HttpPlan(settings.port, "/depth", True, [image], clients=2, duration_s=0.3, warmup_s=0.0)
    with (
        engine_rig(RigOptions("vitt_starter", "torch", "float32", "cpu", threads=1)) as rig,
        launch.running(
            "depthwire.bench.peers.fastapi_server", [], lambda: why_not_ready(plan), settings.to_environment()
        ),
    ):
        theirs, ours = http_depth(plan, image), rig.depth(image)
        records, begin, end = run_http_load(plan)
    assert theirs.shape == ours.shape == (240, 320)
    assert np.ptp(ours) > 1  # metres: a plane would agree with anything
    assert relative_difference(theirs, ours).max() < 2e-3
    assert len(records) >= 2
    assert records.ok.all()
    assert end - begin == pytest.approx(0.3)


def test_a_peer_whose_package_is_missing_is_skipped_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = Peer("absent", "(z)", ("no_such_package",))
    monkeypatch.setattr("depthwire.bench.compare.PEERS", (*PEERS, missing))
    lines: list[str] = []
    assert available_peers(["absent"], lines.append) == []
    assert lines == [
        "absent is skipped: no_such_package missing; pip install '.[peers]' in a checkout of depthwire brings it"
    ]


def test_a_server_that_ends_at_once_is_reported_with_the_end_of_its_log() -> None:
    with (
        pytest.raises(Exception, match=r"(?s)depthwire\.bench\.echo ended.*Invalid argument"),
        launch.running("depthwire.bench.echo", ["nonsense"], lambda: "not yet"),
    ):
        pass

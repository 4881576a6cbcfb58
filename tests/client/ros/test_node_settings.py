"""The ROS node's parameters as a client's settings, without a ROS: what goes before what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from depthwire.client.ros.node_core import NodeSettings
from depthwire.protocol import Request
from tests.client.fake_daemon import FakeDaemon

JPEG = b"\xff\xd8" + bytes(3000)


@pytest.fixture(autouse=True)
def _profiles(daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profiles.yaml"
    model = "model: vits_hypersim_518, max_depth: 20"
    path.write_text(f"profiles:\n  lab: {{endpoint: '{daemon.endpoint}', timeout: 60, {model}}}\n")
    monkeypatch.setenv("DEPTHWIRE_PROFILES", str(path))


def request_of(daemon: FakeDaemon, **parameters: Any) -> Request:
    """What the daemon hears of a node with these parameters."""
    with NodeSettings(profile="lab", **parameters).open_client() as client:
        client.metric_depth(JPEG)
    return daemon.heard[-1].request


def test_a_profile_gives_what_the_parameters_leave_out(daemon: FakeDaemon) -> None:
    request = request_of(daemon)
    assert (request.encoder, request.dataset) == ("vits", "hypersim")
    assert (request.model_input_size, request.max_depth) == (518, 20)
    assert request.timeout_ms is not None
    assert 30_000 < request.timeout_ms <= 60_000


def test_a_model_replaces_the_profiles_with_its_size_and_range(daemon: FakeDaemon) -> None:
    request = request_of(daemon, model="vitb_vkitti")
    assert (request.encoder, request.dataset) == ("vitb", "vkitti")
    assert (request.model_input_size, request.max_depth) == (None, None)


def test_a_timeout_goes_before_the_profiles(daemon: FakeDaemon) -> None:
    timeout_ms = request_of(daemon, timeout=2.5).timeout_ms
    assert timeout_ms is not None
    assert timeout_ms <= 2_500

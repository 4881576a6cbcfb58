"""Server profiles: what a file may say, and what is said about a wrong one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from depthwire.client import DepthClient, ProfileError
from depthwire.client.profiles import default_path, load_profile, split_model
from tests.client.fake_daemon import FakeDaemon

LAB = """
profiles:
  lab:
    endpoint: tcp://gpu:5555
    model: vits_hypersim_518
    timeout: 5.0
    max_depth: 20
  bare: {endpoint: "tcp://other:1", timeout: null, retries: 0}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "profiles.yaml"
    path.write_text(LAB)
    monkeypatch.setenv("DEPTHWIRE_PROFILES", str(path))
    return path


def test_a_profile_gives_the_clients_settings(file: Path) -> None:
    assert load_profile("lab") == {
        "endpoint": "tcp://gpu:5555",
        "encoder": "vits",
        "dataset": "hypersim",
        "model_input_size": 518,
        "timeout": 5.0,
        "max_depth": 20,
    }
    assert load_profile("bare", file) == {"endpoint": "tcp://other:1", "timeout": None, "retries": 0}


def test_a_client_from_a_profile_uses_it_and_overrides_go_before(file: Path, daemon: FakeDaemon) -> None:
    with DepthClient.from_profile("lab", endpoint=daemon.endpoint, dataset="vkitti") as client:
        client.metric_depth(b"\xff\xd8" + bytes(600))
    request = daemon.heard[0].request
    assert (request.encoder, request.dataset, request.model_input_size) == ("vits", "vkitti", 518)
    assert request.max_depth == 20
    assert request.timeout_ms is not None
    assert request.timeout_ms <= 5000


def test_an_unknown_profile_names_those_there_are_and_the_file(file: Path) -> None:
    with pytest.raises(ProfileError, match=r"no profile 'attic'.*profiles\.yaml; there: bare, lab"):
        load_profile("attic")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.yaml does not exist"):
        load_profile("lab", tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "profiles: {lab: {endpoint: e, colour: red}}",
            "colour is not a setting; there are client_key, connect_timeout",
        ),
        ("profiles: {lab: {endpoint: e, timeout: soon}}", "timeout is 'soon'; it must be seconds above 0"),
        ("profiles: {lab: {endpoint: e, timeout: -1}}", "timeout is -1"),
        ("profiles: {lab: {endpoint: e, retries: true}}", "retries is True"),
        ("profiles: {lab: {endpoint: e, max_depth: .nan}}", "max_depth is nan"),
        ("profiles: {lab: {timeout: 3}}", "endpoint is missing"),
        ("profiles: {lab: tcp://gpu}", "not a map"),
        ("profiles: {lab: {endpoint: e, model: vits}}", "not of the form encoder_dataset_size"),
        ("profiles: {lab: {endpoint: e, model: vits_hypersim, encoder: vitb}}", "model and encoder say the same"),
        ("profiles: [lab]", "not of the form"),
        ("lab: {endpoint: e}", "not of the form"),
        ("", "not of the form"),
        ("profiles: {lab: [", "cannot be read"),
        ("profiles: !!python/object:os.system {}", "cannot be read"),
    ],
)
def test_a_malformed_file_is_refused_with_the_reason(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "profiles.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=complaint):
        load_profile("lab", path)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("vits_hypersim_518", ("vits", "hypersim", 518)),
        ("vitt_starter", ("vitt", "starter", None)),
        ("vitb_my_data_set_266", ("vitb", "my_data_set", 266)),
    ],
)
def test_a_model_name_is_taken_apart(model: str, parts: tuple[str, str, int | None]) -> None:
    split = split_model(model)
    assert (split["encoder"], split["dataset"], split.get("model_input_size")) == parts


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps its settings elsewhere")
def test_the_file_lives_in_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEPTHWIRE_PROFILES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert default_path() == Path("/config/depthwire/profiles.yaml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_path() == Path("/home/somebody/.config/depthwire/profiles.yaml")
    monkeypatch.setenv("DEPTHWIRE_PROFILES", "~/mine.yaml")
    assert default_path() == Path("/home/somebody/mine.yaml")

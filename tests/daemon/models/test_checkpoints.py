"""Checkpoints are found on disk without asking the network, and a download is either whole and right, or not there.

Downloads go through the real hub client to a stand-in hub on this machine.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from depthwire.daemon.models import checkpoints
from depthwire.daemon.models.catalogue import CATALOGUE, Checkpoint, ModelKey, lookup
from depthwire.daemon.models.checkpoints import (
    CheckpointCorrupt,
    CheckpointNotFound,
    default_model,
    find_on_disk,
    resolve,
)
from tests.hub import StandInHub, serve_hub

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHECKPOINT = replace(lookup("vits", "hypersim"), sha256=SHA256, size_bytes=len(CONTENT))
VKITTI = lookup("vits", "vkitti")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    with serve_hub(StandInHub(CONTENT, CHECKPOINT)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty hub cache, so that no test sees or touches the user's own."""
    for variable in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def snapshot(cache: Path, checkpoint: Checkpoint, revision: str | None = None) -> Path:
    repository = "models--" + checkpoint.hub_repository.replace("/", "--")
    return cache / repository / "snapshots" / (revision or checkpoint.revision) / checkpoint.file_name


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# ---------------------------------------------------------------------------------------------------- on disk


def test_nothing_is_found_where_nothing_is(folder: Path) -> None:
    assert find_on_disk(VKITTI, folder) is None
    assert find_on_disk(VKITTI, folder / "no such folder") is None
    assert find_on_disk(VKITTI, None) is None


def test_the_official_file_name_is_found_in_the_folder(folder: Path) -> None:
    path = put(folder / VKITTI.file_name)
    assert find_on_disk(VKITTI, folder) == path


def test_its_safetensors_twin_is_found_in_the_folder(folder: Path) -> None:
    path = put(folder / "depth_anything_v2_metric_vkitti_vits.safetensors")
    assert find_on_disk(VKITTI, folder) == path


def test_the_folder_comes_before_the_cache(folder: Path, cache: Path) -> None:
    cached = put(snapshot(cache, VKITTI))
    assert find_on_disk(VKITTI, folder) == cached
    assert find_on_disk(VKITTI, folder) != put(folder / VKITTI.file_name) == find_on_disk(VKITTI, folder)


def test_another_revision_in_the_cache_counts_only_with_the_right_checksum(cache: Path) -> None:
    link = snapshot(cache, VKITTI, revision="f" * 40)
    link.parent.mkdir(parents=True)
    blobs = link.parents[2] / "blobs"
    wrong, right = put(blobs / ("0" * 64)), put(blobs / str(VKITTI.sha256))
    link.symlink_to(wrong)
    assert find_on_disk(VKITTI, None) is None
    link.unlink()
    link.symlink_to(right)
    assert find_on_disk(VKITTI, None) == link


def test_a_dangling_link_in_the_cache_is_not_a_file(cache: Path) -> None:
    link = snapshot(cache, VKITTI)
    link.parent.mkdir(parents=True)
    link.symlink_to(cache / "gone")
    assert find_on_disk(VKITTI, None) is None


def test_the_cache_is_where_the_hub_client_has_it(tmp_path: Path) -> None:
    home = str(tmp_path)
    for variables in (
        {"HF_HUB_CACHE": "$HOME/a"},
        {"HUGGINGFACE_HUB_CACHE": "~/b"},
        {"HF_HOME": "~/c"},
        {"HF_HOME": "$HOME/c", "XDG_CACHE_HOME": "/nowhere"},
        {"XDG_CACHE_HOME": f"{home}/d"},
        {},
    ):
        environment = {"HOME": home, "PATH": os.environ["PATH"], **variables}
        code = (
            "from depthwire.daemon.models.checkpoints import hub_cache_folder\n"
            "from huggingface_hub import constants\n"
            "assert str(hub_cache_folder()) == constants.HF_HUB_CACHE, (hub_cache_folder(), constants.HF_HUB_CACHE)"
        )
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=30)


def test_without_a_home_nothing_is_looked_for_or_written_below_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(*_: object) -> None:
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    assert checkpoints.hub_cache_folder() is None
    assert checkpoints.find_on_disk(CHECKPOINT, None) is None
    with pytest.raises(CheckpointNotFound, match="HF_HOME"):
        resolve(CHECKPOINT, None)
    assert list(tmp_path.iterdir()) == []


def test_the_starter_is_always_there(folder: Path) -> None:
    starter = lookup("vitt", "starter")
    path = resolve(starter, folder, allow_download=False)
    assert path.name == starter.file_name
    assert path.stat().st_size > 1_000_000


def test_looking_through_the_whole_catalogue_takes_milliseconds(folder: Path) -> None:
    begin = time.perf_counter()
    for checkpoint in CATALOGUE:
        find_on_disk(checkpoint, folder)
    assert time.perf_counter() - begin < 0.05


# ---------------------------------------------------------------------------------------------- default model


def test_without_official_files_the_starter_is_the_default(folder: Path) -> None:
    assert default_model(folder) == default_model(None) == ModelKey("vitt", "starter", 154)


def test_a_relative_checkpoint_never_becomes_the_default(folder: Path) -> None:
    put(folder / lookup("vits", "relative").file_name)
    assert default_model(folder) == ModelKey("vitt", "starter", 154)


def test_small_and_indoor_come_first(folder: Path, cache: Path) -> None:
    put(folder / lookup("vitl", "hypersim").file_name)
    assert default_model(folder) == ModelKey("vitl", "hypersim", 518)
    put(snapshot(cache, lookup("vits", "vkitti")))
    assert default_model(folder) == ModelKey("vits", "vkitti", 518)
    put(folder / lookup("vits", "hypersim").file_name)
    assert default_model(folder) == ModelKey("vits", "hypersim", 518)


# --------------------------------------------------------------------------------------------------- download


def test_a_download_lands_in_the_folder_under_its_official_name(hub: StandInHub, folder: Path) -> None:
    path = resolve(CHECKPOINT, folder)
    assert path == folder / CHECKPOINT.file_name
    assert path.read_bytes() == CONTENT
    assert everything_in(folder) == [path]
    assert list(folder.iterdir()) == [path]


def test_a_download_tells_the_hub_nothing_of_this_machine(hub: StandInHub, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from depthwire.daemon.models import catalogue, checkpoints\n"
        "catalogue_entry = catalogue.lookup('vits', 'hypersim')\n"
        f"checkpoints._fetch(catalogue_entry, None, Path({str(tmp_path)!r}), False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "HF_ENDPOINT": hub.endpoint}, check=True, timeout=60
    )
    assert hub.user_agents
    named = {part.split("/")[0].strip() for agent in hub.user_agents for part in agent.split(";")}
    assert named <= {"unknown", "hf_hub", "python"}


def test_without_a_folder_it_lands_in_the_hub_cache_where_the_client_finds_it(hub: StandInHub, cache: Path) -> None:
    from huggingface_hub import hf_hub_download

    path = resolve(CHECKPOINT, None)
    assert path == snapshot(cache, CHECKPOINT) == find_on_disk(CHECKPOINT, None)
    assert everything_in(cache) == [path]
    found = hf_hub_download(
        CHECKPOINT.hub_repository,
        CHECKPOINT.file_name,
        revision=CHECKPOINT.revision,
        cache_dir=cache,
        local_files_only=True,
    )
    assert Path(found) == path


def test_a_file_on_disk_is_not_downloaded_again(hub: StandInHub, folder: Path) -> None:
    resolve(CHECKPOINT, folder)
    asked = len(hub.requests)
    assert resolve(CHECKPOINT, folder) == folder / CHECKPOINT.file_name
    assert len(hub.requests) == asked


def test_the_progress_bar_can_be_switched_off(
    hub: StandInHub, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # the hub client's way to draw the bar without a terminal
    resolve(CHECKPOINT, folder, progress=False)
    assert "%" not in capfd.readouterr().err
    (folder / CHECKPOINT.file_name).unlink()
    resolve(CHECKPOINT, folder)
    assert "100%" in capfd.readouterr().err


def test_a_truncated_download_is_not_left_in_place(hub: StandInHub, folder: Path) -> None:
    hub.content = CONTENT[:100_000]
    with pytest.raises(CheckpointNotFound, match="the download failed"):
        resolve(CHECKPOINT, folder)
    assert everything_in(folder) == []
    assert find_on_disk(CHECKPOINT, folder) is None


@pytest.mark.parametrize("checkpoint", [CHECKPOINT, replace(CHECKPOINT, sha256=None)], ids=["checksum", "size only"])
def test_another_file_than_the_catalogue_knows_is_deleted(
    checkpoint: Checkpoint, hub: StandInHub, folder: Path, cache: Path
) -> None:
    hub.content = b"something else"
    hub.declared_size = len(hub.content)
    for place in (folder, None):
        with pytest.raises(CheckpointCorrupt, match="instead of"):
            resolve(checkpoint, place)
        assert find_on_disk(checkpoint, place) is None
    assert everything_in(folder) == everything_in(cache) == []


def staging(folder: Path, age_s: float) -> Path:
    """What a download leaves of itself when its process is killed, last written so long ago."""
    part = put(folder / f".depthwire-new-{age_s:g}" / ".cache" / "huggingface" / "part.incomplete")
    top = folder / f".depthwire-new-{age_s:g}"
    for path in (part, *part.parents):
        os.utime(path, (time.time() - age_s, time.time() - age_s))
        if path == top:
            return top
    raise AssertionError(part)


def test_what_a_killed_download_left_is_removed_by_a_later_one_and_what_is_being_written_is_not(
    hub: StandInHub, folder: Path
) -> None:
    old, running = staging(folder, 2 * 3600 + 60), staging(folder, 2 * 3600 - 60)
    (begun := folder / ".depthwire-new-begun").mkdir()
    other = put(folder / "notes" / "mine.pth")
    os.utime(other.parent, (0, 0))
    resolve(CHECKPOINT, folder)
    assert not old.exists()
    assert sorted(folder.iterdir()) == sorted([begun, running, other.parent, folder / CHECKPOINT.file_name])


def test_a_download_is_kept_while_its_newest_file_is_written(hub: StandInHub, folder: Path) -> None:
    slow = staging(folder, 10 * 3600)
    os.utime(next(slow.rglob("*.incomplete")))
    resolve(CHECKPOINT, folder)
    assert slow.exists()


def test_a_file_that_the_hub_does_not_have_is_reported(hub: StandInHub, folder: Path) -> None:
    hub.missing = True
    with pytest.raises(CheckpointNotFound, match="404"):
        resolve(CHECKPOINT, folder)
    assert everything_in(folder) == []


@pytest.mark.timeout(20)
def test_without_a_network_the_error_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CheckpointNotFound) as caught:
            resolve(CHECKPOINT, folder)
    for part in (
        "vits_hypersim",
        CHECKPOINT.file_name,
        str(folder),
        CHECKPOINT.hub_repository,
        CHECKPOINT.revision,
        "--checkpoints",
        "DEPTHWIRE_CHECKPOINTS",
        "Apache-2.0",
    ):
        assert part in str(caught.value)
    assert everything_in(folder) == []


def test_downloads_can_be_forbidden(hub: StandInHub, folder: Path) -> None:
    with pytest.raises(CheckpointNotFound, match="switched off"):
        resolve(CHECKPOINT, folder, allow_download=False)
    assert hub.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_falls_back_to_the_cache(hub: StandInHub, folder: Path, cache: Path) -> None:
    folder.chmod(0o500)
    assert resolve(CHECKPOINT, folder) == snapshot(cache, CHECKPOINT)


def test_a_cache_that_cannot_be_written_is_reported(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(put(tmp_path / "a file")))
    with pytest.raises(CheckpointNotFound, match="nothing can be written"):
        resolve(CHECKPOINT, None)


def test_two_downloads_at_once_both_succeed(hub: StandInHub, folder: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(resolve(CHECKPOINT, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [folder / CHECKPOINT.file_name] * 4
    assert everything_in(folder) == found[:1]
    assert found[0].read_bytes() == CONTENT


def test_every_released_checkpoint_can_be_verified() -> None:
    assert all(checkpoints.is_verified(checkpoint) for checkpoint in CATALOGUE if not checkpoint.builtin)


def test_a_folder_s_known_names_are_those_of_files(tmp_path: Path) -> None:
    assert checkpoints.names_in(tmp_path / "none") == []
    (tmp_path / "model.pth").write_bytes(b"")
    (tmp_path / "depth_anything_v2_vitb.pth").mkdir()
    assert checkpoints.names_in(tmp_path) == []
    (tmp_path / "depth_anything_v2_vits.pth").write_bytes(b"")
    assert checkpoints.names_in(tmp_path) == ["depth_anything_v2_vits.pth"]

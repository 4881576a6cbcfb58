"""The cache of converted networks gives back exactly what was stored, or nothing; and a full disk stops nobody."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthwire.daemon.engines import compiled_cache
from depthwire.daemon.engines.compiled_cache import MANIFEST, CompiledCache, user_cache_folder
from depthwire.daemon.models.staging import PREFIX

INGREDIENTS = {"checkpoint": "abc", "openvino": "1.0"}


def make(folder: Path) -> None:
    (folder / "network.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "network.xml").write_text("<net/>")


@pytest.fixture
def cache(tmp_path: Path) -> CompiledCache:
    return CompiledCache(tmp_path / "cache")


@pytest.fixture
def entry(cache: CompiledCache) -> Path:
    stored = cache.store("vits", INGREDIENTS, make)
    assert stored is not None
    return stored


def truncate(entry: Path) -> None:
    os.truncate(entry / "network.bin", 1000)


def flip_a_bit(entry: Path) -> None:
    content = bytearray((entry / "network.bin").read_bytes())
    content[12345] ^= 4
    (entry / "network.bin").write_bytes(content)


def lose_a_file(entry: Path) -> None:
    (entry / "network.xml").unlink()


def add_a_file(entry: Path) -> None:
    (entry / "extra").touch()


def lose_the_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def garble_the_manifest(entry: Path) -> None:
    (entry / MANIFEST).write_bytes(b"\xff{[")


def make_it_foreign(entry: Path) -> None:
    manifest: dict[str, Any] = json.loads((entry / MANIFEST).read_text())
    manifest["ingredients"]["openvino"] = "0.9"
    (entry / MANIFEST).write_text(json.dumps(manifest))


def test_what_was_stored_is_found(cache: CompiledCache, entry: Path) -> None:
    assert cache.find("vits", INGREDIENTS) == entry
    assert (entry / "network.xml").read_text() == "<net/>"


def test_nothing_is_found_for_other_ingredients(cache: CompiledCache, entry: Path) -> None:
    assert cache.find("vits", {**INGREDIENTS, "openvino": "2.0"}) is None
    assert cache.find("vits", INGREDIENTS) == entry


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, lose_a_file, add_a_file, lose_the_manifest, garble_the_manifest, make_it_foreign],
)
def test_a_damaged_entry_is_deleted_with_a_warning(
    cache: CompiledCache, entry: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(entry)
    assert cache.find("vits", INGREDIENTS) is None
    assert "damaged" in caplog.text
    assert not entry.exists()
    assert cache.store("vits", INGREDIENTS, make) == entry
    assert cache.find("vits", INGREDIENTS) == entry


def test_storing_over_a_damaged_entry_replaces_it(cache: CompiledCache, entry: Path) -> None:
    truncate(entry)
    assert cache.store("vits", INGREDIENTS, make) == entry
    assert cache.find("vits", INGREDIENTS) == entry


def test_an_entry_that_another_process_stored_meanwhile_is_kept(cache: CompiledCache, entry: Path) -> None:
    inode = (entry / "network.bin").stat().st_ino
    assert cache.store("vits", INGREDIENTS, make) == entry
    assert (entry / "network.bin").stat().st_ino == inode


def test_a_failed_making_leaves_nothing_behind(cache: CompiledCache, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        make(folder)
        raise ValueError("not a checkpoint")

    with pytest.raises(ValueError, match="not a checkpoint"):
        cache.store("vits", INGREDIENTS, fail)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_means_no_cache_and_one_warning(
    cache: CompiledCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(folder: Path) -> None:
        make(folder)
        raise OSError(28, "No space left on device")

    assert cache.store("vits", INGREDIENTS, fill) is None
    assert cache.store("vitb", INGREDIENTS, fill) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_cannot_be_made_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = CompiledCache(tmp_path / "file" / "cache")
    assert cache.find("vits", INGREDIENTS) is None
    assert cache.store("vits", INGREDIENTS, make) is None


def test_leftovers_and_long_unused_entries_are_deleted(cache: CompiledCache, entry: Path, tmp_path: Path) -> None:
    long_ago = time.time() - 100 * 24 * 3600
    leftover = tmp_path / "cache" / f"{PREFIX}x"
    leftover.mkdir()
    os.utime(leftover, (long_ago, long_ago))
    os.utime(entry / MANIFEST, (long_ago, long_ago))
    other = cache.store("vitb", {"checkpoint": "other"}, make)
    assert list((tmp_path / "cache").iterdir()) == [other]


def no_permission(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_an_entry_that_may_only_be_read_is_used(
    cache: CompiledCache, entry: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "utime", no_permission)
    assert cache.find("vits", INGREDIENTS) == entry
    assert not caplog.records


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO], ids=errno.errorcode.get)
def test_an_entry_that_cannot_be_read_now_is_neither_damaged_nor_deleted(
    cache: CompiledCache, entry: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    made = []

    def fail(path: Path) -> str:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(compiled_cache, "file_digest", fail)
        assert cache.find("vits", INGREDIENTS) is None
        assert cache.store("vits", INGREDIENTS, made.append) is None
    assert made == [], "what cannot be kept was made all the same"
    assert "damaged" not in caplog.text
    assert os.strerror(number) in caplog.text
    assert cache.find("vits", INGREDIENTS) == entry


@pytest.mark.parametrize("whose", ["another's", "gone"])
def test_tidying_up_leaves_what_is_not_ours_and_what_has_gone(
    cache: CompiledCache, entry: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    os.utime(entry / MANIFEST, (0, 0))
    if whose == "another's":
        monkeypatch.setattr(os, "geteuid", lambda: entry.stat().st_uid + 1)
    else:
        monkeypatch.setattr(Path, "glob", lambda folder, _: [folder / "gone" / MANIFEST])
    assert cache.store("vitb", {"checkpoint": "other"}, make) is not None
    assert entry.is_dir()


def test_without_a_home_nothing_is_kept_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nobody(*_: object) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert user_cache_folder() is None
    cache = CompiledCache(None)
    assert cache.find("vits", INGREDIENTS) is None
    assert [cache.store("vits", INGREDIENTS, make) for _ in range(2)] == [None, None]
    (record,) = caplog.records
    assert "XDG_CACHE_HOME" in record.getMessage()


def test_the_folder_follows_the_xdg_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/somewhere")
    assert user_cache_folder() == Path("/var/tmp/somewhere/depthwire")
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert user_cache_folder() == Path.home() / ".cache" / "depthwire"

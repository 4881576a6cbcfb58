"""Converted networks on disk, so that a restart need not convert again: a folder per network, found by what it was
made from, believed only if every byte is the one that was written. The engines that convert use it.

An entry appears whole, by a rename, or not at all, and is never changed afterwards: it may be mapped by a running
process. Whatever goes wrong with the disk, the caller goes on without a cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthwire.daemon.models.staging import staging_folder

log = logging.getLogger("depthwire.worker")

MANIFEST = "manifest.json"
UNUSED_DAYS = 60
"""Entries that nobody read for so long are deleted: those of old versions would pile up otherwise."""


def user_cache_folder() -> Path:
    """Where this user's programs keep what they can make again: XDG_CACHE_HOME, else ~/.cache."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    base = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    return base / "depthwire"


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class CompiledCache:
    """Entries under `folder`, each a folder of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._warned = False

    def find(self, name: str, ingredients: dict[str, Any]) -> Path | None:
        """The folder of the entry made from `ingredients`, or None. A damaged one is deleted, with a warning.

        Args:
            name: for people who look into the folder.
            ingredients: all that the entry depends on; must be representable as JSON.
        """
        entry = self._path(name, ingredients)
        try:
            if not entry.is_dir():
                return None
            reason = _damage(entry, ingredients)
            if reason is None:
                os.utime(entry / MANIFEST)
                return entry
        except OSError as error:
            reason = str(error)
        log.warning("the cached network %s is damaged (%s) and is made again", entry, reason)
        self.discard(entry)
        return None

    def store(self, name: str, ingredients: dict[str, Any], make: Callable[[Path], None]) -> Path | None:
        """Have `make` write the files of a new entry into an empty folder, and return the entry's folder.

        None if the disk does not let that happen: the folder cannot be written, the disk is full, … Says so once.
        Errors of `make` that are not OSError pass through.
        """
        entry = self._path(name, ingredients)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_unused()
            with staging_folder(self._folder) as staging:
                make(staging)
                files = {path.name: file_digest(path) for path in staging.iterdir()}
                (staging / MANIFEST).write_text(json.dumps({"ingredients": ingredients, "files": files}, indent=1))
                self._publish(staging, entry, ingredients)
            return entry
        except OSError as error:
            if not self._warned:
                log.warning("converted networks are not cached, each start converts them again: %s", error)
                self._warned = True
            return None

    def discard(self, entry: Path) -> None:
        """Delete an entry. A process that has mapped its files keeps them."""
        shutil.rmtree(entry, ignore_errors=True)

    def _path(self, name: str, ingredients: dict[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()
        return self._folder / f"{name}-{key[:32]}"

    def _publish(self, staging: Path, entry: Path, ingredients: dict[str, Any]) -> None:
        try:
            staging.rename(entry)
        except OSError:
            # Another process was quicker, and made the same: or it is not the same, and then it does not count.
            if not entry.is_dir() or _damage(entry, ingredients) is None:
                if entry.is_dir():
                    return
                raise
            self.discard(entry)
            staging.rename(entry)

    def _remove_unused(self) -> None:
        now = time.time()
        for manifest in self._folder.glob(f"*/{MANIFEST}"):
            if now - manifest.stat().st_mtime > 24 * 3600.0 * UNUSED_DAYS:
                shutil.rmtree(manifest.parent, ignore_errors=True)


def _damage(entry: Path, ingredients: dict[str, Any]) -> str | None:
    """What is wrong with an entry, or None."""
    try:
        manifest = json.loads((entry / MANIFEST).read_text())
        expected: dict[str, str] = dict(manifest["files"])
        made_from = manifest["ingredients"]
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        return f"no readable manifest: {error!r}"
    if made_from != ingredients:
        return "it was made from something else"
    present = {path.name for path in entry.iterdir()} - {MANIFEST}
    if present != set(expected):
        return f"it holds {sorted(present)} and not {sorted(expected)}"
    for file_name, digest in expected.items():
        if file_digest(entry / file_name) != digest:
            return f"{file_name} is not what was written"
    return None

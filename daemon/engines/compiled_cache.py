"""Converted networks on disk, so that a restart need not convert again: a folder per network, found by what it was
made from, believed only if every byte is the one that was written. The engines that convert use it.

An entry appears whole, by a rename, or not at all, and is never changed afterwards: it may be mapped by a running
process. Whatever goes wrong with the disk, the caller goes on without a cache. A cache that may only be read (another
user's, an image's layer) is as good as one's own: only what was read and is wrong is damaged, and made again.
"""

from __future__ import annotations

import contextlib
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


def user_cache_folder() -> Path | None:
    """Where this user's programs keep what they can make again: XDG_CACHE_HOME, else ~/.cache; None without a home."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    if Path(configured).is_absolute():  # the XDG specification: a relative path is invalid and to be ignored
        return Path(configured) / "depthwire"
    try:
        home = Path("~").expanduser()
    except RuntimeError:  # a user that the machine knows nothing of, as in many a container
        return None
    return home / ".cache" / "depthwire" if home.is_absolute() else None


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class CompiledCache:
    """Entries under `folder`, each a folder of files; without a folder nothing is found and nothing kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._warned = False

    def find(self, name: str, ingredients: dict[str, Any]) -> Path | None:
        """The folder of the entry made from `ingredients`, or None. A damaged one is deleted, with a warning.

        One that cannot be read now is left where it is, with a warning: it may be another's, and good.

        Args:
            name: for people who look into the folder.
            ingredients: all that the entry depends on; must be representable as JSON.
        """
        if self._folder is None:
            return None
        entry = self._path(self._folder, name, ingredients)
        try:
            if not entry.is_dir():
                return None
            reason = _damage(entry, ingredients)
        except OSError as error:
            log.warning("the cached network %s cannot be read: %s", entry, error)
            return None
        if reason is None:
            with contextlib.suppress(OSError):  # a note for those who tidy up, which may not be ours to write
                os.utime(entry / MANIFEST)
            return entry
        log.warning("the cached network %s is damaged (%s) and is made again", entry, reason)
        self.discard(entry)
        return None

    def store(self, name: str, ingredients: dict[str, Any], make: Callable[[Path], None]) -> Path | None:
        """Have `make` write the files of a new entry into an empty folder, and return the entry's folder.

        None if the disk does not let that happen: the folder cannot be written, the disk is full, … Says so once.
        Errors of `make` that are not OSError pass through.
        """
        if self._folder is None:
            self._warn_once("there is no home folder; name a folder for them by XDG_CACHE_HOME")
            return None
        entry = self._path(self._folder, name, ingredients)
        try:
            if entry.is_dir():  # it was not found, so that what cannot be told apart from it would be made in vain
                _damage(entry, ingredients)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_unused(self._folder)
            with staging_folder(self._folder) as staging:
                make(staging)
                files = {path.name: file_digest(path) for path in staging.iterdir()}
                (staging / MANIFEST).write_text(json.dumps({"ingredients": ingredients, "files": files}, indent=1))
                self._publish(staging, entry, ingredients)
            return entry
        except OSError as error:
            self._warn_once(str(error))
            return None

    def discard(self, entry: Path) -> None:
        """Delete an entry. A process that has mapped its files keeps them."""
        shutil.rmtree(entry, ignore_errors=True)

    def _warn_once(self, reason: str) -> None:
        if not self._warned:
            log.warning("converted networks are not cached, each start converts them again: %s", reason)
            self._warned = True

    def _path(self, folder: Path, name: str, ingredients: dict[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()
        return folder / f"{name}-{key[:32]}"

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


def _remove_unused(folder: Path) -> None:
    """This user's own: who may only read another's entry cannot note that it is in use."""
    now = time.time()
    for manifest in folder.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError):  # another process may tidy up at the same time
            status = manifest.stat()
            if status.st_uid == os.geteuid() and now - status.st_mtime > 24 * 3600.0 * UNUSED_DAYS:
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

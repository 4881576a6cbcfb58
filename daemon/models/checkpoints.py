"""Where the file of a checkpoint is: the --checkpoints folder, the hub client's cache, or else a download.

The front asks `find_on_disk` and `default_model` at start, the workers `resolve` before they load. Imports no torch,
and the hub client only to download: it takes longer to import than the front may take to start.

    CheckpointNotFound           not on disk and not downloaded; the text says what to put where
    └── CheckpointCorrupt        downloaded, but not the file that the catalogue knows
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from depthwire.daemon.models.catalogue import CATALOGUE, Checkpoint, ModelKey, lookup, model_key
from depthwire.daemon.models.staging import staging_folder
from depthwire.protocol.distribution import install_hint

FOLDER_OPTION = "--checkpoints DIR"
FOLDER_VARIABLE = "DEPTHWIRE_CHECKPOINTS"
HUB_TIMEOUT_S = 10.0

_WEIGHTS_PACKAGE = "depthwire_starter"
_WEIGHTS_SOURCE = Path(__file__).parent / "starter"


class CheckpointNotFound(Exception):
    """The file of a checkpoint is not there. The text is for the operator: which file, where to, from where."""

    def __init__(self, checkpoint: Checkpoint, folder: Path | None, reason: str) -> None:
        self.checkpoint = checkpoint
        where = f"the folder {folder}" if folder else f"a folder and name that folder with {FOLDER_OPTION}"
        if checkpoint.builtin:
            super().__init__(f"checkpoint {checkpoint.name}, which is built in, is not available: {reason}")
            return
        super().__init__(
            f"checkpoint {checkpoint.name} ({checkpoint.licence}) is not available: {reason}. "
            f"Put the file {checkpoint.file_name} ({checkpoint.size_bytes / 1e6:.0f} MB) into {where} "
            f"(option {FOLDER_OPTION}, environment variable {FOLDER_VARIABLE}). It is in the hub repository "
            f"{checkpoint.hub_repository} at revision {checkpoint.revision}; "
            f"the built-in model {lookup('vitt', 'starter').name} works without any download"
        )


class CheckpointCorrupt(CheckpointNotFound):
    """A download ended with another file than the catalogue knows. It was deleted."""


def find_on_disk(checkpoint: Checkpoint, folder: Path | None) -> Path | None:
    """The checkpoint's file, if it is on this machine. Looks at a handful of paths, never at the network.

    In this order: `folder` by the official file name, or the same name ending in `.safetensors`; the distribution
    depthwire-starter, for a built-in checkpoint; the hub client's cache, which must hold the very revision or the very
    checksum.
    A file in `folder` is taken as it is, so that fine-tuned weights of one's own can stand in for the official ones.
    """
    if folder is not None:
        for name in (checkpoint.file_name, Path(checkpoint.file_name).with_suffix(".safetensors").name):
            if _is_file(folder / name):
                return folder / name
    if checkpoint.builtin:
        return next((path for path in _shipped(checkpoint) if _is_file(path)), None)
    return _find_in_hub_cache(checkpoint)


def names_in(folder: Path) -> list[str]:
    """The official file names that a folder has."""
    return [checkpoint.file_name for checkpoint in CATALOGUE if _is_file(folder / checkpoint.file_name)]


def resolve(checkpoint: Checkpoint, folder: Path | None, allow_download: bool = True, progress: bool = True) -> Path:
    """The checkpoint's file, downloaded if it is not on this machine.

    A download goes into `folder`, or into the hub client's cache if there is none or it cannot be written. It appears
    under its name only when it is complete and verified. The hub client's own variables hold (HF_ENDPOINT,
    HF_HUB_CACHE, HF_HUB_OFFLINE, HF_TOKEN, …).

    Args:
        checkpoint: what to look for.
        folder: the --checkpoints folder.
        allow_download: False to look on disk only.
        progress: draw the hub client's progress bar on stderr.

    Raises:
        CheckpointNotFound: it is not here, and the download is not allowed or failed.
        CheckpointCorrupt: the downloaded file's sha256, or without a known one its size, is wrong.
    """
    found = find_on_disk(checkpoint, folder)
    if found is not None:
        return found
    if checkpoint.builtin:
        raise CheckpointNotFound(
            checkpoint,
            folder,
            f"the package depthwire-starter, which holds it, is not installed; {install_hint('starter')}",
        )
    if not allow_download:
        raise CheckpointNotFound(checkpoint, folder, "it is not on disk, and downloads are switched off")
    return _download(checkpoint, folder, progress)


def _shipped(checkpoint: Checkpoint) -> Iterator[Path]:
    """Where a built-in checkpoint may be: in the checkout that this file is of, else in the installed distribution."""
    yield _WEIGHTS_SOURCE / _WEIGHTS_PACKAGE / checkpoint.file_name
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder) / checkpoint.file_name


def is_verified(checkpoint: Checkpoint) -> bool:
    """Whether a download of this checkpoint is compared with a pinned checksum."""
    return checkpoint.sha256 is not None


def default_model(folder: Path | None) -> ModelKey:
    """The model for requests that name none: the first official metric checkpoint on disk, else the starter."""
    for checkpoint in CATALOGUE:
        if checkpoint.metric and not checkpoint.builtin and find_on_disk(checkpoint, folder) is not None:
            return model_key(checkpoint.encoder, checkpoint.dataset)
    return model_key("vitt", "starter")


# ---------------------------------------------------------------------------------------------- the hub's cache


def hub_cache_folder() -> Path | None:
    """The hub client's cache, found by its documented rules without importing it; None if it is in a home that this
    user has not: the hub client itself would make a folder called ~ in the current one.
    """
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    hub_home = os.environ.get("HF_HOME", str(Path(home, "huggingface")))
    legacy = os.environ.get("HUGGINGFACE_HUB_CACHE", str(Path(hub_home, "hub")))
    # Not Path.expanduser, which raises where a user has no home, as in many a container.
    folder = os.path.expandvars(os.path.expanduser(os.environ.get("HF_HUB_CACHE", legacy)))  # noqa: PTH111
    return None if folder.startswith("~") else Path(folder)


def _snapshots(checkpoint: Checkpoint) -> Path | None:
    folder = hub_cache_folder()
    return folder and folder / f"models--{checkpoint.hub_repository.replace('/', '--')}" / "snapshots"


def _find_in_hub_cache(checkpoint: Checkpoint) -> Path | None:
    snapshots = _snapshots(checkpoint)
    if snapshots is None:
        return None
    pinned = snapshots / checkpoint.revision / checkpoint.file_name
    if _is_file(pinned):
        return pinned
    if checkpoint.sha256 is None:
        return None
    # Fetched at another revision: the cache links a large file to a blob that is named by its sha256.
    for path in sorted(snapshots.glob(f"*/{checkpoint.file_name}")):
        if path.is_symlink() and path.readlink().name == checkpoint.sha256 and _is_file(path):
            return path
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that this user may not look into is one without the file
        return False


# ------------------------------------------------------------------------------------------------- the download


def _download(checkpoint: Checkpoint, folder: Path | None, progress: bool) -> Path:
    if folder is not None and folder.is_dir() and os.access(folder, os.W_OK):
        destination = folder
    elif (snapshots := _snapshots(checkpoint)) is not None:
        destination = snapshots / checkpoint.revision
    else:
        raise CheckpointNotFound(checkpoint, folder, "there is no home folder for a download; name one by HF_HOME")
    try:
        destination.mkdir(parents=True, exist_ok=True)
        staged = contextlib.ExitStack()
        staging = staged.enter_context(staging_folder(destination))
    except OSError as error:
        raise CheckpointNotFound(checkpoint, folder, f"nothing can be written to {destination} ({error})") from error
    with staged:
        fetched = _fetch(checkpoint, folder, staging, progress)
        _verify(checkpoint, folder, fetched)
        return fetched.replace(destination / checkpoint.file_name)


def _fetch(checkpoint: Checkpoint, folder: Path | None, staging: Path, progress: bool) -> Path:
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # else each request tells which torch is installed here
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError as error:
        raise CheckpointNotFound(checkpoint, folder, "the package huggingface-hub is not installed") from error

    endpoint = os.environ.get("HF_ENDPOINT")  # the client itself reads it only when first imported
    url = hf_hub_url(checkpoint.hub_repository, checkpoint.file_name, revision=checkpoint.revision, endpoint=endpoint)
    quiet = not progress and not are_progress_bars_disabled()
    if quiet:
        disable_progress_bars()
    try:
        # Without a network this fails at once, where the download would first try again for twenty seconds.
        get_hf_file_metadata(url, timeout=HUB_TIMEOUT_S)
        return Path(
            hf_hub_download(
                checkpoint.hub_repository,
                checkpoint.file_name,
                revision=checkpoint.revision,
                local_dir=staging,
                etag_timeout=HUB_TIMEOUT_S,
                endpoint=endpoint,
            )
        )
    except Exception as error:
        # Whatever goes wrong between here and the hub (no network, 404, a full disk) has one remedy: fetch it by hand.
        reason = " ".join(str(error.__cause__ or error).split())
        raise CheckpointNotFound(checkpoint, folder, f"the download failed ({reason})") from error
    finally:
        if quiet:
            enable_progress_bars()


def _verify(checkpoint: Checkpoint, folder: Path | None, path: Path) -> None:
    size = path.stat().st_size
    if checkpoint.sha256 is None:
        if size != checkpoint.size_bytes:
            reason = f"the download has {size} bytes instead of {checkpoint.size_bytes}"
            raise CheckpointCorrupt(checkpoint, folder, reason)
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != checkpoint.sha256:
        reason = f"the download has sha256 {digest.hexdigest()} ({size} bytes) instead of {checkpoint.sha256}"
        raise CheckpointCorrupt(checkpoint, folder, reason)

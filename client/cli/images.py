"""Images on the command line: which ones the arguments mean, and how many of them pass through the daemon at a time.

`depthwire depth` and `depthwire pc` both run on `process`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from depthwire.client.results import WARNING_KEY, DepthMap
from depthwire.client.streams.image_files import Source
from depthwire.client.sync_client import DepthClient, DepthFuture
from depthwire.client.view.faults import DISK_FULL, Exit, Fault, fault_of, print_json, say
from depthwire.protocol import (
    ConnectionLostError,
    DepthwireError,
    InvalidRequestError,
    ModelNotFoundError,
    ProtocolError,
    ShuttingDownError,
)

SAME_FOR_ALL = (ConnectionLostError, InvalidRequestError, ModelNotFoundError, ProtocolError, ShuttingDownError)
"""Errors that every further image would meet as well: no more are tried after one."""


@dataclass(frozen=True)
class Sent:
    """A request: its source, what that read as, when it was sent (monotonic seconds), what else `submit` returned."""

    source: Any
    data: Any
    at: float
    extra: Any
    elapsed_ms: float = 0.0
    """From sending to the answer."""


class Readable(Protocol):
    """What `answers` sends: an image on the command line, a message of a bag."""

    def read(self) -> Any:
        """What `submit` gets. Raises DepthwireError, OSError or ValueError."""


S = TypeVar("S", bound=Readable)
Submit = Callable[[DepthClient, Any], "tuple[DepthFuture[Any], Any]"]
Save = Callable[[Sent, Any], "dict[str, Any]"]
Files = Callable[[Source], "dict[str, Path]"]


def without_existing(sources: Sequence[Source], files_of: Files, as_json: bool) -> list[Source]:
    """The sources of which a file is missing; the others, whose files are all there, are reported as skipped."""
    left = []
    for source in sources:
        files = files_of(source)
        if not all(file.is_file() for file in files.values()):
            left.append(source)
        elif as_json:
            texts = {name: str(file) for name, file in files.items()}
            print_json({"image": source.label, "ok": True, "skipped": True, "files": texts})
    if skipped := len(sources) - len(left):
        say(f"{skipped} of {len(sources)} images skipped: their files are there already")
    return left


def process(
    client: DepthClient, sources: Sequence[Source], submit: Submit, save: Save, in_flight: int, as_json: bool
) -> Exit:
    """Send every image, at most `in_flight` at a time, and save each answer as it comes; report them one by one.

    `submit` sends an image's bytes and returns the future with what `save` will need of it; `save` writes the files and
    returns what to report (`text` for people). An image that fails is reported and the rest goes on, unless the error
    is one that all would meet.
    """
    report = _Report(as_json, len(sources))
    try:
        with progress(len(sources), as_json) as advance:
            for source, outcome in answers(client, sources, submit, in_flight):
                try:
                    fields = None if isinstance(outcome, Exception) else save(*outcome)
                except (OSError, ValueError) as error:
                    outcome = error
                if isinstance(outcome, Exception):
                    report.failed(source, outcome)
                else:
                    report.done(source, outcome[0], outcome[1], fields or {})
                advance()
                if isinstance(outcome, OSError) and outcome.errno in DISK_FULL:
                    break  # the others' files would not fit either
    finally:
        report.summary(sources)
    return report.exit_code


def answers(
    client: DepthClient, sources: Iterable[S], submit: Submit, in_flight: int
) -> Iterator[tuple[S, tuple[Sent, Any] | Exception]]:
    """Each source with its answer or error, in the order in which they come; fewer if an error ends it all.

    The first one is sent alone: what would fail for all then shows once, and a model is loaded before the others wait.
    """
    waiting: dict[concurrent.futures.Future[Any], Sent] = {}
    remaining = iter(sources)
    more = True
    most = 1
    while more or waiting:
        while more and len(waiting) < most:
            source = next(remaining, None)
            if source is None:
                more = False
                break
            try:
                data = source.read()
                future, extra = submit(client, data)
            except (DepthwireError, OSError, ValueError) as error:
                more = not isinstance(error, SAME_FOR_ALL)
                yield source, error
            else:
                waiting[future] = Sent(source, data, time.monotonic(), extra)
        for answered in concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED).done:
            sent = waiting.pop(answered)
            most = in_flight
            failure = answered.exception()
            if isinstance(failure, Exception):
                more = more and not isinstance(failure, SAME_FOR_ALL)
                yield sent.source, failure
            else:
                yield sent.source, (replace(sent, elapsed_ms=1e3 * (time.monotonic() - sent.at)), answered.result())


class _Report:
    """What happened so far: a line an image on stdout (JSON) or stdout and stderr (text), and the exit code."""

    def __init__(self, as_json: bool, total: int) -> None:
        self._as_json = as_json
        self._total = total
        self._seen: set[Source] = set()
        self._faults: list[Fault] = []
        self._warned = False

    @property
    def exit_code(self) -> Exit:
        """That of the failures where all images met the same, else the general one."""
        kinds = {fault.exit_code for fault in self._faults}
        if not kinds:
            return Exit.DONE
        if Exit.NO_DAEMON in kinds:
            return Exit.NO_DAEMON
        return kinds.pop() if len(kinds) == 1 and len(self._faults) == len(self._seen) else Exit.FAILED

    def done(self, source: Source, sent: Sent, result: DepthMap, fields: dict[str, Any]) -> None:
        self._seen.add(source)
        warning = {"warning": result.meta[WARNING_KEY]} if WARNING_KEY in result.meta else {}
        if warning and not self._warned:
            self._warned = True
            say(f"{source.label}: {warning['warning']}")
        if self._as_json:
            del fields["text"]
            height, width = result.depth.shape
            common = {"width": width, "height": height, "min": result.min, "max": result.max, "model": result.model}
            timing = {"timing": result.timing, "elapsed_ms": sent.elapsed_ms}
            print_json({"image": source.label, "ok": True, **common, **fields, **timing, **warning})
        else:
            echo(f"{source.label}: {fields['text']}; {result.model}, {sent.elapsed_ms:.0f} ms")

    def failed(self, source: Source, error: Exception) -> None:
        self._seen.add(source)
        fault = fault_of(error)
        repeated = bool(self._faults) and fault.message == self._faults[-1].message
        self._faults.append(fault)
        if self._as_json:
            print_json({"image": source.label, "ok": False, "error": fault.as_json()})
        else:
            text = "the same" if repeated else fault.message.removeprefix(f"{source.label}: ")
            echo(f"depthwire: {source.label}: {text}", err=True)

    def summary(self, sources: Sequence[Source]) -> None:
        untried = [source for source in sources if source not in self._seen]
        if self._as_json:
            for source in untried:
                error = {"code": "NOT_TRIED", "message": "the command ended before this image", "retryable": True}
                print_json({"image": source.label, "ok": False, "error": error})
        if self._total > 1 and (self._faults or untried):
            done = len(self._seen) - len(self._faults)
            text = f"{done} of {self._total} images done, {len(self._faults)} failed"
            say(text + (f", {len(untried)} not tried" if untried else ""))


@contextlib.contextmanager
def progress(total: int, as_json: bool) -> Iterator[Callable[[], object]]:
    """A progress bar on stderr, for more than one image on a terminal where tqdm is installed."""
    try:
        import tqdm
    except ImportError:
        total = 1
    if total == 1 or as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    with tqdm.tqdm(total=total, unit="image") as bar:
        yield bar.update


def echo(text: str, err: bool = False) -> None:
    """A line above the progress bar, if there is one."""
    tqdm: Any = sys.modules.get("tqdm")
    with tqdm.tqdm.external_write_mode() if tqdm else contextlib.nullcontext():
        click.echo(text, err=err)

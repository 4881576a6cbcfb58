"""What a person is told when something goes wrong: one line or one JSON object, and the exit code of the command.

Commands, sources of frames, the viewer and the demo end with these; the library raises DepthwireErrors instead.
"""

from __future__ import annotations

import enum
import errno
import json
import math
from dataclasses import dataclass, field
from typing import Any

import click

from depthwire.client.profiles import ProfileError
from depthwire.client.view.pictures import PicturesUnavailableError
from depthwire.protocol import (
    ConnectionLostError,
    DeadlineExceededError,
    DepthwireError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    TooLargeError,
)


class Exit(enum.IntEnum):
    """What the exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    REFUSED = 4
    TOO_LATE = 5
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODES = """\b
Exit codes:
  0  everything was done
  1  something failed on this machine, or some of several images failed
  2  the command line, a profile or a calibration file is wrong
  3  no daemon answers, or the connection was lost
  4  the daemon refused
  5  no answer in time
  130  interrupted
  143  ended by SIGTERM or a terminal that was closed"""


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: it ends a command as Ctrl-C does, in order, so that nothing is left by half."""


class CommandError(click.ClickException):
    """The end of a command: one line that says what is wrong and what to do next."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault

    def show(self, file: Any = None) -> None:
        say(self.message)


@dataclass(frozen=True)
class Fault:
    """An error as the command line tells it: one line of text, the fields of its JSON object, its exit code."""

    message: str
    exit_code: Exit
    fields: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"code": "FAILED", "message": self.message, "retryable": False} | self.fields


def fault_of(error: Exception) -> Fault:
    """What an exception of the client, the file system or the command line means to the user."""
    if isinstance(error, CommandError):
        return error.fault
    if isinstance(error, click.ClickException):
        return Fault(_one_line(error.format_message()), Exit(error.exit_code), {"code": "USAGE"})
    if isinstance(error, DepthwireError):
        message = _one_line(error.message) + _advice(error)
        return Fault(message, _exit_code(error), {**error.to_wire(), "message": message})
    if isinstance(error, PicturesUnavailableError):
        return Fault(_one_line(str(error)), Exit.FAILED, {"code": "MISSING_PACKAGE"})
    if isinstance(error, OSError):
        what = f"the disk is full ({error.strerror})" if error.errno in DISK_FULL else error.strerror or error
        text = _one_line(f"{error.filename or ''}: {what}".removeprefix(": "))
        return Fault(text, Exit.FAILED, {"code": "FILE"})
    return Fault(_one_line(str(error)) or type(error).__name__, Exit.FAILED)


def say(text: str) -> None:
    """One line for the person at the terminal, on stderr."""
    click.echo(f"depthwire: {text}", err=True)


def print_json(document: dict[str, Any]) -> None:
    """One JSON object on one line of stdout; what JSON cannot say, such as NaN, becomes null."""
    click.echo(json.dumps(_plain(document)))


def _exit_code(error: DepthwireError) -> Exit:
    if isinstance(error, (ConnectionLostError, ProtocolError)):
        return Exit.NO_DAEMON
    if isinstance(error, DeadlineExceededError):
        return Exit.TOO_LATE
    if isinstance(error, ProfileError):
        return Exit.USAGE
    if type(error).__module__.startswith("depthwire.protocol"):
        return Exit.REFUSED
    return Exit.FAILED  # one of the client's own: a URL that could not be fetched


def _advice(error: DepthwireError) -> str:
    if isinstance(error, ConnectionLostError) and error.field == "endpoint":
        return ". See that it is written as it should be, or name another daemon with --endpoint or --profile"
    if isinstance(error, ConnectionLostError) and error.field is not None:
        return ". Keys are named with --server-key and --client-key, or in a profile"
    if isinstance(error, ConnectionLostError):
        return " Start it with `depthwired`, or name another with --endpoint or --profile"
    if isinstance(error, InvalidRequestError) and error.field == "endpoint":
        return "; write it as tcp://HOST:PORT or ipc://PATH"
    if isinstance(error, ProtocolError):
        return ". Is what listens there a depthwired?"
    if isinstance(error, DeadlineExceededError):
        return ". Give it longer with --timeout, or see what it is doing with `depthwire health`"
    if isinstance(error, ModelNotFoundError):
        return ". `depthwire models` lists all models"
    if isinstance(error, TooLargeError):
        return ". `depthwire health` shows the daemon's limits"
    if isinstance(error, OverloadedError):
        return ". Try again later, or keep fewer requests in flight with --in-flight"
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(element) for element in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)

"""What the commands of `depthwire` share: how the daemon is reached, exit codes, errors as a line or as JSON.

`cli` builds the Session; the command modules and `cli_images` use it.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

import click

from depthwire.client.profiles import ProfileError, load_profile, split_model
from depthwire.client.sync_client import DepthClient
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

HEALTH_TIMEOUT_S = 10.0
IMAGE_TIMEOUT_S = 300.0
"""Long enough for a model to be downloaded or loaded first."""
CONNECT_TIMEOUT_S = 5.0


class Exit(enum.IntEnum):
    """What the exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    REFUSED = 4
    TOO_LATE = 5
    INTERRUPTED = 130


EXIT_CODES = """\b
Exit codes:
  0  everything was done
  1  something failed on this machine, or some of several images failed
  2  the command line, a profile or a calibration file is wrong
  3  no daemon answers, or the connection was lost
  4  the daemon refused
  5  no answer in time
  130  interrupted"""


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
        text = _one_line(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return Fault(text, Exit.FAILED, {"code": "FILE"})
    return Fault(_one_line(str(error)) or type(error).__name__, Exit.FAILED)


def say(text: str) -> None:
    """One line for the person at the terminal, on stderr."""
    click.echo(f"depthwire: {text}", err=True)


def print_json(document: dict[str, Any]) -> None:
    """One JSON object on one line of stdout; what JSON cannot say, such as NaN, becomes null."""
    click.echo(json.dumps(_plain(document)))


@dataclass(frozen=True)
class Key:
    """--server-key or --client-key, and whether it stood on the command line rather than in a variable."""

    value: str
    is_flag: bool


@dataclass(frozen=True)
class Session:
    """The options before the command's name: which daemon, and how long an answer may take (seconds)."""

    endpoint: str
    endpoint_given: bool
    profile: str | None
    timeout: float | None
    server_key: Key | None = None
    client_key: Key | None = None

    def open_client(self, default_timeout: float, model: dict[str, Any] | None = None) -> DepthClient:
        """A client for the daemon that was asked for: flags go before the profile, the profile before the rest.

        `model` is what the command's model options say: encoder, dataset, model_input_size and max_depth.
        Raises CommandError for a profile or endpoint that cannot be.
        """
        try:
            settings: dict[str, Any] = {"endpoint": self.endpoint, "timeout": default_timeout}
            if self.profile is not None:
                settings |= load_profile(self.profile)
                if self.endpoint_given:
                    settings["endpoint"] = self.endpoint
            settings |= self._keys(settings)
            if self.timeout is not None:
                settings["timeout"] = self.timeout
            model = model or {}
            if any(model.get(name) is not None for name in ("encoder", "dataset", "model_input_size")):
                settings |= model  # another model than the profile's: its size and range do not belong to this one
            else:
                settings |= {name: value for name, value in model.items() if value is not None}
            # A daemon that is not there is to be told from one that is slow, so it shows before the timeout does.
            patience_s = math.inf if settings["timeout"] is None else 0.9 * settings["timeout"]
            settings.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
            settings["connect_timeout"] = min(settings["connect_timeout"], patience_s)
            return DepthClient(**settings)
        except (ProfileError, InvalidRequestError) as error:
            raise CommandError(replace(fault_of(error), exit_code=Exit.USAGE)) from None

    def _keys(self, settings: dict[str, Any]) -> dict[str, str]:
        """The keys that go before those in `settings`, or that fill a gap there."""
        server, client = self.server_key, self.client_key
        keys = {}
        # A variable's server key belongs to the variable's endpoint, not to a profile's.
        if server is not None and (server.is_flag or self.profile is None):
            keys["server_key"] = server.value
        # A variable's client key is who this person is: used with every daemon that has keys, and with no other.
        is_wanted = "server_key" in settings | keys and "client_key" not in settings
        if client is not None and (client.is_flag or is_wanted):
            keys["client_key"] = client.value
        return keys


def model_settings(
    model: str | None, encoder: str | None, dataset: str | None, model_input_size: int | None, max_depth: float | None
) -> dict[str, Any]:
    """The model options of a command as DepthClient's arguments. Raises click.UsageError where they contradict."""
    if model is not None:
        if encoder or dataset or model_input_size:
            raise click.UsageError("--model says it all: leave out --encoder, --dataset and --model-input-size")
        try:
            parts = split_model(model)
        except ProfileError as error:
            raise click.BadParameter(error.message, param_hint="--model") from None
        encoder, dataset, model_input_size = parts["encoder"], parts["dataset"], parts.get("model_input_size")
    return {"encoder": encoder, "dataset": dataset, "model_input_size": model_input_size, "max_depth": max_depth}


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

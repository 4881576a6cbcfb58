"""What the commands of `depthwire` share: how the daemon is reached, and which model they ask for.

`__main__` builds the Session; the command modules use it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import click

from depthwire.client.profiles import ProfileError, load_profile, split_model
from depthwire.client.sync_client import DepthClient
from depthwire.client.view.faults import CommandError, Exit, fault_of
from depthwire.protocol import (
    InvalidRequestError,
)

HEALTH_TIMEOUT_S = 10.0
IMAGE_TIMEOUT_S = 300.0
"""Long enough for a model to be downloaded or loaded first."""
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Key:
    """--server-key or --client-key, and whether it stood on the command line rather than in a variable."""

    value: str
    is_flag: bool


@dataclass(frozen=True)
class Session:
    """The options of all commands: which daemon, and how long an answer may take (seconds)."""

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

    def changed(self, name: str, value: Any) -> Session:
        """The session with an option that stood behind the command's name, which goes before one in front of it."""
        changes: dict[str, Any] = {name: Key(value, is_flag=True) if name.endswith("_key") else value}
        if name == "endpoint":
            changes["endpoint_given"] = True
        return replace(self, **changes)

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

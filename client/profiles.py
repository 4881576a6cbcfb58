"""Server profiles: named endpoints with their defaults, in a YAML file in the user's configuration folder.

`DepthClient.from_profile("lab")` and the command line read them.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from depthwire.protocol import DepthwireError
from depthwire.protocol.keys import is_key


class ProfileError(DepthwireError):
    """Client only: no such profile, or its file is not of the form that `load_profile` describes."""

    code = "PROFILE"


def default_path() -> Path:
    """Where profiles live: $DEPTHWIRE_PROFILES, else depthwire/profiles.yaml in the user's configuration folder."""
    if override := os.environ.get("DEPTHWIRE_PROFILES"):
        return Path(override).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or str(Path.home() / "AppData" / "Roaming")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "depthwire" / "profiles.yaml"


def load_profile(name: str, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """The settings of one profile, by the names of DepthClient's arguments.

    The file reads
        profiles:
          lab: {endpoint: tcp://gpu:5555, model: vits_hypersim_518, timeout: 5.0}
    with, beside `endpoint`: `model`, or `encoder`, `dataset` and `model_input_size`; `max_depth` (metres), `timeout`
    and `connect_timeout` (seconds), `retries`. `timeout: null` waits without end. For a daemon with keys, `server_key`
    (its public key as text, or its .pub file) and `client_key` (this client's .key file); paths may begin with ~ and
    are relative to the profiles file's folder.
    Raises ProfileError, which lists the profiles there are and where they were looked for.
    """
    file = default_path() if path is None else Path(path).expanduser()
    profiles = _read(file)
    if name not in profiles:
        known = ", ".join(sorted(map(str, profiles))) or "none"
        raise ProfileError(f"no profile {name!r} in {file}; there: {known}")

    def problem(text: str) -> ProfileError:
        return ProfileError(f"profile {name!r} in {file}: {text}")

    profile = profiles[name]
    if not isinstance(profile, dict):
        raise problem("not a map of settings")
    settings: dict[str, Any] = {}
    for key, value in profile.items():
        check = _CHECKS.get(key)
        if check is None:
            raise problem(f"{key} is not a setting; there are {', '.join(sorted(_CHECKS))}")
        expected, holds = check
        if not holds(value):
            raise problem(f"{key} is {value!r}; it must be {expected}")
        settings[key] = value
    for key in ("server_key", "client_key"):
        if key in settings and not (key == "server_key" and is_key(settings[key])):
            settings[key] = str(file.parent / Path(settings[key]).expanduser())
    if "endpoint" not in settings:
        raise problem("endpoint is missing")
    if "model" in settings:
        if doubled := {"encoder", "dataset", "model_input_size"} & settings.keys():
            raise problem(f"model and {', '.join(sorted(doubled))} say the same thing twice")
        settings |= split_model(settings.pop("model"))
    return settings


def split_model(model: str) -> dict[str, Any]:
    """The encoder, dataset and, where it is named, model_input_size of `encoder_dataset[_size]` (`vits_hypersim_518`).

    Raises ProfileError where the text is not of that form.
    """
    encoder, _, rest = model.partition("_")
    dataset, _, size = rest.rpartition("_")
    if not dataset or not size.isdecimal():
        dataset, size = rest, ""
    if not encoder or not dataset:
        raise ProfileError(f"model {model!r} is not of the form encoder_dataset_size, as in vits_hypersim_518")
    parts: dict[str, Any] = {"encoder": encoder, "dataset": dataset}
    return parts | ({"model_input_size": int(size)} if size else {})


def _read(file: Path) -> Mapping[Any, Any]:
    import yaml  # slow to import, and most clients are made from an endpoint

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProfileError(f"no profiles: {file} does not exist (DEPTHWIRE_PROFILES names another file)") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"{file} cannot be read: {error}") from None
    profiles = document.get("profiles") if isinstance(document, dict) else None
    if not isinstance(profiles, dict):
        raise ProfileError(f"{file} is not of the form `profiles: {{name: {{endpoint: …}}}}`")
    return profiles


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


_CHECKS: dict[Any, tuple[str, Callable[[object], bool]]] = {
    "endpoint": ("text like tcp://host:5555", _is_text),
    "server_key": ("the daemon's public key, or its .pub file", _is_text),
    "client_key": ("this client's .key file", _is_text),
    "model": ("text like vits_hypersim_518", _is_text),
    "encoder": ("text like vits", _is_text),
    "dataset": ("text like hypersim", _is_text),
    "model_input_size": ("a whole number", _is_count),
    "max_depth": ("metres above 0", _is_positive),
    "timeout": ("seconds above 0, or null", lambda value: value is None or _is_positive(value)),
    "connect_timeout": ("seconds above 0", _is_positive),
    "retries": ("a whole number", _is_count),
}
"""Each setting with what it must be, in words and as a test."""

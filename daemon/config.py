"""Everything that can be set on the daemon, once: each field is a flag, a DEPTHWIRE_ variable and a YAML key.

`__main__` builds the command line from these fields; flags win over the environment, the environment over the file
given with --config, the file over the defaults here.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml


class InvalidSettings(ValueError):
    """Settings that are each right but not together, or not on this machine; the text says what to do."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which means the loopback interface.

    Raises ValueError.
    """
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]\s]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not an address; write HOST:PORT, or :PORT for the loopback interface")
    return match[1] or match[2] or "127.0.0.1", int(match[3])


class _Address(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in new releases of click only
    """What `parse_address` can read, as it was written."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            parse_address(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


_MOST = {"_s": 1e6, "_mb": 2**24, "_ms": 10**9}
_MOST_OF_ANY = 10**6
"""By what a setting's name ends in: beyond what any machine has or anybody waits for. What is much larger fits into no
number of the kernel's or ZeroMQ's."""


def _setting(default: Any, text: str, **option: Any) -> Any:
    """A field of Config with what click needs to know of it."""
    metadata = {"help": text, "option": option}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    bind: list[str] = _setting(
        ["tcp://127.0.0.1:5555"],
        "Endpoint to listen on, tcp://ADDRESS:PORT or ipc://PATH; may be given more than once.",
        multiple=True,
        metavar="ENDPOINT",
    )
    insecure: bool = _setting(
        False,
        "Listen where other machines or users can connect, without keys: whoever can reach it may use it.",
        is_flag=True,
    )
    curve_key: Path | None = _setting(
        None,
        "The daemon's own .key file (`depthwire keygen`); every endpoint then speaks CURVE and nothing else.",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
    )
    authorized_clients: Path | None = _setting(
        None,
        "Folder with the .pub files of those who may use the daemon; read again whenever it changes.",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
    )
    device: str = _setting(
        "auto",
        "auto (a worker for each CUDA device, or one on the CPU), cpu, cuda:1, or a list as cuda:0,cuda:1.",
        metavar="DEVICE",
    )
    engine: str = _setting(
        "auto",
        "What runs the network; auto: torch on CUDA, OpenVINO on the CPU. null answers with a constant plane.",
        type=click.Choice(["auto", "torch", "openvino", "null"]),
    )
    precision: str = _setting(
        "auto",
        "Of the arithmetic; auto: float16 on CUDA, on the CPU bfloat16 where it computes in that, else float32.",
        type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    )
    checkpoints: Path | None = _setting(
        None,
        "Folder with checkpoints under their official file names.",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
    )
    download: bool = _setting(True, "Fetch checkpoints that are not on disk from their hub.", is_flag=True)
    model: str | None = _setting(
        None,
        "Model for requests that name none; default: the first official metric one on disk, else vitt_starter.",
        metavar="ENCODER_DATASET[_SIZE]",
    )
    preload: list[str] = _setting(
        [], "Model to load at the start; may be given more than once.", multiple=True, metavar="MODEL"
    )
    model_memory_mb: int = _setting(
        0, "Memory for loaded models; the least recently used one goes first. 0: chosen by the device.", min=0
    )
    max_batch: int = _setting(0, "Most images in one batch. 0: chosen by the engine.", min=0, max=256)
    threads: int = _setting(0, "Threads of a worker's CPU work. 0: the cores this process may use.", min=0, max=256)
    decode: str = _setting(
        "exact",
        "exact, or fast: JPEGs much larger than the network's input are decoded at a half, a quarter or an eighth.",
        type=click.Choice(["exact", "fast"]),
    )
    arena_mb: int = _setting(
        1024, "Shared memory for images and results under way; touched only as far as needed.", min=16
    )
    max_image_mb: float = _setting(32.0, "Largest encoded image.", min=0.001)
    max_image_megapixels: float = _setting(40.0, "Largest image by its pixels.", min=0.001)
    min_image_side: int = _setting(14, "Smallest width and height of an image, in pixels.", min=1)
    max_input_megapixels: float = _setting(
        2.0, "Largest input of the network, which grows with an image's aspect ratio.", min=0.003
    )
    max_waiting: int = _setting(512, "Most requests that wait for a worker; more are told to come back.", min=1)
    max_waiting_mb: int = _setting(512, "Most bytes of images that wait for a worker.", min=1)
    max_in_flight_per_client: int = _setting(64, "Most requests of one client under way.", min=1)
    max_waiting_mb_per_client: int = _setting(128, "Most bytes of one client's images that wait for a worker.", min=1)
    max_models_per_client: int = _setting(8, "Most different models of one client's requests under way.", min=1)
    max_streams_per_client: int = _setting(32, "Most different streams of one client's requests under way.", min=1)
    max_unsent_mb_per_client: int = _setting(256, "A client with this much unread is held back until it reads.", min=1)
    # Not close to max_in_flight_per_client: ZeroMQ learns only of every so many replies that they have been read, and
    # one turn may refuse a hundred requests. Bytes are bounded by max_unsent_mb_per_client.
    send_queue: int = _setting(1000, "Most replies that wait for one slow client; further ones are dropped.", min=1)
    stall_timeout_s: float = _setting(
        10.0,
        "A client held back that does not read one result in this time, and a second more for each of its MiB, is"
        " disconnected and loses its waiting requests.",
        min=0.1,
    )
    default_timeout_ms: int = _setting(0, "timeout_ms for requests that give none. 0: no limit.", min=0)
    start_timeout_s: float = _setting(
        120.0, "A worker that needs longer to start, or to make an input size ready, is replaced.", min=1
    )
    silence_timeout_s: float = _setting(10.0, "A worker that answers no ping for this long is replaced.", min=0.1)
    batch_timeout_s: float = _setting(
        120.0, "A worker that needs longer for one batch, or to decode one picture, is replaced.", min=0.1
    )
    load_timeout_s: float = _setting(
        1800.0, "A worker that needs longer to load a model, conversion included, is replaced.", min=0.1
    )
    download_timeout_s: float = _setting(
        3600.0, "Requests for a model whose download takes longer are told so; it goes on.", min=1
    )
    probe_interval_s: float = _setting(
        30.0, "A worker without work for this long runs a tiny picture, to show that it still can.", min=0.1
    )
    drain_timeout_s: float = _setting(60.0, "On SIGTERM, the longest wait for requests already admitted.", min=0)
    metrics: str | None = _setting(
        None,
        "Serve Prometheus metrics over HTTP there, :PORT for the loopback interface. Default: not at all.",
        type=_Address(),
        metavar="[HOST]:PORT",
    )
    log_level: str = _setting(
        "info", "debug logs a line a request.", type=click.Choice(["debug", "info", "warning", "error"])
    )
    log_format: str = _setting("text", "For people or for machines.", type=click.Choice(["text", "json"]))


class _FiniteRange(click.FloatRange):
    """Neither infinity, which no count of bytes or milliseconds can be made of, nor NaN, which passes any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a click command with --config and one option for each field of Config."""
    for setting in reversed(dataclasses.fields(Config)):
        command = _option(setting)(command)
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_file,
        help="YAML file of these settings, keys as the flags with _ for -.",
    )(command)


def from_options(options: dict[str, Any]) -> Config:
    """The Config that a command's parsed options are."""
    settings: dict[str, Any] = {n: list(value) if isinstance(value, tuple) else value for n, value in options.items()}
    return Config(**settings)


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises click.BadParameter naming a key that does not exist, or bad YAML."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} is not a YAML file: {error}") from None
    if not isinstance(settings, dict):
        raise click.BadParameter(f"{path} holds no settings; write lines of the form `bind: tcp://127.0.0.1:5555`")
    known = {setting.name: setting for setting in dataclasses.fields(Config)}
    for name, value in settings.items():
        if name not in known:
            raise click.BadParameter(f"{path}: {name} is not a setting; the settings are {', '.join(known)}")
        multiple = known[name].metadata["option"].get("multiple", False)
        values = value if multiple and isinstance(value, list) else [value]
        if any(isinstance(item, (list, dict)) or (item is None and value is not None) for item in values):
            wanted = "a list of single values" if multiple else "a single value"
            raise click.BadParameter(f"{path}: {name} takes {wanted}")
        for item in values:
            if (wanted_type := _wanted_type(known[name], item)) is not None:
                raise click.BadParameter(f"{path}: {name} is {_as_yaml(item)}; it takes {wanted_type}")
        if multiple:
            settings[name] = values
    return {name: value for name, value in settings.items() if value not in (None, [None])}


def _wanted_type(setting: dataclasses.Field[Any], value: object) -> str | None:
    """What a setting takes where YAML read something else, which click would bring into that form without a word."""
    if value is None or isinstance(value, str):  # text is click's to read, as it is on the command line
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(setting.default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(setting.default, int):
        return None if is_number and not isinstance(value, float) else "a whole number"
    if isinstance(setting.default, float):
        return None if is_number else "a number"
    return "text; put it in quotes" if isinstance(value, bool) else None


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = {**(context.default_map or {}), **read_config_file(path)}


def _option(setting: dataclasses.Field[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    option = dict(setting.metadata["option"])
    flag = f"--{setting.name.replace('_', '-')}"
    default = setting.default_factory() if callable(setting.default_factory) else setting.default
    if option.pop("is_flag", False):
        flag = f"{flag}/--no-{flag[2:]}"
    elif "type" not in option:
        low, high = option.pop("min", None), option.pop("max", _most(setting.name))
        if isinstance(default, int):
            option["type"] = click.IntRange(low, high)
        elif isinstance(default, float):
            option["type"] = _FiniteRange(low, high)
    return click.option(flag, default=default, help=setting.metadata["help"], show_default=True, **option)


def _most(name: str) -> float:
    unit = f"_{name.removesuffix('_per_client').rpartition('_')[2]}"
    return _MOST.get(unit, _MOST_OF_ANY)

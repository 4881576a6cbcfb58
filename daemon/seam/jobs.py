"""What front and worker say to each other over their socket pair: small msgpack messages, no image or result bytes.

The front sends Load, Unload, Warm, Forget, Stage, Drop, Ping and Stop; the worker answers with the rest. The kernel
keeps message borders (SOCK_SEQPACKET), both ends are ours, and times are seconds on the machine's monotonic clock.
Started goes over a socket pair of its own: the front looks there when it needs to know, and need not wake for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, get_type_hints

import msgpack

MAX_MESSAGE_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 2000
MAX_BATCH = 256
_MAX_NAME_CHARACTERS = 200
_MAX_SHAPES = 2**16
_MAX_BYTES = 2**50
_MAX_MS = 1e12
"""What a number can mean; beyond it a worker is out of its mind."""


class Violation(ValueError):
    """What was said is no message of these, or was not to be said now. The text tells what is wrong with it."""


@dataclass(frozen=True)
class WorkerOptions:
    """What the front tells a worker at its start, as JSON on its command line. Zero is "choose yourself"."""

    engine: str
    device: str
    precision: str
    max_batch: int
    threads: int
    decode: str
    checkpoints: str | None
    download: bool
    log_level: str
    log_format: str

    def to_json(self) -> str:
        return json.dumps(vars(self))


class Load(NamedTuple):
    """Load the checkpoint of this encoder and dataset, beside the work."""

    encoder: str
    dataset: str


class Unload(NamedTuple):
    """Forget a loaded checkpoint; the front has nothing in flight for it."""

    encoder: str
    dataset: str


class Warm(NamedTuple):
    """Make a loaded checkpoint ready for one input size, beside the work."""

    encoder: str
    dataset: str
    input_height: int
    input_width: int


class Forget(NamedTuple):
    """Give up what Warm made; the front has nothing in flight for it."""

    encoder: str
    dataset: str
    input_height: int
    input_width: int


class Stage(NamedTuple):
    """Decode this image now and run it in the next batch that it fits in.

    Offsets and lengths are bytes in the arena. The depth map goes to `depth_offset`, the points to `points_offset` and
    the picture's colours to `colors_offset` unless those are negative; shapes and dtypes are those of layout.py.
    `options` are a request's, as on the wire, or None for the plain depth map. The network's output times `scale` is
    the depth. The intrinsics belong to this width and height. After `deadline` nobody waits any more.
    """

    ticket: int
    encoder: str
    dataset: str
    input_height: int
    input_width: int
    image_offset: int
    image_length: int
    image_format: str
    width: int
    height: int
    depth_offset: int
    points_offset: int
    scale: float
    fx: float
    fy: float
    cx: float
    cy: float
    deadline: float
    colors_offset: int = -1
    options: dict[str, Any] | None = None
    place: int = 0
    """Of two jobs the one with the lower place runs first: the front counts them as it hands them over."""


class Drop(NamedTuple):
    """Nobody waits for this ticket any more; answer Dropped as soon as nothing touches its memory."""

    ticket: int


class Ping(NamedTuple):
    number: int


class Stop(NamedTuple):
    """End the process; nothing is in flight."""


class Hello(NamedTuple):
    """The worker's first word: what it runs on, and how much it takes at once."""

    pid: int
    engine: str
    device: str
    precision: str
    max_batch: int
    max_shapes: int
    memory_bytes: int


class Fetching(NamedTuple):
    """The checkpoint is not on disk and is downloaded first. It takes no memory meanwhile."""

    encoder: str
    dataset: str


class Fetched(NamedTuple):
    """The download is over and the file on disk: to be loaded when there is room for it."""

    encoder: str
    dataset: str


class Loaded(NamedTuple):
    encoder: str
    dataset: str
    bytes: int


class LoadFailed(NamedTuple):
    encoder: str
    dataset: str
    code: str
    message: str


class Warmed(NamedTuple):
    encoder: str
    dataset: str
    input_height: int
    input_width: int


class WarmFailed(NamedTuple):
    encoder: str
    dataset: str
    input_height: int
    input_width: int
    message: str


class Started(NamedTuple):
    """These tickets now run as one batch. Said before anything that comes of it."""

    tickets: list[int]


class Done(NamedTuple):
    """The result lies in the arena; what it took in milliseconds, and how many shared the batch."""

    ticket: int
    minimum: float
    maximum: float
    decode_ms: float
    infer_ms: float
    post_ms: float
    batch_size: int


class Failed(NamedTuple):
    ticket: int
    code: str
    message: str
    retryable: bool


class Dropped(NamedTuple):
    ticket: int


class Pong(NamedTuple):
    number: int


Message: TypeAlias = (
    Load
    | Unload
    | Warm
    | Forget
    | Stage
    | Drop
    | Ping
    | Stop
    | Hello
    | Loaded
    | LoadFailed
    | Warmed
    | WarmFailed
    | Started
    | Done
    | Failed
    | Dropped
    | Pong
    | Fetching
    | Fetched
)

_KINDS: tuple[type[Any], ...] = (
    Load,
    Unload,
    Warm,
    Forget,
    Stage,
    Drop,
    Ping,
    Stop,
    Hello,
    Loaded,
    LoadFailed,
    Warmed,
    WarmFailed,
    Started,
    Done,
    Failed,
    Dropped,
    Pong,
    Fetching,
    Fetched,
)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_SAID_BY_WORKERS = frozenset(_KINDS[_NUMBERS[Hello] :])


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_ERROR_CHARACTERS


def _is_options(value: Any) -> bool:
    return value is None or (type(value) is dict and all(type(key) is str for key in value))


_CHECKS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: type(value) is int,
    float: lambda value: type(value) is float or type(value) is int,
    str: _is_text,
    bool: lambda value: type(value) is bool,
    list[int]: lambda value: type(value) is list and all(type(item) is int for item in value),
    dict[str, Any] | None: _is_options,
}
_FIELDS = tuple([(name, _CHECKS[hint]) for name, hint in get_type_hints(kind).items()] for kind in _KINDS)
"""For each kind its fields' names, and what tells whether a value can be that field's."""


def pack(message: Message) -> bytes:
    """One datagram for the socket pair."""
    # An error's text may hold a file name that is not UTF-8; it must not be the next error.
    packed: bytes = msgpack.packb((_NUMBERS[type(message)], *message), unicode_errors="replace")
    return packed


def unpack(datagram: bytes) -> Message:
    """The message that `pack` was given. Raises Violation for any other bytes."""
    try:
        said = msgpack.unpackb(datagram)
    except Exception as error:  # of many classes, not all of them msgpack's own
        raise Violation(f"{len(datagram)} bytes that are no message ({type(error).__name__})") from None
    if type(said) is not list or not said or type(said[0]) is not int or not 0 <= said[0] < len(_KINDS):
        raise Violation("a message of no known kind")
    number, *values = said
    kind, fields = _KINDS[number], _FIELDS[number]
    if len(values) != len(fields):
        raise Violation(f"{kind.__name__} with {len(values)} fields; it has {len(fields)}")
    for value, (name, fits) in zip(values, fields, strict=True):
        if not fits(value):
            raise Violation(f"{kind.__name__}.{name} is {_shown(value)}, which is none")
    message: Message = kind(*values)
    return message


def unpack_said(datagram: bytes) -> Message:
    """What a worker said, its numbers within what they can mean.

    Raises Violation for any other bytes, and for what only the front says.
    """
    message = unpack(datagram)
    if type(message) not in _SAID_BY_WORKERS:
        raise Violation(f"{type(message).__name__}, which is not a worker's to say")
    match message:
        case Done():
            for name in ("decode_ms", "infer_ms", "post_ms"):
                _check(message, name, 0, _MAX_MS)
            _check(message, "batch_size", 1, MAX_BATCH)
        case Hello():
            for name in ("engine", "device", "precision"):
                text = getattr(message, name)
                if len(text) > _MAX_NAME_CHARACTERS or not text.isprintable():
                    raise Violation(f"Hello.{name} is {_shown(text)}, which is no name")
            _check(message, "max_batch", 1, MAX_BATCH)
            _check(message, "max_shapes", 0, _MAX_SHAPES)
            _check(message, "memory_bytes", 0, _MAX_BYTES)
        case Loaded():
            _check(message, "bytes", 0, _MAX_BYTES)
        case Started(tickets):
            if not 1 <= len(tickets) <= MAX_BATCH or len(set(tickets)) < len(tickets):
                raise Violation(f"Started with {len(tickets)} tickets, {len(set(tickets))} different ones")
    return message


def _check(message: Message, name: str, least: float, most: float) -> None:
    value = getattr(message, name)
    if not least <= value <= most:  # NaN is not, either
        raise Violation(f"{type(message).__name__}.{name} is {_shown(value)}, not from {least:g} to {most:g}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def pack_numbered(number: int, message: Message) -> bytes:
    """One datagram to a worker, several of whose threads read: the number says in which order they were sent."""
    return number.to_bytes(8, "little") + pack(message)


def unpack_numbered(datagram: bytes) -> tuple[int, Message]:
    """What `pack_numbered` was given. Raises Violation for any other bytes."""
    return int.from_bytes(datagram[:8], "little"), unpack(datagram[8:])

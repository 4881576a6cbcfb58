"""What front and worker say to each other over their socket pair: small msgpack messages, no image or result bytes.

The front sends Load, Unload, Warm, Forget, Stage, Drop, Ping and Stop; the worker answers with the rest. The kernel
keeps message borders (SOCK_SEQPACKET), both ends are ours, and times are seconds on the machine's monotonic clock.
Started goes over a socket pair of its own: the front looks there when it needs to know, and need not wake for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import msgpack

MAX_MESSAGE_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 2000


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
    """Of two jobs the one with the lower place runs first: the ticket, or that of the job whose place this one took."""


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


def pack(message: Message) -> bytes:
    """One datagram for the socket pair."""
    # An error's text may hold a file name that is not UTF-8; it must not be the next error.
    packed: bytes = msgpack.packb((_NUMBERS[type(message)], *message), unicode_errors="replace")
    return packed


def unpack(datagram: bytes) -> Message:
    """The message that `pack` was given."""
    number, *fields = msgpack.unpackb(datagram)
    message: Message = _KINDS[number](*fields)
    return message


def pack_numbered(number: int, message: Message) -> bytes:
    """One datagram to a worker, several of whose threads read: the number says in which order they were sent."""
    return number.to_bytes(8, "little") + pack(message)


def unpack_numbered(datagram: bytes) -> tuple[int, Message]:
    """What `pack_numbered` was given."""
    return int.from_bytes(datagram[:8], "little"), unpack(datagram[8:])

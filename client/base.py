"""What the sync and the asyncio client have in common: their settings, and how arguments become a Call.

`DepthClient` and `AsyncDepthClient` derive from ClientBase and add nothing but futures of their own kind.
"""

from __future__ import annotations

import copy
import enum
import itertools
import math
import os
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from depthwire.client.connection import Connection
from depthwire.client.core import Call, Core, Receiver
from depthwire.client.curve import load_keys
from depthwire.client.images import JPEG_QUALITY, Encoding, ImageSource, encoded_image
from depthwire.client.profiles import load_profile
from depthwire.client.streams.core import ALL_IN_FLIGHT, LATEST_IN_FLIGHT, AllFrames, LatestFrames, StreamCore
from depthwire.client.streams.items import Frame, Policy
from depthwire.client.streams.pump import StreamPump
from depthwire.client.web import FETCH_TIMEOUT_S
from depthwire.protocol import (
    IMAGE_OPS,
    BadImageError,
    CameraIntrinsics,
    DeadlineExceededError,
    InvalidRequestError,
    UnknownOpError,
)
from depthwire.protocol.messages import VERSION, validate_request

if TYPE_CHECKING:
    from typing_extensions import Self

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
MAX_STREAM_IN_FLIGHT: Final = 64
"""What a daemon takes of one client by default."""

_NO_OPTIONS: Final = {
    "timeout_ms": "give timeout, in seconds",
    "camera_intrinsics": "give intrinsics",
    "image": "the images are the frames",  # of a stream; elsewhere it is an argument of its own
    "v": "it is the client's own",
    "id": "it is the client's own",
}
"""Fields of a request that the client sets from its arguments: taken as options too, they would be lost in silence."""


class UseDefault(enum.Enum):
    """The type of USE_DEFAULT, which stands for "the client's own timeout" where None means "no timeout"."""

    USE_DEFAULT = "the client's default"

    def __repr__(self) -> str:
        return self.name


USE_DEFAULT: Final = UseDefault.USE_DEFAULT
Timeout = float | UseDefault | None


class ClientBase:
    """A connection to one daemon and the defaults of its requests."""

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        server_key: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        timeout: float | None = 30.0,
        connect_timeout: float = 10.0,
        retries: int = 3,
        encoder: str | None = None,
        dataset: str | None = None,
        model_input_size: int | None = None,
        max_depth: float | None = None,
        encoding: Encoding = "jpeg",
        jpeg_quality: int = JPEG_QUALITY,
        max_pending: int = 4096,
    ) -> None:
        """Connect to a daemon; this returns at once, whether one is there or not.

        `endpoint` is tcp://host:port or ipc://path. `timeout` is how long a request waits for its answer in seconds
        (None: without end), `connect_timeout` how long it waits while no daemon is there, `retries` how often it is
        sent again after a lost connection or a retryable error. `encoder`, `dataset`, `model_input_size` and
        `max_depth` (metres) are used where a request names none. `encoding` ("jpeg" of `jpeg_quality`, or "png" without
        loss) is for images given as arrays. `max_pending` bounds the requests that wait at a time.
        For a daemon with keys, `server_key` is its public key (40 characters, or its .pub file) and `client_key` the
        .key file of this client (`depthwire keygen` makes both); then everything is encrypted.
        Raises InvalidRequestError for an argument that cannot be.
        """
        if encoding not in ("jpeg", "png"):
            raise InvalidRequestError(f"encoding is {encoding!r}; it is 'jpeg' or 'png'", field="encoding")
        self.endpoint = endpoint
        self._timeout = _seconds(timeout, "timeout")
        self._encoding: Encoding = encoding
        self._jpeg_quality = jpeg_quality
        self._model = {"encoder": encoder, "dataset": dataset, "model_input_size": model_input_size}
        self._max_depth = max_depth
        keys = load_keys(server_key, client_key)
        self._core = Core(
            endpoint,
            retries=retries,
            connect_timeout_s=_seconds(connect_timeout, "connect_timeout"),
        )
        self._connection = Connection(self._core, max_pending, keys)
        self._streams = itertools.count(1)
        # Closes a client that was forgotten. At the interpreter's end the connection's thread is ended in any case.
        self._finalizer = weakref.finalize(self, Connection.close, self._connection)
        self._finalizer.atexit = False

    @classmethod
    def from_profile(cls, name: str, path: str | os.PathLike[str] | None = None, **overrides: Any) -> Self:
        """A client with the settings of a profile (see profiles.load_profile), `overrides` going before them.

        `path` is the profiles file; without it $DEPTHWIRE_PROFILES or the one in the user's configuration folder.
        Raises ProfileError.
        """
        return cls(**{**load_profile(name, path), **overrides})

    @property
    def closed(self) -> bool:
        return self._connection.closed

    @property
    def has_keys(self) -> bool:
        """Whether it speaks CURVE, to a daemon whose public key it was given."""
        return self._connection.has_keys

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.endpoint}{' closed' if self.closed else ''}>"

    def _draft(
        self,
        op: str,
        receiver: Receiver,
        intrinsics: CameraIntrinsics | None,
        timeout: Timeout,
        fields: dict[str, Any],
    ) -> Call:
        """The call for these arguments, all checked, with its image still to come. Its time runs from here."""
        self._connection.check_usable()
        if intrinsics is not None and not isinstance(intrinsics, CameraIntrinsics):
            raise TypeError(f"intrinsics is {type(intrinsics).__name__}; it must be CameraIntrinsics")
        if op == "cancel":
            raise UnknownOpError("cancel is what a future's cancel() sends", field="op")
        for name in fields:
            if name in _NO_OPTIONS:
                raise InvalidRequestError(f"{name} is no option: {_NO_OPTIONS[name]}", field=name)
        given = {"v": VERSION, "id": 0, "op": op}
        given |= {name: value for name, value in fields.items() if value is not None}
        if op in IMAGE_OPS:
            defaults = self._model if op == "rel_depth" else {**self._model, "max_depth": self._max_depth}
            given = {name: value for name, value in defaults.items() if value is not None} | given
            given["image"] = b"?"  # stands for the one that _load brings
            if intrinsics is not None:
                given["camera_intrinsics"] = intrinsics.to_wire()
        for name, value in given.items():
            if isinstance(value, np.generic):
                given[name] = value.item()
        bounds = given.get("range")
        if isinstance(bounds, (tuple, list, np.ndarray)):
            given["range"] = [bound.item() if isinstance(bound, np.generic) else bound for bound in bounds]
        if "meta" in given:
            given["meta"] = copy.deepcopy(given["meta"])  # the caller may reuse it before it is sent, or sent again
        now = self._core.clock()
        seconds = self._timeout if timeout is USE_DEFAULT else _seconds(timeout, "timeout")
        return Call(validate_request(given), receiver, submitted=now, deadline=now + seconds)

    def _load(self, call: Call, image: ImageSource | None) -> None:
        """Give a call its image, for which it may wait no longer than its deadline."""
        if call.request.op not in IMAGE_OPS:
            if image is not None:
                raise InvalidRequestError(f"{call.request.op} takes no image", field="image")
            return
        if image is None:
            raise InvalidRequestError(f"image is missing; {call.request.op} needs one", field="image")
        remaining_s = call.deadline - self._core.clock()
        data = encoded_image(
            image,
            encoding=self._encoding,
            jpeg_quality=self._jpeg_quality,
            fetch_timeout_s=min(FETCH_TIMEOUT_S, max(remaining_s, 0.001)),
        )
        if not data:
            raise BadImageError("image is empty; it holds an encoded JPEG, PNG or WebP", field="image")
        if self._core.clock() >= call.deadline:
            raise DeadlineExceededError("reading and encoding the image took the time that the request had")
        call.request = replace(call.request, image=data)

    def _open_stream(
        self,
        op: str,
        intrinsics: CameraIntrinsics | None,
        policy: Policy,
        in_flight: int | None,
        timeout: Timeout,
        options: dict[str, Any],
    ) -> StreamPump:
        """The pump of a stream, still to be given its source. Raises what each of its frames would be refused with."""
        limit = _stream_limit(op, policy, in_flight, options)
        stand_in = (
            CameraIntrinsics(1, 1, 0, 0) if intrinsics is None and op == "pc" else intrinsics
        )  # frames may have it
        self._draft(op, _Nobody(), stand_in, timeout, options)
        timeout_s = self._timeout if timeout is USE_DEFAULT else _seconds(timeout, "timeout")
        core: StreamCore = AllFrames(limit)
        if policy == "latest":
            core = LatestFrames(limit, lambda quiet_s: self._core.stall(quiet_s, timeout_s))
            options = {**options, "stream": f"stream {next(self._streams)}"}

        def send(frame: Frame, receiver: Receiver) -> Call:
            if frame.error is not None:
                raise frame.error
            call = self._draft(op, receiver, frame.intrinsics or intrinsics, timeout, {**options, "meta": frame.meta})
            self._load(call, frame.image)
            self._connection.submit(call)
            return call

        return StreamPump(core, send, self._connection.cancel, self._core.clock)


def _stream_limit(op: str, policy: str, in_flight: int | None, options: dict[str, Any]) -> int:
    """How many frames of a stream may be on their way. Raises InvalidRequestError and UnknownOpError."""
    if op not in IMAGE_OPS:
        raise UnknownOpError(f"a stream is of {', '.join(sorted(IMAGE_OPS))}, not of {op!r}", field="op")
    if policy not in get_args(Policy):
        raise InvalidRequestError(f"policy is {policy!r}; it is 'latest' or 'all'", field="policy")
    if "stream" in options:
        raise InvalidRequestError("stream is no option of a stream: policy says what is dropped", field="stream")
    if "meta" in options:
        raise InvalidRequestError("meta is no option of a stream: give (image, meta) as a frame", field="meta")
    if in_flight is None:
        return LATEST_IN_FLIGHT if policy == "latest" else ALL_IN_FLIGHT
    if isinstance(in_flight, bool) or not isinstance(in_flight, int) or not 1 <= in_flight <= MAX_STREAM_IN_FLIGHT:
        raise InvalidRequestError(
            f"in_flight is {in_flight!r}; it is a number from 1 to {MAX_STREAM_IN_FLIGHT}", field="in_flight"
        )
    return in_flight


class _Nobody:
    """The receiver of a draft that is only checked."""

    def deliver(self, outcome: object) -> None:
        raise AssertionError("a draft is never sent")


def _seconds(value: float | None, name: str) -> float:
    """Seconds as a number, infinity for None. Raises InvalidRequestError."""
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidRequestError(f"{name} is not a number of seconds but {type(value).__name__}", field=name)
    if not value > 0:
        raise InvalidRequestError(f"{name} is {value}; it must be above 0 seconds, or None for no limit", field=name)
    return float(value)

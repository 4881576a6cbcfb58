"""Messages: what a request and a reply may hold. The one place where either is validated.

The front parses every request here before anything else looks at it; the client builds requests and reads replies
with the same code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import msgpack
import numpy as np

from depthwire.protocol import frames
from depthwire.protocol.checks import number_above_zero, whole_number
from depthwire.protocol.errors import (
    BadImageError,
    DepthwireError,
    InvalidRequestError,
    ProtocolError,
    UnknownOpError,
    UnsupportedVersionError,
    shown,
)
from depthwire.protocol.frames import Buffer, FrameError
from depthwire.protocol.intrinsics import CameraIntrinsics
from depthwire.protocol.options import DEPTH_DTYPES, OPTION_NAMES, PLAIN, ResultOptions

VERSION: Final = 1

Op: TypeAlias = Literal["pc", "metric_depth", "rel_depth", "health", "cancel"]
OPS: Final[tuple[Op, ...]] = ("pc", "metric_depth", "rel_depth", "health", "cancel")
IMAGE_OPS: Final = frozenset({"pc", "metric_depth", "rel_depth"})

MAX_ID: Final = 2**64 - 1
MAX_MAX_DEPTH_M: Final = 10_000.0
MAX_TIMEOUT_MS: Final = 86_400_000.0
PATCH: Final = 14
"""Side of one patch in pixels: both sides of every network input are multiples of it."""
MIN_MODEL_INPUT_SIZE: Final = 4 * PATCH
MAX_MODEL_INPUT_SIZE: Final = 110 * PATCH
MAX_STREAM_BYTES: Final = 128
MAX_META_BYTES: Final = 4096
MAX_META_NESTING: Final = 8

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
_COMMON_FIELDS = frozenset({"v", "id", "op", "timeout_ms", "meta"})
_IMAGE_FIELDS = _COMMON_FIELDS | {
    "image",
    "camera_intrinsics",
    "max_depth",
    "encoder",
    "dataset",
    "model_input_size",
    "stream",
}
_OPTIONS_OF_CLOUDS = frozenset({"organized", "colors"})
_OPTIONS_IN_METRES = frozenset({"range"})
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "pc": _IMAGE_FIELDS | OPTION_NAMES,
    "metric_depth": _IMAGE_FIELDS | OPTION_NAMES - _OPTIONS_OF_CLOUDS,
    "rel_depth": _IMAGE_FIELDS | OPTION_NAMES - _OPTIONS_OF_CLOUDS - _OPTIONS_IN_METRES,
    "health": _COMMON_FIELDS,
    "cancel": _COMMON_FIELDS | {"target"},
}
_DEPTH_DTYPES: Final = frozenset(DEPTH_DTYPES.values())
_RESULT_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "min": (int, float),
    "max": (int, float),
    "model": (str,),
    "timing": (dict,),
    "camera_intrinsics": (dict,),
    "meta": (dict,),
}
_META_SCALARS = (type(None), bool, int, float, str, bytes, bytearray, memoryview, np.generic)


@dataclass(slots=True)
class Request:
    """A request that has passed validation. Not frozen, which takes three times as long to make; nobody changes one.

    `image` is the encoded picture (a memoryview of the received frame), `max_depth` metres, `timeout_ms` how long an
    answer is worth waiting for, `target` the id that a `cancel` takes back; None is "not given".
    """

    id: int
    op: Op
    image: Buffer | None = None
    intrinsics: CameraIntrinsics | None = None
    max_depth: float | None = None
    encoder: str | None = None
    dataset: str | None = None
    model_input_size: int | None = None
    timeout_ms: float | None = None
    stream: str | None = None
    meta: dict[Any, Any] | None = None
    target: int | None = None
    options: ResultOptions = PLAIN

    def to_frames(self) -> list[Buffer]:
        """The message's frames: the header, then the image where it is large enough for a frame of its own.

        numpy's scalars count as the numbers they are.
        Raises the error that `parse_request` would refuse it with, so that a client hears it before sending.
        """
        given = {
            "id": self.id,
            "op": self.op,
            "image": self.image,
            "camera_intrinsics": self.intrinsics.to_wire() if self.intrinsics else None,
            "max_depth": self.max_depth,
            "encoder": self.encoder,
            "dataset": self.dataset,
            "model_input_size": self.model_input_size,
            "timeout_ms": self.timeout_ms,
            "stream": self.stream,
            "meta": self.meta,
            "target": self.target,
        }
        fields: dict[str, Any] = {"v": VERSION}
        for name, value in given.items():
            if value is not None:
                fields[name] = value.item() if isinstance(value, np.generic) else value
        if self.options is not PLAIN:
            fields |= self.options.to_wire()
        validate_request(fields)
        try:
            return frames.encode(fields)
        except FrameError as error:
            raise InvalidRequestError(str(error), field=error.field or "header") from None


@dataclass(frozen=True)
class Reply:
    """A reply as a client reads it: `fields` when `error` is None. Arrays stand over the received frames."""

    id: int | None
    op: str | None
    fields: dict[str, Any]
    error: DepthwireError | None = None


class RequestRefused(Exception):
    """A request that failed validation: `error` is the answer, `id` and `op` what could be read of it."""

    def __init__(self, error: DepthwireError, request_id: int | None, op: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.id = request_id
        self.op = op


def parse_request(message: Sequence[Buffer]) -> Request:
    """The request in a message's header and buffer frames (envelope taken off).

    Raises RequestRefused with the structured error to answer.
    """
    try:
        fields = frames.decode(message)
    except FrameError as error:
        refusal = InvalidRequestError(str(error), field=error.field or "header")
        request_id, op = _identify(message)
        raise RequestRefused(refusal, request_id, op) from None
    try:
        return validate_request(fields)
    except DepthwireError as error:
        raise RequestRefused(error, *_identity_of(fields)) from None


def validate_request(fields: dict[str, Any]) -> Request:
    """The request that a decoded map is, every field checked.

    Raises InvalidRequestError, UnsupportedVersionError, UnknownOpError or (for no bytes at all) BadImageError, naming
    the field and the limit.
    """
    version = fields.get("v")
    if type(version) is not int or version != VERSION:
        raise UnsupportedVersionError(f"v is {shown(version)}; this is version {VERSION}", field="v")
    request_id = whole_number(fields, "id", 0, MAX_ID)
    if request_id is None:
        raise InvalidRequestError("id is missing; it is an unsigned 64-bit number", field="id")
    op = fields.get("op")
    if not isinstance(op, str) or op not in _FIELDS:
        raise UnknownOpError(f"op is {shown(op)}; the operations are {', '.join(OPS)}", field="op")
    if unknown := fields.keys() - _FIELDS[op]:
        name = next(name for name in fields if name in unknown)
        raise InvalidRequestError(f"{shown(name)} is not a field of {op}{_takers(name)}", field=name)

    image = fields.get("image")
    if op in IMAGE_OPS:
        if image is None:
            raise InvalidRequestError(f"image is missing; {op} needs encoded JPEG, PNG or WebP bytes", field="image")
        if not isinstance(image, (bytes, bytearray, memoryview)):
            raise InvalidRequestError(f"image is not bytes but {type(image).__name__}", field="image")
        if len(image) == 0:
            raise BadImageError("image is empty; it holds an encoded JPEG, PNG or WebP", field="image")
    intrinsics = None
    if fields.get("camera_intrinsics") is not None:
        intrinsics = CameraIntrinsics.from_wire(fields["camera_intrinsics"])
    elif op == "pc":
        raise InvalidRequestError("camera_intrinsics is missing; pc needs fx, fy, cx and cy", field="camera_intrinsics")
    target = whole_number(fields, "target", 0, MAX_ID)
    if op == "cancel" and target is None:
        raise InvalidRequestError("target is missing; it is the id of the request to cancel", field="target")
    size = whole_number(fields, "model_input_size", MIN_MODEL_INPUT_SIZE, MAX_MODEL_INPUT_SIZE)
    if size is not None and size % PATCH:
        raise InvalidRequestError(
            f"model_input_size is {size}; it must be a multiple of {PATCH}", field="model_input_size"
        )
    return Request(
        id=request_id,
        op=cast(Op, op),
        image=image,
        intrinsics=intrinsics,
        max_depth=number_above_zero(fields, "max_depth", MAX_MAX_DEPTH_M, "metres"),
        encoder=_name(fields, "encoder"),
        dataset=_name(fields, "dataset"),
        model_input_size=size,
        timeout_ms=number_above_zero(fields, "timeout_ms", MAX_TIMEOUT_MS, "milliseconds"),
        stream=_stream(fields),
        meta=_meta(fields),
        target=target,
        options=ResultOptions.from_wire(fields, op),
    )


def parse_reply(message: Sequence[Buffer]) -> Reply:
    """The reply in a message's header and buffer frames. Raises ProtocolError for anything that is not one."""
    try:
        fields = frames.decode(message)
    except FrameError as error:
        raise ProtocolError(f"the daemon's answer cannot be read: {error}") from None
    version = fields.get("v")
    request_id, op = _identity_of(fields)
    if type(version) is not int or version != VERSION:
        if type(version) is int and request_id is not None and fields.get("ok") is False:
            return Reply(request_id, op, {}, DepthwireError.from_wire(fields.get("error")))  # the same in all versions
        raise ProtocolError(f"the daemon answered in version {shown(version)}; this client speaks {VERSION}")
    if fields.get("ok") is True:
        if request_id is None or op is None:
            raise ProtocolError("the daemon's answer has no id or no op")
        rest = {name: value for name, value in fields.items() if name not in ("v", "id", "op", "ok")}
        _check_result(op, rest)
        return Reply(request_id, op, rest)
    if fields.get("ok") is not False:
        raise ProtocolError("the daemon's answer says neither ok nor not ok")
    return Reply(request_id, op, {"meta": fields.get("meta")}, DepthwireError.from_wire(fields.get("error")))


def result_header(request_id: int, op: str, fields: dict[str, Any], meta: dict[Any, Any] | None = None) -> bytes:
    """The header frame of a reply with ok=true. Arrays in `fields` are given by `frames.array_header`."""
    header = {"v": VERSION, "id": request_id, "op": op, "ok": True, **fields}
    if meta is not None:
        header["meta"] = meta
    return frames.pack_header(header)


def error_header(
    request_id: int | None, op: str | None, error: DepthwireError, meta: dict[Any, Any] | None = None
) -> bytes:
    """The one frame of a reply with ok=false. `id` and `op` are nil where the request's could not be read."""
    header: dict[str, Any] = {"v": VERSION, "id": request_id, "op": op, "ok": False, "error": error.to_wire()}
    if meta is not None:
        header["meta"] = meta
    return frames.pack_header(header)


def _identify(message: Sequence[Buffer]) -> tuple[int | None, str | None]:
    """What can be said of a message whose buffers are wrong but whose header may be whole."""
    try:
        return _identity_of(frames.unpack_header(message[0]))
    except (FrameError, IndexError):
        return None, None


def _identity_of(fields: dict[str, Any]) -> tuple[int | None, str | None]:
    request_id, op = fields.get("id"), fields.get("op")
    return (
        request_id if type(request_id) is int and 0 <= request_id <= MAX_ID else None,
        op if isinstance(op, str) and len(op) <= 40 else None,
    )


def _takers(name: str) -> str:
    """For a field at the wrong operation: which ones take it."""
    ops = [op for op in OPS if name in _FIELDS[op]]
    return f"; it belongs to {', '.join(ops)}" if ops else ""


def _check_result(op: str, fields: dict[str, Any]) -> None:
    """Refuse a result whose parts are not what a client builds on. Parts it does not know are let pass."""
    if op in IMAGE_OPS:
        depth = fields.get("depth_map")
        if not isinstance(depth, np.ndarray) or depth.dtype.str not in _DEPTH_DTYPES or depth.ndim != 2:
            raise ProtocolError(f"the daemon's answer to {op} has no depth_map of two dimensions in a depth_format")
    if op == "pc":
        points, colors = fields.get("pointcloud"), fields.get("colors")
        if not isinstance(points, np.ndarray) or points.dtype != np.float32 or points.ndim not in (2, 3):
            raise ProtocolError("the daemon's answer to pc has no pointcloud of two or three dimensions in float32")
        if points.shape[-1] != 3:
            raise ProtocolError(f"the daemon's answer has a pointcloud of {points.shape[-1]} columns, not 3")
        if colors is not None and not (
            isinstance(colors, np.ndarray) and colors.dtype == np.uint8 and colors.shape == points.shape
        ):
            raise ProtocolError("the daemon's answer has colors that are not uint8 of the pointcloud's shape")
    if op == "cancel" and not isinstance(fields.get("cancelled"), bool):
        raise ProtocolError("the daemon's answer to cancel does not say whether it was cancelled")
    for name, kinds in _RESULT_KINDS.items():
        if fields.get(name) is not None and not isinstance(fields[name], kinds):
            raise ProtocolError(f"the daemon's answer has a {name} that is a {type(fields[name]).__name__}")


def _name(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidRequestError(
            f"{name} is not a name of at most 32 lower-case letters, digits and _ . -", field=name
        )
    return value


def _stream(fields: dict[str, Any]) -> str | None:
    value = fields.get("stream")
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value.encode("utf-8", "replace")) <= MAX_STREAM_BYTES:
        raise InvalidRequestError(f"stream is not text of 1 to {MAX_STREAM_BYTES} bytes", field="stream")
    return value


def _meta(fields: dict[str, Any]) -> dict[Any, Any] | None:
    value = fields.get("meta")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"meta is not a map but {type(value).__name__}", field="meta")
    _check_meta(value, MAX_META_NESTING)
    try:
        size = len(frames.pack_header(value))
    except FrameError as error:
        raise InvalidRequestError(f"meta does not travel: {error}", field="meta") from None
    if size > MAX_META_BYTES:
        raise InvalidRequestError(f"meta is {size} bytes packed; at most {MAX_META_BYTES} are allowed", field="meta")
    return value


def _check_meta(value: Any, levels: int) -> None:
    """Refuse what would not come back from the wire as it was: arrays, times, keys that are not text, deep nesting."""
    if isinstance(value, (dict, list, tuple)) and not isinstance(value, msgpack.ExtType):  # which is a tuple
        if levels == 0:
            raise InvalidRequestError(f"meta is nested deeper than {MAX_META_NESTING} levels", field="meta")
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            raise InvalidRequestError("meta has a key that is not text", field="meta")
        for element in value.values() if isinstance(value, dict) else value:
            _check_meta(element, levels - 1)
    elif not isinstance(value, _META_SCALARS):
        raise InvalidRequestError(
            f"meta holds a {type(value).__name__}; only maps, lists, text, bytes, numbers, true, false and nil travel",
            field="meta",
        )

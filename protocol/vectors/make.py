"""Golden messages: writes `index.json` and, beside it, the raw frames of each message as `NAME.0.bin`, `NAME.1.bin`, …

Run `python -m depthwire.protocol.vectors.make` after a change of the protocol and look at what git says changed:
a file that differs is a message that older peers read differently. SPEC.md, "Golden messages", tells the format.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np
import numpy.typing as npt

from depthwire.protocol import errors, frames
from depthwire.protocol.intrinsics import CameraIntrinsics
from depthwire.protocol.messages import MAX_ID, Request, error_header
from depthwire.protocol.options import ResultOptions

HERE: Final = Path(__file__).parent
ABOUT: Final = (
    "Golden messages of depthwire, wire protocol version 1. SPEC.md, 'Golden messages', tells how to read this file."
)

Message = list[frames.Buffer]


def build() -> dict[str, bytes]:
    """Every file of this folder that is generated, by its path in it."""
    vectors = [*_requests(), *_replies(), *_error_replies(), *_bad_requests(), *_bad_replies()]
    files: dict[str, bytes] = {}
    lines = []
    for vector in vectors:
        message = vector.pop("message")
        names = [f"{vector['name']}.{index}.bin" for index in range(len(message))]
        for name, frame in zip(names, message, strict=True):
            if name in files:
                raise ValueError(f"two vectors are named {vector['name']}")
            files[name] = bytes(frame)
        lines.append(json.dumps({**vector, "frames": names}, allow_nan=False))
    index = f'{{"protocol": 1, "about": {json.dumps(ABOUT)}, "vectors": [\n' + ",\n".join(lines) + "\n]}\n"
    return files | {"index.json": index.encode()}


def main() -> None:
    for path in HERE.glob("*.bin"):
        path.unlink()
    for name, content in build().items():
        (HERE / name).write_bytes(content)


def _vector(name: str, kind: str, about: str, message: Message, **description: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "about": about, "envelope": 0, "canonical": True, "message": message} | {
        key: _described(value) for key, value in description.items()
    }


def _described(value: Any) -> Any:
    """A decoded value in JSON; what JSON has no form for becomes a map with one key that begins with `$`."""
    if isinstance(value, dict):
        return {name: _described(element) for name, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(element) for element in value]
    if isinstance(value, (bytes, memoryview)):
        return {"$bytes": value.hex()}
    if isinstance(value, np.ndarray):
        values = [_described(element) for element in value.ravel().tolist()]
        return {"$array": {"dtype": value.dtype.str, "shape": list(value.shape), "values": values}}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    return value


def _png(width: int, height: int) -> bytes:
    """An RGB picture of stored (not compressed) blocks, so that its bytes depend on no library's compressor."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(
        b"\0" + b"".join(bytes((255 * x // width, 255 * y // height, 128)) for x in range(width)) for y in range(height)
    )
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", stored + struct.pack(">I", zlib.adler32(rows)))
        + chunk(b"IEND", b"")
    )


SMALL_PNG: Final = _png(2, 2)
LARGE_PNG: Final = _png(16, 12)
INTRINSICS: Final = {"fx": 525.0, "fy": 525.5, "cx": 319.5, "cy": 239.5}


def _depth(height: int, width: int) -> npt.NDArray[np.float32]:
    """Depths that float32 holds exactly: 1 m and a quarter more from pixel to pixel."""
    return (1 + np.arange(height * width) / 4).astype(np.float32).reshape(height, width)


def _points(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The points of `depth` for fx = fy = 2, cx = cy = 0."""
    v, u = np.indices(depth.shape, dtype=np.float32)
    return np.stack((u * depth / 2, v * depth / 2, depth), axis=-1).reshape(-1, 3).astype(np.float32)


# Requests ---------------------------------------------------------------------------------------------------------


def _requests() -> list[dict[str, Any]]:
    everything = Request(
        id=7,
        op="pc",
        image=LARGE_PNG,
        intrinsics=CameraIntrinsics(525.0, 525.5, 319.5, 239.5, 640, 480),
        max_depth=20.0,
        encoder="vits",
        dataset="hypersim",
        model_input_size=518,
        timeout_ms=250.0,
        stream="front camera",
        meta={"stamp": [1700000000, 123456789], "frame_id": "camera_optical"},
    )
    meta = {
        "frame_id": "Kamera/前/📷",
        "seq": 4294967296,
        "offset": -1,
        "scale": 0.5,
        "raw": b"\x00\xff",
        "flags": [True, False, None],
        "nested": {"a": {"b": []}},
    }
    health = Request(id=1, op="health")
    vectors = [
        _request(
            "request-pc", "out-of-band image", Request(1, "pc", LARGE_PNG, CameraIntrinsics.from_wire(INTRINSICS))
        ),
        _request("request-pc-every-field", "every field that pc takes, options of the result aside", everything),
        _request(
            "request-pc-inline-image",
            "image under 512 bytes, inside the header",
            Request(2, "pc", SMALL_PNG, CameraIntrinsics(2.0, 2.0, 0.0, 0.0)),
        ),
        _request("request-metric-depth", "metric_depth", Request(3, "metric_depth", LARGE_PNG, max_depth=80.0)),
        _request("request-rel-depth", "rel_depth", Request(4, "rel_depth", LARGE_PNG, encoder="vitb")),
        _request("request-health", "the smallest request", health),
        _request(
            "request-health-meta",
            "meta of every kind of value, with text outside ASCII",
            Request(5, "health", meta=meta, timeout_ms=1000.0),
        ),
        _request("request-cancel", "cancel takes back request 7", Request(6, "cancel", target=7)),
        _request("request-largest-id", "id and target are 2^64-1", Request(MAX_ID, "cancel", target=MAX_ID, meta={})),
    ]
    for name, about, envelope in (
        ("request-from-dealer", "as ROUTER hands over what a DEALER sent", [b"\x00\x01\x02\x03\x04"]),
        ("request-from-req", "as ROUTER hands over what a REQ sent", [b"\x00\x01\x02\x03\x04", b""]),
        (
            "request-through-proxies",
            "as ROUTER hands over what a REQ sent through two ROUTER-DEALER proxies",
            [b"\x00aaaa", b"\x00bbbb", b"\x00cccc", b""],
        ),
    ):
        vectors.append(_request(name, about, health, envelope))
    with_image = Request(2, "metric_depth", LARGE_PNG)
    vectors.append(
        _request("request-from-req-image", "a REQ's with an image frame", with_image, [b"\x00\x01\x02\x03\x04", b""])
    )
    vectors += _requests_with_options()
    vectors += _unusual_requests()
    return vectors


def _requests_with_options() -> list[dict[str, Any]]:
    camera = CameraIntrinsics.from_wire(INTRINSICS)
    cloud = ResultOptions((0.3, 20.0), 0.05, 2, organized=True, colors=True, depth_format="uint16_mm")
    metric = ResultOptions(range=(0.5, 80.0), edge_filter=0.1, stride=4, depth_format="float16")
    relative = ResultOptions(edge_filter=0.05, stride=64, depth_format="float16")
    return [
        _request("request-pc-options", "every option of a result", Request(1, "pc", LARGE_PNG, camera, options=cloud)),
        _request(
            "request-metric-depth-options",
            "those that metric_depth takes, with a camera to be told what stride makes of it",
            Request(2, "metric_depth", LARGE_PNG, camera, options=metric),
        ),
        _request(
            "request-rel-depth-options",
            "those that rel_depth takes",
            Request(3, "rel_depth", LARGE_PNG, options=relative),
        ),
    ]


def _request(name: str, about: str, request: Request, envelope: Sequence[bytes] = ()) -> dict[str, Any]:
    message = request.to_frames()
    vector = _vector(name, "request", about, [*envelope, *message], fields=frames.decode(message))
    vector["envelope"] = len(envelope)
    return _with_buffers(vector, message)


def _with_buffers(vector: dict[str, Any], message: Message) -> dict[str, Any]:
    """Say `$buffer` instead of repeating the bytes of an out-of-band image."""
    for name, value in vector["fields"].items():
        for index, buffer in enumerate(message[1:]):
            if value == {"$bytes": bytes(buffer).hex()}:
                vector["fields"][name] = {"$buffer": index}
    return vector


def _unusual_requests() -> list[dict[str, Any]]:
    """Requests that our encoder would write in other bytes, and that a daemon takes all the same."""
    wide = b"".join(
        (
            b"\xde\x00\x06",  # map 16
            b"\xd9\x01v\xd3" + struct.pack(">q", 1),  # str 8, int 64
            b"\xda\x00\x02op\xdb\x00\x00\x00\x0cmetric_depth",  # str 16, str 32
            b"\xa2id\xcf" + struct.pack(">Q", 9),  # uint 64
            b"\xa9max_depth\xca" + struct.pack(">f", 20.0),  # float 32
            b"\xa5image\xc7\x01\x01\x00",  # ext 8 instead of fixext 1
            b"\xaatimeout_ms\xcd\x03\xe8",  # an integer where a float is usual
        )
    )
    fields = {"v": 1, "op": "metric_depth", "id": 9, "max_depth": 20.0, "image": LARGE_PNG, "timeout_ms": 1000}
    nil = {"v": 1, "id": 10, "op": "metric_depth", "image": SMALL_PNG, "encoder": None, "stream": None, "meta": None}
    defaults = {"v": 1, "id": 13, "op": "metric_depth", "image": SMALL_PNG, "range": None, "stride": 1}
    defaults |= {"depth_format": "float32"}
    integers = {"v": 1, "id": 14, "op": "metric_depth", "image": SMALL_PNG, "range": [0, 20], "edge_filter": 1}
    inline = {"v": 1, "id": 11, "op": "rel_depth", "image": LARGE_PNG}
    reference = {"v": 1, "id": 12, "op": "rel_depth", "image": frames.BufferRef(0)}
    table: list[tuple[str, str, Message, dict[str, Any]]] = [
        ("request-wide-encodings", "longer msgpack forms and another order than ours", [wide, LARGE_PNG], fields),
        ("request-nil-fields", "nil is 'not given'", [_pack(nil)], nil),
        ("request-default-options", "options that change nothing, said all the same", [_pack(defaults)], defaults),
        ("request-options-as-integers", "integers where floats are usual", [_pack(integers)], integers),
        ("request-large-inline-image", "an image of 512 bytes or more inside the header", [_pack(inline)], inline),
        (
            "request-small-out-of-band-image",
            "an image under 512 bytes in a frame of its own",
            [_pack(reference), SMALL_PNG],
            reference | {"image": SMALL_PNG},
        ),
    ]
    return [
        _with_buffers(_vector(name, "request", about, message, fields=described, canonical=False), message)
        for name, about, message, described in table
    ]


# Replies ----------------------------------------------------------------------------------------------------------

TIMING: Final = {
    "queue_ms": 0.25,
    "decode_ms": 2.5,
    "infer_ms": 11.0,
    "post_ms": 0.5,
    "total_ms": 14.25,
    "batch_size": 4,
}


def _result(request_id: int, op: str, depth: npt.NDArray[np.float32], **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"v": 1, "id": request_id, "op": op, "ok": True}
    if op == "pc":
        fields["pointcloud"] = _points(depth)
    valid = depth[np.isfinite(depth)]
    fields |= {"depth_map": depth, "min": float(valid.min()), "max": float(valid.max())}
    return fields | {"model": "vits_hypersim_518", "timing": TIMING} | more


def _replies() -> list[dict[str, Any]]:
    holed = _depth(12, 16)
    holed[0, :3] = np.nan
    meta = {"stamp": [1700000000, 123456789], "frame_id": "camera_optical"}
    health = {
        "v": 1,
        "id": 1,
        "op": "health",
        "ok": True,
        "status": "ok",
        "live": True,
        "ready": True,
        "version": "0.1.0",
        "protocol": 1,
        "uptime_s": 12.5,
        "device": "cuda:0",
        "engine": "torch",
        "precision": "float16",
        "max_batch": 16,
        "default_model": "vits_hypersim_518",
        "models_loaded": ["vits_hypersim_518"],
        "models_loading": ["vitb_vkitti_518"],
        "workers": [{"pid": 4242, "state": "ready", "device": "cuda:0", "restarts": 0}],
        "queue": {"waiting": 2, "in_flight": 4, "arena_bytes": 1073741824, "arena_used_bytes": 4915200},
        "limits": {
            "max_image_bytes": 33554432,
            "max_image_pixels": 33554432,
            "min_image_side": 8,
            "max_input_pixels": 1500000,
            "max_waiting": 256,
            "max_in_flight_per_client": 64,
        },
        "notice": "a small stand-in answers",
    }
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("reply-pc", "arrays out of band: pointcloud in buffer 0, depth_map in buffer 1", _result(1, "pc", holed)),
        ("reply-pc-inline", "a 2x2 picture: both arrays inside the header", _result(2, "pc", _depth(2, 2))),
        ("reply-metric-depth", "with meta echoed", _result(3, "metric_depth", _depth(12, 16), meta=meta)),
        ("reply-metric-depth-invalid", "three pixels are NaN", _result(4, "metric_depth", holed)),
        ("reply-rel-depth", "relative depth", _result(5, "rel_depth", _depth(12, 16) * np.float32(1 / 64))),
        ("reply-health", "every field of health", health),
        ("reply-cancel", "it was cancelled", {"v": 1, "id": 6, "op": "cancel", "ok": True, "cancelled": True}),
        (
            "reply-cancel-too-late",
            "nothing to cancel; the largest id; meta outside ASCII",
            {"v": 1, "id": MAX_ID, "op": "cancel", "ok": True, "cancelled": False, "meta": {"wer": "Jörg 🤖"}},
        ),
    ]
    table += _results_with_options()
    vectors = [_vector(name, "reply", about, frames.encode(fields), fields=fields) for name, about, fields in table]
    vectors += _unusual_replies()
    health_frames = frames.encode(health)
    envelope: Message = [b"\x00aaaa", b"\x00bbbb", b""]
    vectors.append(
        _vector(
            "reply-to-req-through-a-proxy",
            "reply",
            "as the daemon hands it to its ROUTER: the request's envelope, then the reply",
            [*envelope, *health_frames],
            fields=health,
        )
        | {"envelope": len(envelope)}
    )
    return vectors


def _results_with_options() -> list[tuple[str, str, dict[str, Any]]]:
    """For a picture of 32 × 24 and stride 2, fx = fy = 2, cx = cy = 0: every second pixel of every second row."""
    whole = _depth(24, 32) / np.float32(8)
    whole[0, :6] = np.nan
    kept, points = whole[::2, ::2], _points(whole).reshape(24, 32, 3)[::2, ::2]
    millimetres = np.rint(np.nan_to_num(kept) * 1000).astype(np.uint16)
    rows, columns = np.indices(kept.shape)
    colors = np.stack((16 * columns, 16 * rows, 128 + 0 * rows), axis=-1).astype(np.uint8)
    camera = CameraIntrinsics(2.0, 2.0, 0.0, 0.0, 32, 24).decimated(2).to_wire()

    def result(request_id: int, op: str, depth: npt.NDArray[Any], **arrays: Any) -> dict[str, Any]:
        extremes = {"min": float(np.nanmin(kept)), "max": float(np.nanmax(kept))}
        head = {"v": 1, "id": request_id, "op": op, "ok": True, **arrays, "depth_map": depth}
        return head | extremes | {"model": "vits_hypersim_518", "timing": TIMING}

    organized = result(1, "pc", millimetres, pointcloud=points) | {"colors": colors}
    flat = result(2, "pc", kept, pointcloud=points.reshape(-1, 3)) | {"colors": colors.reshape(-1, 3)}
    invalid = result(5, "metric_depth", np.full((2, 3), np.nan, np.float32)) | {"min": math.nan, "max": math.nan}
    return [
        (
            "reply-pc-options",
            "organized with colors, depth in millimetres (0: none), the camera of the pixels that stride 2 keeps",
            organized | {"camera_intrinsics": camera},
        ),
        ("reply-pc-colors", "colors beside points that are not organized", flat | {"camera_intrinsics": camera}),
        ("reply-metric-depth-float16", "depth in half precision", result(3, "metric_depth", kept.astype(np.float16))),
        (
            "reply-metric-depth-uint16-mm",
            "depth in millimetres; min and max are metres",
            result(4, "metric_depth", millimetres),
        ),
        ("reply-metric-depth-all-invalid", "range left no depth: min and max are NaN", invalid),
    ]


def _unusual_replies() -> list[dict[str, Any]]:
    small = _result(7, "pc", _depth(2, 2))
    points, depth = small["pointcloud"], small["depth_map"]
    swapped = {
        **small,
        "pointcloud": frames.array_header("<f4", points.shape, frames.BufferRef(1)),
        "depth_map": frames.array_header("<f4", depth.shape, frames.BufferRef(0)),
    }
    extended = _result(8, "rel_depth", _depth(2, 2), confidence=_depth(2, 2), hint="new in some later daemon")
    unknown = {
        "v": 1,
        "id": 9,
        "op": "pc",
        "ok": False,
        "error": {"code": "QUOTA_EXCEEDED", "message": "come back tomorrow", "retryable": True, "hint": "pay"},
    }
    return [
        _vector(
            "reply-pc-small-out-of-band",
            "reply",
            "small arrays in frames of their own, in another order than the fields",
            [_pack(swapped), depth.tobytes(), points.tobytes()],
            fields=small,
            canonical=False,
        ),
        _vector(
            "reply-unknown-fields",
            "reply",
            "fields of a later daemon, which a client ignores",
            frames.encode(extended),
            fields=extended,
        ),
        _vector(
            "reply-unknown-code",
            "reply",
            "an error code of a later daemon: a client treats it as INTERNAL and believes retryable",
            [_pack(unknown)],
            fields=unknown,
            canonical=False,
        ),
    ]


def _error_replies() -> list[dict[str, Any]]:
    table: list[tuple[int | None, str | None, errors.DepthwireError, dict[str, Any] | None]] = [
        (1, "metric_depth", errors.InvalidRequestError("max_depth is nan; above 0", field="max_depth"), None),
        (2, "pc", errors.UnsupportedVersionError("v is 2; this is version 1", field="v"), None),
        (3, "segment", errors.UnknownOpError("op is 'segment'; the operations are pc, …", field="op"), None),
        (4, "pc", errors.BadImageError("image is not a JPEG, PNG or WebP", field="image"), {"seq": 4}),
        (5, "pc", errors.TooLargeError("image is 40000x40000 pixels; at most 33554432", field="image"), None),
        (6, "pc", errors.ModelNotFoundError("there is no model vitx_hypersim_518", field="encoder"), None),
        (7, "pc", errors.OverloadedError("the queue is full", retry_after_ms=40.0), {"seq": 7}),
        (8, "pc", errors.DeadlineExceededError("waited 250 ms of 250", field="timeout_ms"), None),
        (9, "pc", errors.SupersededError("request 10 of stream 'front camera' is newer"), None),
        (10, "pc", errors.CancelledError("cancelled by request 11"), None),
        (12, "pc", errors.ShuttingDownError("the daemon drains"), None),
        (13, "rel_depth", errors.InternalError("the worker died twice on this request"), None),
    ]
    vectors = []
    for request_id, op, error, meta in table:
        name = "reply-error-" + error.code.lower().replace("_", "-")
        vectors.append(_error_reply(name, error.code, request_id, op, error, meta))
    vectors.append(
        _error_reply(
            "reply-error-internal-retryable",
            "INTERNAL that a second try may cure",
            14,
            "pc",
            errors.InternalError("the worker died; it is being restarted", retryable=True, retry_after_ms=2000.0),
            None,
        )
    )
    vectors.append(
        _error_reply(
            "reply-error-unreadable",
            "the request's id and op could not be read: both are nil",
            None,
            None,
            errors.InvalidRequestError("the header is not valid msgpack", field="header"),
            None,
        )
    )
    return vectors


def _error_reply(
    name: str,
    about: str,
    request_id: int | None,
    op: str | None,
    error: errors.DepthwireError,
    meta: dict[str, Any] | None,
) -> dict[str, Any]:
    fields: dict[str, Any] = {"v": 1, "id": request_id, "op": op, "ok": False, "error": error.to_wire()}
    if meta is not None:
        fields["meta"] = meta
    return _vector(name, "reply", about, [error_header(request_id, op, error, meta)], fields=fields)


# Messages that must be refused --------------------------------------------------------------------------------------


def _pack(header: object) -> bytes:
    """The header's bytes without any of the checks, so that wrong ones can be made."""

    def special(value: Any) -> Any:
        if isinstance(value, frames.BufferRef):
            return msgpack.ExtType(frames.BUFFER_EXT, bytes([value.index]))
        raise TypeError(type(value))

    packed: bytes = msgpack.packb(header, default=special)
    return packed


def _array(**changes: Any) -> dict[Any, Any]:
    layout = frames.array_header("<f4", [1], b"\0\0\0\0")
    return layout | {name.encode(): value for name, value in changes.items()}


_BAD_RANGES: Final[list[tuple[str, Any]]] = [
    ("number", 20.0),
    ("map", {"min": 0.3, "max": 20.0}),
    ("of-three", [0.3, 10.0, 20.0]),
    ("reversed", [20.0, 0.3]),
    ("empty", [5.0, 5.0]),
    ("negative", [-0.1, 20.0]),
    ("too-far", [0.3, 10001]),
    ("nan", [math.nan, 20.0]),
    ("open-end", [0.3, None]),
]


def _bad_requests() -> list[dict[str, Any]]:
    ref = frames.BufferRef
    base: dict[str, Any] = {"v": 1, "id": 1, "op": "metric_depth", "image": SMALL_PNG}
    pc = base | {"op": "pc", "camera_intrinsics": INTRINSICS}
    health: dict[str, Any] = {"v": 1, "id": 1, "op": "health"}
    cancel: dict[str, Any] = {"v": 1, "id": 1, "op": "cancel", "target": 7}

    def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
        return {key: value for key, value in fields.items() if key != name}

    def camera(**changes: Any) -> dict[str, Any]:
        return pc | {"camera_intrinsics": {**INTRINSICS, **changes}}

    deep: Any = 1
    for _ in range(9):
        deep = {"a": deep}
    deeper: Any = 1
    for _ in range(17):
        deeper = [deeper]
    nan, inf = math.nan, math.inf

    unreadable: list[tuple[str, Message]] = [
        ("no-bytes", [b""]),
        ("not-msgpack", [b"\xc1"]),
        ("truncated", [_pack(health)[:-1]]),
        ("trailing-bytes", [_pack(health) + b"\xc0"]),
        ("a-list", [_pack([1, 2])]),
        ("a-number", [_pack(1)]),
        ("number-as-key", [_pack(health | {1: 2})]),
        ("binary-key", [_pack(health | {b"meta": {}})]),
        ("key-twice", [b"\x84" + _pack(health)[1:] + _pack("op") + _pack("cancel")]),
        ("not-utf8", [_pack(health).replace(b"health", b"hea\xfflh")]),
        ("unknown-ext", [_pack(health | {"meta": {"a": msgpack.ExtType(5, b"1")}})]),
        ("reference-of-two-bytes", [_pack(base | {"image": msgpack.ExtType(1, b"\0\0")}), LARGE_PNG]),
    ]
    readable: list[tuple[str, str, Message]] = [
        ("buffer-nobody-refers-to", "header", [_pack(health), LARGE_PNG]),
        ("too-many-buffers", "header", [_pack(base | {"image": ref(0)}), *[LARGE_PNG[:1]] * 9]),
        ("reference-out-of-range", "image", [_pack(base | {"image": ref(1)}), LARGE_PNG]),
        ("reference-twice", "meta", [_pack(base | {"image": ref(0), "meta": ref(0)}), LARGE_PNG]),
        ("empty-buffer", "image", [_pack(base | {"image": ref(0)}), b""]),
        ("reference-within-meta", "meta", [_pack(health | {"meta": {"a": ref(0)}}), LARGE_PNG]),
        ("array-within-meta", "meta", [_pack(health | {"meta": {"a": _array()}})]),
        ("timestamp-within-meta", "meta", [_pack(health | {"meta": {"stamp": msgpack.Timestamp(1, 2)}})]),
        ("nested-too-deep", "meta", [_pack(health | {"meta": deeper})]),
        ("array-of-objects", "image", [_pack(base | {"image": _array(type="|O", kind=b"O")})]),
        ("array-of-records", "image", [_pack(base | {"image": _array(type=[["a", "<f4"]], kind=b"V")})]),
        ("array-of-void", "image", [_pack(base | {"image": _array(type="|V4")})]),
        ("array-big-endian", "image", [_pack(base | {"image": _array(type=">f4")})]),
        ("array-too-short", "image", [_pack(base | {"image": _array(shape=[2])})]),
        ("array-negative-shape", "image", [_pack(base | {"image": _array(shape=[-1])})]),
        ("array-giant-and-empty", "image", [_pack(base | {"image": _array(shape=[0, 2**62], data=b"")})]),
        ("array-five-dimensions", "image", [_pack(base | {"image": _array(shape=[1] * 5)})]),
        ("array-without-kind", "image", [_pack(base | {"image": without(_array(), b"kind")})]),  # type: ignore[arg-type]
    ]
    fields: list[tuple[str, str, str, dict[str, Any]]] = [
        ("v-missing", "UNSUPPORTED_VERSION", "v", without(health, "v")),
        ("v-later", "UNSUPPORTED_VERSION", "v", health | {"v": 2}),
        ("v-text", "UNSUPPORTED_VERSION", "v", health | {"v": "1"}),
        ("v-true", "UNSUPPORTED_VERSION", "v", health | {"v": True}),
        ("id-missing", "INVALID_REQUEST", "id", without(health, "id")),
        ("id-negative", "INVALID_REQUEST", "id", health | {"id": -1}),
        ("id-float", "INVALID_REQUEST", "id", health | {"id": 1.0}),
        ("id-text", "INVALID_REQUEST", "id", health | {"id": "1"}),
        ("op-missing", "UNKNOWN_OP", "op", without(health, "op")),
        ("op-unknown", "UNKNOWN_OP", "op", health | {"op": "segment"}),
        ("op-number", "UNKNOWN_OP", "op", health | {"op": 1}),
        ("unknown-field", "INVALID_REQUEST", "maxdepth", base | {"maxdepth": 20.0}),
        ("image-for-health", "INVALID_REQUEST", "image", health | {"image": SMALL_PNG}),
        ("nil-for-health", "INVALID_REQUEST", "stream", health | {"stream": None}),
        ("target-for-pc", "INVALID_REQUEST", "target", pc | {"target": 1}),
        ("image-missing", "INVALID_REQUEST", "image", without(base, "image")),
        ("image-text", "INVALID_REQUEST", "image", base | {"image": "photo.jpg"}),
        ("image-array", "INVALID_REQUEST", "image", base | {"image": _array()}),
        ("image-empty", "BAD_IMAGE", "image", base | {"image": b""}),
        ("intrinsics-missing", "INVALID_REQUEST", "camera_intrinsics", without(pc, "camera_intrinsics")),
        ("intrinsics-list", "INVALID_REQUEST", "camera_intrinsics", pc | {"camera_intrinsics": [1, 2, 3, 4]}),
        (
            "intrinsics-no-fx",
            "INVALID_REQUEST",
            "camera_intrinsics.fx",
            pc | {"camera_intrinsics": {"fy": 1.0, "cx": 0.0, "cy": 0.0}},
        ),
        ("intrinsics-zero-fx", "INVALID_REQUEST", "camera_intrinsics.fx", camera(fx=0)),
        ("intrinsics-nan-fy", "INVALID_REQUEST", "camera_intrinsics.fy", camera(fy=nan)),
        ("intrinsics-infinite-cx", "INVALID_REQUEST", "camera_intrinsics.cx", camera(cx=inf)),
        ("intrinsics-text-cy", "INVALID_REQUEST", "camera_intrinsics.cy", camera(cy="240")),
        ("intrinsics-distortion", "INVALID_REQUEST", "camera_intrinsics.k1", camera(k1=0.1)),
        ("intrinsics-matrix", "INVALID_REQUEST", "camera_intrinsics.matrix", camera(matrix=[1.0] * 9)),
        ("intrinsics-no-height", "INVALID_REQUEST", "camera_intrinsics.height", camera(width=640)),
        ("intrinsics-zero-width", "INVALID_REQUEST", "camera_intrinsics.width", camera(width=0, height=480)),
        ("intrinsics-float-width", "INVALID_REQUEST", "camera_intrinsics.width", camera(width=640.0, height=480)),
        ("max-depth-nan", "INVALID_REQUEST", "max_depth", base | {"max_depth": nan}),
        ("max-depth-infinite", "INVALID_REQUEST", "max_depth", base | {"max_depth": inf}),
        ("max-depth-zero", "INVALID_REQUEST", "max_depth", base | {"max_depth": 0}),
        ("max-depth-negative", "INVALID_REQUEST", "max_depth", base | {"max_depth": -1.0}),
        ("max-depth-too-large", "INVALID_REQUEST", "max_depth", base | {"max_depth": 10001}),
        ("max-depth-true", "INVALID_REQUEST", "max_depth", base | {"max_depth": True}),
        ("size-no-multiple", "INVALID_REQUEST", "model_input_size", base | {"model_input_size": 520}),
        ("size-too-small", "INVALID_REQUEST", "model_input_size", base | {"model_input_size": 42}),
        ("size-too-large", "INVALID_REQUEST", "model_input_size", base | {"model_input_size": 1554}),
        ("size-float", "INVALID_REQUEST", "model_input_size", base | {"model_input_size": 518.0}),
        ("encoder-path", "INVALID_REQUEST", "encoder", base | {"encoder": "../vits"}),
        ("dataset-too-long", "INVALID_REQUEST", "dataset", base | {"dataset": "d" * 33}),
        ("timeout-zero", "INVALID_REQUEST", "timeout_ms", base | {"timeout_ms": 0}),
        ("timeout-beyond-a-day", "INVALID_REQUEST", "timeout_ms", base | {"timeout_ms": 86400001}),
        ("stream-empty", "INVALID_REQUEST", "stream", base | {"stream": ""}),
        ("stream-too-long", "INVALID_REQUEST", "stream", base | {"stream": "ü" * 65}),
        ("stream-number", "INVALID_REQUEST", "stream", base | {"stream": 1}),
        ("meta-list", "INVALID_REQUEST", "meta", health | {"meta": [1]}),
        ("meta-too-large", "INVALID_REQUEST", "meta", health | {"meta": {"a": "x" * 4096}}),
        ("meta-too-deep", "INVALID_REQUEST", "meta", health | {"meta": deep}),
        *(("range-" + name, "INVALID_REQUEST", "range", base | {"range": value}) for name, value in _BAD_RANGES),
        ("range-for-rel-depth", "INVALID_REQUEST", "range", base | {"op": "rel_depth", "range": [0.0, 1.0]}),
        ("edge-filter-zero", "INVALID_REQUEST", "edge_filter", base | {"edge_filter": 0}),
        ("edge-filter-nan", "INVALID_REQUEST", "edge_filter", base | {"edge_filter": nan}),
        ("edge-filter-too-large", "INVALID_REQUEST", "edge_filter", base | {"edge_filter": 10.5}),
        ("edge-filter-true", "INVALID_REQUEST", "edge_filter", base | {"edge_filter": True}),
        ("stride-zero", "INVALID_REQUEST", "stride", base | {"stride": 0}),
        ("stride-too-large", "INVALID_REQUEST", "stride", base | {"stride": 65}),
        ("stride-float", "INVALID_REQUEST", "stride", base | {"stride": 2.0}),
        ("organized-number", "INVALID_REQUEST", "organized", pc | {"organized": 1}),
        ("organized-for-metric-depth", "INVALID_REQUEST", "organized", base | {"organized": True}),
        ("colors-text", "INVALID_REQUEST", "colors", pc | {"colors": "rgb"}),
        ("colors-for-rel-depth", "INVALID_REQUEST", "colors", base | {"op": "rel_depth", "colors": True}),
        ("depth-format-unknown", "INVALID_REQUEST", "depth_format", base | {"depth_format": "float64"}),
        ("depth-format-number", "INVALID_REQUEST", "depth_format", base | {"depth_format": 16}),
        (
            "depth-format-millimetres-for-rel-depth",
            "INVALID_REQUEST",
            "depth_format",
            base | {"op": "rel_depth", "depth_format": "uint16_mm"},
        ),
        ("target-missing", "INVALID_REQUEST", "target", without(cancel, "target")),
        ("target-negative", "INVALID_REQUEST", "target", cancel | {"target": -7}),
    ]
    vectors = [_bad_request(name, message, "INVALID_REQUEST", "header", None, None) for name, message in unreadable]
    for name, field, message in readable:
        op = "metric_depth" if b"metric_depth" in bytes(message[0]) else "health"
        vectors.append(_bad_request(name, message, "INVALID_REQUEST", field, 1, op))
    for name, code, field, header in fields:
        request_id, its_op = header.get("id"), header.get("op")
        vectors.append(
            _bad_request(
                name,
                [_pack(header)],
                code,
                field,
                request_id if type(request_id) is int and request_id >= 0 else None,
                its_op if isinstance(its_op, str) else None,
            )
        )
    return vectors


def _bad_request(
    name: str, message: Message, code: str, field: str, request_id: int | None, op: str | None
) -> dict[str, Any]:
    about = f"refused with {code} naming {field}"
    error = {"code": code, "field": field}
    return _vector(f"bad-request-{name}", "bad-request", about, message, id=request_id, op=op, error=error)


def _bad_replies() -> list[dict[str, Any]]:
    depth = frames.array_header("<f4", [1, 1], b"\0\0\0\0")
    cloud = frames.array_header("<f4", [1, 3], b"\0" * 12)
    base: dict[str, Any] = {"v": 1, "id": 1, "op": "metric_depth", "ok": True, "depth_map": depth}
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("later-version", "v is 2", base | {"v": 2}),
        ("version-is-an-array", "v is an array, which must not be compared with a number", base | {"v": depth}),
        ("without-id", "a result belongs to a request", base | {"id": None}),
        ("without-ok", "neither result nor error", {"v": 1, "id": 1, "op": "pc"}),
        ("without-depth-map", "a result without its array", {"v": 1, "id": 1, "op": "rel_depth", "ok": True}),
        ("without-pointcloud", "pc without points", base | {"op": "pc"}),
        ("float64", "depth in another dtype", base | {"depth_map": frames.array_header("<f8", [1, 1], b"\0" * 8)}),
        ("depth-map-flat", "depth of one dimension", base | {"depth_map": _array()}),
        (
            "points-of-four",
            "points of four columns",
            base | {"op": "pc", "pointcloud": frames.array_header("<f4", [1, 4], b"\0" * 16)},
        ),
        ("int16", "depth in a dtype that is no depth_format", base | {"depth_map": _array(type="<i2", shape=[1, 2])}),
        (
            "points-of-four-dimensions",
            "a cloud of two or three dimensions has one too many",
            base | {"op": "pc", "pointcloud": frames.array_header("<f4", [1, 1, 1, 3], b"\0" * 12)},
        ),
        (
            "colors-of-another-shape",
            "colors that are not one for each point",
            base | {"op": "pc", "pointcloud": cloud, "colors": frames.array_header("|u1", [1, 1, 3], b"\0" * 3)},
        ),
        (
            "colors-as-floats",
            "colors of another dtype",
            base | {"op": "pc", "pointcloud": cloud, "colors": frames.array_header("<f4", [1, 3], b"\0" * 12)},
        ),
        ("camera-intrinsics-list", "a camera that is no map", base | {"camera_intrinsics": [2.0, 2.0, 0.0, 0.0]}),
        ("pickled", "an array of objects, which a decoder must never unpickle", base | {"depth_map": _pickled()}),
    ]
    return [_vector(f"bad-reply-{name}", "bad-reply", about, [_pack(header)]) for name, about, header in table]


def _pickled() -> dict[Any, Any]:
    """What msgpack-numpy would unpickle: protocol 0 of a call to a function that does not exist."""
    return _array(type="|O", kind=b"O", data=b"cdepthwire_nowhere\nrun\n(tR.")


if __name__ == "__main__":
    main()

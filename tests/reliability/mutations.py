"""Seeded mutations of good requests: header bytes, types, dtypes, shapes, frame layout, images. Used by test_mutations.

Everything is made from the seed alone, so that a mutation that finds something can be made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import msgpack
import numpy as np

from depthwire.protocol.frames import DTYPES, MAX_ROUTING_ID_BYTES
from tests.pictures import encode, scene
from tests.reliability.damage import ANY_FILE

Rng = np.random.Generator
Frames = list[bytes]

_PICTURE = scene(48, 32, 1)
IMAGES = [
    encode(_PICTURE, ".jpg"),
    encode(_PICTURE, ".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    encode(_PICTURE, ".png"),
    encode(_PICTURE, ".webp"),
    encode(_PICTURE[:16, :16, 0], ".png", [cv2.IMWRITE_PNG_BILEVEL, 1]),
]
CAMERA = {"fx": 30.0, "fy": 30.0, "cx": 23.5, "cy": 15.5, "width": 48, "height": 32}
BUFFER = msgpack.ExtType(1, b"\0")

_GOOD: list[dict[str, Any]] = [
    {"op": "health"},
    {"op": "cancel", "target": 3},
    {"op": "metric_depth", "image": BUFFER},
    {"op": "rel_depth", "image": BUFFER, "meta": {"stamp": 1.5, "frame_id": "front", "list": [1, {"a": b"b"}]}},
    {"op": "pc", "image": BUFFER, "camera_intrinsics": CAMERA, "max_depth": 20.0, "stream": "front", "timeout_ms": 5e3},
    {"op": "metric_depth", "image": BUFFER, "encoder": "vits", "dataset": "hypersim", "model_input_size": 182},
    {"op": "pc", "image": BUFFER, "camera_intrinsics": CAMERA, "range": [0.5, 8.0], "organized": True, "colors": True},
    {"op": "metric_depth", "image": BUFFER, "stride": 3, "edge_filter": 0.1, "depth_format": "uint16_mm"},
]

_ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 55, 56, 1540, 2**31, 2**63, 2**64 - 1, -(2**63),
    0.0, -0.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"), 5e-324,
    "", "pc", "health", "a" * 40, "a" * 5000, "\0", "ä\u2028", "../../etc/passwd", "vitg", "%s%n", "vits\n",
    b"", b"\0", b"\xff\xd8\xff", b"a" * 600, [], [[]], [[[[[[[[[[]]]]]]]]]], {}, {"a": {"a": {"a": {}}}}, [0] * 4097,
    BUFFER, msgpack.ExtType(1, b""), msgpack.ExtType(1, b"\0\0"), msgpack.ExtType(1, b"\xff"),
    msgpack.ExtType(2, b"\0"), msgpack.Timestamp(5), msgpack.ExtType(1, b"\1"),
    [0.5, 8.0], [8.0, 0.5], [0, 1e9], "float16", "uint16_mm", 64, 65, 10.0,
    {b"nd": True}, {1: 2}, {None: 0}, {"__class__": "os.system"},
]  # fmt: skip
_FIELDS = [
    "v", "id", "op", "image", "camera_intrinsics", "max_depth", "encoder", "dataset", "model_input_size", "timeout_ms",
    "stream", "meta", "target",
    "range", "edge_filter", "stride", "organized", "colors", "depth_format", "ok", "error", "nd", "", "image2",
]  # fmt: skip


def _pick(choices: list[Any], rng: Rng) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _spoil(data: bytes, rng: Rng) -> bytes:
    """A few bytes of it changed, inserted, lost or copied."""
    spoilt = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(spoilt) + 1))
        match int(rng.integers(5)):
            case 0 if at < len(spoilt):
                spoilt[at] ^= 1 << int(rng.integers(8))
            case 1 if at < len(spoilt):
                spoilt[at] = int(rng.integers(256))
            case 2:
                spoilt[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case 3:
                del spoilt[at : at + int(rng.integers(1, 9))]
            case _:
                length = int(rng.integers(1, 17))
                spoilt[at:at] = spoilt[at : at + length]
    return bytes(spoilt)


def _packed(fields: dict[Any, Any]) -> bytes:
    packed: bytes = msgpack.packb(fields, unicode_errors="surrogatepass")
    return packed


def header_bytes(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    return [_spoil(_packed(fields), rng), *buffers]


def types_and_ranges(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    """Some fields have a value of another type or outside of their range; some are new, or missing."""
    for _ in range(int(rng.integers(1, 4))):
        name = _pick(_FIELDS, rng)
        if rng.random() < 0.15:
            fields.pop(name, None)
        elif name == "camera_intrinsics" and rng.random() < 0.7:
            inside = _pick([*CAMERA, "k1"], rng)
            fields[name] = {**CAMERA, inside: _pick(_ODD_VALUES, rng)}
        else:
            fields[name] = _pick(_ODD_VALUES, rng)
    return [_packed(fields), *buffers]


def arrays(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    """Arrays of good and bad dtypes, shapes and data where none, or bytes, are wanted."""
    dtype = _pick([*sorted(DTYPES), "|O", "|V8", "|V1000000000", "<U4", ">f4", "<f16", "<M8[s]", "f", "", 4, None], rng)
    shape = [int(rng.choice([0, 1, 2, 3, 2**31, 2**62, -1])) for _ in range(int(rng.integers(0, 6)))]
    layout = {b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": _pick([BUFFER, b"", bytes(8)], rng)}
    if rng.random() < 0.3:
        layout[_pick([*layout, b"more"], rng)] = _pick(_ODD_VALUES, rng)
    fields[_pick(_FIELDS, rng)] = layout
    return [_packed(fields), *buffers]


def layout(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    """Frames lost, doubled, swapped, added in front or behind, with and without a delimiter."""
    frames = [_packed(fields), *buffers]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(frames) + 1))
        match int(rng.integers(5)):
            case 0 if len(frames) > 1 and at < len(frames):
                del frames[at]
            case 1:
                frames.insert(at, b"")
            case 2:
                frames[at:at] = [rng.bytes(int(rng.integers(0, 9)))] * int(rng.integers(1, 30))
            case 3:
                frames.insert(at, _pick(frames, rng))
            case _:
                frames = [frames[i] for i in rng.permutation(len(frames))]
    return frames


def images(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    """Damaged files, files of other formats, headers that lie, two pictures grown into one."""
    data = bytearray(_pick(IMAGES, rng))
    if (how := rng.random()) < 0.5:
        _pick(list(ANY_FILE), rng)(data, rng)
    elif how < 0.8:
        data = bytearray(_spoil(bytes(data[:200]), rng) + data[200:])
    elif how < 0.9:
        data = data[: int(rng.integers(len(data)))] + _pick(IMAGES, rng)[int(rng.integers(300)) :]
    else:
        data[:12] = _pick([b"GIF89a", b"II*\0", b"BM", b"\0\0\0\x0cjP  ", b"\x76\x2f\x31\x01", rng.bytes(12)], rng)
    if not data:
        data = bytearray(b"\xff")
    fields = {"v": 1, "id": fields["id"], "op": _pick(["metric_depth", "rel_depth"], rng), "image": BUFFER}
    if len(data) < 512 and rng.random() < 0.5:
        return [_packed({**fields, "image": bytes(data)})]
    return [_packed(fields), bytes(data)]


def noise(fields: dict[str, Any], buffers: Frames, rng: Rng) -> Frames:
    """No request at all."""
    return [rng.bytes(int(rng.integers(0, 80))) for _ in range(int(rng.integers(1, 5)))]


Mutation = Callable[[dict[str, Any], Frames, Rng], Frames]
KINDS: tuple[Mutation, ...] = (header_bytes, types_and_ranges, arrays, layout, images, noise)


def mutated(seed: int) -> Frames:
    """The frames of this seed's mutation. Its id, as far as it is left alone, is the seed."""
    rng = np.random.default_rng([seed, 2024])
    fields = {"v": 1, "id": seed, **_pick(_GOOD, rng)}
    buffers = [_pick(IMAGES, rng)] if "image" in fields else []
    return KINDS[seed % len(KINDS)](fields, buffers, rng)


def bare_id(frames: Frames) -> set[Any]:
    """What an answer to this message may call its id: those that any of its frames can be read to hold, and nil."""
    ids: set[Any] = {None}
    for frame in frames[:20]:
        try:
            fields = msgpack.unpackb(frame, strict_map_key=False, raw=True, object_pairs_hook=list)
        except Exception:
            continue
        if isinstance(fields, list):
            pairs = [pair for pair in fields if isinstance(pair, tuple) and len(pair) == 2]
            ids |= {value for key, value in pairs if key == b"id" and type(value) is int}
    return ids


def envelope_length(frames: Frames) -> int:
    """How many of the frames that a DEALER sent come back in front of the answer (SPEC section 1)."""
    for index, frame in enumerate(frames[:7]):
        if frame == b"" and index < len(frames) - 1:
            return index + 1
        if len(frame) > MAX_ROUTING_ID_BYTES:
            break
    return 0

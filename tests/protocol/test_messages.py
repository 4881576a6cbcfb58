"""Messages: every field of a request is checked at one place, each fault answered naming field and limit.

Requests and replies that are valid pass both ways; what is arbitrary or mutated raises nothing unforeseen.
"""

from __future__ import annotations

import contextlib
import math
import pickle
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.protocol import (
    ERROR_CLASSES,
    BadImageError,
    CameraIntrinsics,
    DepthwireError,
    InvalidRequestError,
    OverloadedError,
    ProtocolError,
    Request,
    RequestRefused,
    UnsupportedVersionError,
    error_header,
    frames,
    messages,
    parse_reply,
    parse_request,
    result_header,
)
from depthwire.protocol.frames import BufferRef

IMAGE = bytes(range(256)) * 3
CAMERA = CameraIntrinsics(525.0, 525.0, 319.5, 239.5)


def fields_of(op: str) -> dict[str, Any]:
    """The smallest valid request of an operation, as a map."""
    fields: dict[str, Any] = {"v": 1, "id": 1, "op": op}
    if op in messages.IMAGE_OPS:
        fields["image"] = IMAGE
    if op == "pc":
        fields["camera_intrinsics"] = CAMERA.to_wire()
    if op == "cancel":
        fields["target"] = 7
    return fields


def refusal(fields: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        parse_request(frames.encode(fields))
    return caught.value


def nested(levels: int) -> Any:
    tree: Any = 1
    for _ in range(levels):
        tree = {"a": tree}
    return tree


# Requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", messages.OPS)
def test_the_smallest_request_of_every_operation_is_accepted(op: str) -> None:
    request = parse_request(frames.encode(fields_of(op)))
    assert (request.op, request.id) == (op, 1)
    assert request.to_frames() == frames.encode(fields_of(op))


def test_a_request_with_every_field_comes_back_as_it_was() -> None:
    request = Request(
        id=2**64 - 1,
        op="pc",
        image=IMAGE,
        intrinsics=CameraIntrinsics(1.5, 2.5, -3.5, 4.5, 640, 480),
        max_depth=20.0,
        encoder="vits",
        dataset="hypersim",
        model_input_size=518,
        timeout_ms=0.5,
        stream="前",
        meta={"stamp": [1, 2], "raw": b"\0", "none": None},
    )
    assert parse_request(request.to_frames()) == request


def test_the_image_is_neither_copied_when_sent_nor_when_received() -> None:
    message = Request(1, "metric_depth", IMAGE).to_frames()
    assert message[1] is IMAGE
    received = parse_request(message).image
    assert received is not None
    assert np.shares_memory(np.frombuffer(received, np.uint8), np.frombuffer(IMAGE, np.uint8))


def test_an_optional_field_that_is_nil_counts_as_not_given() -> None:
    fields = fields_of("metric_depth")
    names = ["camera_intrinsics", "max_depth", "encoder", "dataset", "model_input_size", "timeout_ms", "stream", "meta"]
    assert parse_request(frames.encode(fields | dict.fromkeys(names))) == parse_request(frames.encode(fields))


def test_numpy_scalars_are_taken_for_numbers_before_sending() -> None:
    request = Request(
        id=np.uint64(2**64 - 1),
        op="metric_depth",
        image=IMAGE,
        max_depth=np.float32(20),
        model_input_size=np.int64(518),
        meta={"seq": np.int32(3), "gain": np.float32(0.5)},
    )
    received = parse_request(request.to_frames())
    assert (received.id, received.max_depth, received.model_input_size) == (2**64 - 1, 20.0, 518)
    assert received.meta == {"seq": 3, "gain": 0.5}


NAN, INF = math.nan, math.inf
WHOLE_NUMBERS_ARE_NOT: list[Any] = [-1, 1.0, "1", True, [1], {}, b"1", NAN]
NUMBERS_ARE_NOT: list[Any] = [NAN, INF, -INF, 0, -1, -0.0, "1", True, [1], {}, b"1"]
NOT_BYTES: list[Any] = [None, "photo.jpg", 1, [1], {}, np.zeros(2), np.zeros(2000)]

MALFORMED: list[tuple[str, str, Any, str]] = [
    *[("health", "id", value, "id") for value in [*WHOLE_NUMBERS_ARE_NOT, None]],
    *[("cancel", "target", value, "target") for value in [*WHOLE_NUMBERS_ARE_NOT, None]],
    *[("metric_depth", "max_depth", value, "max_depth") for value in [*NUMBERS_ARE_NOT, 10_000.1, 2**64 - 1]],
    *[("metric_depth", "timeout_ms", value, "timeout_ms") for value in [*NUMBERS_ARE_NOT, 86_400_001]],
    *[
        ("metric_depth", "model_input_size", value, "model_input_size")
        for value in [*WHOLE_NUMBERS_ARE_NOT, 0, 14, 42, 57, 519, 1554, 2**63]
    ],
    *[
        ("rel_depth", name, value, name)
        for name in ("encoder", "dataset")
        for value in ["", "VITS", "a b", "../x", "_x", "vits\n", "ü", "x" * 33, 1, b"vits", ["vits"], True]
    ],
    *[("pc", "stream", value, "stream") for value in ["", "x" * 129, "é" * 65, 1, b"x", ["x"]]],
    *[("health", "meta", value, "meta") for value in [[], "x", 1, True, b"x", nested(9), {"a": "x" * 4093}]],
    *[("pc", "image", value, "image") for value in NOT_BYTES],
    *[
        ("pc", "camera_intrinsics", value, "camera_intrinsics")
        for value in [None, [1, 2, 3, 4], "x", 1, np.eye(3), np.eye(30)]
    ],
    *[
        ("pc", "camera_intrinsics", {**CAMERA.to_wire(), name: value}, f"camera_intrinsics.{name}")
        for name in ("fx", "fy")
        for value in [NAN, INF, -INF, 0, -1, -0.0, 1e-4, 1_000_001, "1", True, None, [1]]
    ],
    *[
        ("pc", "camera_intrinsics", {**CAMERA.to_wire(), name: value}, f"camera_intrinsics.{name}")
        for name in ("cx", "cy")
        for value in [NAN, INF, -INF, -1_000_001, 2**64 - 1, "1", True, None, [1]]
    ],
    *[
        (
            "pc",
            "camera_intrinsics",
            {**CAMERA.to_wire(), "width": 640, "height": 480, name: value},
            f"camera_intrinsics.{name}",
        )
        for name in ("width", "height")
        for value in [0, -1, 640.0, "640", True, 1_000_001, NAN, None]
    ],
    ("metric_depth", "camera_intrinsics", {"fx": 1.0}, "camera_intrinsics.fy"),
    *[
        ("pc", "camera_intrinsics", {**CAMERA.to_wire(), name: 0.1}, f"camera_intrinsics.{name}")
        for name in ("k1", "matrix", "camera_matrix")
    ],
]


def _label(value: Any) -> str:
    return repr(value)[:30]


@pytest.mark.parametrize(("op", "name", "value", "field"), MALFORMED, ids=_label)
def test_a_malformed_field_is_refused_by_name(op: str, name: str, value: Any, field: str) -> None:
    refused = refusal(fields_of(op) | {name: value})
    assert refused.error.code == "INVALID_REQUEST"
    assert refused.error.field == field
    assert field in refused.error.message
    assert not refused.error.retryable
    assert refused.op == op
    assert refused.id == (None if name == "id" else 1)


@pytest.mark.parametrize(
    ("op", "name", "value", "limit"),
    [
        ("health", "id", -1, "0 to 18446744073709551615"),
        ("pc", "max_depth", 20_000, "above 0 to 10000 metres"),
        ("pc", "max_depth", NAN, "above 0 to 10000 metres"),
        ("pc", "timeout_ms", 1e9, "above 0 to 86400000 milliseconds"),
        ("pc", "model_input_size", 15_400, "56 to 1540"),
        ("pc", "model_input_size", 520, "multiple of 14"),
        ("pc", "encoder", "x" * 33, "at most 32"),
        ("pc", "stream", "x" * 129, "1 to 128 bytes"),
        ("pc", "meta", {"a": "x" * 5000}, "at most 4096"),
        ("pc", "meta", nested(9), "8 levels"),
        ("pc", "camera_intrinsics", {"fx": 1e7, "fy": 1, "cx": 0, "cy": 0}, "±1000000 pixels"),
        ("pc", "camera_intrinsics", {"fx": 0, "fy": 1, "cx": 0, "cy": 0}, "at least 0.001 pixels"),
    ],
    ids=_label,
)
def test_a_refusal_names_the_limit(op: str, name: str, value: Any, limit: str) -> None:
    assert limit in refusal(fields_of(op) | {name: value}).error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 0),
        ("id", 2**64 - 1),
        ("max_depth", 10_000),
        ("max_depth", 5e-324),
        ("timeout_ms", 86_400_000),
        ("model_input_size", 56),
        ("model_input_size", 1540),
        ("encoder", "x" * 32),
        ("dataset", "0.a_b-c"),
        ("stream", "é" * 64),
        ("meta", {}),
        ("meta", nested(8)),
        ("meta", {"a": "x" * 4090}),
        ("image", b"x"),
        ("camera_intrinsics", {"fx": 1e6, "fy": 1e-3, "cx": -1e6, "cy": 1e6, "width": 1, "height": 1_000_000}),
    ],
    ids=_label,
)
def test_the_limits_themselves_are_allowed(name: str, value: Any) -> None:
    request = parse_request(frames.encode(fields_of("pc") | {name: value}))
    assert parse_request(request.to_frames()) == request


@pytest.mark.parametrize("version", [None, 0, 2, -1, "1", 1.0, True, [1], {}, "x" * 60_000, np.zeros(2)], ids=_label)
def test_another_version_is_refused_with_its_own_code(version: Any) -> None:
    refused = refusal(fields_of("health") | {"v": version})
    assert (refused.error.code, refused.error.field) == ("UNSUPPORTED_VERSION", "v")
    assert "this is version 1" in refused.error.message
    assert (refused.id, refused.op) == (1, "health")


@pytest.mark.parametrize("op", [None, "", "PC", "segment", 1, ["pc"], {}, b"pc", "x" * 60_000], ids=_label)
def test_an_unknown_operation_is_refused_with_its_own_code(op: Any) -> None:
    refused = refusal(fields_of("health") | {"op": op})
    assert (refused.error.code, refused.error.field) == ("UNKNOWN_OP", "op")
    assert "pc, metric_depth, rel_depth, health, cancel" in refused.error.message
    assert refused.id == 1


@pytest.mark.parametrize("op", messages.OPS)
def test_a_field_that_nobody_knows_is_refused_and_not_ignored(op: str) -> None:
    refused = refusal(fields_of(op) | {"maxdepth": 20.0})
    assert (refused.error.code, refused.error.field) == ("INVALID_REQUEST", "maxdepth")
    assert f"not a field of {op}" in refused.error.message


@pytest.mark.parametrize(
    ("op", "name", "value"),
    [
        *[("health", name, 1) for name in ("image", "camera_intrinsics", "max_depth", "encoder", "stream", "target")],
        *[("cancel", name, 1) for name in ("image", "camera_intrinsics", "max_depth", "encoder", "stream")],
        *[(op, "target", 1) for op in ("pc", "metric_depth", "rel_depth")],
        ("health", "stream", None),
    ],
)
def test_a_field_of_another_operation_is_refused(op: str, name: str, value: Any) -> None:
    assert refusal(fields_of(op) | {name: value}).error.field == name


def test_no_bytes_at_all_are_a_bad_image() -> None:
    assert refusal(fields_of("rel_depth") | {"image": b""}).error.code == "BAD_IMAGE"
    with pytest.raises(BadImageError, match="empty"):
        Request(1, "rel_depth", b"").to_frames()


@pytest.mark.parametrize(
    ("message", "field", "identity"),
    [
        ([], "header", (None, None)),
        ([b""], "header", (None, None)),
        ([b"\xc1"], "header", (None, None)),
        ([msgpack.packb({"id": 5, "op": "pc"}), b"nobody's"], "header", (5, "pc")),
        ([frames.pack_header({"id": 5, "op": "pc", "image": BufferRef(3)})], "image", (5, "pc")),
        ([frames.pack_header({"id": -5, "op": 1, "image": BufferRef(3)})], "image", (None, None)),
        ([frames.pack_header({"id": True, "op": "x" * 41, "image": BufferRef(3)})], "image", (None, None)),
    ],
)
def test_a_message_that_cannot_be_decoded_is_refused_with_what_could_be_read_of_it(
    message: list[bytes], field: str, identity: tuple[int | None, str | None]
) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_request(message)
    assert caught.value.error.code == "INVALID_REQUEST"
    assert caught.value.error.field == field
    assert (caught.value.id, caught.value.op) == identity


@pytest.mark.parametrize(
    "fields",
    [
        {"v": "x" * 60_000},
        {"op": "x\n" * 30_000},
        {"x\n" * 30_000: 1},
        {"camera_intrinsics": {"x\n" * 30_000: 1}},
        {"x\n" * 30_000: BufferRef(9)},
        {"image": {b"nd": True, b"type": "\n" * 60_000, b"kind": b"", b"shape": [], b"data": b""}},
    ],
    ids=["v", "op", "name", "intrinsics", "reference", "dtype"],
)
def test_the_answer_to_any_refusal_fits_a_header_and_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_request([frames.pack_header(fields_of("pc") | {"image": b"x"} | fields)])
    refused = caught.value
    assert "\n" not in refused.error.message
    reply = parse_reply([error_header(refused.id, refused.op, refused.error)])
    assert reply.error is not None
    assert reply.error.code == refused.error.code


@pytest.mark.parametrize(
    "request_",
    [
        Request(-1, "health"),
        Request(2**64, "health"),
        Request(10**5000, "health"),
        Request(1, "pc", IMAGE),
        Request(1, "health", IMAGE),
        Request(1, "cancel"),
        Request(1, "metric_depth", IMAGE, max_depth=10**5000),
        Request(1, "metric_depth", "photo.jpg"),  # type: ignore[arg-type]
        Request(1, "metric_depth", IMAGE, stream="\ud800"),
        Request(1, "health", meta={1: 2}),
        Request(1, "health", meta={"a": {b"b": 2}}),
        Request(1, "health", meta={"a": 2**64}),
        Request(1, "health", meta={"a": "\ud800"}),
        Request(1, "health", meta={"a": np.zeros(2)}),
        Request(1, "health", meta={"a": msgpack.Timestamp(1)}),
        Request(1, "health", meta={"a": msgpack.ExtType(1, b"\0")}),
        Request(1, "health", meta={"a": BufferRef(0)}),
        Request(1, "health", meta={"a": {1, 2}}),
        Request(1, "health", meta={b"nd": True}),
        Request(1, "teleport"),  # type: ignore[arg-type]
    ],
    ids=range(20),
)
def test_a_client_hears_before_sending_what_the_daemon_would_refuse(request_: Request) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request_.to_frames()
    assert caught.value.field


def test_a_meta_that_contains_itself_is_refused() -> None:
    meta: dict[str, Any] = {}
    meta["self"] = meta
    with pytest.raises(InvalidRequestError, match="nested deeper"):
        Request(1, "health", meta=meta).to_frames()


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.binary(max_size=5), inner, max_size=3)
    ),
)
FIELD_NAMES = sorted({name for op in messages.OPS for name in fields_of(op)} | messages._IMAGE_FIELDS)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(messages.OPS), st.dictionaries(st.sampled_from(FIELD_NAMES), values, max_size=3))
def test_arbitrary_values_in_the_fields_are_accepted_or_refused(op: str, changes: dict[str, Any]) -> None:
    message = frames.encode(fields_of(op) | changes)
    with contextlib.suppress(RequestRefused):
        request = parse_request(message)
        assert request.op in messages.OPS
        request.to_frames()


def _all_frames() -> list[list[bytes]]:
    depth = np.ones((20, 30), np.float32)
    points = np.ones((600, 3), np.float32)
    more = {"min": 1.0, "max": 1.0, "model": "m", "timing": {}, "meta": {"a": 1}}
    valid = [frames.encode(fields_of(op)) for op in messages.OPS]
    reply = {"v": 1, "id": 1, "op": "pc", "ok": True}
    valid.append(frames.encode(reply | {"pointcloud": points, "depth_map": depth} | more))
    valid.append(frames.encode(reply | {"pointcloud": points[:1], "depth_map": depth[:1, :1]} | more))
    valid.append([error_header(1, "pc", OverloadedError("full", retry_after_ms=1.0), {"a": 1})])
    return [[bytes(frame) for frame in message] for message in valid]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_messages_raise_nothing_unforeseen_and_never_reach_pickle(data: st.DataObject) -> None:
    message = list(data.draw(st.sampled_from(_all_frames())))
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["byte", "byte", "byte", "cut", "insert", "drop", "double"]))
        if not message:
            break
        index = data.draw(st.integers(0, min(len(message) - 1, 1)))
        frame = bytearray(message[index])
        at = data.draw(st.integers(0, max(0, len(frame) - 1)))
        if kind == "byte" and frame:
            frame[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del frame[at:]
        elif kind == "insert":
            frame[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        message[index] = bytes(frame)
        if kind == "drop":
            del message[index]
        elif kind == "double":
            message.append(message[index])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickle, "loads", lambda *_, **__: pytest.fail("pickle was called"))
        with contextlib.suppress(RequestRefused):
            parse_request(message)
        with contextlib.suppress(ProtocolError):
            parse_reply(message)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=3))
def test_arbitrary_bytes_are_refused_as_request_and_as_reply(message: list[bytes]) -> None:
    with contextlib.suppress(RequestRefused):
        parse_request(message)
    with contextlib.suppress(ProtocolError):
        parse_reply(message)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["v", "id", "op", "ok", "error", "depth_map", "pointcloud", "meta"]), values))
def test_arbitrary_values_in_a_reply_raise_nothing_but_protocol_error(changes: dict[str, Any]) -> None:
    with contextlib.suppress(ProtocolError):
        parse_reply(frames.encode({"v": 1, "id": 1, "op": "pc", "ok": True} | changes))


# Replies ------------------------------------------------------------------------------------------------------------


def result(op: str, **changes: Any) -> dict[str, Any]:
    """A valid result of an operation, as a map, with some of its fields replaced."""
    fields: dict[str, Any] = {"v": 1, "id": 1, "op": op, "ok": True}
    if op == "pc":
        fields["pointcloud"] = np.ones((6, 3), np.float32)
    if op in messages.IMAGE_OPS:
        fields["depth_map"] = np.ones((2, 3), np.float32)
    if op == "cancel":
        fields["cancelled"] = True
    return fields | changes


@pytest.mark.parametrize("op", messages.OPS)
def test_a_result_of_every_operation_is_read(op: str) -> None:
    reply = parse_reply(frames.encode(result(op, later="fields are passed on")))
    assert (reply.id, reply.op, reply.error) == (1, op, None)
    assert "v" not in reply.fields
    assert reply.fields["later"] == "fields are passed on"


def test_the_arrays_of_a_reply_stand_over_the_received_frames() -> None:
    points, depth = np.ones((600, 3), np.float32), np.ones((20, 30), np.float32)
    fields = {
        "pointcloud": frames.array_header(points.dtype, points.shape, BufferRef(1)),
        "depth_map": frames.array_header(depth.dtype, depth.shape, BufferRef(0)),
    }
    header = result_header(3, "pc", fields, {"seq": 1})
    reply = parse_reply([header, depth.data, points.data])
    assert np.shares_memory(reply.fields["pointcloud"], points)
    assert np.shares_memory(reply.fields["depth_map"], depth)
    assert reply.fields["meta"] == {"seq": 1}


@pytest.mark.parametrize(
    "fields",
    [
        result("health", v=2),
        result("health", v=True),
        result("health", v=1.0),
        result("health", v=np.ones(3)),
        result("health", v=None),
        result("health", id=None),
        result("health", id=-1),
        result("health") | {"op": None},
        result("health", ok=1),
        result("health", ok=None),
        result("health", ok="false"),
        result("cancel", cancelled=1),
        result("cancel", cancelled=None),
        result("pc", pointcloud=None),
        result("pc", depth_map=None),
        result("pc", pointcloud=np.ones((6, 4), np.float32)),
        result("pc", pointcloud=np.ones((6, 3), np.float64)),
        result("pc", pointcloud=[[1.0, 1.0, 1.0]]),
        result("metric_depth", depth_map=np.ones(6, np.float32)),
        result("metric_depth", depth_map=np.ones((2, 3), np.int32)),
        result("rel_depth", depth_map=b"123"),
        result("rel_depth", min="1"),
        result("rel_depth", max=np.ones(2)),
        result("rel_depth", model=1),
        result("rel_depth", timing=[1]),
        result("rel_depth", meta=[1]),
    ],
    ids=range(26),
)
def test_a_reply_that_is_not_one_is_a_protocol_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="daemon"):
        parse_reply(frames.encode(fields))


def test_an_error_reply_carries_its_error_and_the_meta() -> None:
    reply = parse_reply([error_header(9, "pc", OverloadedError("full", retry_after_ms=40.0), {"seq": 9})])
    assert (reply.id, reply.op, reply.fields) == (9, "pc", {"meta": {"seq": 9}})
    assert isinstance(reply.error, OverloadedError)
    assert reply.error.retry_after_ms == 40


@pytest.mark.parametrize("error_class", ERROR_CLASSES.values())
def test_every_error_of_the_tree_goes_through_a_reply(error_class: type[DepthwireError]) -> None:
    reply = parse_reply([error_header(None, None, error_class("why"))])
    assert type(reply.error) is error_class
    assert (reply.id, reply.op) == (None, None)


def test_a_malformed_error_fails_its_own_request_alone() -> None:
    reply = parse_reply(frames.encode({"v": 1, "id": 9, "op": "pc", "ok": False, "error": "oh"}))
    assert reply.id == 9
    assert isinstance(reply.error, ProtocolError)


def test_a_daemon_of_another_version_is_understood_as_far_as_its_refusal_goes() -> None:
    refused = UnsupportedVersionError("v is 1; this is version 2", field="v")
    reply = parse_reply(frames.encode({"v": 2, "id": 9, "op": "pc", "ok": False, "error": refused.to_wire()}))
    assert reply.id == 9
    assert isinstance(reply.error, UnsupportedVersionError)

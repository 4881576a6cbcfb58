"""Frames: what is encoded comes back, without a copy, and nothing malformed is ever built, unpickled or let through.

The strategies of arbitrary maps and arrays live here; test_messages mutates whole messages.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import struct
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depthwire.protocol import frames
from depthwire.protocol.frames import BufferRef, FrameError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
arrays = hnp.arrays(
    dtype=st.sampled_from(sorted(frames.DTYPES)).map(np.dtype),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
)
buffers = st.binary(max_size=1500)


def packed(header: Any) -> bytes:
    """A header without any of the checks, BufferRefs as ext 1."""

    def special(value: Any) -> Any:
        return msgpack.ExtType(1, bytes([value.index]))

    result: bytes = msgpack.packb(header, default=special)
    return result


def layout(**changes: Any) -> dict[bytes, Any]:
    """An array map of one float32, with some of its entries replaced."""
    return frames.array_header("<f4", [1], b"\0\0\0\0") | {key.encode(): value for key, value in changes.items()}


@settings(max_examples=80, deadline=None)
@given(plain=st.dictionaries(st.text(max_size=8), trees, max_size=4), data=st.data())
def test_whatever_is_encoded_decodes_to_the_same(plain: dict[str, Any], data: st.DataObject) -> None:
    fields: dict[str, Any] = dict(plain)
    fields |= data.draw(st.dictionaries(st.text(max_size=8), arrays | buffers, max_size=4))
    message = frames.encode(fields)
    decoded = frames.decode([bytes(frame) for frame in message])
    assert list(decoded) == list(fields)
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            assert decoded[name].dtype == value.dtype
            assert decoded[name].shape == value.shape
            assert decoded[name].tobytes() == value.tobytes()
        else:
            assert decoded[name] == value
    assert all(len(frame) for frame in message)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_arbitrary_bytes_raise_nothing_but_frame_error(message: list[bytes]) -> None:
    with contextlib.suppress(FrameError):
        assert isinstance(frames.decode(message), dict)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            b"nd": st.just(True) | scalars,
            b"type": st.sampled_from([*sorted(frames.DTYPES), "|O", "|V4", ">f4", "<U1", "<M8[s]", "V1000000000"])
            | scalars,
            b"kind": st.sampled_from([b"", b"O", b"V"]),
            b"shape": st.lists(st.integers(-2, 2**64 - 1) | st.integers(0, 3), max_size=5) | scalars,
            b"data": st.just(BufferRef(0)) | st.binary(max_size=16),
        }
    ),
    st.lists(st.binary(max_size=16), max_size=1),
)
def test_arbitrary_array_maps_raise_nothing_but_frame_error(array: dict[bytes, Any], rest: list[bytes]) -> None:
    try:
        decoded = frames.decode([packed({"a": array}), *rest])
    except FrameError:
        return
    assert decoded["a"].dtype.str in frames.DTYPES


def test_a_large_array_shares_memory_with_what_was_passed_and_with_the_received_frame() -> None:
    depth = np.arange(40_000, dtype=np.float32).reshape(200, 200)
    header, buffer = frames.encode({"depth_map": depth})
    assert np.shares_memory(np.frombuffer(buffer, np.uint8), depth)
    received = zmq.Frame(bytes(buffer))
    decoded = frames.decode([header, received.buffer])["depth_map"]
    assert np.shares_memory(decoded, np.frombuffer(received.buffer, np.uint8))
    np.testing.assert_array_equal(decoded, depth)


def test_large_bytes_are_passed_on_and_come_back_as_a_view_of_the_frame() -> None:
    image = bytes(range(256)) * 4
    header, buffer = frames.encode({"image": image})
    assert buffer is image
    decoded = frames.decode([header, buffer])["image"]
    assert isinstance(decoded, memoryview)
    assert np.shares_memory(np.frombuffer(decoded, np.uint8), np.frombuffer(image, np.uint8))


@pytest.mark.parametrize(("size", "count"), [(511, 1), (512, 2)])
def test_values_below_512_bytes_stay_in_the_header(size: int, count: int) -> None:
    assert len(frames.encode({"image": bytes(size)})) == count
    assert len(frames.encode({"array": np.zeros(size, np.uint8)})) == count


def test_arrays_that_are_not_contiguous_and_views_of_any_format_travel_by_value() -> None:
    grid = np.arange(600, dtype=np.float32).reshape(20, 30)
    fields = {
        "turned": grid.T,
        "sparse": grid[::2, ::3],
        "view": grid.data,
        "gaps": memoryview(bytes(2000))[::2],
    }
    decoded = frames.decode(frames.encode(fields))
    np.testing.assert_array_equal(decoded["turned"], grid.T)
    np.testing.assert_array_equal(decoded["sparse"], grid[::2, ::3])
    assert bytes(decoded["view"]) == grid.tobytes()
    assert bytes(decoded["gaps"]) == bytes(1000)


def test_buffers_may_be_views_of_any_format() -> None:
    depth = np.arange(6, dtype=np.float32).reshape(2, 3)
    header = frames.pack_header({"a": frames.array_header("<f4", [2, 3], BufferRef(0))})
    np.testing.assert_array_equal(frames.decode([header, depth.data])["a"], depth)
    with pytest.raises(FrameError, match="contiguous"):
        frames.decode([header, memoryview(bytes(48))[::2]])


def test_numpy_scalars_travel_as_numbers() -> None:
    assert frames.decode(frames.encode({"min": np.float32(0.5), "n": np.int64(3), "t": np.bool_(True)})) == {
        "min": 0.5,
        "n": 3,
        "t": True,
    }


def test_inline_arrays_are_those_of_msgpack_numpy_in_both_directions() -> None:
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    theirs = msgpack_numpy.packb({"depth_map": depth})
    assert frames.encode({"depth_map": depth}) == [theirs]
    np.testing.assert_array_equal(frames.decode([theirs])["depth_map"], depth)
    np.testing.assert_array_equal(msgpack_numpy.unpackb(frames.encode({"depth_map": depth})[0])["depth_map"], depth)


HOSTILE_DTYPES = [
    np.array([{"a": 1}, None], dtype=object),
    np.zeros(2, dtype=[("x", "<f4"), ("y", "<f4")]),
    np.zeros(2, dtype="V8"),
    np.zeros(2, dtype="U4"),
    np.zeros(2, dtype="S4"),
    np.zeros(2, dtype=">f4"),
    np.zeros(2, dtype="<c8"),
]


@pytest.mark.parametrize("array", HOSTILE_DTYPES, ids=lambda array: array.dtype.str)
def test_arrays_of_other_dtypes_are_refused_and_never_unpickled(
    array: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = msgpack_numpy.packb({"a": array})

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("pickle was called")

    for name in ("loads", "load", "Unpickler", "dumps"):
        monkeypatch.setattr(pickle, name, forbidden)
    with pytest.raises(FrameError, match=r"^a: "):
        frames.decode([theirs])
    with pytest.raises(FrameError, match="does not travel"):
        frames.encode({"a": array})
    with pytest.raises(FrameError, match=r"^a: "):
        frames.decode([packed({"a": layout(type=array.dtype.str)})])


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (layout(shape=[2]), "4 bytes of data, but dtype and shape need 8"),
        (layout(shape=[]), None),
        (layout(shape=[0], data=b""), None),
        (layout(shape=[0]), "4 bytes of data, but dtype and shape need 0"),
        (layout(shape=[-1]), "not a count"),
        (layout(shape=[True]), "not a count"),
        (layout(shape=[1.0]), "not a count"),
        (layout(shape=[1] * 5), "at most 4 numbers"),
        (layout(shape=1), "at most 4 numbers"),
        (layout(shape=[2**64 - 1]), "larger than any memory"),
        (layout(shape=[2**32, 2**32]), "larger than any memory"),
        (layout(shape=[0, 2**62], data=b""), "larger than any memory"),
        (layout(shape=[2**40, 2**40, 0], data=b""), "larger than any memory"),
        (layout(data="text"), "neither bytes nor a buffer reference"),
        (layout(data=None), "neither bytes nor a buffer reference"),
        (layout(type=b"<f4"), "dtype is of type bytes"),
        (layout(type="f4"), "dtype is 'f4'"),
        (layout(type=["<f4"]), "dtype is of type list"),
        (layout(kind=b"V"), "not an array map"),
        (layout(kind=""), "not an array map"),
        (layout(nd=False), "not an array map"),
        (layout(nd=1), "not an array map"),
        (layout(more=1), "not an array map"),
        ({b"nd": True}, "not an array map"),
        (layout(type="|b1", shape=[4], data=b"\0\1\0\2"), "neither 0 nor 1"),
        (layout(type="|b1", shape=[2], data=b"\0\1"), None),
    ],
)
def test_an_array_is_built_only_where_dtype_shape_and_length_agree(
    array: dict[bytes, Any], problem: str | None
) -> None:
    if problem is None:
        assert isinstance(frames.decode([packed({"a": array})])["a"], np.ndarray)
        return
    with pytest.raises(FrameError, match=problem) as caught:
        frames.decode([packed({"a": array})])
    assert caught.value.field == "a"


@pytest.mark.parametrize(
    ("header", "rest", "problem", "field"),
    [
        ({"a": BufferRef(0)}, [], "buffer frame 0 of 0", "a"),
        ({"a": BufferRef(255)}, [b"x"], "buffer frame 255 of 1", "a"),
        ({"a": BufferRef(0), "b": BufferRef(0)}, [b"x"], "twice", "b"),
        ({"a": BufferRef(0)}, [b""], "is empty", "a"),
        ({"a": BufferRef(0)}, [b"x", b"y"], "no field refers to buffer frame 1", None),
        ({"a": [BufferRef(0)]}, [b"x"], "BufferRef", "a"),
        ({"a": {"b": BufferRef(0)}}, [b"x"], "BufferRef", "a"),
        ({"a": layout(shape=[BufferRef(0)])}, [b"x"], "not a count", "a"),
        ({"a": {"b": layout()}}, [], "key that is not text", "a"),
        ({"a": {b"x": 1}}, [], "key that is not text", "a"),
        ({"a": msgpack.Timestamp(1)}, [], "Timestamp", "a"),
        ({"a": [msgpack.Timestamp(2**40, 5)]}, [], "Timestamp", "a"),
        ({}, [b"x"] * 9, "at most 8", None),
    ],
)
def test_references_stand_where_they_may_and_each_buffer_has_exactly_one(
    header: dict[str, Any], rest: list[bytes], problem: str, field: str | None
) -> None:
    with pytest.raises(FrameError, match=problem) as caught:
        frames.decode([packed(header), *rest])
    assert caught.value.field == field


def test_eight_buffers_in_any_order_are_allowed() -> None:
    header = packed({str(index): BufferRef(7 - index) for index in range(8)})
    decoded = frames.decode([header, *[bytes([index]) for index in range(8)]])
    assert [bytes(decoded[str(index)]) for index in range(8)] == [bytes([7 - index]) for index in range(8)]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"", "not valid msgpack"),
        (b"\xc1", "not valid msgpack"),
        (b"\x81\xa1a", "not valid msgpack"),
        (b"\x80\xc0", "not valid msgpack"),
        (b"\x81\xa1\xff\x01", "not valid msgpack"),
        (b"\x90", "not a map but list"),
        (b"\x01", "not a map but int"),
        (b"\xd4\x01\x00", "not a map but BufferRef"),
        (b"\x81\x01\x02", "not valid msgpack"),
        (b"\x81\xc4\x01a\x02", "key that is not text"),
        (b"\x82\xa1a\x01\xa1a\x02", "a key twice"),
        (b"\x81\xa1a\x82\xa1b\x01\xa1b\x02", "a key twice"),
        (b"\x81\xa1a\xd4\x02\x00", "ext type 2"),
        (b"\x81\xa1a\xd5\x01\x00\x00", "one byte, not 2"),
        (b"\x81\xa1a\xc7\x00\x01", "one byte, not 0"),
        (b"\x81\xa1a\xd7\xff" + b"\xff" * 8, "not valid msgpack"),
        (b"\x81\xa1a" + b"\x91" * 2000 + b"\x01", "not valid msgpack"),
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", "not valid msgpack"),
        (b"\xdf\xff\xff\xff\xff", "not valid msgpack"),
        (b"\x81\xa1a\xc6\xff\xff\xff\xff", "not valid msgpack"),
        (b"\x81\xa1a\xdc" + struct.pack(">H", 4097) + b"\x01" * 4097, "not valid msgpack"),
        (b"\x81\xa1a\xc5\xff\xff" + bytes(65535), "at most 65536"),
    ],
)
def test_a_header_is_one_small_map_with_text_keys_and_nothing_behind_it(header: bytes, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        frames.decode([header])


def test_a_header_of_exactly_64_kib_is_accepted_and_one_byte_more_is_not() -> None:
    fixed = len(frames.pack_header({"a": "x" * 60_000})) - 60_000
    filler = "x" * (frames.MAX_HEADER_BYTES - fixed)
    assert frames.decode([frames.pack_header({"a": filler})]) == {"a": filler}
    with pytest.raises(FrameError, match="65537 bytes; at most 65536"):
        frames.pack_header({"a": filler + "x"})


@pytest.mark.parametrize("kind", ["list", "map"])
def test_sixteen_levels_are_allowed_and_seventeen_are_not(kind: str) -> None:
    tree: Any = 1
    for _ in range(16):
        tree = [tree] if kind == "list" else {"a": tree}
    assert frames.decode([packed({"a": tree})]) == {"a": tree}
    with pytest.raises(FrameError, match="deeper than 16"):
        frames.decode([packed({"a": [tree]})])


def _of_values(values: int, element: Any = None) -> dict[str, Any]:
    """Two fields that hold so many values together, themselves counted."""
    half = (values - 2) // 2
    return {"a": [element] * half, "b": [element] * (values - 2 - half)}


def test_a_header_holds_five_thousand_values_and_no_more() -> None:
    fields = _of_values(frames.MAX_VALUES)
    assert frames.decode([packed(fields)]) == fields
    for element in (None, {}, [], {"a": 1}):
        with pytest.raises(FrameError, match="more than 5000 values"):
            frames.decode([packed(_of_values(frames.MAX_VALUES + 1, element))])


def test_references_count_as_values_also_where_they_may_not_stand() -> None:
    with pytest.raises(FrameError, match="more than 5000 values"):
        frames.decode([packed(_of_values(6000, BufferRef(0)))])


def test_a_message_of_no_frames_is_refused() -> None:
    with pytest.raises(FrameError, match="no header frame"):
        frames.decode([])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"a": 2**64}, "more than 64 bits"),
        ({"a": "\ud800"}, "cannot be packed"),
        ({"a": object()}, "type object does not travel"),
        ({"a": [np.zeros(2)]}, "type ndarray does not travel"),
        ({"a": np.complex64(1)}, "does not travel"),
        ({"a": np.zeros((1,) * 5)}, "5 dimensions; at most 4"),
        ({str(index): bytes(512) for index in range(9)}, "9 buffer frames; at most 8"),
        ({"a": "x" * 65536}, "at most 65536"),
    ],
)
def test_what_cannot_travel_is_refused_before_it_is_sent(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        frames.encode(fields)


def test_the_text_of_an_error_stays_short_whatever_was_sent() -> None:
    long = "x\n" * 25_000
    for header in ({long: BufferRef(0)}, {"a": layout(type=long)}, {"a": layout(type=[long])}):
        with pytest.raises(FrameError) as caught:
            frames.decode([packed(header)])
        assert len(str(caught.value)) < 300
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "envelope"),
    [
        ([b"id", b"header"], 1),
        ([b"id", b"header", b"buffer"], 1),
        ([b"id", b"", b"header"], 2),
        ([b"id", b"", b"header", b"buffer"], 2),
        ([b"p1", b"p2", b"id", b"", b"header", b"buffer"], 4),
        ([*[b"p"] * 7, b"", b"header"], 8),
        ([*[b"p"] * 8, b"", b"header"], 1),
        ([b"id", b""], 1),
        ([b"id", b"header", b""], 1),
        ([b"id", b"p" * 255, b"", b"header"], 3),
        ([b"id", b"p" * 256, b"", b"header"], 1),
    ],
)
def test_the_envelope_ends_behind_the_first_empty_frame_or_the_routing_id(message: list[bytes], envelope: int) -> None:
    assert frames.split_envelope(message) == (message[:envelope], message[envelope:])


@pytest.mark.parametrize("message", [[], [b"id"]])
def test_an_envelope_alone_is_no_message(message: list[bytes]) -> None:
    with pytest.raises(FrameError, match="no header"):
        frames.split_envelope(message)


def test_floats_keep_their_bits() -> None:
    decoded = frames.decode(frames.encode({"a": math.nan, "b": -0.0, "c": math.inf}))
    assert math.isnan(decoded["a"])
    assert math.copysign(1, decoded["b"]) == -1
    assert decoded["c"] == math.inf

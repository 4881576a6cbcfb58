"""Golden messages: each file decodes to what index.json says, and what it says encodes to the file, byte for byte.

Reads the vectors as a client in another language would: index.json and the frames, nothing of make.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from depthwire import protocol
from depthwire.protocol import (
    ERROR_CLASSES,
    OPS,
    CameraIntrinsics,
    DepthwireError,
    ProtocolError,
    Request,
    RequestRefused,
    ResultOptions,
    error_header,
    frames,
    parse_reply,
    parse_request,
    result_header,
)
from depthwire.protocol.frames import BufferRef
from depthwire.protocol.vectors import make

FOLDER = Path(protocol.__file__).parent / "vectors"
INDEX = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = INDEX["vectors"]
OPTIONS = {"range", "edge_filter", "stride", "organized", "colors", "depth_format"}


def of_kind(*kinds: str, canonical: bool | None = None) -> pytest.MarkDecorator:
    chosen = [vector for vector in VECTORS if vector["kind"] in kinds and canonical in (None, vector["canonical"])]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["name"])


def read(vector: dict[str, Any]) -> list[bytes]:
    return [(FOLDER / name).read_bytes() for name in vector["frames"]]


def body(vector: dict[str, Any]) -> list[bytes]:
    return read(vector)[vector["envelope"] :]


def value_of(described: Any, buffers: list[bytes]) -> Any:
    """The value that a description in index.json stands for."""
    if isinstance(described, list):
        return [value_of(element, buffers) for element in described]
    if not isinstance(described, dict):
        return described
    if "$bytes" in described:
        return bytes.fromhex(described["$bytes"])
    if "$buffer" in described:
        return buffers[described["$buffer"]]
    if "$float" in described:
        return float(described["$float"])
    if "$array" in described:
        array = described["$array"]
        return np.array(value_of(array["values"], []), array["dtype"]).reshape(array["shape"])
    return {name: value_of(element, buffers) for name, element in described.items()}


def assert_same(value: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert list(value) == list(expected)
        for name in expected:
            assert_same(value[name], expected[name])
    elif isinstance(expected, np.ndarray):
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(value, expected)
    else:
        assert value == expected or (value != value and expected != expected)  # or both are NaN
        assert isinstance(value, memoryview) or type(value) is type(expected)


def request_of(fields: dict[str, Any]) -> Request:
    fields = {name: value for name, value in fields.items() if name != "v"}
    camera = fields.pop("camera_intrinsics", None)
    given = {name: fields.pop(name) for name in OPTIONS & fields.keys()}
    options = ResultOptions(**{name: value for name, value in given.items() if value is not None})
    if options.range is not None:
        options = replace(options, range=(options.range[0], options.range[1]))
    return Request(**fields, intrinsics=CameraIntrinsics(**camera) if camera else None, options=options)


def test_the_committed_files_are_what_the_generator_writes() -> None:
    built = make.build()
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in (".bin", ".json")}
    assert sorted(committed) == sorted(built)
    assert {name for name in built if built[name] != committed[name]} == set()
    assert sum(map(len, committed.values())) < 256 * 1024


def test_every_operation_reply_and_error_code_has_a_vector() -> None:
    fields = [(vector["kind"], vector["fields"]) for vector in VECTORS if "fields" in vector]
    assert {described["op"] for kind, described in fields if kind == "request"} == set(OPS)
    assert {described["op"] for kind, described in fields if kind == "reply" and described["ok"]} == set(OPS)
    codes = {described["error"]["code"] for kind, described in fields if kind == "reply" and not described["ok"]}
    assert codes >= set(ERROR_CLASSES)
    given = {name for kind, described in fields if kind == "request" for name in described}
    assert given == {"v", "id", "op"}.union(*protocol.messages._FIELDS.values())


def test_every_optional_field_has_a_vector_that_is_refused() -> None:
    refused = {vector["error"]["field"].split(".")[0] for vector in VECTORS if vector["kind"] == "bad-request"}
    assert refused >= {"v", "id", "op", "header"}.union(*protocol.messages._FIELDS.values())


@of_kind("request", "reply")
def test_a_valid_message_decodes_to_what_the_index_says(vector: dict[str, Any]) -> None:
    message = body(vector)
    assert_same(frames.decode(message), value_of(vector["fields"], message[1:]))


@of_kind("request", "reply")
def test_the_envelope_is_found(vector: dict[str, Any]) -> None:
    if vector["envelope"]:
        envelope, rest = frames.split_envelope(read(vector))
        assert len(envelope) == vector["envelope"]
        assert rest == body(vector)


@of_kind("request")
def test_a_valid_request_is_parsed(vector: dict[str, Any]) -> None:
    message = body(vector)
    assert parse_request(message) == request_of(value_of(vector["fields"], message[1:]))


@of_kind("request", canonical=True)
def test_a_described_request_encodes_to_the_files(vector: dict[str, Any]) -> None:
    message = body(vector)
    assert request_of(value_of(vector["fields"], message[1:])).to_frames() == message


@of_kind("reply", canonical=True)
def test_a_described_reply_encodes_to_the_files(vector: dict[str, Any]) -> None:
    message = body(vector)
    fields = value_of(vector["fields"], message[1:])
    assert [bytes(frame) for frame in frames.encode(fields)] == message
    meta = fields.pop("meta", None)
    if not fields["ok"]:
        assert error_header(fields["id"], fields["op"], DepthwireError.from_wire(fields["error"]), meta) == message[0]
        return
    rest = {name: value for name, value in fields.items() if name not in ("v", "id", "op", "ok")}
    buffers = 0
    for name, value in rest.items():  # as the daemon does it: the arrays lie in the arena, the header refers to them
        if isinstance(value, np.ndarray):
            out_of_band = value.nbytes >= frames.INLINE_LIMIT_BYTES
            data = BufferRef(buffers) if out_of_band else value.tobytes()
            buffers += out_of_band
            rest[name] = frames.array_header(value.dtype, value.shape, data)
    assert result_header(fields["id"], fields["op"], rest, meta) == message[0]


@of_kind("reply")
def test_a_valid_reply_is_parsed(vector: dict[str, Any]) -> None:
    reply = parse_reply(body(vector))
    fields = value_of(vector["fields"], body(vector)[1:])
    assert (reply.id, reply.op) == (fields["id"], fields["op"])
    if fields["ok"]:
        assert reply.error is None
        assert list(reply.fields) == [name for name in fields if name not in ("v", "id", "op", "ok")]
        return
    assert reply.error is not None
    assert reply.error.code == fields["error"]["code"] or fields["error"]["code"] not in ERROR_CLASSES
    assert reply.error.retryable == fields["error"]["retryable"]
    assert reply.error.field == fields["error"].get("field")
    assert reply.error.retry_after_ms == fields["error"].get("retry_after_ms")


@of_kind("bad-request")
def test_a_bad_request_is_refused_with_code_and_field(vector: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_request(body(vector))
    refused = caught.value
    assert {"code": refused.error.code, "field": refused.error.field} == vector["error"]
    assert (refused.id, refused.op) == (vector["id"], vector["op"])


@of_kind("bad-reply")
def test_a_bad_reply_is_a_protocol_error(vector: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        parse_reply(body(vector))


@of_kind("request", "reply", canonical=True)
def test_plain_msgpack_reads_a_header_that_was_not_made_for_us(vector: dict[str, Any]) -> None:
    header = msgpack.unpackb(body(vector)[0])
    assert list(header) == list(vector["fields"])
    references = [value for value in header.values() if isinstance(value, msgpack.ExtType)]
    references += [value[b"data"] for value in header.values() if isinstance(value, dict) and b"data" in value]
    indices = [value.data[0] for value in references if isinstance(value, msgpack.ExtType) and value.code == 1]
    assert indices == list(range(len(body(vector)) - 1))

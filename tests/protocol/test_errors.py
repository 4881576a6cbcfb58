"""Errors: one class per code, which comes back from the wire as it was; what a peer sends wrong does no harm."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from depthwire.protocol import (
    ERROR_CLASSES,
    CancelledError,
    ConnectionLostError,
    DeadlineExceededError,
    DepthwireError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    ProtocolError,
    error_header,
    parse_reply,
)
from depthwire.protocol import errors as errors_module
from depthwire.protocol.errors import shown

CODES = [
    "INVALID_REQUEST",
    "UNSUPPORTED_VERSION",
    "UNKNOWN_OP",
    "BAD_IMAGE",
    "TOO_LARGE",
    "MODEL_NOT_FOUND",
    "OVERLOADED",
    "DEADLINE_EXCEEDED",
    "SUPERSEDED",
    "CANCELLED",
    "SHUTTING_DOWN",
    "INTERNAL",
]
every_class = pytest.mark.parametrize(
    "error_class", [*ERROR_CLASSES.values(), ConnectionLostError, ProtocolError], ids=lambda c: c.__name__
)


def test_every_code_of_the_design_has_its_class() -> None:
    assert list(ERROR_CLASSES) == CODES
    assert all(code == error_class.code for code, error_class in ERROR_CLASSES.items())


@every_class
def test_every_error_is_a_depthwire_error_and_stands_in_the_tree_of_the_docstring(
    error_class: type[DepthwireError],
) -> None:
    assert issubclass(error_class, DepthwireError)
    assert error_class.__name__ in (errors_module.__doc__ or "")


def test_pythons_own_kinds_of_error_catch_ours() -> None:
    assert issubclass(DeadlineExceededError, TimeoutError)
    assert issubclass(ConnectionLostError, ConnectionError)
    assert issubclass(ERROR_CLASSES["UNKNOWN_OP"], InvalidRequestError)
    assert issubclass(ERROR_CLASSES["UNSUPPORTED_VERSION"], InvalidRequestError)


@pytest.mark.parametrize("code", CODES)
def test_an_error_comes_back_from_the_wire_as_it_was(code: str) -> None:
    error = ERROR_CLASSES[code]("what is wrong", field="image", retryable=True, retry_after_ms=12.5)
    back = DepthwireError.from_wire(error.to_wire())
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == "what is wrong"


@pytest.mark.parametrize("code", CODES)
def test_only_overload_and_shutdown_are_retryable_by_default(code: str) -> None:
    wire = ERROR_CLASSES[code]("no").to_wire()
    assert wire == {"code": code, "message": "no", "retryable": code in ("OVERLOADED", "SHUTTING_DOWN")}


@every_class
def test_an_error_survives_pickling(error_class: type[DepthwireError]) -> None:
    error = error_class("text", field="id", retry_after_ms=3.0)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is error_class
    assert vars(back) == vars(error)


def test_an_unknown_code_becomes_an_internal_error_that_says_it_and_believes_retryable() -> None:
    error = DepthwireError.from_wire({"code": "QUOTA", "message": "spent", "retryable": True, "more": 1})
    assert type(error) is InternalError
    assert str(error) == "QUOTA: spent"
    assert error.retryable


@pytest.mark.parametrize("code", ["PROTOCOL", "CONNECTION_LOST"])
def test_a_code_that_only_clients_raise_is_unknown_on_the_wire(code: str) -> None:
    assert type(DepthwireError.from_wire({"code": code, "message": ""})) is InternalError


@pytest.mark.parametrize("wire", [None, [], "INTERNAL", {}, {"code": "INTERNAL"}, {"code": 1, "message": "x"}])
def test_what_is_no_error_map_becomes_a_protocol_error(wire: object) -> None:
    assert type(DepthwireError.from_wire(wire)) is ProtocolError


@pytest.mark.parametrize("wait", [math.nan, math.inf, -1, "1", True, [1]])
def test_a_wait_that_nobody_can_wait_is_dropped(wait: Any) -> None:
    error = DepthwireError.from_wire({"code": "OVERLOADED", "message": "", "retry_after_ms": wait})
    assert error.retry_after_ms is None


@pytest.mark.parametrize("retryable", [None, 0, 1, "yes", [1]])
def test_only_true_is_retryable(retryable: Any) -> None:
    assert not DepthwireError.from_wire({"code": "INTERNAL", "message": "", "retryable": retryable}).retryable


def test_an_error_fits_its_reply_however_long_its_text_and_whatever_is_in_it() -> None:
    error = CancelledError("📷\ud800" * 100_000, field="f" * 100_000)
    reply = parse_reply([error_header(2**64 - 1, "pc", error)])
    assert isinstance(reply.error, CancelledError)
    assert len(reply.error.message) == 1000
    assert len(reply.error.field or "") == 100


def test_an_errors_defaults_can_be_overruled() -> None:
    assert not OverloadedError("never again", retryable=False).retryable
    assert InternalError("again", retryable=True).retryable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        ("x" * 100, "'" + "x" * 40 + "'…"),
        pytest.param(10**5000, "a number of 16610 bits", id="huge"),
        (math.nan, "nan"),
        (True, "True"),
        (None, "None"),
        ([1] * 1000, "of type list"),
    ],
)
def test_a_value_is_shown_on_one_short_line(value: object, text: str) -> None:
    assert shown(value) == text

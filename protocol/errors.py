"""The error codes of the wire as one exception tree; raised by `protocol`, the daemon and the client alike.

DepthwireError
├── InvalidRequestError      INVALID_REQUEST      a field is missing, of the wrong type or out of its range
│   ├── UnsupportedVersionError  UNSUPPORTED_VERSION  the header's `v` is not one this daemon speaks
│   └── UnknownOpError           UNKNOWN_OP           the header's `op` is not an operation
├── BadImageError            BAD_IMAGE            the image is not a JPEG, PNG or WebP that decodes without error
├── TooLargeError            TOO_LARGE            the image or its result exceeds a limit of the daemon
├── ModelNotFoundError       MODEL_NOT_FOUND      no such model, or its checkpoint could not be had
├── OverloadedError          OVERLOADED           no room now; try again after `retry_after_ms`
├── DeadlineExceededError    DEADLINE_EXCEEDED    the answer would come, or came, too late (also a TimeoutError)
├── SupersededError          SUPERSEDED           a newer request of the same stream took its place
├── CancelledError           CANCELLED            the client took the request back
├── ShuttingDownError        SHUTTING_DOWN        the daemon drains and admits nothing new
├── InternalError            INTERNAL             the daemon failed; retryable when a second try may succeed
├── ConnectionLostError      (client only)        no daemon answers at the endpoint
└── ProtocolError            (client only)        the peer sent something that is not this protocol
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

MAX_MESSAGE_CHARS: Final = 1000
MAX_FIELD_CHARS: Final = 100


def shown(value: object) -> str:
    """How a value that may come from the wire stands in an error's text: on one line, short whatever it is."""
    if isinstance(value, str):
        return repr(value[:40]) + ("…" if len(value) > 40 else "")
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print the longest ones
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return f"of type {type(value).__name__}"


class DepthwireError(Exception):
    """Base of every error that depthwire raises or sends.

    `message` is for a person and names the field and the limit; `field` is the request's field at fault, if one is;
    `retry_after_ms` is how long to wait before another try, if the daemon could tell.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retryable: bool | None = None,
        retry_after_ms: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.retry_after_ms = retry_after_ms

    def to_wire(self) -> dict[str, Any]:
        """The `error` map of a reply. It always fits a header: text is cut, and what UTF-8 cannot say replaced."""
        wire: dict[str, Any] = {
            "code": self.code,
            "message": _wire_text(self.message, MAX_MESSAGE_CHARS),
            "retryable": self.retryable,
        }
        if self.field is not None:
            wire["field"] = _wire_text(self.field, MAX_FIELD_CHARS)
        if self.retry_after_ms is not None:
            wire["retry_after_ms"] = self.retry_after_ms
        return wire

    @staticmethod
    def from_wire(wire: object) -> DepthwireError:
        """The exception for a reply's `error` map; a code this version does not know becomes an InternalError."""
        if not isinstance(wire, dict):
            return ProtocolError("the reply's error is not a map")
        code, message, field = wire.get("code"), wire.get("message"), wire.get("field")
        if not isinstance(code, str) or not isinstance(message, str):
            return ProtocolError("the reply's error has no code or no message")
        error_class = ERROR_CLASSES.get(code)
        return (error_class or InternalError)(
            message if error_class else f"{code}: {message}",
            field=field if isinstance(field, str) else None,
            retryable=wire.get("retryable") is True,
            retry_after_ms=_wait_ms(wire.get("retry_after_ms")),
        )


class InvalidRequestError(DepthwireError):
    code = "INVALID_REQUEST"


class UnsupportedVersionError(InvalidRequestError):
    code = "UNSUPPORTED_VERSION"


class UnknownOpError(InvalidRequestError):
    code = "UNKNOWN_OP"


class BadImageError(DepthwireError):
    code = "BAD_IMAGE"


class TooLargeError(DepthwireError):
    code = "TOO_LARGE"


class ModelNotFoundError(DepthwireError):
    code = "MODEL_NOT_FOUND"


class OverloadedError(DepthwireError):
    code = "OVERLOADED"
    retryable_by_default = True


class DeadlineExceededError(DepthwireError, TimeoutError):
    code = "DEADLINE_EXCEEDED"


class SupersededError(DepthwireError):
    code = "SUPERSEDED"


class CancelledError(DepthwireError):
    code = "CANCELLED"


class ShuttingDownError(DepthwireError):
    code = "SHUTTING_DOWN"
    retryable_by_default = True


class InternalError(DepthwireError):
    code = "INTERNAL"


class ConnectionLostError(DepthwireError, ConnectionError):
    """Client only: no daemon answers at the endpoint, or it went away more often than the client retries."""

    code = "CONNECTION_LOST"
    retryable_by_default = True


class ProtocolError(DepthwireError):
    """Client only: the peer sent something that is not this protocol."""

    code = "PROTOCOL"


def _wait_ms(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:  # NaN is not
        return None
    return float(value)


def _wire_text(text: str, max_chars: int) -> str:
    return text[:max_chars].encode("utf-8", "replace").decode("utf-8")


ERROR_CLASSES: dict[str, type[DepthwireError]] = {
    error_class.code: error_class
    for error_class in (
        InvalidRequestError,
        UnsupportedVersionError,
        UnknownOpError,
        BadImageError,
        TooLargeError,
        ModelNotFoundError,
        OverloadedError,
        DeadlineExceededError,
        SupersededError,
        CancelledError,
        ShuttingDownError,
        InternalError,
    )
}
"""Every code that may stand in a reply, with its class."""

"""The wire protocol of depthwire: frames, messages, errors and camera intrinsics. No sockets, no torch, no OpenCV.

Imported by the client and the daemon; SPEC.md beside this file is the text for other languages.
"""

from depthwire.protocol.calibration import CalibrationWarning
from depthwire.protocol.errors import (
    ERROR_CLASSES,
    BadImageError,
    CancelledError,
    ConnectionLostError,
    DeadlineExceededError,
    DepthwireError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    ShuttingDownError,
    SupersededError,
    TooLargeError,
    UnknownOpError,
    UnsupportedVersionError,
)
from depthwire.protocol.intrinsics import CameraIntrinsics
from depthwire.protocol.messages import (
    IMAGE_OPS,
    OPS,
    VERSION,
    Op,
    Reply,
    Request,
    RequestRefused,
    error_header,
    parse_reply,
    parse_request,
    result_header,
)
from depthwire.protocol.options import DepthFormat, ResultOptions

__all__ = [
    "ERROR_CLASSES",
    "IMAGE_OPS",
    "OPS",
    "VERSION",
    "BadImageError",
    "CalibrationWarning",
    "CameraIntrinsics",
    "CancelledError",
    "ConnectionLostError",
    "DeadlineExceededError",
    "DepthFormat",
    "DepthwireError",
    "InternalError",
    "InvalidRequestError",
    "ModelNotFoundError",
    "Op",
    "OverloadedError",
    "ProtocolError",
    "Reply",
    "Request",
    "RequestRefused",
    "ResultOptions",
    "ShuttingDownError",
    "SupersededError",
    "TooLargeError",
    "UnknownOpError",
    "UnsupportedVersionError",
    "error_header",
    "parse_reply",
    "parse_request",
    "result_header",
]

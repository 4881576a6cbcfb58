"""The client library of depthwire: depth and point clouds from a daemon, as numpy arrays nobody copied on the way.

Everything a user imports is named here; `sync_client` and `async_client` are where reading starts.
"""

from depthwire.client.async_client import AsyncDepthClient, AsyncDepthFuture
from depthwire.client.core import ClientClosedError
from depthwire.client.images import MissingEncoderError
from depthwire.client.profiles import ProfileError
from depthwire.client.results import DepthMap, PointCloud
from depthwire.client.streams.items import Frame, StreamItem
from depthwire.client.streams.iterators import AsyncDepthStream, DepthStream
from depthwire.client.sync_client import DepthClient, DepthFuture
from depthwire.client.web import ImageFetchError
from depthwire.protocol import (
    BadImageError,
    CalibrationWarning,
    CameraIntrinsics,
    CancelledError,
    ConnectionLostError,
    DeadlineExceededError,
    DepthFormat,
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
from depthwire.protocol.distribution import installed_version

__version__ = installed_version()
"""Of the distribution. Here and not in `depthwire`: that is a namespace of folders, which has no module of its own."""

__all__ = [
    "AsyncDepthClient",
    "AsyncDepthFuture",
    "AsyncDepthStream",
    "BadImageError",
    "CalibrationWarning",
    "CameraIntrinsics",
    "CancelledError",
    "ClientClosedError",
    "ConnectionLostError",
    "DeadlineExceededError",
    "DepthClient",
    "DepthFormat",
    "DepthFuture",
    "DepthMap",
    "DepthStream",
    "DepthwireError",
    "Frame",
    "ImageFetchError",
    "InternalError",
    "InvalidRequestError",
    "MissingEncoderError",
    "ModelNotFoundError",
    "OverloadedError",
    "PointCloud",
    "ProfileError",
    "ProtocolError",
    "ShuttingDownError",
    "StreamItem",
    "SupersededError",
    "TooLargeError",
    "UnknownOpError",
    "UnsupportedVersionError",
    "__version__",
]

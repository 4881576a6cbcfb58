"""What can be wrong with ROS data: a message, a camera's calibration, a bag. All are the client's own errors.

Raised by every module of this package; the command line and the nodes show their texts.
"""

from __future__ import annotations

from depthwire.protocol import DepthwireError


class MessageError(DepthwireError):
    """Client only: a message holds no picture that can be read; the text says why."""

    code = "BAD_MESSAGE"


class CameraInfoError(DepthwireError):
    """Client only: a CameraInfo gives no pinhole camera for the image: uncalibrated, distorted, or an unknown model."""

    code = "CAMERA_INFO"


class BagError(DepthwireError):
    """Client only: a bag cannot be read, written or continued; the text says what to do."""

    code = "BAG"

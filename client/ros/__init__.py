"""depthwire for robots: ROS messages to the client and back, without a ROS installation or rosbags.

What a node's author imports is named here; `conversion` is what bags and both nodes run on.
"""

from depthwire.client.ros.camera import Rectifier, camera_intrinsics
from depthwire.client.ros.errors import BagError, CameraInfoError, MessageError
from depthwire.client.ros.images import image_source, rgb_of
from depthwire.client.ros.messages import MessageBuilder, finite_points

__all__ = [
    "BagError",
    "CameraInfoError",
    "MessageBuilder",
    "MessageError",
    "Rectifier",
    "camera_intrinsics",
    "finite_points",
    "image_source",
    "rgb_of",
]

"""The depth node for ROS 1: `python3 -m depthwire.client.ros.ros1_node image:=… camera_info:=… _endpoint:=…`.

A thin adapter of rospy to `node_core`. Subscribes to `image` (or `image/compressed`) and `camera_info`; publishes
`~depth`, `~points`, `~camera_info` and `/diagnostics`. Parameters: the fields of NodeSettings.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

try:
    import diagnostic_msgs.msg
    import rospy
    import sensor_msgs.msg
except ModuleNotFoundError as missing:
    if __name__ != "__main__":
        raise
    sys.exit(f"ros1_node needs ROS 1 ({missing}): source its setup.bash, and run it with the Python that ROS uses")

from depthwire.client.ros.messages import MessageBuilder
from depthwire.client.ros.node_core import LOOK_INTERVAL_S, REPORT_INTERVAL_S, DepthNode, NodeSettings
from depthwire.protocol import DepthwireError

_BUFFER_BYTES = 64 * 1024 * 1024
"""Room for a whole raw image: rospy keeps the newest of a queue only as far as it has read the socket."""


class RosHost:
    """What `node_core.Host` asks for, with rospy."""

    def __init__(self, settings: NodeSettings) -> None:
        types = sensor_msgs.msg
        self.image_topic = rospy.resolve_name("image") + ("/compressed" if settings.compressed else "")
        self._image_type = types.CompressedImage if settings.compressed else types.Image
        outputs = {"depth": types.Image, "points": types.PointCloud2, "camera_info": types.CameraInfo}
        self._publishers = {
            name: rospy.Publisher(f"~{name}", message_type, queue_size=1) for name, message_type in outputs.items()
        }
        self._diagnostics = rospy.Publisher("/diagnostics", diagnostic_msgs.msg.DiagnosticArray, queue_size=1)
        self._subscriptions: list[Any] = []
        self.node = DepthNode(settings, MessageBuilder(types), self)

    def start(self) -> None:
        """Begin to look for subscribers and to report, until rospy shuts down."""
        rospy.on_shutdown(self.node.close)
        self._timers = [
            rospy.Timer(rospy.Duration(LOOK_INTERVAL_S), lambda _: self.node.look()),
            rospy.Timer(rospy.Duration(REPORT_INTERVAL_S), lambda _: self._tell()),
        ]

    def subscribers(self, output: str) -> int:
        return int(self._publishers[output].get_num_connections())

    def publish(self, output: str, message: Any) -> None:
        self._publishers[output].publish(message)

    def subscribe(self) -> None:
        on_image, on_info = self.node.on_image, self.node.on_camera_info
        info_type = sensor_msgs.msg.CameraInfo
        self._subscriptions = [
            rospy.Subscriber("camera_info", info_type, on_info, queue_size=1),
            rospy.Subscriber(self.image_topic, self._image_type, on_image, queue_size=1, buff_size=_BUFFER_BYTES),
        ]

    def unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            subscription.unregister()
        self._subscriptions = []

    def warn(self, text: str) -> None:
        rospy.logwarn(text)

    def _tell(self) -> None:
        self._diagnostics.publish(self.node.report.message(diagnostic_msgs.msg, rospy.Time.now()))


def main() -> None:
    """Run until ROS shuts down; a wrong parameter ends it at once with one line."""
    rospy.init_node("depthwire")
    given = {field.name: rospy.get_param(f"~{field.name}", field.default) for field in dataclasses.fields(NodeSettings)}
    try:
        host = RosHost(NodeSettings(**given))
    except DepthwireError as error:
        sys.exit(f"depthwire: {error.message}")
    host.start()
    rospy.loginfo(f"depthwire: depth of {host.image_topic} from {given['endpoint']} while somebody subscribes")
    rospy.spin()


if __name__ == "__main__":
    main()

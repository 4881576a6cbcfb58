"""The depth node for ROS 2, which the package in `ros2/depthwire_ros` installs and launches.

A thin adapter of rclpy to `node_core`. Subscribes to `image` (or `image/compressed`) and `camera_info`; publishes
`~/depth`, `~/points`, `~/camera_info` and `/diagnostics`. Parameters: the fields of NodeSettings.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

try:
    import diagnostic_msgs.msg
    import rclpy
    import rclpy.executors
    import sensor_msgs.msg
    from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
    from rclpy.subscription import Subscription
except ModuleNotFoundError as missing:
    if __name__ != "__main__":
        raise
    sys.exit(f"ros2_node needs ROS 2 ({missing}): source its setup.bash, and run it with the Python that ROS uses")

from depthwire.client.ros.messages import MessageBuilder
from depthwire.client.ros.node_core import LOOK_INTERVAL_S, REPORT_INTERVAL_S, DepthNode, NodeSettings
from depthwire.protocol import DepthwireError

# A camera's images are best effort: what the network lost is not worth sending again.
_NEWEST = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
# Reliable publishers serve subscribers of both kinds; RViz asks for reliable ones.
_OUTPUT = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE)


class RosHost:
    """What `node_core.Host` asks for, with a node of rclpy."""

    def __init__(self) -> None:
        self.ros = ros = rclpy.create_node("depthwire")
        settings = NodeSettings(
            **{
                field.name: ros.declare_parameter(field.name, field.default).value
                for field in dataclasses.fields(NodeSettings)
            }
        )
        types = sensor_msgs.msg
        self.image_topic = ros.resolve_topic_name("image") + ("/compressed" if settings.compressed else "")
        self._image_type = types.CompressedImage if settings.compressed else types.Image
        outputs = {"depth": types.Image, "points": types.PointCloud2, "camera_info": types.CameraInfo}
        self._publishers = {
            name: ros.create_publisher(message_type, f"~/{name}", _OUTPUT) for name, message_type in outputs.items()
        }
        self._diagnostics = ros.create_publisher(diagnostic_msgs.msg.DiagnosticArray, "/diagnostics", _OUTPUT)
        self._subscriptions: list[Subscription] = []
        self.node = DepthNode(settings, MessageBuilder(types), self)
        ros.create_timer(LOOK_INTERVAL_S, self.node.look)
        ros.create_timer(REPORT_INTERVAL_S, self._tell)
        ros.get_logger().info(f"depth of {self.image_topic} from {settings.endpoint} while somebody subscribes")

    def subscribers(self, output: str) -> int:
        return self._publishers[output].get_subscription_count()

    def publish(self, output: str, message: Any) -> None:
        self._publishers[output].publish(message)

    def subscribe(self) -> None:
        info_type = sensor_msgs.msg.CameraInfo
        self._subscriptions = [
            self.ros.create_subscription(info_type, "camera_info", self.node.on_camera_info, _NEWEST),
            self.ros.create_subscription(self._image_type, self.image_topic, self.node.on_image, _NEWEST),
        ]

    def unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            self.ros.destroy_subscription(subscription)
        self._subscriptions = []

    def warn(self, text: str) -> None:
        self.ros.get_logger().warning(text)

    def _tell(self) -> None:
        now = self.ros.get_clock().now().to_msg()
        self._diagnostics.publish(self.node.report.message(diagnostic_msgs.msg, now))


def main() -> None:
    """Run until ROS shuts down; a wrong parameter ends it at once with one line."""
    rclpy.init()
    try:
        host = RosHost()
    except DepthwireError as error:
        rclpy.try_shutdown()
        sys.exit(f"depthwire: {error.message}")
    try:
        rclpy.spin(host.ros)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass  # how a node is meant to end
    finally:
        host.node.close()
        host.ros.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

"""The robot around the ROS 1 node, for its test: a camera and a listener, under the Python that has rospy.

Takes one command a line, a JSON list of a method's name and its arguments, and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import rospy
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

NODE = "/depthwire"
KINDS = {"depth": Image, "points": PointCloud2, "camera_info": CameraInfo}


class Robot:
    def __init__(self) -> None:
        rospy.init_node("robot", disable_signals=True)
        self._publishers = {
            "compressed": rospy.Publisher("/front/image_raw/compressed", CompressedImage, queue_size=1),
            "raw": rospy.Publisher("/front/image_raw", Image, queue_size=1),
        }
        self._info = rospy.Publisher("/front/camera_info", CameraInfo, queue_size=1)
        self._listeners: list[Any] = []
        self._heard: dict[str, Any] = {}
        self._news = threading.Condition()
        rospy.Subscriber("/diagnostics", DiagnosticArray, lambda message: self._take("diagnostics", message))

    def listen(self, *names: str) -> None:
        for listener in self._listeners:
            listener.unregister()
        self._listeners = [
            rospy.Subscriber(f"{NODE}/{name}", KINDS[name], lambda message, name=name: self._take(name, message))
            for name in names
        ]

    def node_subscribes(self, form: str, expected: bool, seconds: float) -> bool:
        """Whether the node comes to subscribe to the camera (or to leave it) in time."""
        deadline = time.monotonic() + seconds
        connected = (self._publishers[form], self._info)
        while any((publisher.get_num_connections() > 0) != expected for publisher in connected):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def show(self, form: str, number: int, data: str, width: int, height: int) -> None:
        """Publish a picture and its camera info, as a JPEG or as raw rgb8, with `number` as its stamp's seconds."""
        header = Header(frame_id="front_optical")
        header.stamp.secs, header.stamp.nsecs = number, 7
        info = CameraInfo(header=header, width=width, height=height, distortion_model="plumb_bob", D=[0.0] * 5)
        info.K = [210.0, 0, 158, 0, 205, 121, 0, 0, 1]
        self._info.publish(info)
        time.sleep(0.05)  # two connections: the picture is not to overtake its camera info
        pixels = bytes.fromhex(data)
        if form == "compressed":
            self._publishers[form].publish(CompressedImage(header=header, format="jpeg", data=pixels))
        else:
            step = 3 * width
            image = Image(header=header, width=width, height=height, encoding="rgb8", step=step, data=pixels)
            self._publishers[form].publish(image)

    def hear(self, name: str, number: int, seconds: float) -> dict[str, Any] | None:
        """The output that was made of picture `number`, or None in time."""
        with self._news:
            there = self._news.wait_for(
                lambda: name in self._heard and self._heard[name].header.stamp.secs == number, seconds
            )
            message = self._heard.get(name)
        if not there or message is None:
            return None
        found = {"nsecs": message.header.stamp.nsecs, "frame_id": message.header.frame_id}
        found |= {"height": message.height, "width": message.width}
        if name == "camera_info":
            return {**found, "K": list(message.K)}
        return {**found, "data": message.data.hex()}

    def diagnostics(self, text: str, seconds: float) -> dict[str, Any] | None:
        """The diagnostics once their text begins like this, or None in time."""
        with self._news:
            self._news.wait_for(lambda: self._text().startswith(text), seconds)
            if not self._text().startswith(text):
                return None
            status = self._heard["diagnostics"].status[0]
        return {"level": status.level, **{entry.key: entry.value for entry in status.values}}

    def _text(self) -> str:
        return str(self._heard["diagnostics"].status[0].message) if "diagnostics" in self._heard else ""

    def _take(self, name: str, message: Any) -> None:
        with self._news:
            self._heard[name] = message
            self._news.notify_all()


def main() -> None:
    robot = Robot()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(robot, method)(*arguments)), flush=True)


if __name__ == "__main__":
    main()

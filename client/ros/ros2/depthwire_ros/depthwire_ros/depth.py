"""`ros2 run depthwire_ros depth`: the node, or one line that says how to install it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the node that comes with depthwire's client."""
    try:
        from depthwire.client.ros.ros2_node import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "depthwire":
            remedy = "Install the client for this Python: `pip install .` in a checkout of depthwire"
        else:
            remedy = "Install it for this Python, or source ROS 2's setup file first"
        sys.exit(f"depthwire_ros: {error}. {remedy}")
    run()

"""`ros2 run depthwire_ros depth`: the node, or one line that says how to install it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the node that comes with the pip package depthwire."""
    try:
        from depthwire.client.ros.ros2_node import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"depthwire_ros: {error}. Install the client for this Python: pip install depthwire")
    run()

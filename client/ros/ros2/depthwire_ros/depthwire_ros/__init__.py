"""The ROS 2 package around depthwire.client.ros.ros2_node."""

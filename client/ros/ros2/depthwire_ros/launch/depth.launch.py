"""`ros2 launch depthwire_ros depth.launch.py image:=/front/image_raw camera_info:=/front/camera_info endpoint:=…`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

ARGUMENTS = {
    "image": ("/camera/image_raw", "The image topic, without /compressed."),
    "camera_info": ("/camera/camera_info", "Its CameraInfo."),
    "endpoint": ("tcp://127.0.0.1:5555", "The daemon."),
    "compressed": ("true", "Subscribe to IMAGE/compressed, which is sent as it is, instead of IMAGE."),
    "params": (
        str(Path(get_package_share_directory("depthwire_ros")) / "config" / "depth.yaml"),
        "A file with all parameters.",
    ),
}


def generate_launch_description() -> LaunchDescription:
    """The node, named depthwire, with its topics remapped."""
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = Node(
        package="depthwire_ros",
        executable="depth",
        name="depthwire",
        output="screen",
        parameters=[
            given["params"],
            {"endpoint": given["endpoint"], "compressed": ParameterValue(given["compressed"], value_type=bool)},
        ],
        remappings=[("image", given["image"]), ("camera_info", given["camera_info"])],
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, node])

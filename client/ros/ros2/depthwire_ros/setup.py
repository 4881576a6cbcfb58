"""The ament_python package: an executable, a launch file and parameters for the node in depthwire.client.ros."""

from setuptools import setup

NAME = "depthwire_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/depth.launch.py"]),
        (f"share/{NAME}/config", ["config/depth.yaml"]),
    ],
    install_requires=["setuptools"],  # and depthwire, which depth.py asks for: no index is to be asked for that name
    zip_safe=True,
    description="Depth images and point clouds of a camera from a depthwired daemon.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["depth = depthwire_ros.depth:main"]},
)

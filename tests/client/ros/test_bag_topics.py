"""Which topics of a bag are pictures, and which CameraInfo is whose."""

from __future__ import annotations

import pytest

from depthwire.client.ros.bag_topics import CAMERA_INFO, COMPRESSED, RAW, choose_topics


@pytest.mark.parametrize(
    ("topic", "there", "expected"),
    [
        ("/front/compressed", ["/front/camera_info"], "/front/camera_info"),
        ("/front/compressed", ["/camera_info", "/front/camera_info"], "/front/camera_info"),
        ("/front/compressed", ["/camera_info"], "/camera_info"),
        ("/front/image_raw/compressed", ["/front/camera_info"], "/front/camera_info"),
        ("/front/image_raw", ["/front/camera_info", "/front/image_raw/camera_info"], "/front/camera_info"),
        ("/front", ["/front/camera_info"], "/front/camera_info"),
        ("/front/image_raw", ["/rear/camera_info"], None),
    ],
)
def test_the_camera_info_nearest_to_an_image_is_its_own(topic: str, there: list[str], expected: str | None) -> None:
    types = {topic: COMPRESSED if topic.endswith("compressed") else RAW} | dict.fromkeys(there, CAMERA_INFO)
    (found,) = choose_topics(types, lambda _: True, [], None)
    assert (found.name, found.info) == (topic, expected)

"""One image message to its depth: what to ask the daemon for it, and the messages that its answer becomes.

The bag converter and both nodes run on `Conversion`; it neither sends nor publishes anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.client.results import DepthMap, PointCloud
from depthwire.client.ros.bit_depth import BitDepths
from depthwire.client.ros.camera import Rectifier, camera_intrinsics, needs_rectification
from depthwire.client.ros.errors import CameraInfoError
from depthwire.client.ros.images import Picture, image_source, rgb_of, strictly_decoded
from depthwire.client.ros.messages import DepthEncoding, MessageBuilder, finite_points
from depthwire.client.sync_client import DepthClient, DepthFuture
from depthwire.protocol import CameraIntrinsics

OUTPUTS = {
    "depth": "sensor_msgs/msg/Image",
    "points": "sensor_msgs/msg/PointCloud2",
    "camera_info": "sensor_msgs/msg/CameraInfo",
}
"""What comes out beside an image, and its type."""


@dataclass(frozen=True)
class Wanted:
    """What to make of images.

    `encoding` is that of the depth image, `organized` whether clouds keep the image's rows and columns with NaN for
    invalid points (else only valid points, in one row), `colors` whether points carry the image's, `rectify` whether
    distorted pictures are rectified (else they give no cloud).
    """

    depth: bool = True
    points: bool = True
    encoding: DepthEncoding = "32FC1"
    organized: bool = True
    colors: bool = True
    rectify: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image message made ready to be sent, and what is wanted of it.

    `inside` is H×W bool, False where a rectified picture shows nothing, or None. `passed_on` is the image's own
    CameraInfo where the depth map's is the same.
    """

    wanted: Wanted
    header: Any
    picture: Picture
    intrinsics: CameraIntrinsics | None
    inside: npt.NDArray[np.bool_] | None = None
    passed_on: Any = None


class Conversion:
    """Makes requests of image messages, and messages of answers, with the message classes of one ROS."""

    def __init__(self, build: MessageBuilder, bits: BitDepths | None = None) -> None:
        self._build = build
        self._bits = bits or BitDepths()
        self._rectifier = Rectifier()

    def prepare(self, wanted: Wanted, image: Any, info: Any = None, rectified: bool = False) -> Prepared:
        """The picture and the camera of an image message; `info` is its CameraInfo (or CameraIntrinsics) or None.

        `rectified` says that the image is (a topic named `image_rect…`). Raises MessageError for a message without a
        picture, CameraInfoError where points are wanted and the camera gives none, MissingEncoderError.
        """
        header, picture = image.header, image_source(image, self._bits)
        if info is None:
            if wanted.points:
                raise CameraInfoError("points need the camera's CameraInfo and there is none", field="camera_info")
            return Prepared(wanted, header, picture, None)
        if isinstance(info, CameraIntrinsics):
            return Prepared(wanted, header, picture, info)
        if wanted.rectify and needs_rectification(info, rectified):
            pixels = picture if isinstance(picture, np.ndarray) else strictly_decoded(picture)
            straight, intrinsics, inside = self._rectifier.rectify(pixels, info)
            return Prepared(wanted, header, straight, intrinsics, None if inside.all() else inside)
        try:
            return Prepared(wanted, header, picture, camera_intrinsics(info, rectified=rectified))
        except CameraInfoError:
            if wanted.points:
                raise
            return Prepared(wanted, header, picture, None, passed_on=info)

    def submit(self, client: DepthClient, prepared: Prepared, **options: Any) -> DepthFuture[Any]:
        """Ask the daemon. Raises what `client.submit` raises."""
        if prepared.wanted.points and prepared.intrinsics is not None:
            # Of a picture that is here as pixels the colours are here too, as they were before it was compressed.
            colors = prepared.wanted.colors and not isinstance(prepared.picture, np.ndarray)
            options |= {"organized": True, "colors": colors}
            return client.submit("pc", prepared.picture, prepared.intrinsics, **options)
        return client.submit("metric_depth", prepared.picture, **options)

    def messages(self, prepared: Prepared, answer: DepthMap) -> dict[str, Any]:
        """The messages of an answer, all with the image's header. The answer's arrays go into them.

        A cloud is organized, as `submit` asks for it.
        """
        depth, outside = answer.depth, None if prepared.inside is None else ~prepared.inside
        if outside is not None:
            depth[outside] = np.nan
        made: dict[str, Any] = {}
        if prepared.wanted.depth:
            made["depth"] = self._build.depth_image(depth, prepared.header, prepared.wanted.encoding)
        if isinstance(answer, PointCloud):
            if outside is not None:
                answer.points[outside] = np.nan
            made["points"] = self._cloud(answer, prepared)
        info = self._camera_info(prepared, depth.shape)
        return made if info is None else {**made, "camera_info": info}

    def _cloud(self, answer: PointCloud, prepared: Prepared) -> Any:
        points, colors = answer.points, answer.colors
        if colors is None and prepared.wanted.colors:
            colors = rgb_of(prepared.picture)
        if not prepared.wanted.organized:
            points, colors = finite_points(points, colors)
        return self._build.point_cloud(points, prepared.header, colors)

    def _camera_info(self, prepared: Prepared, shape: tuple[int, ...]) -> Any:
        if prepared.intrinsics is None:
            return prepared.passed_on
        height, width = shape
        return self._build.camera_info(prepared.intrinsics.scaled_to(width, height), prepared.header)


def is_rectified_topic(topic: str) -> bool:
    """Whether a topic's name says that its image is rectified: `image_rect`, `image_rect_color`, … (image_proc's)."""
    return any(part.startswith("image_rect") for part in topic.split("/"))

"""The depth node without its ROS: the newest image to depth while somebody listens, for `ros1_node` and `ros2_node`.

The adapters hand in images and camera infos, and give it a `Host` to subscribe, publish and log through. One thread of
its own asks the daemon, one image at a time.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

from depthwire.client.base import DEFAULT_ENDPOINT
from depthwire.client.profiles import load_profile, split_model
from depthwire.client.results import WARNING_KEY
from depthwire.client.ros.conversion import Conversion, Prepared, Wanted, is_rectified_topic
from depthwire.client.ros.errors import CameraInfoError
from depthwire.client.ros.messages import DEPTH_ENCODINGS, MessageBuilder
from depthwire.client.ros.node_report import Report
from depthwire.client.sync_client import DepthClient
from depthwire.protocol import DepthwireError, InvalidRequestError

LOOK_INTERVAL_S = 0.5
"""How often the adapters call `look`: how long a new subscriber waits for the first image to be asked for."""
REPORT_INTERVAL_S = 1.0

_CONNECT_TIMEOUT_S = 1.0
"""An image that finds no daemon for so long has failed; the next one tries again."""
_OF_A_MODEL = frozenset({"encoder", "dataset", "model_input_size", "max_depth"})
_WARN_INTERVAL_S = 10.0
_INFOS_KEPT = 32


@dataclass(frozen=True)
class NodeSettings:
    """The node's parameters, by their names in ROS, with their defaults. An empty text means "not given".

    `profile` names a server of the profiles file, which `endpoint` then does not; `model` is as in
    `vits_hypersim_518`, and replaces a profile's together with its size and range; `timeout` is how many seconds an
    image is worth waiting for, and any but the default goes before a profile's. `compressed` subscribes to the image's
    compressed form; `rectified` says that the image is, where the topic's name does not; `rectify` rectifies the
    pictures of distorted cameras.
    """

    endpoint: str = DEFAULT_ENDPOINT
    profile: str = ""
    server_key: str = ""
    client_key: str = ""
    model: str = ""
    timeout: float = 5.0
    compressed: bool = False
    rectified: bool = False
    rectify: bool = False
    depth_encoding: str = DEPTH_ENCODINGS[0]
    organized: bool = True
    colors: bool = True

    def open_client(self) -> DepthClient:
        """Raises InvalidRequestError and ProfileError for settings that cannot be."""
        arguments: dict[str, Any] = {"endpoint": self.endpoint, "timeout": self.timeout}
        arguments["connect_timeout"] = min(_CONNECT_TIMEOUT_S, self.timeout)
        if self.profile:
            arguments |= load_profile(self.profile)
        if self.timeout != NodeSettings.timeout:  # the default may be there without that anybody gave it
            arguments["timeout"] = self.timeout
        if self.model:  # another model than the profile's: its size and range do not belong to this one
            arguments = {name: value for name, value in arguments.items() if name not in _OF_A_MODEL}
            arguments |= split_model(self.model)
        keys = {"server_key": self.server_key, "client_key": self.client_key}
        arguments |= {name: key for name, key in keys.items() if key}
        return DepthClient(**arguments)

    @property
    def wanted(self) -> Wanted:
        """Raises InvalidRequestError for an unknown encoding."""
        for encoding in DEPTH_ENCODINGS:
            if self.depth_encoding == encoding:
                return Wanted(True, True, encoding, self.organized, self.colors, self.rectify)
        raise InvalidRequestError(
            f"depth_encoding is {self.depth_encoding!r}; it is {' or '.join(DEPTH_ENCODINGS)}", field="depth_encoding"
        )


class Host(Protocol):
    """What the core needs of a ROS. All of it may be called from any thread."""

    image_topic: str
    """As resolved, for people and for what its name says."""

    def subscribers(self, output: str) -> int:
        """How many listen to an output: depth, points or camera_info."""

    def publish(self, output: str, message: Any) -> None: ...

    def subscribe(self) -> None:
        """Begin to hand images and camera infos to the core."""

    def unsubscribe(self) -> None: ...

    def warn(self, text: str) -> None: ...


class DepthNode:
    """The node. `look` and `report` are for timers, `on_image` and `on_camera_info` for subscriptions.

    Raises what NodeSettings raises, so that a wrong parameter ends the node at its start.
    """

    def __init__(self, settings: NodeSettings, build: MessageBuilder, host: Host) -> None:
        self._wanted = settings.wanted
        self._rectified = settings.rectified or is_rectified_topic(host.image_topic)
        self._client = settings.open_client()
        self._conversion = Conversion(build)
        self._host = host
        self._infos: collections.deque[Any] = collections.deque(maxlen=_INFOS_KEPT)
        self._newest: tuple[Any, float] | None = None
        self._news = threading.Condition()
        self._is_subscribed = False
        self._closed = threading.Event()
        self._warned_at = -_WARN_INTERVAL_S
        self.report = Report(self._client.endpoint, host.image_topic)
        self._thread = threading.Thread(target=self._run, name="depthwire node", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Subscribe or unsubscribe as somebody listens or nobody does."""
        listened_to = self._listened_to() is not None
        if listened_to == self._is_subscribed:
            return
        self._is_subscribed = listened_to
        self.report.is_idle = not listened_to
        if listened_to:
            self._host.subscribe()
        else:
            self._host.unsubscribe()
            with self._news:
                self._newest = None

    def on_camera_info(self, info: Any) -> None:
        with self._news:
            self._infos.append(info)

    def on_image(self, image: Any) -> None:
        """Take an image; one that still waits is dropped for it."""
        with self._news:
            self.report.arrived(dropped=self._newest is not None)
            self._newest = image, time.monotonic()
            self._news.notify()

    def close(self) -> None:
        """End the thread, taking back what is under way."""
        with self._news:
            self._closed.set()
            self._news.notify()
        self._client.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed.is_set() or self._newest is not None)
                newest, self._newest = self._newest, None
                if self._closed.is_set() or newest is None:
                    return
            try:
                self._convert(*newest)
            except Exception as error:  # whatever it is, the next image may fare better
                if self._closed.is_set():
                    return
                self._failed(error.message if isinstance(error, DepthwireError) else f"{type(error).__name__}: {error}")

    def _convert(self, image: Any, arrived: float) -> None:
        wanted = self._listened_to()
        if wanted is None:
            return
        prepared, problem = self._prepare(wanted, image)
        answer = self._conversion.submit(self._client, prepared).result()
        for output, message in self._conversion.messages(prepared, answer).items():
            self._host.publish(output, message)
        problem = problem or str(answer.meta.get(WARNING_KEY, ""))
        self.report.answered(answer.model, time.monotonic() - arrived, problem)

    def _prepare(self, wanted: Wanted, image: Any) -> tuple[Prepared, str]:
        """The image made ready, and why there will be no points; those who listen to depth get it all the same."""
        info = self._info_of(image)
        try:
            return self._conversion.prepare(wanted, image, info, self._rectified), ""
        except CameraInfoError as error:
            if not wanted.depth:
                raise
            without = dataclasses.replace(wanted, points=False)
            return self._conversion.prepare(without, image, info, self._rectified), error.message

    def _listened_to(self) -> Wanted | None:
        """What somebody listens to, or None. For the camera info alone nothing is asked of the daemon."""
        depth, points = (self._host.subscribers(output) > 0 for output in ("depth", "points"))
        return dataclasses.replace(self._wanted, depth=depth, points=points) if depth or points else None

    def _info_of(self, image: Any) -> Any:
        """The camera info of the image's stamp, else the newest one, else None."""
        with self._news:
            infos = list(self._infos)
        same = (info for info in infos if info.header.stamp == image.header.stamp)
        return next(same, infos[-1] if infos else None)

    def _failed(self, text: str) -> None:
        self.report.failed(text)
        if time.monotonic() - self._warned_at >= _WARN_INTERVAL_S:
            self._warned_at = time.monotonic()
            self._host.warn(text)

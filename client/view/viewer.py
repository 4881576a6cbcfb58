"""The live view: image, depth and a coloured cloud that one can turn, in a browser. A sink of `depthwire stream`.

It is drawn by viser (extra `view`): one web server on one port, which is why it works over SSH and without a display.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from depthwire.client.streams.items import StreamItem
from depthwire.client.view.faults import CommandError, Exit, Fault
from depthwire.client.view.pictures import colourise, readable_far
from depthwire.protocol.distribution import install_hint

DEFAULT_PORT: Final = 8012
MAX_POINTS: Final = 150_000
"""Nine bytes each in the browser's direction."""
PANEL_WIDTH: Final = 480
MIN_INTERVAL_S: Final = 0.1
"""Between two pictures shown: more than the eye needs, and no more than a connection over SSH takes."""


class Viewer:
    """A web page at `url` that shows the newest result; `take` may be called at any rate.

    Listens on `host`, by default for this machine alone, at `port` or the next one that is free. Raises CommandError
    where viser is missing or the port cannot be had.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        viser = _viser()
        logging.getLogger("websockets").setLevel(logging.CRITICAL)  # a browser that goes away is no news
        try:
            with _silence():
                self._server = viser.ViserServer(host, port, label="depthwire", verbose=False)
        except OSError as error:
            raise CommandError(Fault(f"the view cannot listen at {host}:{port}: {error}", Exit.FAILED)) from None
        self.host, self.port = host, int(self._server.get_port())
        self._late: StreamItem[Any] | None = None
        self._shown_at = -math.inf
        self._panels: tuple[Any, ...] = ()
        self._lay_out()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        """Show a PointCloud with colors, or keep it for later where one was shown just now."""
        self._late = item
        if time.monotonic() - self._shown_at >= MIN_INTERVAL_S:
            self.show_late()
        return {}

    def show_late(self) -> None:
        """Show what was kept, if anything was."""
        item, self._late = self._late, None
        if item is None:
            return
        self._shown_at = time.monotonic()
        cloud = item.result
        rgb = cloud.colors.reshape(*cloud.depth.shape, 3)
        depth_rgb = colourise(cloud.depth, far=readable_far(cloud.depth))
        with self._server.atomic():
            self._show_panels(_small(rgb), _small(depth_rgb))
            self._show_cloud(cloud.points, depth_rgb if self._by_depth.value else rgb)
        model, age_ms = cloud.model, 1e3 * item.age
        self._text.content = f"{cloud.min:.2f} … {cloud.max:.2f} m, {model}, frame {item.index}, {age_ms:.0f} ms old"

    def close(self) -> None:
        self.show_late()
        with _silence():
            self._server.stop()

    def _lay_out(self) -> None:
        server = self._server
        # The share button would put the camera's pictures on a stranger's relay at one click.
        server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        server.scene.set_up_direction("-y")
        server.initial_camera.position = (0.8, -0.7, -0.8)
        server.initial_camera.look_at = (0.0, 0.2, 4.0)
        self._text = server.gui.add_markdown("waiting for the first result …", order=1)
        self._point_size = server.gui.add_slider("point size (mm)", min=1, max=50, step=1, initial_value=12, order=8)
        self._by_depth = server.gui.add_checkbox("colour by depth", initial_value=False, order=9)
        self._point_size.on_update(lambda _: self._resize())
        self._cloud: Any = None

    def _resize(self) -> None:
        if self._cloud is not None:
            self._cloud.point_size = 1e-3 * self._point_size.value

    def _show_panels(self, rgb: NDArray[np.uint8], depth_rgb: NDArray[np.uint8]) -> None:
        if not self._panels:
            add = self._server.gui.add_image
            self._panels = tuple(
                add(picture, label=label, format="jpeg", order=order)
                for order, label, picture in ((2, "image", rgb), (3, "depth", depth_rgb))
            )
        else:
            self._panels[0].image, self._panels[1].image = rgb, depth_rgb

    def _show_cloud(self, points: NDArray[np.float32], rgb: NDArray[np.uint8]) -> None:
        points, colours = points.reshape(-1, 3), rgb.reshape(-1, 3)
        step = max(1, math.ceil(len(points) / MAX_POINTS))
        points, colours = points[::step], colours[::step]
        valid = np.isfinite(points).all(axis=1)
        self._cloud = self._server.scene.add_point_cloud(
            "/cloud", points[valid], colours[valid], point_size=1e-3 * self._point_size.value
        )


def _silence() -> contextlib.AbstractContextManager[Any]:
    """viser tells people where it listens and that it stopped, on stdout, where our own output goes."""
    return contextlib.redirect_stdout(io.StringIO())


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = max(1, picture.shape[1] // PANEL_WIDTH)
    return np.ascontiguousarray(picture[::step, ::step])


def _viser() -> Any:
    try:
        import viser
    except ImportError:
        text = f"the view needs viser: {install_hint('view')}"
        raise CommandError(Fault(text, Exit.FAILED, {"code": "MISSING_PACKAGE"})) from None
    return viser

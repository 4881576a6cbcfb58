"""AsyncDepthClient: the asyncio twin of DepthClient, method for method.

A thin face over the same base, connection and core; the I/O thread hands answers to the event loop, so that retries and
deadlines go on while the loop is busy, and any event loop on any platform will do.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from depthwire.client.base import USE_DEFAULT, ClientBase, Timeout
from depthwire.client.connection import Connection
from depthwire.client.core import Call
from depthwire.client.images import ImageSource
from depthwire.client.results import DepthMap, Health, PointCloud, Result
from depthwire.client.streams.items import Policy
from depthwire.client.streams.iterators import AsyncDepthStream, AsyncFrames
from depthwire.protocol import CameraIntrinsics, DepthFormat, DepthwireError

if TYPE_CHECKING:
    from typing_extensions import Self

R = TypeVar("R")


class AsyncDepthFuture(asyncio.Future[R]):
    """The answer to come: await it, from its event loop.

    Cancelling it, or the task that awaits it, takes the request back: asyncio.CancelledError here, and the daemon is
    told.
    """

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._connection = connection
        self._call: Call | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Take the request back; False if the answer is here already."""
        if not super().cancel(msg):
            return False
        if self._call is not None:
            self._connection.cancel(self._call)
        return True

    def deliver(self, outcome: Result | DepthwireError) -> None:
        """For the I/O thread: the one answer."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever could have waited
            self.get_loop().call_soon_threadsafe(self.settle, outcome)

    def settle(self, outcome: Result | Exception) -> None:
        """The same, in the event loop."""
        if self.done():
            return
        if isinstance(outcome, Exception):
            self.set_exception(outcome)
        else:
            self.set_result(cast(R, outcome))


class AsyncDepthClient(ClientBase):
    """A daemon's operations as coroutines; everything else is as DepthClient says.

        async with AsyncDepthClient("tcp://127.0.0.1:5555") as client:
            depth = await client.metric_depth(jpeg, timeout=0.2)

    One client may be used from several event loops.
    """

    async def pc(
        self,
        image: ImageSource,
        intrinsics: CameraIntrinsics,
        *,
        max_depth: float | None = None,
        encoder: str | None = None,
        dataset: str | None = None,
        model_input_size: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        stream: str | None = None,
        meta: dict[Any, Any] | None = None,
        range: tuple[float, float] | None = None,
        edge_filter: float | None = None,
        stride: int = 1,
        organized: bool = False,
        colors: bool = False,
        depth_format: DepthFormat = "float32",
    ) -> PointCloud:
        """Point cloud (N×3 float32, metres) and depth map of an image; `max_depth` in metres.

        `range`, `edge_filter`, `stride` and `depth_format` are as for `metric_depth`, for points and depth map alike;
        `depth_format` leaves the points float32. `organized` makes the points H×W×3; `colors` adds the image's uint8
        red, green and blue in the shape of the points.
        """
        return await self.submit(
            "pc",
            image,
            intrinsics,
            max_depth=max_depth,
            encoder=encoder,
            dataset=dataset,
            model_input_size=model_input_size,
            timeout=timeout,
            stream=stream,
            meta=meta,
            range=range,
            edge_filter=edge_filter,
            stride=stride,
            organized=organized,
            colors=colors,
            depth_format=depth_format,
        )

    async def metric_depth(
        self,
        image: ImageSource,
        *,
        max_depth: float | None = None,
        encoder: str | None = None,
        dataset: str | None = None,
        model_input_size: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        stream: str | None = None,
        meta: dict[Any, Any] | None = None,
        range: tuple[float, float] | None = None,
        edge_filter: float | None = None,
        stride: int = 1,
        depth_format: DepthFormat = "float32",
    ) -> DepthMap:
        """Depth map (H×W float32, metres along the optical axis) of an image; `max_depth` in metres.

        `range`: depth outside (nearest, farthest), metres, becomes NaN. `edge_filter`: so does depth where the greatest
        of a pixel's 3×3 neighbourhood is more than (1 + edge_filter) times the least, as at flying pixels; 0.05 is
        usual. `stride`: only pixels whose column and row are multiples of it are kept; the result's `intrinsics` fit.
        `depth_format`: "float16", or "uint16_mm" for millimetres with 0 instead of NaN (at most 65.535 m).
        """
        return await self.submit(
            "metric_depth",
            image,
            max_depth=max_depth,
            encoder=encoder,
            dataset=dataset,
            model_input_size=model_input_size,
            timeout=timeout,
            stream=stream,
            meta=meta,
            range=range,
            edge_filter=edge_filter,
            stride=stride,
            depth_format=depth_format,
        )

    async def rel_depth(
        self,
        image: ImageSource,
        *,
        encoder: str | None = None,
        dataset: str | None = None,
        model_input_size: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        stream: str | None = None,
        meta: dict[Any, Any] | None = None,
        edge_filter: float | None = None,
        stride: int = 1,
        depth_format: DepthFormat = "float32",
    ) -> DepthMap:
        """Relative depth (H×W float32): 0…1 from a metric checkpoint, inverse depth from a relative one.

        `edge_filter`, `stride` and `depth_format` ("float16") are as for `metric_depth`.
        """
        return await self.submit(
            "rel_depth",
            image,
            encoder=encoder,
            dataset=dataset,
            model_input_size=model_input_size,
            timeout=timeout,
            stream=stream,
            meta=meta,
            edge_filter=edge_filter,
            stride=stride,
            depth_format=depth_format,
        )

    async def health(self, *, timeout: Timeout = USE_DEFAULT) -> Health:
        """The daemon's state: status, device, engine, models_loaded, default_model, version, …"""
        return await self.submit("health", timeout=timeout)

    @overload
    def submit(
        self, op: Literal["pc"], image: ImageSource, intrinsics: CameraIntrinsics, **options: Any
    ) -> AsyncDepthFuture[PointCloud]: ...

    @overload
    def submit(
        self,
        op: Literal["metric_depth", "rel_depth"],
        image: ImageSource,
        intrinsics: CameraIntrinsics | None = None,
        **options: Any,
    ) -> AsyncDepthFuture[DepthMap]: ...

    @overload
    def submit(self, op: Literal["health"], *, timeout: Timeout = USE_DEFAULT) -> AsyncDepthFuture[Health]: ...

    def submit(
        self,
        op: str,
        image: ImageSource | None = None,
        intrinsics: CameraIntrinsics | None = None,
        *,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> AsyncDepthFuture[Any]:
        """Send a request without waiting: `op` is the method's name, the arguments are the method's.

        Not a coroutine: it returns the future at once. Files, URLs and arrays are read and encoded in the loop's
        executor; what is wrong with them shows when the future is awaited, what is wrong with the others at once.
        """
        loop = asyncio.get_running_loop()
        future: AsyncDepthFuture[Any] = AsyncDepthFuture(self._connection, loop)
        call = self._draft(op, future, intrinsics, timeout, options)
        if image is None or isinstance(image, bytes):
            self._load(call, image)
            self._start(call, future)
            return future

        def loaded(loading: asyncio.Future[None]) -> None:
            error = loading.exception()
            if error is None and not future.done():
                try:
                    self._start(call, future)
                except DepthwireError as refusal:
                    error = refusal
            if isinstance(error, Exception):
                future.settle(error)

        loop.run_in_executor(None, self._load, call, image).add_done_callback(loaded)
        return future

    @overload
    def stream(
        self,
        frames: AsyncFrames,
        op: Literal["pc"],
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> AsyncDepthStream[PointCloud]: ...

    @overload
    def stream(
        self,
        frames: AsyncFrames,
        op: Literal["metric_depth", "rel_depth"],
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> AsyncDepthStream[DepthMap]: ...

    def stream(
        self,
        frames: AsyncFrames,
        op: str,
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> AsyncDepthStream[Any]:
        """Send the frames of a source one after the other and yield what becomes of each, in order.

        `frames` is any iterable, async or not, of images, `(image, meta)` or Frames; a thread reads it, so that a
        camera that blocks holds up nothing. `op` and the options are those of the methods. With policy "latest" a newer
        frame replaces an older one that still waits, here and in the daemon, so that ages stay near what one picture
        takes. With "all" nothing is dropped, and the source is asked for frames only as fast as items are taken.
        `in_flight` bounds the frames on their way: by default 3 for latest, 8 for all; with 1, "latest" sends nothing
        that is not answered, which spares a thin link. An error of one frame comes as the `error` of its item, and the
        stream goes on, also over a restart of the daemon; where nothing comes to a "latest" stream for `timeout`
        seconds, an item says so. Raises at once what is wrong with the arguments.
        """
        return AsyncDepthStream(self._open_stream(op, intrinsics, policy, in_flight, timeout, options), frames)

    async def close(self) -> None:
        """End the connection; requests that still wait fail with ClientClosedError. Any number of calls is fine."""
        await asyncio.get_running_loop().run_in_executor(None, self._connection.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _start(self, call: Call, future: AsyncDepthFuture[Any]) -> None:
        self._connection.submit(call)
        future._call = call

"""DepthClient: the client for scripts, notebooks and threads, with futures for many requests in flight.

A thin face: `base` turns arguments into calls, `connection` runs them, `core` decides.
"""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

from depthwire.client.base import USE_DEFAULT, ClientBase, Timeout
from depthwire.client.connection import Connection
from depthwire.client.core import Call
from depthwire.client.images import ImageSource
from depthwire.client.results import DepthMap, Health, PointCloud, Result
from depthwire.client.streams.items import Policy
from depthwire.client.streams.iterators import DepthStream, Frames
from depthwire.protocol import CameraIntrinsics, CancelledError, DepthFormat, DepthwireError

if TYPE_CHECKING:
    from typing_extensions import Self

R = TypeVar("R")


class DepthFuture(concurrent.futures.Future[R], Generic[R]):
    """The answer to come; works with `concurrent.futures.wait` and `as_completed`.

    Callbacks run in the client's I/O thread: keep them short and never wait for another answer there.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._call: Call | None = None

    def cancel(self) -> bool:
        """Take the request back: this future fails with CancelledError at once, and the daemon is told.

        False if the answer is here already.
        """
        try:
            self.set_exception(CancelledError("the request was cancelled"))
        except concurrent.futures.InvalidStateError:
            return self.cancelled()
        if self._call is not None:
            self._connection.cancel(self._call)
        return True

    def cancelled(self) -> bool:
        return self.done() and isinstance(super().exception(), CancelledError)

    def result(self, timeout: float | None = None) -> R:
        """The result, waiting up to `timeout` seconds for it.

        Raises the request's DepthwireError, and concurrent.futures.TimeoutError where it is not there in time, which is
        the built-in TimeoutError from Python 3.11 on; the request goes on all the same.
        """
        self._refuse_deadlock()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The request's error or None, waiting as `result` does."""
        self._refuse_deadlock()
        return super().exception(timeout)

    def deliver(self, outcome: Result | DepthwireError) -> None:
        """For the I/O thread: the one answer."""
        try:
            if isinstance(outcome, DepthwireError):
                self.set_exception(outcome)
            else:
                self.set_result(cast(R, outcome))
        except concurrent.futures.InvalidStateError:
            pass  # cancelled a moment ago

    def _refuse_deadlock(self) -> None:
        if not self.done() and self._connection.in_own_thread():
            raise RuntimeError("waiting for an answer inside a callback would wait forever: answers come in its thread")


class DepthClient(ClientBase):
    """A daemon's operations as methods; safe to share between threads.

        with DepthClient("tcp://127.0.0.1:5555") as client:
            cloud = client.pc("photo.jpg", CameraIntrinsics(fx=600, fy=600, cx=320, cy=240))

    `image` is encoded JPEG, PNG or WebP bytes, a path, an http(s) URL, a uint8 array H×W×3 in BGR order or H×W grey, or
    a PIL image. `timeout` is seconds for the whole call (the client's own where not given, None for no limit) and
    travels with the request; `stream` names a sequence in which a newer request replaces an older one that still waits
    (SupersededError); `meta` is a small map that comes back with the answer.
    All methods raise one DepthwireError per error code of the protocol, ConnectionLostError where no daemon answers,
    ClientClosedError after `close`, and what images.encoded_image raises. Requests are sent again after a lost
    connection and after retryable errors; each gets exactly one answer.
    """

    def pc(
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
        return self._wait(
            self.submit(
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
        )

    def metric_depth(
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
        return self._wait(
            self.submit(
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
        )

    def rel_depth(
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
        return self._wait(
            self.submit(
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
        )

    def health(self, *, timeout: Timeout = USE_DEFAULT) -> Health:
        """The daemon's state: status, device, engine, models_loaded, default_model, version, …"""
        return self._wait(self.submit("health", timeout=timeout))

    @overload
    def submit(
        self, op: Literal["pc"], image: ImageSource, intrinsics: CameraIntrinsics, **options: Any
    ) -> DepthFuture[PointCloud]: ...

    @overload
    def submit(
        self,
        op: Literal["metric_depth", "rel_depth"],
        image: ImageSource,
        intrinsics: CameraIntrinsics | None = None,
        **options: Any,
    ) -> DepthFuture[DepthMap]: ...

    @overload
    def submit(self, op: Literal["health"], *, timeout: Timeout = USE_DEFAULT) -> DepthFuture[Health]: ...

    def submit(
        self,
        op: str,
        image: ImageSource | None = None,
        intrinsics: CameraIntrinsics | None = None,
        *,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> DepthFuture[Any]:
        """Send a request without waiting: `op` is the method's name, the arguments are the method's.

        Reads and encodes the image here, in the calling thread; raises at once what is wrong with the arguments.
        """
        future: DepthFuture[Any] = DepthFuture(self._connection)
        call = self._draft(op, future, intrinsics, timeout, options)
        self._load(call, image)
        future._call = call
        self._connection.submit(call)
        return future

    @overload
    def stream(
        self,
        frames: Frames,
        op: Literal["pc"],
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> DepthStream[PointCloud]: ...

    @overload
    def stream(
        self,
        frames: Frames,
        op: Literal["metric_depth", "rel_depth"],
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> DepthStream[DepthMap]: ...

    def stream(
        self,
        frames: Frames,
        op: str,
        intrinsics: CameraIntrinsics | None = None,
        *,
        policy: Policy = "latest",
        in_flight: int | None = None,
        timeout: Timeout = USE_DEFAULT,
        **options: Any,
    ) -> DepthStream[Any]:
        """Send the frames of a source one after the other and yield what becomes of each, in order.

        `frames` is any iterable of images, `(image, meta)` or Frames; a thread reads it, so that a
        camera that blocks holds up nothing. `op` and the options are those of the methods. With policy "latest" a newer
        frame replaces an older one that still waits, here and in the daemon, so that ages stay near what one picture
        takes. With "all" nothing is dropped, and the source is asked for frames only as fast as items are taken.
        `in_flight` bounds the frames on their way: by default 3 for latest, 8 for all; with 1, "latest" sends nothing
        that is not answered, which spares a thin link. An error of one frame comes as the `error` of its item, and the
        stream goes on, also over a restart of the daemon; where nothing comes to a "latest" stream for `timeout`
        seconds, an item says so. Raises at once what is wrong with the arguments.
        """
        return DepthStream(self._open_stream(op, intrinsics, policy, in_flight, timeout, options), frames)

    def close(self) -> None:
        """End the connection; requests that still wait fail with ClientClosedError. Any number of calls is fine."""
        self._finalizer()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _wait(future: DepthFuture[R]) -> R:
        try:
            return future.result()
        except BaseException:
            future.cancel()  # of an answer that is here it does nothing; after Ctrl-C it spares the daemon the work
            raise

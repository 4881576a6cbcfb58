"""Admission: whether a valid request can be served here, and what exactly it asks for. The front calls it.

Everything that can be refused without decoding the image is refused here: sizes by the image's header, models by the
catalogue, requests that a model cannot answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from depthwire.daemon.config import Config
from depthwire.daemon.front.scheduler import Client, Pending
from depthwire.daemon.images.header import read_image_header
from depthwire.daemon.models import catalogue
from depthwire.daemon.models.catalogue import ModelKey
from depthwire.daemon.models.family import InputShape
from depthwire.daemon.seam.layout import layout_of
from depthwire.protocol import (
    BadImageError,
    CameraIntrinsics,
    InvalidRequestError,
    ModelNotFoundError,
    Request,
    TooLargeError,
)

_DEFAULT_DATASET = "hypersim"
_DEFAULT_ENCODER = "vits"


class Admission:
    """The limits and the default model of this daemon, applied to one request after another."""

    def __init__(self, config: Config, default_model: ModelKey, arena_bytes: int) -> None:
        self._config = config
        self._arena_bytes = arena_bytes
        self._max_image_bytes = int(config.max_image_mb * 2**20)
        self._max_image_pixels = int(config.max_image_megapixels * 1e6)
        self._max_input_pixels = int(config.max_input_megapixels * 1e6)
        self.default_model = default_model

    @property
    def limits(self) -> dict[str, float]:
        """What `health` tells of the limits."""
        return {
            "max_image_bytes": self._max_image_bytes,
            "max_image_pixels": self._max_image_pixels,
            "min_image_side": self._config.min_image_side,
            "max_input_pixels": self._max_input_pixels,
            "max_waiting": self._config.max_waiting,
            "max_waiting_bytes": self._config.max_waiting_mb * 2**20,
            "max_in_flight_per_client": self._config.max_in_flight_per_client,
            "max_waiting_bytes_per_client": self._config.max_waiting_mb_per_client * 2**20,
            "max_models_per_client": self._config.max_models_per_client,
            "max_streams_per_client": self._config.max_streams_per_client,
        }

    def admit(
        self, request: Request, client: Client, envelope: Sequence[bytes], arrived: float, ticket: int
    ) -> Pending:
        """The pending request that this is.

        Raises BadImageError, TooLargeError, ModelNotFoundError or InvalidRequestError, naming the field and the limit.
        """
        image = request.image
        assert image is not None
        if len(image) > self._max_image_bytes:
            raise TooLargeError(
                f"image is {len(image)} bytes; at most {self._max_image_bytes} are allowed", field="image"
            )
        header = read_image_header(image)
        width, height = header.width, header.height
        if min(width, height) < self._config.min_image_side:
            raise BadImageError(
                f"image is {width}x{height} pixels; each side must be at least {self._config.min_image_side}",
                field="image",
            )
        if width * height > self._max_image_pixels:
            raise TooLargeError(
                f"image is {width}x{height} = {width * height} pixels; at most {self._max_image_pixels} are allowed",
                field="image",
            )
        needed = layout_of(request.op, width, height, request.options).bytes + len(image)
        if needed > self._arena_bytes // 2:
            raise TooLargeError(
                f"image and result of this {request.op} take {needed} bytes; at most {self._arena_bytes // 2} are"
                " allowed (half of the daemon's arena)",
                field="image",
            )
        key = self._requested_model(request)
        checkpoint = catalogue.lookup(key.encoder, key.dataset)
        checkpoint.meaning.check(request, str(key))
        input_height, input_width = checkpoint.family.input_size(height, width, key.size)
        if input_height * input_width > self._max_input_pixels:
            raise TooLargeError(
                f"image of {width}x{height} pixels at model_input_size {key.size} makes a network input of "
                f"{input_width}x{input_height} pixels; at most {self._max_input_pixels} are allowed",
                field="model_input_size",
            )
        timeout_ms = request.timeout_ms or self._config.default_timeout_ms
        return Pending(
            ticket=ticket,
            client=client,
            envelope=envelope,
            # What answering needs: `image` below is let go of earlier than the request, the rest is looked at here.
            request=Request(request.id, request.op, stream=request.stream, meta=request.meta, options=request.options),
            checkpoint=checkpoint,
            model=str(key),
            image=image,
            image_format=header.format,
            width=width,
            height=height,
            input_height=input_height,
            input_width=input_width,
            scale=checkpoint.meaning.scale(request, InputShape(width, height, input_width, input_height)),
            camera=request.intrinsics.scaled_to(width, height) if request.op == "pc" and request.intrinsics else None,
            arrived=arrived,
            deadline=arrived + 1e-3 * timeout_ms if timeout_ms else float("inf"),
            kept_camera=_kept_camera(request, width, height) if request.options.stride > 1 else None,
        )

    def _requested_model(self, request: Request) -> ModelKey:
        """The model of a request, what it leaves open taken from the default model where that fits."""
        default = self.default_model
        encoder, dataset, size = request.encoder, request.dataset, request.model_input_size
        if encoder is None and dataset is None and size is None:
            return default
        if encoder is None and dataset is None:
            encoder, dataset = default.encoder, default.dataset
            size = size or default.size
        elif dataset is None:
            assert encoder is not None
            dataset = default.dataset if _exists(encoder, default.dataset) else _only_dataset(encoder)
        elif encoder is None:
            encoder = default.encoder if _exists(default.encoder, dataset) else _only_encoder(dataset)
        if (encoder, dataset) == (default.encoder, default.dataset):
            size = size or default.size
        try:
            return catalogue.model_key(encoder, dataset, size)
        except catalogue.UnknownModel as error:
            known = any(c.encoder == encoder for c in catalogue.CATALOGUE)
            raise ModelNotFoundError(str(error), field="dataset" if known else "encoder") from None
        except catalogue.InvalidInputSize as error:
            raise InvalidRequestError(str(error), field="model_input_size") from None


def _kept_camera(request: Request, width: int, height: int) -> CameraIntrinsics | None:
    """The camera of the pixels that a request's stride keeps. Raises InvalidRequestError for numbers of no camera."""
    if request.intrinsics is None:
        return None
    return request.intrinsics.scaled_to(width, height).decimated(request.options.stride)


def _exists(encoder: str, dataset: str) -> bool:
    return any((c.encoder, c.dataset) == (encoder, dataset) for c in catalogue.CATALOGUE)


def _only_dataset(encoder: str) -> str:
    datasets = [c.dataset for c in catalogue.CATALOGUE if c.encoder == encoder]
    return datasets[0] if len(datasets) == 1 else _DEFAULT_DATASET


def _only_encoder(dataset: str) -> str:
    encoders = [c.encoder for c in catalogue.CATALOGUE if c.dataset == dataset]
    return encoders[0] if len(encoders) == 1 else _DEFAULT_ENCODER

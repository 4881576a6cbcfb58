"""The pipeline of the official Depth Anything V2 code, step by step, over our network's weights: what a lab runs that
follows its README. `fastapi_server` serves it; the formulas are those of its `transform.py` and `infer_image`.

Kept as slow as it is there: the resize and the normalisation run in float64 on interleaved pixels. The network is our
own eager torch one in float32, which is not slower than theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from depthwire.daemon.models.catalogue import lookup, parse_model_key
from depthwire.daemon.models.checkpoints import resolve
from depthwire.daemon.models.depth_anything import build
from depthwire.daemon.models.geometry import network_input_size

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class OfficialPipeline:
    """Encoded image to depth map, one at a time."""

    def __init__(self, model: str, checkpoints: Path | None, threads: int) -> None:
        key = parse_model_key(model)
        checkpoint = lookup(key.encoder, key.dataset)
        torch.set_num_threads(threads)
        self._network = build(key.encoder, checkpoint.metric, resolve(checkpoint, checkpoints, allow_download=False))
        self._max_depth = checkpoint.native_max_depth or 1.0
        self._input_size = key.size

    @torch.no_grad()
    def infer_image(self, encoded: bytes) -> npt.NDArray[np.float32]:
        """Depth (height, width) in metres."""
        raw = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        assert raw is not None
        height, width = raw.shape[:2]
        depth = self._network(self._image_to_tensor(raw)) * self._max_depth
        depth = F.interpolate(depth[:, None], (height, width), mode="bilinear", align_corners=True)[0, 0]
        result: npt.NDArray[np.float32] = depth.cpu().numpy()
        return result

    def _image_to_tensor(self, raw: Any) -> torch.Tensor:
        image: Any = cv2.cvtColor(raw, cv2.COLOR_BGR2RGB) / 255.0
        height, width = network_input_size(image.shape[0], image.shape[1], self._input_size)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
        image = (image - MEAN) / STD
        image = np.ascontiguousarray(np.transpose(image, (2, 0, 1))).astype(np.float32)
        return torch.from_numpy(image).unsqueeze(0)

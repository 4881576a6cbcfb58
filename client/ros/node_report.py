"""What a depth node says of itself on /diagnostics: whether it answers, how fast, and what went wrong last.

`node_core` counts here; the adapters ask for a `message` once a second.
"""

from __future__ import annotations

import collections
import statistics
import threading
import time
from typing import Any

from depthwire.client.ros.messages import message_type

_LAST = 100
"""Answers over which rate and age are told."""
_STALE_S = 3.0
"""Without an image or an answer for so long, a node that somebody listens to is not well."""


class Report:
    """Counts since the start, and the last answers. Safe to use from several threads."""

    def __init__(self, endpoint: str, image_topic: str) -> None:
        self.is_idle = True
        self._endpoint, self._image_topic = endpoint, image_topic
        self._lock = threading.Lock()
        self._counts = {"images": 0, "answered": 0, "dropped": 0, "failed": 0}
        self._answers: collections.deque[tuple[float, float]] = collections.deque(maxlen=_LAST)
        self._model = self._last_error = self._problem = ""
        self._is_failing = False
        self._image_at = time.monotonic()

    def arrived(self, dropped: bool) -> None:
        """An image came, and took the place of another one that still waited or not."""
        with self._lock:
            self._counts["images"] += 1
            self._counts["dropped"] += dropped
            self._image_at = time.monotonic()

    def answered(self, model: str, age_s: float, problem: str = "") -> None:
        """Depth was published, so long after its image had come; `problem` is why not all that was wanted."""
        with self._lock:
            self._counts["answered"] += 1
            self._answers.append((time.monotonic(), age_s))
            self._model, self._is_failing, self._problem = model, False, problem

    def failed(self, text: str) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self._last_error, self._is_failing = text, True

    def message(self, types: Any, stamp: Any) -> Any:
        """A diagnostic_msgs/DiagnosticArray; `types` is the module diagnostic_msgs.msg of either ROS."""
        status_type = message_type(types, "diagnostic_msgs", "DiagnosticStatus")
        value_type = message_type(types, "diagnostic_msgs", "KeyValue")
        with self._lock:
            level, text = self._state()
            values = {
                "endpoint": self._endpoint,
                "image": self._image_topic,
                "model": self._model,
                **self._counts,
                **self._speed(),
                "last_error": self._last_error,
            }
        status = status_type(
            level=getattr(status_type, level),
            name="depthwire: depth",
            message=text,
            hardware_id=self._endpoint,
            values=[value_type(key=key, value=str(value)) for key, value in values.items()],
        )
        array = message_type(types, "diagnostic_msgs", "DiagnosticArray")()
        array.header.stamp = stamp
        array.status = [status]
        return array

    def _state(self) -> tuple[str, str]:
        if self.is_idle:
            return "OK", "idle: nobody subscribes to depth or points"
        if self._is_failing:
            return "ERROR", self._last_error
        if time.monotonic() - self._image_at > _STALE_S:
            return "WARN", f"no image on {self._image_topic}"
        return ("WARN", self._problem) if self._problem else ("OK", "answering")

    def _speed(self) -> dict[str, str]:
        if len(self._answers) < 2:
            return {}
        span_s = self._answers[-1][0] - self._answers[0][0]
        rate = (len(self._answers) - 1) / span_s if span_s else 0.0
        age_ms = 1e3 * statistics.median(age for _, age in self._answers)
        return {"rate_hz": f"{rate:.2f}", "age_p50_ms": f"{age_ms:.0f}"}

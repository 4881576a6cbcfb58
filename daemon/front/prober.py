"""The prober: has each worker run a tiny picture where no request shows that its engine still works.

The dispatcher calls it when a worker comes up, when a model is loaded and now and then. The probe takes a request's own
way, through arena, decoder, engine and projection, so that it fails where a request would; nobody gets its answer.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

from PIL import Image

from depthwire.daemon.front.proof import Proof
from depthwire.daemon.front.residency import Bucket, Resident, State
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.front.supervisor import WorkerLink, WorkerState
from depthwire.daemon.models.catalogue import Checkpoint
from depthwire.daemon.seam.arena import Arena
from depthwire.protocol import Request

_WIDTH, _HEIGHT = 64, 48
_TINY: Final = (56, 56)
"""The smallest input of any network: 16 patches, a few milliseconds even on a CPU."""

_RETRY_S = 2.0
"""How long after a failure the engine is asked again."""

_RELOAD_S = 60.0
"""How long after a failed load the default model is asked for again. Requests may ask sooner."""


class Prober:
    def __init__(
        self,
        default: Checkpoint,
        interval_s: float,
        arena: Arena,
        load: Callable[[WorkerLink, Checkpoint], bool],
        warm: Callable[[WorkerLink, Bucket], None],
        hand_over: Callable[[WorkerLink, Pending], bool],
    ) -> None:
        self._default = default
        self._interval_s = interval_s
        self._arena = arena
        self._load = load
        self._warm = warm
        self._hand_over = hand_over
        self._tickets = 0
        picture = io.BytesIO()
        Image.new("RGB", (_WIDTH, _HEIGHT), (90, 120, 150)).save(picture, "JPEG")
        self._picture = picture.getvalue()

    def turn(self, link: WorkerLink, now: float) -> bool:
        """Take the next step towards a probe of this worker, if one is due; True if that handed it over."""
        proof = link.proof
        if link.state is not WorkerState.READY or proof.probing_since is not None or not self._is_due(link, now):
            return False
        resident = _latest(link)
        if resident is None:
            # Nothing is loaded: have the default model loaded, unless something else is on its way.
            if not link.residency.loading and now >= proof.load_at:
                proof.load_at = now + _RELOAD_S
                self._load(link, self._default)
            return False
        bucket = _bucket(resident)
        if not link.residency.is_ready(bucket):
            self._warm(link, bucket)
            return False
        return self._stage(link, bucket, now)

    def _is_due(self, link: WorkerLink, now: float) -> bool:
        proof: Proof = link.proof
        if not proof.is_concluded:
            return True
        if proof.failures:
            return now - max(proof.probed_at, proof.failed_at) >= _RETRY_S
        # While requests run, they are the proof.
        return not link.in_flight and proof.served_at is not None and now - proof.served_at >= self._interval_s

    def _stage(self, link: WorkerLink, bucket: Bucket, now: float) -> bool:
        blocks = self._arena.reserve(len(self._picture)), self._arena.reserve(4 * _WIDTH * _HEIGHT)
        if None in blocks:
            for block in blocks:
                if block is not None:
                    self._arena.release(block)
            return False
        image_block, result_block = blocks
        assert image_block is not None
        assert result_block is not None
        self._tickets -= 1  # below zero, so that no request has it
        pending = Pending(
            ticket=self._tickets,
            client=(),
            envelope=(),
            request=Request(0, "rel_depth"),
            checkpoint=bucket.checkpoint,
            model=f"{bucket.checkpoint.name}_{bucket.checkpoint.default_input_size}",
            image=self._picture,
            image_format="jpeg",
            width=_WIDTH,
            height=_HEIGHT,
            input_height=bucket.input_height,
            input_width=bucket.input_width,
            scale=1.0,
            camera=None,
            arrived=now,
            deadline=float("inf"),
            answered=True,  # as that of a client who has gone: it is run, and nothing is sent
            image_block=image_block,
            result_block=result_block,
        )
        link.proof.probing_since = link.proof.probed_at = now
        self._hand_over(link, pending)
        return True


def is_probe(ticket: int) -> bool:
    return ticket < 0


def _latest(link: WorkerLink) -> Resident | None:
    """The loaded checkpoint that was used last: probing it changes nothing about which one has to go next."""
    loaded = [resident for resident in link.residency if resident.state is State.READY]
    return max(loaded, key=lambda resident: resident.used_at, default=None)


def _bucket(resident: Resident) -> Bucket:
    """The smallest input size that is warm already; the tiny one where none is, or none needs to be."""
    warm = [size for size, shape in resident.shapes.items() if shape.state is State.READY]
    return Bucket(resident.checkpoint, *min(warm, key=lambda size: size[0] * size[1], default=_TINY))

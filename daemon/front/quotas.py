"""Quotas: what one client may have under way at a time, so that no client can take all that the daemon holds.

The scheduler keeps them with every request that comes and goes, and asks before it admits one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depthwire.daemon.front.fair_queue import Client, Pending
from depthwire.protocol import OverloadedError


@dataclass
class QueueLimits:
    """How much may wait, and how much of one client's may be under way (waiting, or with a worker)."""

    max_waiting: int = 512
    max_waiting_bytes: int = 512 * 2**20
    max_in_flight_per_client: int = 64
    max_waiting_bytes_per_client: int = 128 * 2**20
    max_models_per_client: int = 8
    max_streams_per_client: int = 32


@dataclass
class Share:
    """What one client has under way."""

    in_flight: int = 0
    models: dict[str, int] = field(default_factory=dict)
    """Requests by model."""
    streams: int = 0
    """Names of streams whose newest request is under way."""


_NOTHING = Share()


class Quotas:
    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._shares: dict[Client, Share] = {}

    def __len__(self) -> int:
        """Clients that have anything under way."""
        return len(self._shares)

    def __contains__(self, client: Client) -> bool:
        """Whether this client has anything under way."""
        return client in self._shares

    def check(self, pending: Pending, waiting_bytes: int, more_bytes: int, *, in_place: bool, new_stream: bool) -> None:
        """Raise OverloadedError, naming the limit, if its client may not have this request under way too.

        `waiting_bytes` of its images wait, `more_bytes` more would; `in_place` says that another one of its stream goes
        for it, `new_stream` that it would be the only one of its stream.
        """
        limits, share = self._limits, self._shares.get(pending.client, _NOTHING)
        at_most, of_field = 0, None
        if share.in_flight >= limits.max_in_flight_per_client and not in_place:
            at_most, what = limits.max_in_flight_per_client, "requests"
        elif pending.model not in share.models and len(share.models) >= limits.max_models_per_client:
            at_most, what, of_field = limits.max_models_per_client, "different models", "encoder"
        elif new_stream and share.streams >= limits.max_streams_per_client:
            at_most, what, of_field = limits.max_streams_per_client, "streams", "stream"
        if at_most:
            raise OverloadedError(f"this client has {at_most} {what} in flight, its limit", field=of_field)
        if waiting_bytes and waiting_bytes + more_bytes > limits.max_waiting_bytes_per_client:
            raise OverloadedError(
                f"the waiting images of this client would exceed {limits.max_waiting_bytes_per_client} bytes,"
                " its limit",
                field="image",
            )

    def begin(self, pending: Pending, *, new_stream: bool) -> None:
        """A request is admitted; `new_stream` says that it is the only one of its stream's name, if it has one."""
        share = self._shares.get(pending.client)
        if share is None:
            share = self._shares[pending.client] = Share()
        share.in_flight += 1
        share.models[pending.model] = share.models.get(pending.model, 0) + 1
        share.streams += new_stream

    def end(self, pending: Pending, *, ends_stream: bool) -> None:
        """A request is answered; `ends_stream` says that it was the newest of a stream."""
        share = self._shares[pending.client]
        share.in_flight -= 1
        share.streams -= ends_stream
        if not share.in_flight:
            del self._shares[pending.client]
            return
        left = share.models[pending.model] - 1
        if left:
            share.models[pending.model] = left
        else:
            del share.models[pending.model]

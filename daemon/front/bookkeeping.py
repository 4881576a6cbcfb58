"""What health.py and exposition.py may read of the front: its books, and nothing that they could do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from depthwire.daemon.config import Config
from depthwire.daemon.front.admission import Admission
from depthwire.daemon.front.authenticator import Authenticator
from depthwire.daemon.front.metrics import Metrics
from depthwire.daemon.front.readiness import Limits, Readiness
from depthwire.daemon.front.scheduler import Scheduler
from depthwire.daemon.front.supervisor import Supervisor
from depthwire.daemon.seam.arena import Arena


class Bookkeeping(Protocol):
    """The front as those see it who only report. Read by the front's thread, and by that of the metrics beside it."""

    @property
    def config(self) -> Config: ...

    @property
    def clock(self) -> Callable[[], float]: ...

    @property
    def started_at(self) -> float: ...

    @property
    def turned_at(self) -> float:
        """When the loop last came round."""
        ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def arena(self) -> Arena: ...

    @property
    def admission(self) -> Admission: ...

    @property
    def scheduler(self) -> Scheduler: ...

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def authenticator(self) -> Authenticator | None: ...

    @property
    def proof_limits(self) -> Limits: ...

    def readiness(self) -> Readiness:
        """What the daemon is worth at this moment."""
        ...

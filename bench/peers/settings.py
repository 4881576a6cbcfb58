"""What every comparison server is told, through the environment, since the frameworks keep the command line to
themselves. `compare` writes it, each server reads it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from depthwire.bench.rig import RigOptions

_VARIABLE = "DEPTHWIRE_BENCH_PEER"


@dataclass(frozen=True)
class PeerSettings:
    """The port to serve on, and the network: the same model, threads and batch size for all."""

    port: int
    model: str
    engine: str
    precision: str
    device: str
    threads: int
    max_batch: int
    checkpoints: str | None

    def to_environment(self) -> dict[str, str]:
        """Variables for a server's process. Thread pools that no API reaches are held to the same number."""
        threads = str(self.threads)
        return {_VARIABLE: json.dumps(asdict(self)), "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}

    @staticmethod
    def from_environment() -> PeerSettings:
        """In the server's process."""
        return PeerSettings(**json.loads(os.environ[_VARIABLE]))

    def rig_options(self) -> RigOptions:
        """For the servers that use our engine."""
        folder = Path(self.checkpoints) if self.checkpoints else None
        return RigOptions(
            self.model, self.engine, self.precision, self.device, self.threads, self.max_batch, checkpoints=folder
        )

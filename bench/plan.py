"""A load plan: everything that a load generator's process needs to know, as one value that travels to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import click

from depthwire.bench.images import BenchImage
from depthwire.bench.schedule import Arrivals


@dataclass(frozen=True)
class LoadPlan:
    """One load on one endpoint.

    A closed loop keeps `in_flight` requests of each of `clients` under way; an open loop sends at `rate` requests a
    second over the same clients whatever comes back. `warmup_s` goes before `duration_s` and is not measured.
    `timeout_s` travels with each request; `deadline_ms` only decides what counts as goodput.
    """

    endpoint: str
    images: list[BenchImage] = field(repr=False)
    mix: dict[str, int]
    mode: Literal["closed", "open"] = "closed"
    clients: int = 1
    in_flight: int = 1
    rate: float = 0.0
    arrivals: Arrivals = "poisson"
    duration_s: float = 10.0
    warmup_s: float = 2.0
    timeout_s: float | None = None
    deadline_ms: float | None = None
    encoder: str | None = None
    dataset: str | None = None
    model_input_size: int | None = None
    processes: int = 1
    seed: int = 0

    @property
    def load(self) -> float:
        """What a sweep varies: requests in flight of a closed loop, requests a second of an open one."""
        return self.rate if self.mode == "open" else self.clients * self.in_flight

    def settings(self) -> dict[str, Any]:
        """The plan as a report shows it: the images by name and size."""
        shown = {name: value for name, value in vars(self).items() if name != "images"}
        return {
            **shown,
            "images": [{"name": i.name, "bytes": len(i.data), "size": [i.width, i.height]} for i in self.images],
        }

    def clients_of(self, part: int) -> int:
        """How many of the clients live in generator process `part`."""
        return self.clients // self.processes + (part < self.clients % self.processes)


def split_model(model: str) -> tuple[str, str, int | None]:
    """Encoder, dataset and input size of `encoder_dataset[_size]`. Whether there is such a model, the daemon says.

    Raises click.UsageError for another form.
    """
    encoder, dataset, size = (*model.split("_"), "", "")[:3]
    if not encoder or not dataset or (size and not size.isdigit()) or model.count("_") > 2:
        raise click.UsageError(f"{model!r} is not a model; write encoder_dataset or encoder_dataset_size")
    return encoder, dataset, int(size) if size else None

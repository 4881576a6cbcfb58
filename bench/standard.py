"""The standard set: everything that the targets speak of, measured in one run of about ten minutes.

`make bench` runs it. Each part is on its own: one that fails leaves its reason in the results, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from depthwire.bench import launch
from depthwire.bench.compare import available_peers, compare
from depthwire.bench.engine import EngineChoice, accuracy_table
from depthwire.bench.images import BenchImage
from depthwire.bench.load import LoadRun, Show, p50_ms, run_load, show_at
from depthwire.bench.peers.settings import PeerSettings
from depthwire.bench.plan import LoadPlan
from depthwire.bench.rig import EngineFailure, EngineRig, RigOptions, engine_rig
from depthwire.bench.startup import first_answers, new_shape_delay
from depthwire.bench.statistics import spread
from depthwire.bench.transport import ROUNDS, SIZES, transport_table
from depthwire.client import DepthClient, DepthwireError
from depthwire.protocol.distribution import install_hint

MANY_CLIENTS = 8
SWEEP_CLIENTS = (1, 4, 16, 64)
STARTER = "vitt_starter"
CPU_CHOICES = ("auto", "torch:float32", "torch:bfloat16", "openvino:float32", "openvino:bfloat16")
PARTS = ("end_to_end", "sweep", "front", "transport", "startup", "new_shapes", "peers", "accuracy")


@dataclass(frozen=True)
class StandardSet:
    """What to measure with. `pace` 1 is the full set; less shortens every measurement in proportion, for a look."""

    rig: RigOptions
    images: list[BenchImage]
    accuracy_images: list[BenchImage]
    show: Show
    pace: float = 1.0
    parts: tuple[str, ...] = PARTS

    def run(self) -> tuple[dict[str, Any], list[LoadRun]]:
        """The results of each part by its name, and the sweep's runs to draw."""
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "front": self._front,
            "transport": self._transport,
            "startup": lambda: first_answers(self._flags(), self.images[0], self.show),
            "new_shapes": lambda: new_shape_delay(self._flags(), self.images[0], self.show),
            "peers": self._peers,
            "accuracy": self._accuracy,
        }
        results: dict[str, Any] = {}
        runs: list[LoadRun] = []
        if "end_to_end" in self.parts or "sweep" in self.parts:
            results |= self._network_parts(runs)
        for name, measure in measures.items():
            if name in self.parts:
                results[name] = self._attempt(name, measure)
        return results, runs

    def _attempt(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        begun = time.monotonic()
        try:
            found = measure()
        except (click.ClickException, EngineFailure, DepthwireError, OSError) as error:
            found = {"failure": getattr(error, "message", None) or str(error)}
        self.show("")
        click.echo(f"{name}: {found.get('failure', 'done')} ({time.monotonic() - begun:.0f} s)", err=True)
        return found

    def _network_parts(self, runs: list[LoadRun]) -> dict[str, Any]:
        """The parts that share one daemon with the network."""
        results: dict[str, Any] = {}
        try:
            with launch.daemon(self._flags()) as endpoint:
                plan = self._plan(endpoint)
                if "end_to_end" in self.parts:
                    results["end_to_end"] = self._attempt("end_to_end", lambda: self._end_to_end(plan))
                if "sweep" in self.parts:
                    results["sweep"] = self._attempt("sweep", lambda: self._sweep(plan, runs))
        except click.ClickException as error:
            for name in {"end_to_end", "sweep"} - results.keys():
                results[name] = {"failure": error.message}
        return results

    def _end_to_end(self, plan: LoadPlan) -> dict[str, Any]:
        """The engine alone and the daemon in turns: one client beside a batch of one, many beside the best batch."""
        rounds: list[dict[str, float]] = []
        loads: dict[str, Any] = {}
        with engine_rig(self.rig) as rig:
            batches = sorted({1, 2, rig.info.max_batch})
            for number in range(max(1, round(4 * self.pace))):
                self.show(f"end to end, round {number + 1}: the engine alone, then the daemon")
                alone = {batch: self._alone(rig, batch) for batch in batches}
                one_s, many_s = max(5 * self.pace, 8e-3 * alone[1]), max(10 * self.pace, 2e-3 * MANY_CLIENTS * alone[1])
                one = run_load(replace(plan, clients=1, duration_s=one_s), self.show)
                many = run_load(replace(plan, clients=MANY_CLIENTS, duration_s=many_s), self.show)
                if not (one.measured.ok.any() and many.measured.ok.any()):
                    raise click.ClickException("no answer came within the window: the machine is busy with others")
                best = max(1e3 * batch / infer_ms for batch, infer_ms in alone.items())
                rounds.append(
                    {f"engine_batch_{batch}_ms": round(infer_ms, 3) for batch, infer_ms in alone.items()}
                    | {
                        "engine_images_per_s": best,
                        "one_client_p50_ms": p50_ms(one),
                        "throughput_per_s": many.throughput,
                        "throughput_over_engine": many.throughput / best,
                        "p50_above_engine_ms": p50_ms(one) - alone[1],
                    }
                )
                loads = {"1 client": one.report(), f"{MANY_CLIENTS} clients": many.report()}
            info = vars(rig.info)
        return {
            "engine": info,
            "rounds": rounds,
            "throughput_over_engine": spread([r["throughput_over_engine"] for r in rounds]),
            "p50_above_engine_ms": spread([r["p50_above_engine_ms"] for r in rounds]),
            "loads": loads,
        }

    def _alone(self, rig: EngineRig, batch: int) -> float:
        median: float = spread(rig.measure(self.images[0], batch, 3 * self.pace).infer)["median"]
        return median

    def _sweep(self, plan: LoadPlan, runs: list[LoadRun]) -> dict[str, Any]:
        """From one client to many, each for at least two turns of all of them: less would not see the slowest wait."""
        with DepthClient(plan.endpoint, timeout=None) as client:
            service_s = client.metric_depth(self.images[0].data).timing["total_ms"] / 1e3
        for clients in SWEEP_CLIENTS:
            if runs and runs[-1].throughput:
                service_s = 1 / runs[-1].throughput
            turn_s = clients * service_s
            warmup_s, duration_s = max(plan.warmup_s, turn_s), max(16 * self.pace, 2 * turn_s, 8 * service_s)
            at_load = replace(plan, clients=clients, warmup_s=warmup_s, duration_s=duration_s)
            runs.append(run_load(at_load, partial(show_at, self.show, clients)))
        return {"runs": [run.report() for run in runs]}

    def _front(self) -> dict[str, Any]:
        with launch.daemon(["--engine", "null"]) as endpoint:
            plan = replace(self._plan(endpoint), duration_s=5 * self.pace)
            found = {}
            for clients in (1, MANY_CLIENTS):
                run = run_load(replace(plan, clients=clients), self.show)
                if run.daemon is None:
                    return {"failure": "the daemon's processes cannot be seen from here"}
                found[f"{clients} clients" if clients > 1 else "1 client"] = run.daemon["front"] | {
                    "throughput_per_s": run.throughput
                }
        return found

    def _transport(self) -> dict[str, Any]:
        sizes = tuple(replace(size, repeats=max(ROUNDS, round(size.repeats * self.pace))) for size in SIZES)
        return {"rows": transport_table(self.show, sizes)}

    def _peers(self) -> dict[str, Any]:
        peers = available_peers((), lambda line: click.echo(line, err=True))
        if not peers:
            return {"failure": f"no comparison server is installed: {install_hint('peers')}"}
        with engine_rig(self.rig) as rig:
            info, turn_s = rig.info, MANY_CLIENTS * self._alone(rig, 1) / 1e3
        settings = peer_settings(self.rig, info.threads, info.max_batch)
        # Two turns of all clients, after one to get into step: in less, a slow network answers too rarely to count.
        plan = replace(self._plan(""), clients=MANY_CLIENTS, duration_s=max(8 * self.pace, 2 * turn_s), warmup_s=turn_s)
        return compare(peers, settings, plan, max(1, round(3 * self.pace)), self.show)

    def _accuracy(self) -> dict[str, Any]:
        options = replace(self.rig, model=STARTER, checkpoints=None)
        choices = [EngineChoice.parse(choice) for choice in CPU_CHOICES]
        return {"rows": accuracy_table(options, choices, self.accuracy_images, self.show)}

    def _plan(self, endpoint: str) -> LoadPlan:
        return LoadPlan(endpoint, self.images, {"metric_depth": 1}, warmup_s=2 * self.pace)

    def _flags(self) -> list[str]:
        return daemon_flags(self.rig)


def daemon_flags(rig: RigOptions) -> list[str]:
    """depthwired's flags for the same engine as a rig's."""
    flags = ["--engine", rig.engine, "--precision", rig.precision, "--device", rig.device, "--no-download"]
    flags += ["--threads", str(rig.threads), "--max-batch", str(rig.max_batch), "--model", rig.model]
    return flags + (["--checkpoints", str(rig.checkpoints)] if rig.checkpoints else [])


def peer_settings(rig: RigOptions, threads: int, max_batch: int) -> PeerSettings:
    """What the comparison servers are told, with the numbers that 0 stands for filled in; the port comes later."""
    folder = str(rig.checkpoints) if rig.checkpoints else None
    return PeerSettings(0, rig.model, rig.engine, rig.precision, rig.device, threads, max_batch, folder)


def demo_scene() -> Path:
    """The picture of the demo, which every installation has."""
    from depthwire.client import demo

    return Path(demo.__file__).parent / "scene.jpg"


def choices_of(texts: Sequence[str]) -> list[EngineChoice]:
    """`engine:precision` texts as an option takes them."""
    return [EngineChoice.parse(text) for text in texts]

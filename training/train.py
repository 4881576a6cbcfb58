"""The training loop: pictures in, weights out, at any moment ready to be stopped and to go on without loss.

`depthwire-train run` calls `train`. A step's pictures and everything random about them follow from the seed, the
step's number and the pictures seen so far; so a run counted in steps gives the same weights, stopped or not.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from depthwire.daemon.models.depth_anything import DepthAnythingV2
from depthwire.training import run_state
from depthwire.training.augment import Augmentation
from depthwire.training.errors import TrainingError
from depthwire.training.evaluate import WITHOUT_SCALE
from depthwire.training.export import INPUT_SIZE, export
from depthwire.training.loader import Batch, Loader, Picks
from depthwire.training.losses import Losses, LossWeights, depth_loss
from depthwire.training.memory import keep_freed_memory
from depthwire.training.metrics import mean_scores
from depthwire.training.muon import Muon
from depthwire.training.network import (
    MovingAverage,
    autocast_dtype,
    block_matrices,
    parameter_groups,
    trainable,
)
from depthwire.training.prediction import HeldOut, held_out_pictures, score_all
from depthwire.training.sampling import Sampler
from depthwire.training.schedule import DEFAULT_STAGES, Budget, Stage, learning_rate, parse_stages, stage_at
from depthwire.training.shards import find_shards


class Diverged(TrainingError):
    """The loss is no longer a number. The text says what to do."""


@dataclass(frozen=True)
class RunOptions:
    """Everything that is chosen about a run."""

    data: Path
    out: Path
    budget: Budget
    held_out: Path | None = None
    initial: Path | None = None
    """Weights to begin with; random ones if None."""
    stages: tuple[Stage, ...] = field(default_factory=lambda: parse_stages(DEFAULT_STAGES))
    layouts: Mapping[str, float] = field(default_factory=dict)
    """How often pictures of a layout are seen, where others count 1."""
    learning_rate: float = 4e-4
    """Of AdamW, at the peak."""
    muon_rate: float = 2.5
    """Muon's rate for the blocks' matrices, as a multiple of AdamW's; with 0, AdamW does them too."""
    warm_up: float = 0.03
    last_learning_rate: float = 0.01
    """Share of the peak at the end."""
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    loss: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"
    device: str = "cpu"
    loaders: int = 0
    """Processes that prepare the pictures; 0 is a thread of this one."""
    seed: int = 0
    save_minutes: float = 5.0
    evaluate_minutes: float = 8.0
    evaluate_pictures: int = 64
    evaluate_size: int = INPUT_SIZE


def train(options: RunOptions) -> bool:
    """Train until the budget is spent or SIGTERM or SIGINT arrives; True if the run is complete.

    Goes on with the state in `options.out` if there is one.

    Raises:
        NoPictures, UnreadableShard, UnreadableState, UnusableWeights: as the texts say.
        Diverged: the loss is not finite.
    """
    return Trainer(options).run()


class Trainer:
    """One run: network, average, optimiser and the place in the data."""

    def __init__(self, options: RunOptions) -> None:
        keep_freed_memory()
        torch.set_flush_denormal(True)
        cv2.setNumThreads(1)  # the loader's thread prepares one batch beside the step, and no more
        options.out.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.device = torch.device(options.device)
        self.dtype = autocast_dtype(options.precision, self.device)
        self.model = trainable(options.initial, options.seed).to(self.device)
        self.average = MovingAverage(self.model, options.ema_decay)
        self.optimisers = _optimisers(self.model, options)
        self.sampler = Sampler(options.data, options.seed, weights=options.layouts)
        self.step = 0
        self.best: float | None = None
        self._spent_s = 0.0
        self._resume()
        self._started = time.monotonic()
        self._log = run_state.Log(options.out, self.step)
        self._checked: list[HeldOut] = self._held_out()

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds of this run, all its parts together."""
        return self._spent_s + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0…1."""
        return self.options.budget.progress(self.step, self.elapsed_s)

    def run(self) -> bool:
        """Train to the end or to a signal, and save the state in either case."""
        options = self.options
        saved = evaluated = time.monotonic()
        with _stop_signals() as stop, Loader(options.loaders) as loader, _bar(options.budget, self.step) as bar:
            while not stop and self.progress < 1:
                self._train(loader, bar)
                now = time.monotonic()
                if now - evaluated > 60 * options.evaluate_minutes:
                    self._evaluate()
                    evaluated = time.monotonic()
                if now - saved > 60 * options.save_minutes:
                    self.save(loader.untrained())
                    saved = time.monotonic()
            complete = self.progress >= 1
            if complete:
                self._evaluate()
            self.save(loader.untrained())
        return complete

    def _train(self, loader: Loader, bar: Any) -> None:
        """One step, with the batches of the next ones under way."""
        started = time.monotonic()
        while len(loader) <= loader.ahead:  # this step's and those to prepare beside it
            self._order(loader)
        batch = loader.take()
        rate = self._set_learning_rate()
        losses, norm = self._update(batch)
        self.step += 1
        seconds = time.monotonic() - started
        entry = {
            "step": self.step,
            "elapsed_s": round(self.elapsed_s, 2),
            "size": list(batch.depths.shape),
            "learning_rate": rate,
            "loss": losses.total.item(),
            "silog": losses.silog.item(),
            "gradient": losses.gradient.item(),
            "norm": norm,
            "images_per_s": len(batch.picks) / seconds,
            "pictures": self.sampler.pictures,
        }
        self._log.write(entry)
        bar.n = self.step if self.options.budget.steps else round(self.progress * 100, 2)
        bar.set_postfix_str(f"loss {entry['loss']:.3f}, {entry['images_per_s']:.1f} images/s, step {self.step}")

    def _update(self, batch: Batch) -> tuple[Losses, float]:
        pictures = torch.from_numpy(batch.pictures).to(self.device)
        depths = torch.from_numpy(batch.depths).to(self.device)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            fraction = self.model(pictures)
        losses = depth_loss(fraction, depths, self.options.loss)
        losses.total.backward()  # type: ignore[no-untyped-call]
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.options.clip_norm))
        if not np.isfinite(norm):
            raise Diverged(
                f"step {self.step}: the gradient is not finite; run the command again with a lower --learning-rate, it "
                "goes on from the state saved last"
            )
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.average.update(self.step)
        return losses, norm

    def _order(self, loader: Loader) -> None:
        """Have the next batch prepared that is not under way."""
        options, step = self.options, self.step + len(loader)
        stage = stage_at(options.stages, options.budget.progress(step, self.elapsed_s))
        rng = np.random.default_rng([options.seed, step])
        height, width = stage.shapes[int(rng.integers(len(stage.shapes)))]
        loader.order(self.sampler.take(stage.batch), height, width, (options.seed, step, 1), options.augmentation)

    def _set_learning_rate(self) -> float:
        options = self.options
        rate = learning_rate(options.learning_rate, self.progress, options.warm_up, options.last_learning_rate)
        for optimiser in self.optimisers:
            multiple = options.muon_rate if isinstance(optimiser, Muon) else 1.0
            for group in optimiser.param_groups:
                group["lr"] = rate * multiple
        return rate

    def _held_out(self) -> list[HeldOut]:
        if self.options.held_out is None:
            return []
        shards = find_shards(self.options.held_out)
        count = sum(map(len, shards))
        pictures = held_out_pictures(shards, max(1, count // self.options.evaluate_pictures))
        return [picture for picture in pictures if picture.kind not in WITHOUT_SCALE]

    def _evaluate(self) -> None:
        """Score the averaged weights on the held-out pictures; keep them if they are the best so far."""
        export(self.average.model, self.options.out / run_state.LAST)
        if self._checked:
            means = mean_scores(score_all(self.average.model, self._checked, self.options.evaluate_size))
            self._log.write({"step": self.step, "elapsed_s": round(self.elapsed_s, 2), "held_out": means})
            tqdm.write(f"step {self.step}: " + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
            if self.best is None or means["delta1_aligned"] > self.best:
                self.best = means["delta1_aligned"]
                export(self.average.model, self.options.out / run_state.BEST)
        run_state.draw_curves(self.options.out)

    def save(self, untrained: Picks) -> None:
        """Write all that the run needs to go on. untrained: the pictures of the batches that are prepared already."""
        state = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "sampler": self.sampler.state(untrained),
            "seed": self.options.seed,
        }
        run_state.save_state(self.options.out, state)

    def _resume(self) -> None:
        state = run_state.load_state(self.options.out)
        if state is None:
            return
        if state["seed"] != self.options.seed:
            raise run_state.UnreadableState(
                f"the run in {self.options.out} has seed {state['seed']}, not {self.options.seed}; give --seed "
                f"{state['seed']} to go on with it, or another --out for a new run"
            )
        if len(state.get("optimisers", ())) != len(self.optimisers):
            raise run_state.UnreadableState(
                f"the run in {self.options.out} was made with other optimisers; give the --muon-rate that it began "
                f"with, or another --out, and {run_state.LAST} of this one with --from to begin with its weights"
            )
        self.step, self._spent_s, self.best = state["step"], state["elapsed_s"], state["best"]
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.sampler.restore(state["sampler"])


def _optimisers(model: DepthAnythingV2, options: RunOptions) -> list[torch.optim.Optimizer]:
    matrices = block_matrices(model) if options.muon_rate else []
    others = parameter_groups(model, options.weight_decay, without=matrices)
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=(0.9, 0.99), fused=True)]
    if matrices:
        optimisers.append(Muon(matrices, options.learning_rate, options.weight_decay))
    return optimisers


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that SIGTERM and SIGINT put their number into, instead of ending the process."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bar(budget: Budget, step: int) -> Any:
    if budget.steps is not None:
        return tqdm(total=budget.steps, initial=step, unit="step")
    return tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}")

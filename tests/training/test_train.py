"""The training loop: every weight learns, a cut run goes on exactly, what is exported is what the daemon loads."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from depthwire.daemon.models.depth_anything import EncoderConfig
from depthwire.daemon.models.geometry import network_input_size
from depthwire.training import network, run_state
from depthwire.training.cli import main, starter
from depthwire.training.dataset import PICTURE_SIZES
from depthwire.training.export import INPUT_SIZE, export
from depthwire.training.losses import LossWeights, depth_loss
from depthwire.training.schedule import DEFAULT_STAGES, BadStages, Budget, learning_rate, parse_stages, stage_at
from depthwire.training.train import RunOptions, Trainer

TINY = EncoderConfig(24, 4, 2, (0, 1, 2, 3), 8, (4, 8, 12, 16))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train a network of a few thousand weights, which fits nobody's file."""
    monkeypatch.setitem(network.ENCODERS, "vitt", TINY)


@pytest.fixture
def options(tiny: None, data: Path, tmp_path: Path) -> RunOptions:
    stages = parse_stages("1:28x42+42x28:3,1:42x56:2")
    return RunOptions(data, tmp_path / "run", Budget(steps=8), stages=stages, learning_rate=1e-3, save_minutes=1e9)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    own = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    return own | {f"average {name}": value.clone() for name, value in trainer.average.model.state_dict().items()}


def test_a_run_cut_after_any_step_goes_on_to_the_same_weights_bit_for_bit(options: RunOptions, tmp_path: Path) -> None:
    whole = Trainer(replace(options, out=tmp_path / "whole"))
    whole._evaluate = lambda: None  # type: ignore[method-assign]  # the tiny network is no file of the daemon's
    assert whole.run()
    for cut in (1, 3, 2, 8):
        part = Trainer(options)
        part._evaluate = lambda: None  # type: ignore[method-assign]
        end = part.step + cut

        def write(entry: dict, part: Trainer = part, end: int = end, log: run_state.Log = part._log) -> None:
            run_state.Log.write(log, entry)
            if part.step == end:
                os.kill(os.getpid(), signal.SIGTERM)

        part._log.write = write  # type: ignore[method-assign]
        complete = part.run()
    assert complete
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(part).items())
    logged = [entry["loss"] for entry in run_state.read_log(options.out)]
    assert logged == [entry["loss"] for entry in run_state.read_log(tmp_path / "whole")]
    assert len(logged) == 8


def test_processes_prepare_the_same_batches_as_a_thread_also_after_a_cut(options: RunOptions, tmp_path: Path) -> None:
    """Of few steps, and cut: then what was ordered ahead and not trained on comes again."""
    budget = Budget(steps=5)
    whole = Trainer(replace(options, budget=budget, out=tmp_path / "whole"))
    whole._evaluate = lambda: None  # type: ignore[method-assign]
    assert whole.run()
    for complete in (False, True):
        part = Trainer(replace(options, budget=budget, loaders=2))
        part._evaluate = lambda: None  # type: ignore[method-assign]

        def write(entry: dict, part: Trainer = part, log: run_state.Log = part._log) -> None:
            run_state.Log.write(log, entry)
            if part.step == 2:
                os.kill(os.getpid(), signal.SIGTERM)

        part._log.write = write  # type: ignore[method-assign]
        assert part.run() is complete
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(part).items())


def test_muon_steps_the_blocks_matrices_and_adamw_all_the_rest(options: RunOptions) -> None:
    adamw, muon = Trainer(options).optimisers
    plain = Trainer(replace(options, muon_rate=0.0))
    names = {id(weight): name for name, weight in plain.model.named_parameters()}
    assert [type(optimiser).__name__ for optimiser in plain.optimisers] == ["AdamW"]
    everything = {names[id(weight)] for weight in plain.model.parameters() if weight.requires_grad}
    assert {names[id(weight)] for group in plain.optimisers[0].param_groups for weight in group["params"]} == everything
    sizes = [sum(len(group["params"]) for group in optimiser.param_groups) for optimiser in (adamw, muon)]
    assert sizes == [len(everything) - 4 * TINY.depth, 4 * TINY.depth]
    assert all(weight.ndim == 2 for group in muon.param_groups for weight in group["params"])


def test_a_run_does_not_go_on_with_other_optimisers_and_says_what_to_do(options: RunOptions) -> None:
    Trainer(options).save([])
    with pytest.raises(run_state.UnreadableState, match="--muon-rate"):
        Trainer(replace(options, muon_rate=0.0))


def test_a_crash_while_the_state_is_written_leaves_the_state_before(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(options)
    trainer.save([])

    def crash(state: dict, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="disk full"):
        trainer.save([])
    state = run_state.load_state(options.out)
    assert state is not None
    assert state["step"] == 0


def test_every_weight_in_use_learns(tiny: None) -> None:
    model = network.trainable(None)
    pictures = torch.randn(2, 3, 42, 56)
    depth_loss(model(pictures), torch.rand(2, 42, 56) * 9, LossWeights()).total.backward()
    idle = [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert idle == []


def test_positions_are_the_same_at_every_size_of_a_picture() -> None:
    encoder = network.trainable(starter()).pretrained
    width = encoder.config.width

    def grid(rows: int, columns: int) -> torch.Tensor:
        return encoder.position_embedding(rows, columns)[:, 1:].reshape(1, rows, columns, width).permute(0, 3, 1, 2)

    fine = torch.nn.functional.interpolate(grid(26, 36), (13, 18), mode="area")
    together = torch.stack((fine.flatten(), grid(13, 18).flatten()))
    assert torch.corrcoef(together)[0, 1] > 0.98


def test_positions_differ_from_place_to_place_and_are_not_lost_beside_the_picture() -> None:
    model = network.trainable(starter())
    positions = model.pretrained.position_embedding(9, 12)[0, 1:]
    distances = torch.cdist(positions, positions).fill_diagonal_(torch.inf)
    tokens = model.pretrained.patch_embed(torch.randn(1, 3, 126, 168))
    assert distances.min() > 0.2 * positions.norm(dim=1).mean()
    assert positions.square().mean() > 0.01 * tokens.square().mean()


def test_positions_are_not_trained() -> None:
    model = network.trainable(starter())
    assert not model.pretrained.pos_embed.requires_grad


def test_norms_biases_and_tokens_do_not_decay() -> None:
    model = network.trainable(starter())
    decayed, kept = network.parameter_groups(model, 0.05)
    assert decayed["weight_decay"] == 0.05
    assert kept["weight_decay"] == 0
    kept_ids = {id(parameter) for parameter in kept["params"]}
    encoder = model.pretrained
    assert {id(encoder.cls_token), id(encoder.norm.weight)} <= kept_ids
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])


def test_the_average_follows_fast_at_first_and_slowly_later(tiny: None) -> None:
    model = network.trainable(None)
    average = network.MovingAverage(model, 0.9)
    name = "pretrained.norm.weight"
    with torch.no_grad():
        model.get_parameter(name).fill_(2.0)
    average.update(0)
    assert average.model.get_parameter(name)[0].item() == pytest.approx(1.9)  # 0.1 · 1 + 0.9 · 2
    average.update(1000)
    assert average.model.get_parameter(name)[0].item() == pytest.approx(1.91)


def test_an_export_has_the_shipped_files_keys_shapes_and_facts(tmp_path: Path) -> None:
    path = tmp_path / "starter.safetensors"
    export(network.trainable(starter()), path)
    with safe_open(path, "pt") as new, safe_open(starter(), "pt") as shipped:
        assert set(new.keys()) == set(shipped.keys())
        assert new.metadata() == shipped.metadata()
        for name in shipped.keys():  # noqa: SIM118
            assert torch.equal(new.get_tensor(name), shipped.get_tensor(name))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_schedule_warms_up_falls_and_changes_size_with_the_budget() -> None:
    stages = parse_stages("0.6:126x168:16,0.4:182x252+182x322:8")
    assert stage_at(stages, 0.59).batch == 16
    assert stage_at(stages, 0.6).shapes == ((182, 252), (182, 322))
    assert stage_at(stages, 1.0) is stages[-1]
    rates = [learning_rate(1.0, progress, 0.1, 0.01) for progress in (0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([0.5, 1.0, 0.505, 0.01])
    assert Budget(minutes=80).progress(7, elapsed_s=2400) == 0.5
    with pytest.raises(BadStages, match="multiples of 14, got 100"):
        parse_stages("1:100x140:8")


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["run", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--steps", "1"])
    assert outcome.exit_code == 1
    assert "make some with depthwire-train render" in outcome.output


def test_a_run_refuses_a_weight_for_an_unknown_layout_as_rendering_does(data: Path, tmp_path: Path) -> None:
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), "--steps", "1", "--weight", "yrad=0.5"]
    outcome = CliRunner().invoke(main, ["run", *flags])
    assert outcome.exit_code == 1
    assert "no layout yrad; there are yard" in outcome.output


def test_the_last_stage_has_the_shapes_that_the_daemon_gives_to_pictures() -> None:
    shapes = {network_input_size(height, width, INPUT_SIZE) for width, height, _ in PICTURE_SIZES}
    assert shapes <= set(parse_stages(DEFAULT_STAGES)[-1].shapes)

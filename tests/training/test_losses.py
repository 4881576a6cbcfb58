"""The losses against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from depthwire.training.losses import MAX_DEPTH_M, LossWeights, depth_loss, gradient_loss, silog_loss


def test_silog_of_a_pure_error_of_scale_keeps_what_lambda_leaves() -> None:
    error = torch.full((2, 4, 4), math.log(2))
    loss = silog_loss(error, torch.ones_like(error), variance_focus=0.5)
    assert loss.item() == pytest.approx(math.log(2) * math.sqrt(0.5), rel=1e-5)


def test_silog_weighs_pixels() -> None:
    error = torch.tensor([[[1.0, 3.0]]])
    weight = torch.tensor([[[3.0, 1.0]]])
    # mean 1.5, mean square 3: √(3 - 0.5 · 2.25)
    assert silog_loss(error, weight, 0.5).item() == pytest.approx(math.sqrt(1.875))


def test_gradient_loss_of_a_ramp_is_its_slope_and_knows_no_offset() -> None:
    ramp = 0.1 * torch.arange(8.0).expand(1, 8, 8) + 5
    weight = torch.ones_like(ramp)
    assert gradient_loss(ramp, weight, scales=1).item() == pytest.approx(0.1, rel=1e-4)
    # Halving the size doubles the step from one pixel to the next.
    assert gradient_loss(ramp, weight, scales=2).item() == pytest.approx(0.3, rel=1e-4)


def test_unknown_pixels_teach_nothing_and_sky_is_taught_as_the_greatest_depth() -> None:
    fraction = torch.full((1, 8, 8), 10 / MAX_DEPTH_M, requires_grad=True)
    truth = torch.full((1, 8, 8), 10.0)
    truth[:, :2], truth[:, 2:4] = torch.inf, torch.nan
    losses = depth_loss(fraction, truth, LossWeights())
    losses.total.backward()
    assert fraction.grad is not None
    assert torch.isfinite(fraction.grad).all()
    assert (fraction.grad[:, :2] < 0).all()  # farther, please
    assert (fraction.grad[:, 2:4] == 0).all()


def test_a_perfect_depth_costs_next_to_nothing_and_beyond_the_greatest_depth_counts_as_it() -> None:
    truth = torch.rand(1, 16, 16) * 20 + 1
    truth[:, :4] = 500.0
    losses = depth_loss(truth.clamp(max=MAX_DEPTH_M) / MAX_DEPTH_M, truth, LossWeights(log_l1=1))
    assert losses.total.item() < 2e-3

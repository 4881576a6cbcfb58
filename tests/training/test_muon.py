"""Muon: its steps have the size of AdamW's, whatever the gradient's, and it finds a minimum."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthwire.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(16, 16), (16, 48), (24, 96)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(3, *shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalised(1e3 * matrix)
    turned = left.mT @ result @ right.mT
    diagonal = turned.diagonal(dim1=-2, dim2=-1)
    large = values > 0.03 * values.amax(dim=-1, keepdim=True)
    assert diagonal[large].min() > 0.6
    assert diagonal[large].max() < 1.3
    off = turned - torch.diag_embed(diagonal)
    assert off.abs().max() < 1e-4


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_step_has_the_size_that_adamw_would_take(scale: float) -> None:
    torch.manual_seed(0)
    for shape in ((32, 96), (96, 32), (48, 48)):
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = scale * torch.randn(shape)
        Muon([weight], lr=1.0, weight_decay=0.0).step()
        assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.2, rel=0.25)
        assert float((weight.detach() * weight.grad).sum()) < 0  # downhill


def test_matrices_of_one_shape_are_stepped_as_if_alone() -> None:
    torch.manual_seed(0)
    together = [nn.Parameter(torch.randn(8, 24)), nn.Parameter(torch.randn(24, 8)), nn.Parameter(torch.randn(8, 8))]
    alone = [nn.Parameter(weight.detach().clone()) for weight in together]
    for first, second in zip(together, alone, strict=True):
        first.grad = torch.randn_like(first)
        second.grad = first.grad.clone()
    Muon(together, lr=0.1, weight_decay=0.5).step()
    for second in alone:
        Muon([second], lr=0.1, weight_decay=0.5).step()
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_it_fits_a_linear_map() -> None:
    torch.manual_seed(0)
    target, weight = torch.randn(12, 20), nn.Parameter(torch.zeros(12, 20))
    optimiser = Muon([weight], lr=0.1, weight_decay=0.0)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        (weight - target).square().mean().backward()
        optimiser.step()
    assert float((weight.detach() - target).abs().max()) < 0.1

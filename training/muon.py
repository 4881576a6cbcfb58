"""Muon: steps along the orthogonalised momentum, for the matrices inside the transformer's blocks.

train.py uses it beside AdamW. Source: Jordan et al. 2024 (the method, the polynomial's coefficients), Liu et al. 2025
(a step of the size that AdamW's would have, so that both share a learning rate's scale and a weight decay).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of x, x³ and x⁵: repeated, every singular value from 0.01 to 1 comes between 0.7 and 1.2."""
_ADAMW_RMS = 0.2
"""Root mean square of an element of AdamW's steps, about."""


def orthogonalised(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices (N, rows, columns), rows ≤ columns, with all singular values brought near 1; the vectors stay."""
    first, third, fifth = _COEFFICIENTS
    x: Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = x @ x.mT
        x = first * x + torch.baddbmm(third * square, square, square, alpha=fifth) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, as the step of each matrix. float32, where torch's own needs bfloat16.

    Args:
        parameters: matrices only.
        lr: peak learning rate, on AdamW's scale.
        weight_decay: per step, times the rate.
        momentum: 0…1.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step with the gradients that are there."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._averaged(parameter, parameter.grad, group["momentum"])
                    wide = update if update.shape[0] <= update.shape[1] else update.T
                    alike[tuple(wide.shape)].append((parameter, wide))
            for shape, pairs in alike.items():  # matrices of one shape are multiplied together
                size = _ADAMW_RMS * max(shape) ** 0.5
                steps = orthogonalised(torch.stack([wide for _, wide in pairs]))
                for (parameter, _), step in zip(pairs, steps, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    along = step if step.shape == parameter.shape else step.T
                    parameter.add_(along, alpha=-group["lr"] * size)

    def _averaged(self, parameter: nn.Parameter, gradient: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        average: Tensor = state["average"]
        average.lerp_(gradient, 1 - momentum)
        return gradient.lerp(average, momentum)

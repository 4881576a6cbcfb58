"""What the network is taught by: differences of the logarithm of depth, as a whole (SiLog) and between neighbours.

train.py calls `depth_loss`. Sources: Eigen et al. 2014 (SiLog, in the form of the metric Depth Anything V2 recipe),
MegaDepth (Li & Snavely 2018) and MiDaS (Ranftl et al. 2020) for the multi-scale gradient loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_DEPTH_M = 80.0
"""Depth at which the network's sigmoid is 1. Sky and what is beyond are taught as this."""
MIN_DEPTH_M = 1e-3
_EPSILON = 1e-6


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts, and the sky."""

    silog: float = 1.0
    gradient: float = 0.25
    log_l1: float = 0.0
    sky: float = 0.25
    """Weight of a sky pixel, where a surface pixel has 1: 80 m is a convention there, no measurement."""
    variance_focus: float = 0.5
    """λ of SiLog: 0 counts an error of scale in full, 1 not at all."""
    scales: int = 4


@dataclass(frozen=True)
class Losses:
    """The sum that is minimised, and its parts before weighting."""

    total: Tensor
    silog: Tensor
    gradient: Tensor
    log_l1: Tensor


def depth_loss(fraction: Tensor, truth: Tensor, weights: LossWeights) -> Losses:
    """Loss of a batch.

    Args:
        fraction: (B, H, W) float32, the network's output: depth as a fraction of MAX_DEPTH_M.
        truth: (B, H, W) float32, metres; inf in the sky, 0 or NaN where it is not known.
        weights: what counts how much.
    """
    known = truth > 0
    sky = torch.isinf(truth)
    target = truth.nan_to_num(nan=MAX_DEPTH_M, posinf=MAX_DEPTH_M).clamp(MIN_DEPTH_M, MAX_DEPTH_M)
    error = (fraction.float() * MAX_DEPTH_M).clamp_min(MIN_DEPTH_M).log() - target.log()
    weight = known.float() * torch.where(sky, weights.sky, 1.0)
    silog = silog_loss(error, weight, weights.variance_focus)
    gradient = gradient_loss(error, weight, weights.scales)
    log_l1 = (weight * error.abs()).sum() / weight.sum().clamp_min(_EPSILON)
    total = weights.silog * silog + weights.gradient * gradient + weights.log_l1 * log_l1
    return Losses(total, silog, gradient, log_l1)


def silog_loss(error: Tensor, weight: Tensor, variance_focus: float) -> Tensor:
    """√(mean(e²) - λ·mean(e)²) of each picture's errors of log depth, averaged over the batch.

    error, weight: (B, H, W). Taken per picture: over a whole batch, λ would forgive an error that all its pictures
    share, and none that each has by itself.
    """
    total = weight.sum(dim=(1, 2)).clamp_min(_EPSILON)
    mean = (weight * error).sum(dim=(1, 2)) / total
    mean_square = (weight * error.square()).sum(dim=(1, 2)) / total
    return (mean_square - variance_focus * mean.square()).clamp_min(_EPSILON).sqrt().mean()


def gradient_loss(error: Tensor, weight: Tensor, scales: int) -> Tensor:
    """Mean of |∂x e| + |∂y e| over the picture, summed over `scales` of halved size.

    Edges stay sharp by it and flat things flat. The errors are averaged on the way down, weighted, so that no pixel
    is skipped. error, weight: (B, H, W); a difference counts as the lesser weight of its two pixels.
    """
    total = error.new_zeros(())
    error, weight = error[:, None], weight[:, None]
    for scale in range(scales):
        if scale:
            summed = F.avg_pool2d(error * weight, 2)
            weight = F.avg_pool2d(weight, 2)
            error = summed / weight.clamp_min(_EPSILON)
        across, down = error.diff(dim=3).abs(), error.diff(dim=2).abs()
        across_weight = torch.minimum(weight[..., 1:], weight[..., :-1])
        down_weight = torch.minimum(weight[..., 1:, :], weight[..., :-1, :])
        total = total + (across * across_weight).sum() / across_weight.sum().clamp_min(_EPSILON)
        total = total + (down * down_weight).sum() / down_weight.sum().clamp_min(_EPSILON)
    return total

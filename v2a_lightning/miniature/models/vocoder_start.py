"""First weights of the miniature's vocoder: a bank of sinusoids, worked out rather than learned.

A vocoder of this size takes days to find tones from random weights. Here it begins as what it would have to find: the
log-mel's exponential, spread over sinusoids at the multiples of the frame rate (which alone are in phase from frame to
frame), added up. Training mends what that leaves: noise, attacks, and pitches between the multiples.
"""

from typing import Any

import torch
from torch import Tensor

from v2a_lightning.encoders.log_mel import AUDIOLDM_MEL, audioldm_log_mel

KNOTS = (-5.0, -2.0, 0.5)
"""Natural logarithms at which the piecewise linear exponential bends."""
SPACING = AUDIOLDM_MEL.sample_rate / AUDIOLDM_MEL.hop
"""Hertz between two sinusoids: the frame rate."""


@torch.no_grad()
def begin_as_sinusoids(vocoder: Any) -> None:
    """Set the weights of a vocoder whose rates are 1 and the hop, with three channels to a mel bin at the first.

    Args:
        vocoder: a SpeechT5HifiGan, whose parts are not typed as what they are.
    """
    bins, first = AUDIOLDM_MEL.bins, vocoder.upsampler[0]
    synthesis = vocoder.upsampler[1]
    carriers = int(AUDIOLDM_MEL.sample_rate / 2 / SPACING)
    slopes, offset = _exponential(vocoder.config.leaky_relu_slope)
    share = _shares(carriers)
    vocoder.conv_pre.weight.mul_(0.05)
    first.weight.mul_(0.01)
    for number, knot in enumerate(KNOTS):
        rows = slice(number * bins, (number + 1) * bins)
        vocoder.conv_pre.weight[rows, :, 3] += torch.eye(bins)
        vocoder.conv_pre.bias[rows] = -knot
        first.weight[rows, :carriers, 1] += slopes[number] * share
    first.bias.zero_()
    first.bias[:carriers] = offset * share.sum(0)
    signs = torch.tensor([1.0, -1.0]).repeat(synthesis.weight.shape[1] // 2)
    waveforms = _sinusoids(synthesis.weight.shape[0], synthesis.weight.shape[2])
    synthesis.weight.mul_(0.1).add_(waveforms[:, None] * signs[:, None])
    synthesis.bias.zero_()
    # A rectifier's two halves, taken from opposite signs, add up to the waveform again.
    vocoder.conv_post.weight.mul_(0.1)
    vocoder.conv_post.weight[0, :, 3] += signs / (1.01 * len(signs) / 2)
    vocoder.conv_post.bias.zero_()
    for block in vocoder.resblocks:
        for convolution in block.convs2:
            convolution.weight.mul_(0.1)


def _exponential(slope: float) -> tuple[Tensor, float]:
    """Weights of leaky rectifiers bent at the knots, and a constant, that come near exp between -8 and 2.5."""
    point = torch.linspace(-8, 2.5, 400)
    columns = [torch.nn.functional.leaky_relu(point - knot, slope) for knot in KNOTS]
    # An error counts by what it is heard as: relative, but less so where it is quiet.
    weight = (-0.7 * point).exp()[:, None]
    basis = torch.stack([*columns, torch.ones_like(point)], dim=1)
    solved = torch.linalg.lstsq(basis * weight, point.exp()[:, None] * weight).solution[:, 0]
    return solved[:-1], float(solved[-1])


def _shares(carriers: int) -> Tensor:
    """(bins, carriers): how a bin's magnitude is dealt out to the sinusoids in its band, as their amplitudes."""
    response = audioldm_log_mel(_tones(carriers, 4096)).exp()[:, 8]  # (carriers, bins) of unit tones
    weight = response / response.sum(1, keepdim=True)
    return (weight / response.sum(0).clamp(min=1e-3)).T


def _tones(carriers: int, samples: int) -> Tensor:
    frequencies = SPACING * torch.arange(1, carriers + 1)
    return torch.sin(2 * torch.pi * frequencies[:, None] * torch.arange(samples) / AUDIOLDM_MEL.sample_rate)


def _sinusoids(channels: int, length: int) -> Tensor:
    """(channels, length): windowed sinusoids whose overlapping copies, a hop apart, have unit amplitude."""
    frequencies = SPACING * (torch.arange(channels) % int(AUDIOLDM_MEL.sample_rate / 2 / SPACING) + 1)
    phases = 2 * torch.pi * torch.rand(channels)
    time = torch.arange(length) / AUDIOLDM_MEL.sample_rate
    overlap = length / 2 / AUDIOLDM_MEL.hop
    waveform = torch.cos(2 * torch.pi * frequencies[:, None] * time + phases[:, None])
    return waveform * torch.hann_window(length) / overlap

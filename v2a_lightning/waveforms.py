"""Generated waveforms: the best of several, windows put together, and files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators import Generator
from v2a_lightning.media import write_waveform

FADE_SECONDS = 0.01


def best_candidates(generator: Generator, waveforms: Tensor, targets: Tensor, best_of: int) -> Tensor:
    """Of each `best_of` neighbours the waveform whose own embedding is nearest to its target.

    Args:
        generator: computes the embeddings of waveforms.
        waveforms: (B * best_of, samples).
        targets: (B * best_of, N, D), what they were generated from.
        best_of: how many belong together.

    Returns:
        (B, samples)
    """
    if best_of == 1:
        return waveforms
    embeddings = generator.target(waveforms, generator.sample_rate).to(targets)
    cosine = nn.functional.cosine_similarity(embeddings.flatten(1), targets.flatten(1))
    best = cosine.unflatten(0, (-1, best_of)).argmax(1).cpu()
    return waveforms[torch.arange(len(best)) * best_of + best]


def joined(windows: Sequence[Tensor], samples: int, sample_rate: int) -> Tensor:
    """Waveforms (B, N) one after the other as (B, samples): cut, or filled with the little silence that may be missing.

    Each is faded where another one or the silence follows, so that it does not click.
    """
    ramp = torch.linspace(0, 1, round(FADE_SECONDS * sample_rate))
    for window in windows[1:]:
        window[:, : len(ramp)] *= ramp
    missing = max(0, samples - sum(window.shape[1] for window in windows))
    for window in windows if missing else windows[:-1]:
        window[:, -len(ramp) :] *= ramp.flip(0)
    return nn.functional.pad(torch.cat(list(windows), dim=1), (0, missing))[:, :samples]


def save_waveforms(waveforms: Tensor | NDArray[np.float32], path: str | Path, sample_rate: int) -> list[Path]:
    """Write waveforms (N,) or (B, N) as wav files: `path` itself, or for several `<stem>_0.wav` and so on.

    Raises:
        RunFailure: when a number is not finite, or the disk refuses.
        UsageError: when it is no `.wav`, or the shape is another.
    """
    path, rows = Path(path), torch.as_tensor(waveforms).detach().cpu().float()
    if path.suffix.lower() != ".wav":
        raise UsageError(f"{path}: waveforms are written as .wav; give a name that ends so")
    if rows.ndim not in (1, 2) or 0 in rows.shape:
        raise UsageError(f"{path}: waveforms are (N,) or (B, N), not {tuple(rows.shape)}; save each source's by itself")
    if not rows.isfinite().all():
        raise RunFailure(f"{path}: the waveform is not finite")
    rows = rows[None] if rows.ndim == 1 else rows
    numbered = [path.with_name(f"{path.stem}_{index}{path.suffix}") for index in range(len(rows))]
    paths = [path] if len(rows) == 1 else numbered
    for row, one in zip(rows, paths, strict=True):
        write_waveform(one, row.numpy(), sample_rate)
    return paths

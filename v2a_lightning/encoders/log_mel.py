"""Log-mel spectrograms as AudioLDM and CLAP compute theirs, on any device and alike for any batch.

AudioLDM's is also what its autoencoder and vocoder are trained on, so training and generation share it.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class MelSpec:
    """A mel spectrogram's settings; filters follow Slaney's scale and area normalisation, as librosa's do by default.

    `sample_rate`, and the edges `low` and `high` of the lowest and highest filter, are in Hz; `n_fft`, of the Hann
    window and the Fourier transform, and `hop` in samples.
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    hop: int = 160
    bins: int = 64
    low: float = 0.0
    high: float = 8000.0


AUDIOLDM_MEL = MelSpec()


def audioldm_log_mel(waveforms: Tensor, spec: MelSpec = AUDIOLDM_MEL) -> Tensor:
    """Natural logarithm of mel-weighted magnitudes, clamped at 1e-5 (haoheliu/AudioLDM, audio/stft.py).

    (B, samples) in [-1, 1] at `spec.sample_rate` to (B, samples // hop, bins): the frame centred on the waveform's end
    is left out, so that 10.24 s are 1024 frames.
    """
    frames = waveforms.shape[-1] // spec.hop
    magnitudes = _spectrum(waveforms, spec)[:, :frames].abs()
    return (magnitudes @ _filters(spec).to(magnitudes)).clamp(min=1e-5).log()


def clap_log_mel(waveforms: Tensor, spec: MelSpec) -> Tensor:
    """Mel-weighted powers in decibels, floored at -100 dB, as transformers' ClapFeatureExtractor does without fusion.

    (B, samples) at `spec.sample_rate` to float32 (B, 1, samples // hop + 1, bins), computed in double precision, as
    there: bins above an 8 kHz source's band hold next to nothing.
    """
    powers = _spectrum(waveforms.double(), spec).abs().square()
    mel = (powers @ _filters(spec).to(powers)).clamp(min=1e-10)
    return (10 * mel.log10()).float().unsqueeze(1)


def _spectrum(waveforms: Tensor, spec: MelSpec) -> Tensor:
    """Complex (B, frames, n_fft // 2 + 1); frames are centred, the waveform mirrored at its ends."""
    window = torch.hann_window(spec.n_fft, dtype=waveforms.dtype, device=waveforms.device)
    spectrum = torch.stft(waveforms, spec.n_fft, spec.hop, window=window, pad_mode="reflect", return_complex=True)
    return spectrum.transpose(1, 2)


@lru_cache(maxsize=8)
def _filters(spec: MelSpec) -> Tensor:
    """(n_fft // 2 + 1, bins) in double precision."""
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        num_frequency_bins=spec.n_fft // 2 + 1,
        num_mel_filters=spec.bins,
        min_frequency=spec.low,
        max_frequency=spec.high,
        sampling_rate=spec.sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(filters).double()

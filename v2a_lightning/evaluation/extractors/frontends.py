"""From wave to log-mel picture, as each extractor's authors computed it.

The three families differ in every detail (padding, window, mel scale, triangle shape, logarithm), and an extractor fed
with another one's picture answers politely and wrongly. Each front end is therefore written out on its own.
"""

import numpy as np
import torch
from torch import Tensor, nn


def power_spectrogram(waves: Tensor, window: int, hop: int) -> Tensor:
    """Squared STFT magnitudes with a periodic Hann window, frames centred by reflection.

    Args:
        waves: (B, N) samples, N > window / 2.

    Returns:
        (B, 1 + N // hop, window // 2 + 1).
    """
    hann = torch.hann_window(window, device=waves.device, dtype=waves.dtype)
    spectrum = torch.stft(waves, window, hop, window=hann, center=True, pad_mode="reflect", return_complex=True)
    return (spectrum.real**2 + spectrum.imag**2).transpose(1, 2)


def slaney_mel_matrix(sample_rate: int, window: int, bands: int, low: float, high: float) -> np.ndarray:
    """Triangular filters of unit area on Slaney's scale (linear below 1 kHz, logarithmic above).

    Source: M. Slaney, Auditory Toolbox, 1998; librosa's default filters have these values.

    Returns:
        (window // 2 + 1, bands) float32.
    """
    edges = _slaney_to_hertz(np.linspace(_hertz_to_slaney(low), _hertz_to_slaney(high), bands + 2))
    bins = np.linspace(0.0, sample_rate / 2, window // 2 + 1)
    widths = np.diff(edges)
    rising = (bins[:, None] - edges[None, :-2]) / widths[:-1]
    falling = (edges[None, 2:] - bins[:, None]) / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * 2.0 / (edges[2:] - edges[:-2])).astype(np.float32)


def htk_mel_matrix(sample_rate: int, window: int, bands: int, low: float, high: float) -> np.ndarray:
    """Triangles of unit height whose sides are straight on the HTK mel scale (not in hertz); bin 0 is left out.

    Source: the AudioSet VGGish front end (S. Hershey et al., ICASSP 2017).

    Returns:
        (window // 2 + 1, bands) float32.
    """
    bins = _hertz_to_htk(np.linspace(0.0, sample_rate / 2, window // 2 + 1))
    edges = np.linspace(_hertz_to_htk(low), _hertz_to_htk(high), bands + 2)
    widths = np.diff(edges)
    rising = (bins[:, None] - edges[None, :-2]) / widths[:-1]
    falling = (edges[None, 2:] - bins[:, None]) / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    triangles[0] = 0.0
    return triangles.astype(np.float32)


class DecibelMel(nn.Module):
    """PANNs' log-mel in decibels: Slaney mel of the power spectrogram, floor 1e-10.

    The filter matrix is a buffer under its published name `melW`, so that a published file brings its own.
    """

    melW: Tensor  # noqa: N815 - the published key

    def __init__(self, sample_rate: int, window: int, hop: int, bands: int, low: float, high: float) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("melW", torch.from_numpy(slaney_mel_matrix(sample_rate, window, bands, low, high)))

    def forward(self, waves: Tensor) -> Tensor:
        """(B, N) samples -> (B, 1 + N // hop, bands) decibels."""
        mel = power_spectrogram(waves, self.window, self.hop) @ self.melW
        return 10.0 * torch.log10(mel.clamp_min(1e-10))


class VGGishExamples(nn.Module):
    """VGGish's input: log(mel magnitude + 0.01), cut into whole, touching examples of 96 frames of 10 ms.

    At 16 kHz: window 400 samples inside an FFT of 512, hop 160, 64 bands from 125 to 7500 Hz, no padding at the ends.
    """

    sample_rate, window, fft, hop, bands, frames = 16_000, 400, 512, 160, 64, 96
    matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        matrix = htk_mel_matrix(self.sample_rate, self.fft, self.bands, 125.0, 7500.0)
        self.register_buffer("matrix", torch.from_numpy(matrix), persistent=False)

    @property
    def minimum_samples(self) -> int:
        """Samples of one example."""
        return self.window + (self.frames - 1) * self.hop

    def forward(self, waves: Tensor) -> Tensor:
        """(B, N) samples -> (B, examples, 96, 64); a last part shorter than an example is left out."""
        hann = torch.hann_window(self.window, device=waves.device, dtype=waves.dtype)
        windows = waves.unfold(-1, self.window, self.hop) * hann
        mel = torch.fft.rfft(windows, self.fft).abs() @ self.matrix
        count = mel.shape[1] // self.frames
        logmel = torch.log(mel[:, : count * self.frames] + 0.01)
        return logmel.reshape(len(waves), count, self.frames, self.bands)


def standardised_log_spectrogram(waves: Tensor, window: int = 512, hop: int = 353) -> Tensor:
    """Wav2CLIP's picture: log(power + 1e-7), to zero mean and unit deviation over each clip by itself.

    The published code takes mean and deviation over the whole batch, so that a clip's embedding depends on its
    neighbours; with one clip a batch the two are the same. The statistics are summed in double precision: of digital
    silence the single precision mean is off by a rounding error, which the division by nothing makes loud.

    Args:
        waves: (B, N) at 16 kHz, N > 256.

    Returns:
        (B, 257, 1 + N // 353).
    """
    logs = torch.log(power_spectrogram(waves, window, hop).transpose(1, 2) + 1e-7).double()
    mean = logs.mean(dim=(1, 2), keepdim=True)
    deviation = logs.std(dim=(1, 2), keepdim=True)
    return ((logs - mean) / (deviation + 1e-9)).to(waves.dtype)


def _hertz_to_htk(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


_SLANEY_STEP = 200.0 / 3.0  # hertz a mel below 1 kHz
_SLANEY_GROWTH = np.log(6.4) / 27.0  # above 1 kHz: 27 mels from 1 to 6.4 kHz


def _hertz_to_slaney(hertz: float) -> float:
    if hertz < 1000.0:
        return hertz / _SLANEY_STEP
    return 1000.0 / _SLANEY_STEP + float(np.log(hertz / 1000.0)) / _SLANEY_GROWTH


def _slaney_to_hertz(mel: np.ndarray) -> np.ndarray:
    corner = 1000.0 / _SLANEY_STEP
    return np.where(mel < corner, mel * _SLANEY_STEP, 1000.0 * np.exp(_SLANEY_GROWTH * (mel - corner)))

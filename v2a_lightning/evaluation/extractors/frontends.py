"""From waveform to log-mel picture, as each extractor's authors computed it.

The three families differ in every detail (padding, window, mel scale, triangle shape, logarithm), and an extractor fed
with another one's picture answers politely and wrongly. Each front end is therefore written out on its own.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def power_spectrogram(waveforms: Tensor, window: int, hop: int) -> Tensor:
    """Squared STFT magnitudes with a periodic Hann window, centred by reflection: (B, N > window / 2) samples ->
    (B, 1 + N // hop, window // 2 + 1).
    """
    hann = torch.hann_window(window, device=waveforms.device, dtype=waveforms.dtype)
    spectrum = torch.stft(waveforms, window, hop, window=hann, center=True, pad_mode="reflect", return_complex=True)
    return (spectrum.real**2 + spectrum.imag**2).transpose(1, 2)


def slaney_mel_matrix(sample_rate: int, window: int, bands: int, low: float, high: float) -> NDArray[np.float32]:
    """(window // 2 + 1, bands) triangular filters of unit area on Slaney's scale (M. Slaney, Auditory Toolbox, 1998).

    librosa's default filters have these values.
    """
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(window // 2 + 1, bands, low, high, sample_rate, norm="slaney", mel_scale="slaney")
    return bank.astype(np.float32)


class DecibelMel(nn.Module):
    """PANNs' log-mel in decibels: Slaney mel of the power spectrogram, floor 1e-10.

    The filter matrix is a buffer under its published name `melW`, so that a published file brings its own.
    """

    melW: Tensor  # noqa: N815 - the published key

    def __init__(self, sample_rate: int, window: int, hop: int, bands: int, low: float, high: float) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("melW", torch.from_numpy(slaney_mel_matrix(sample_rate, window, bands, low, high)))

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, N) samples -> (B, 1 + N // hop, bands) decibels."""
        mel = power_spectrogram(waveforms, self.window, self.hop) @ self.melW
        return 10.0 * torch.log10(mel.clamp_min(1e-10))


class VGGishExamples(nn.Module):
    """VGGish's input: log(mel magnitude + 0.01), cut into whole, touching examples of 96 frames of 10 ms.

    At 16 kHz: window 400 samples inside an FFT of 512, hop 160, 64 bands from 125 to 7500 Hz, no padding at the ends.
    Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.
    """

    sample_rate, window, fft, hop, bands, frames = 16_000, 400, 512, 160, 64, 96
    minimum_samples = window + (frames - 1) * hop
    matrix: Tensor

    def __init__(self) -> None:
        from transformers.audio_utils import mel_filter_bank

        super().__init__()
        # Triangles of unit height whose sides are straight on the HTK mel scale, not in hertz.
        bands = self.fft // 2 + 1, self.bands, 125.0, 7500.0, self.sample_rate
        matrix = mel_filter_bank(*bands, mel_scale="kaldi", triangularize_in_mel_space=True)
        self.register_buffer("matrix", torch.from_numpy(matrix.astype(np.float32)), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, N) samples -> (B, examples, 96, 64); a last part shorter than an example is left out."""
        hann = torch.hann_window(self.window, device=waveforms.device, dtype=waveforms.dtype)
        windows = waveforms.unfold(-1, self.window, self.hop) * hann
        mel = torch.fft.rfft(windows, self.fft).abs() @ self.matrix
        count = mel.shape[1] // self.frames
        logmel = torch.log(mel[:, : count * self.frames] + 0.01)
        return logmel.reshape(len(waveforms), count, self.frames, self.bands)


def standardised_log_spectrogram(waveforms: Tensor, window: int = 512, hop: int = 353) -> Tensor:
    """Wav2CLIP's picture: log(power + 1e-7), to zero mean and unit deviation over each clip by itself.

    The published code takes mean and deviation over the whole batch, so that a clip's embedding depends on its
    neighbours; with one clip a batch the two are the same. The statistics are summed in double precision: of digital
    silence the single precision mean is off by a rounding error, which the division by nothing makes loud.
    (B, N > 256) at 16 kHz -> (B, 257, 1 + N // 353).
    """
    logs = torch.log(power_spectrogram(waveforms, window, hop).transpose(1, 2) + 1e-7).double()
    mean, deviation = logs.mean(dim=(1, 2), keepdim=True), logs.std(dim=(1, 2), keepdim=True)
    return ((logs - mean) / (deviation + 1e-9)).to(waveforms.dtype)

"""Log-mels: AudioLDM's against librosa's filters, CLAP's against transformers' feature extractor."""

import librosa
import numpy as np
import torch
from transformers import ClapFeatureExtractor

from v2a_lightning.encoders.clap import LAION_MEL
from v2a_lightning.encoders.log_mel import audioldm_log_mel, clap_log_mel


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def test_audioldms_log_mel_is_the_logarithm_of_librosas_slaney_mel_of_magnitudes() -> None:
    waveform = noise(40_960)
    magnitudes = np.abs(librosa.stft(waveform, n_fft=1024, hop_length=160, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=64, fmin=0, fmax=8000)
    expected = np.log(np.maximum(filters @ magnitudes, 1e-5)).T[:256]
    actual = audioldm_log_mel(torch.from_numpy(waveform)[None])
    assert actual.shape == (1, 256, 64)
    np.testing.assert_allclose(actual[0].numpy(), expected, atol=1e-4)


def test_silence_is_clamped_and_not_minus_infinity() -> None:
    mel = audioldm_log_mel(torch.zeros(1, 1600))
    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(1e-5))))


def test_claps_log_mel_is_the_feature_extractors_even_above_the_sources_band() -> None:
    import soxr

    waveform = soxr.resample(noise(48_000), 16_000, 48_000).astype(np.float32)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14_000)
    expected = extractor(waveform, sampling_rate=48_000, max_length=len(waveform), return_tensors="pt")[
        "input_features"
    ]
    actual = clap_log_mel(torch.from_numpy(waveform)[None], LAION_MEL)
    assert actual.shape == expected.shape == (1, 1, 301, 64)
    torch.testing.assert_close(actual, expected.float(), atol=1e-3, rtol=0)

import librosa
import numpy as np
import pytest
import torch
from torchlibrosa.stft import LogmelFilterBank, Spectrogram

from tests.evaluation.conftest import sound
from tests.evaluation.plain import vggish_examples
from v2a_lightning.evaluation.extractors.frontends import (
    DecibelMel,
    VGGishExamples,
    power_spectrogram,
    slaney_mel_matrix,
    standardised_log_spectrogram,
)

FRONT_ENDS = [(16_000, 512, 160, 8_000.0), (32_000, 1024, 320, 14_000.0)]


@pytest.mark.parametrize(("rate", "window", "hop", "high"), FRONT_ENDS)
def test_decibel_mel_is_torchlibrosas(rate: int, window: int, hop: int, high: float) -> None:
    waveforms = torch.from_numpy(np.stack([sound(seed, 1.0, rate) for seed in (0, 1)]))
    spectrogram = Spectrogram(n_fft=window, hop_length=hop, win_length=window)(waveforms)
    filters = LogmelFilterBank(sr=rate, n_fft=window, n_mels=64, fmin=50, fmax=int(high), amin=1e-10, top_db=None)
    expected = filters(spectrogram)[:, 0]
    found = DecibelMel(rate, window, hop, 64, 50.0, high)(waveforms)
    assert found.shape == (2, 1 + rate // hop, 64)
    assert (found - expected).abs().max() < 2e-3  # decibels, of about 100
    torch.testing.assert_close(power_spectrogram(waveforms, window, hop), spectrogram[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("rate", "window", "hop", "high"), FRONT_ENDS)
def test_slaney_filters_are_librosas(rate: int, window: int, hop: int, high: float) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=window, n_mels=64, fmin=50, fmax=high).T
    np.testing.assert_allclose(slaney_mel_matrix(rate, window, 64, 50.0, high), expected, atol=1e-8)


def test_decibel_mel_of_silence_is_the_floor() -> None:
    assert torch.equal(
        DecibelMel(16_000, 512, 160, 64, 50.0, 8_000.0)(torch.zeros(1, 8000)), torch.full((1, 51, 64), -100.0)
    )


def test_vggish_examples_match_the_definition() -> None:
    waveform = sound(3, 2.56)
    expected = vggish_examples(waveform)
    found = VGGishExamples()(torch.from_numpy(waveform)[None])
    assert found.shape == (1, 2, 96, 64) == (1, *expected.shape)
    assert np.abs(found[0].numpy() - expected).max() < 1e-5


def test_vggish_needs_one_example_of_samples() -> None:
    front = VGGishExamples()
    assert front(torch.zeros(1, front.minimum_samples)).shape[1] == 1
    assert front(torch.zeros(1, front.minimum_samples - 1)).shape[1] == 0


def test_each_clip_is_standardised_by_itself() -> None:
    loud, soft = torch.from_numpy(sound(0)), 0.01 * torch.from_numpy(sound(1))
    together = standardised_log_spectrogram(torch.stack([loud, soft]))
    for waveform, picture in zip((loud, soft), together, strict=True):
        assert torch.equal(standardised_log_spectrogram(waveform[None])[0], picture)
        assert picture.mean().abs() < 1e-4
        assert (picture.std() - 1).abs() < 1e-4


def test_silence_is_standardised_to_nothing() -> None:
    assert standardised_log_spectrogram(torch.zeros(1, 16_000)).abs().max() < 1e-3

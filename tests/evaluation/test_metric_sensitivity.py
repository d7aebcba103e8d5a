import numpy as np
import pytest
import torch

from experiments.benchmarks.metric_sensitivity.__main__ import DOCUMENT, catalogue
from experiments.benchmarks.metric_sensitivity.conventions import (
    METRICS,
    batch_dependence,
    distances,
    formulas,
    readings,
    resamplings,
)
from experiments.benchmarks.metric_sensitivity.distortions import (
    Distortion,
    add_noise,
    distortions,
    low_pass,
    response,
    responses,
)
from tests.evaluation.conftest import RATE, add_clips, sound
from v2a_lightning.evaluation import EvaluationSuite

WAVES = [sound(seed, 1.28) for seed in range(8)]
CLIPS = [f"clip{seed}" for seed in range(8)]


def test_noise_has_its_level_and_is_not_one_noise_for_all() -> None:
    for decibels in (0, 20):
        noise = add_noise(WAVES[0], decibels) - WAVES[0]
        ratio = 10 * np.log10(np.mean(WAVES[0] ** 2) / np.mean(noise**2))
        assert ratio == pytest.approx(decibels, abs=0.2)
    first, second = (add_noise(waveform, 0) - waveform for waveform in WAVES[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_low_pass_keeps_what_is_low() -> None:
    time = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (300, 4000))
    filtered = low_pass(low + high, 1000, RATE)
    assert np.abs(filtered - low)[1000:-1000].max() < 0.01


def test_larger_shares_harm_the_clips_of_smaller_ones_too() -> None:
    silence = next(one for one in distortions(RATE) if one.title.startswith("silence"))
    muted = [{i for i, waveform in enumerate(dose(WAVES)) if not waveform.any()} for dose in silence.doses.values()]
    assert [len(clips) for clips in muted] == [2, 4, 6, 8]
    assert muted[0] < muted[1] < muted[2]
    shuffled = next(one for one in distortions(RATE) if one.title.startswith("pairs")).doses["100%"](WAVES)
    assert not any(np.array_equal(a, b) for a, b in zip(shuffled, WAVES, strict=True))
    assert {waveform.tobytes() for waveform in shuffled} == {waveform.tobytes() for waveform in WAVES}


def test_responses_in_words() -> None:
    assert response("fd", [0.0, 1.0, 2.0]) == "worse with each dose"
    assert response("cs", [9.0, 7.0, 5.0]) == "worse with each dose"
    assert response("recall", [1.0, 1.0, 0.5]) == "never better"
    assert response("cs", [9.0, 5.0, 7.0]) == "not monotone"
    assert response("is", [4.0, 4.0, 4.0001]) == "blind"
    assert response("fd", [0.0, 0.0, 1e-12]) == "blind"


def test_shuffled_pairs_are_invisible_to_sets_alone(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    shuffle = distortions(RATE)[2]
    frames = [torch.randn(2, 512, generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    table = responses(suite, Distortion(shuffle.title, {"all": shuffle.doses["100%"]}), CLIPS, WAVES, frames)
    for name in ("fd", "fad", "is", "precision", "recall", "density", "coverage"):
        assert response(name, table[name]) == "blind", name
    assert response("kl", table["kl"]) == "worse with each dose"
    assert response("cs", table["cs"]) != "blind"


def test_ways_to_halve_a_rate_agree_on_what_is_low() -> None:
    time = np.arange(2 * RATE) / (2 * RATE)
    waveform = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    expected = waveform[::2]
    for name, halve in resamplings().items():
        # The mean of two neighbours stands a quarter of a sample later.
        tolerance = 0.1 if name == "mean of two neighbours" else 5e-3
        assert np.abs(halve(waveform) - expected)[200:-200].max() < tolerance, name


def test_readings_and_formulas_differ_where_they_should(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    stereo = [np.stack([waveform, 0.5 * waveform]) for waveform in WAVES]
    ways = readings(RATE)
    usual = [ways["mean of the channels"](both) for both in stereo]
    same = distances(suite, usual, usual, RATE)
    louder = distances(suite, [ways["FFmpeg's mono (louder by 3 dB)"](both) for both in stereo], usual, RATE)
    assert all(abs(value) < 1e-6 for value in same.values())
    assert louder["fd"] > 0
    assert louder["kl"] > 0
    suite = EvaluationSuite(METRICS, **extractors)
    noisy = [add_noise(waveform, 5.0) for waveform in WAVES]
    frames = [torch.randn(2, 512, generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    ids = [*CLIPS, "clip8", "clip9"]
    add_clips(suite, ids, [*noisy, *noisy[:2]], RATE, [*WAVES, *WAVES[:2]], [*frames, *frames[:2]])
    rows = formulas(suite.records())
    assert [row[0] for row in rows] == ["FD", "FAD", "KL", "KL", "IS", "KAD", "KAD", "KAD", "CS"]
    assert all(np.isfinite([row[2], row[4]]).all() for row in rows)
    mean, largest = batch_dependence(extractors["wav2clip"], noisy, frames, batch=4)
    assert 0 < mean <= largest


def test_the_document_has_a_place_for_every_table() -> None:
    text = DOCUMENT.read_text()
    for part in ("speed", "responses", "order", "conventions"):
        assert text.index(f"<!-- begin {part} -->") < text.index(f"<!-- end {part} -->")
    assert f"<!-- begin catalogue -->\n{catalogue()}\n<!-- end catalogue -->" in text

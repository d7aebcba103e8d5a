import pytest
import torch

from v2a_lightning.evaluation import ClapAudioScore, ClapTextScore, ClipScore, ClipScoreOfMeanFrame

clip_score, clip_score_of_mean_frame = ClipScore().score, ClipScoreOfMeanFrame().score
AUDIO = torch.tensor([2.0, 0.0, 0.0])
FRAMES = torch.tensor([[3.0, 0.0, 0.0], [0.0, 5.0, 0.0]])


def test_the_two_frame_protocols() -> None:
    assert clip_score(AUDIO, FRAMES) == pytest.approx(50.0)  # the mean of cosines 1 and 0
    assert clip_score_of_mean_frame(AUDIO, FRAMES) == pytest.approx(100 / 2**0.5)  # cosine of 45 degrees
    assert clip_score(AUDIO, FRAMES[:1]) == clip_score_of_mean_frame(AUDIO, FRAMES[:1]) == pytest.approx(100.0)


def test_one_is_the_other_over_the_mean_frames_length() -> None:
    random = torch.Generator().manual_seed(0)
    audio, frames = torch.randn(16, generator=random), torch.randn(6, 16, generator=random)
    length = torch.nn.functional.normalize(frames, dim=1).mean(0).norm()
    assert clip_score(audio, frames) == pytest.approx(clip_score_of_mean_frame(audio, frames) * float(length), rel=1e-5)


def test_metrics_average_over_clips_not_frames() -> None:
    random = torch.Generator().manual_seed(1)
    audio = torch.randn(3, 8, generator=random)
    frames = [torch.randn(count, 8, generator=random) for count in (1, 4, 10)]
    for metric, function in ((ClipScore(), clip_score), (ClipScoreOfMeanFrame(), clip_score_of_mean_frame)):
        metric.update(audio[:2], frames=frames[:2])
        metric.update(audio[2:], frames=frames[2:])
        expected = sum(function(a, f) for a, f in zip(audio, frames, strict=True)) / 3
        assert float(metric.compute()) == pytest.approx(expected)


def test_clap_score() -> None:
    first, second = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    audio, text = ClapAudioScore(), ClapTextScore()
    audio.update(first, second)
    text.update(first, text=second)
    assert float(audio.compute()) == float(text.compute()) == pytest.approx(50.0)
    with pytest.raises(ValueError, match="at least one clip"):
        ClapAudioScore().compute()
    with pytest.raises(ValueError, match="ClapTextScore takes generated, text"):
        text.update(first, second)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"not \(3,\) and \(0, 3\)"):
        clip_score(AUDIO, FRAMES[:0])
    with pytest.raises(ValueError, match=r"not \(3,\) and \(2, 2\)"):
        clip_score_of_mean_frame(AUDIO, FRAMES[:, :2])

"""Pictures and clips to sound, from Python and from the command line."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.media import read_waveform, write_clip
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.randomness import clip_seed

RANDOM = np.random.default_rng(0)



def test_a_seed_is_a_sound(pipeline: V2APipeline, media: Path) -> None:
    first, again = (pipeline(media / "still.png", seed=3) for _ in range(2))
    assert first.shape == (1, 10_240)
    assert torch.equal(first, again)
    other = pipeline(media / "still.png", seed=4)
    assert (first - other).abs().max() > 1e-3


def test_samples_differ_and_do_not_depend_on_their_number(pipeline: V2APipeline, media: Path) -> None:
    three, one = (pipeline(media / "short.mp4", num_waveforms_per_prompt=count) for count in (3, 1))
    assert torch.allclose(three[:1], one, atol=1e-4)
    assert (three[0] - three[1]).abs().max() > 1e-3


def test_a_long_clip_is_heard_in_windows(pipeline: V2APipeline, media: Path) -> None:
    waveform = pipeline(media / "long.mp4")
    assert waveform.shape == (1, 24_000)  # 1.5 s are two windows of 0.64 s and the beginning of a third
    assert waveform[0, 10_238:10_242].abs().max() < 0.05, "no click where two windows meet"
    assert waveform[0, 20_640:].abs().max() > 1e-3
    assert torch.equal(pipeline(media / "long.mp4", seconds=1.0), waveform[:, :16_000])


def test_a_sound_is_as_long_as_the_picture(pipeline: V2APipeline, tmp_path: Path) -> None:
    frames = RANDOM.integers(0, 255, (6, 96, 96, 3), np.uint8)
    for count, fps in ((1, 25), (5, 12), (6, 9)):
        write_clip(tmp_path / "clip.mp4", frames[:count], fps, np.zeros(32_000, np.float32))
        assert pipeline(tmp_path / "clip.mp4").shape == (1, round(16_000 * count / fps))
    assert pipeline(tmp_path / "clip.mp4")[0, -300:].abs().max() == 0, "0.027 s are no window, but silence"


def test_a_pictures_sound_is_as_long_as_one_asks(pipeline: V2APipeline, media: Path) -> None:
    usual = pipeline(media / "still.png")
    assert torch.equal(pipeline(media / "still.png", seconds=0.25), usual[:, :4_000])
    assert pipeline(media / "still.png", seconds=1.0).shape == (1, 16_000)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ({"num_waveforms_per_prompt": 0}, "num_waveforms_per_prompt is at least 1, not 0"),
        ({"best_of": 1.5}, "best_of is at least 1, not 1.5"),
        ({"num_inference_steps": 0}, "num_inference_steps is at least 1, not 0"),
        ({"guidance_scale": -1.0}, "at least 0, not -1"),
        ({"guidance_scale": float("nan")}, "at least 0, not nan"),
        ({"seconds": 0.0}, "above 0, not 0"),
        ({"seconds": float("inf")}, "above 0, not inf"),
    ],
)
def test_numbers_out_of_range_are_refused(pipeline: V2APipeline, number: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pipeline(np.zeros((1, 8, 8, 3), np.uint8), **number)


def test_a_guidance_of_zero_is_none(pipeline: V2APipeline, media: Path) -> None:
    pipeline.generator.guidance = 3.0
    guided, plain = pipeline(media / "still.png"), pipeline(media / "still.png", guidance_scale=0)
    pipeline.generator.guidance = 1.0
    assert torch.equal(plain, pipeline(media / "still.png"))
    assert not torch.equal(plain, guided)


def test_a_picture_in_memory_is_a_source_too(pipeline: V2APipeline, media: Path, tmp_path: Path) -> None:
    transparent = np.dstack([RANDOM.integers(0, 255, (96, 96, 3), np.uint8), np.full((96, 96), 90, np.uint8)])
    for image in (Image.open(media / "still.png"), Image.fromarray(transparent)):
        image.save(tmp_path / "still.png")
        assert torch.equal(pipeline(image, name="still"), pipeline(tmp_path / "still.png"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (7, "not builtins.int"),
        (None, "not builtins.NoneType"),
        (["here", 2], "here: missing"),
        ([np.zeros((8, 8, 3), np.uint8), 2], "source 1: .*not builtins.int"),
        ([], "no source in the list"),
        (torch.zeros(1, 8, 8, 3), r"not torch.float32 \(1, 8, 8, 3\); scale floats to 0..255"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"not uint8 \(2, 3, 8, 8\); channels come last"),
        (np.zeros((8, 8), np.uint8), r"not uint8 \(8, 8\)"),
        (np.zeros((1, 8, 8, 3), np.float32), "not float32"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"not uint8 \(0, 8, 8, 3\)"),
    ],
)
def test_another_source_is_refused_by_its_type(pipeline: V2APipeline, source: Any, said: str) -> None:
    with pytest.raises((TypeError, V2AError), match=said):
        pipeline(source)


def test_frames_in_memory_are_a_source_too(pipeline: V2APipeline) -> None:
    frames = RANDOM.integers(0, 255, (3, 96, 96, 3), np.uint8)
    assert torch.equal(pipeline(frames, name="a"), pipeline(frames, name="a"))
    assert not torch.equal(pipeline(frames, name="a"), pipeline(frames, name="b"))


def test_pictures_arrays_tensors_and_lists_give_the_same_sound(pipeline: V2APipeline, media: Path) -> None:
    picture = np.asarray(Image.open(media / "still.png"))
    assert not picture.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = pipeline(media / "still.png")
        for source in (picture, picture[None], torch.from_numpy(picture.copy()), Image.open(media / "still.png")):
            assert torch.equal(pipeline(source, name="still"), expected)
    together = pipeline([media / "still.png", picture, media / "short.mp4"], name=["still", "other", "short"])
    assert [one.shape for one in together] == [(1, 10_240), (1, 10_240), pipeline(media / "short.mp4").shape]
    assert torch.allclose(together[0], expected, atol=1e-4)
    assert torch.allclose(together[2], pipeline(media / "short.mp4"), atol=1e-4)
    assert (together[1] - together[0]).abs().max() > 1e-3, "another name is another noise"
    with pytest.raises(UsageError, match="name has 2 entries for 1 sources"):
        pipeline([picture], name=["a", "b"])


def test_generators_draw_the_noise_as_in_diffusers(pipeline: V2APipeline, media: Path) -> None:
    def draw(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    def make(**options: Any) -> torch.Tensor:
        return pipeline(media / "still.png", num_waveforms_per_prompt=2, **options)

    generator = draw(1)
    first, second = make(generator=generator), make(generator=generator)
    assert torch.equal(first, make(generator=draw(1)))
    assert (first - second).abs().max() > 1e-3, "the same generator goes on"
    swapped = make(generator=[draw(4), draw(3)])
    assert torch.allclose(make(generator=[draw(3), draw(4)]), swapped.flip(0), atol=1e-4)
    with pytest.raises(UsageError, match="3 generators for 2 waveforms"):
        make(generator=[draw(0)] * 3)
    with pytest.raises(UsageError, match="give one of them"):
        make(generator=draw(0), seed=1)


def test_the_best_of_several_is_the_nearest_to_its_target(
    pipeline: V2APipeline, media: Path, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clap = ClapEncoder(str(random_weights / "clap"))
    monkeypatch.setattr(pipeline.generator, "clap", clap)
    every = pipeline(media / "still.png", num_waveforms_per_prompt=4)
    frames = np.asarray(Image.open(media / "still.png"))[None]
    targets = pipeline.embed(frames, [clip_seed(0, "still", row) for row in range(4)])[:, 0]
    cosine = (clap.encode_audio(every, 16_000) * targets).sum(-1).unflatten(0, (2, 2))
    best = pipeline(media / "still.png", num_waveforms_per_prompt=2, best_of=2)
    expected = every.unflatten(0, (2, 2))[torch.arange(2), cosine.argmax(1)]
    assert torch.allclose(best, expected, atol=1e-4)


def test_another_scheduler_is_swapped_in_and_saved(pipeline: V2APipeline, media: Path, tmp_path: Path) -> None:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

    pipeline.save_pretrained(tmp_path / "as it was")
    other = V2APipeline.from_pretrained(tmp_path / "as it was", device="cpu")
    options: dict[str, Any] = {"num_inference_steps": 3}
    own, described = other(media / "still.png", **options), other.generator.describe()
    assert isinstance(other.scheduler, DDIMScheduler)
    other.scheduler = DDIMScheduler.from_config(other.scheduler.config)  # type: ignore[no-untyped-call]
    assert torch.equal(other(media / "still.png", **options), own)
    assert other.generator.describe() != described
    other.scheduler = DPMSolverMultistepScheduler.from_config(other.scheduler.config)  # type: ignore[no-untyped-call]
    swapped = other(media / "still.png", **options)
    other.save_pretrained(tmp_path / "swapped")
    again = V2APipeline.from_pretrained(tmp_path / "swapped")
    assert torch.equal(again(media / "still.png", **options), swapped)
    other.scheduler = EulerDiscreteScheduler.from_config(other.scheduler.config)  # type: ignore[no-untyped-call]
    assert other(media / "still.png", **options).isfinite().all()
    with pytest.raises(UsageError, match="one of diffusers', such as DDIMScheduler, not a str"):
        other.scheduler = "dpm++"


def test_progress_is_reported_step_by_step(pipeline: V2APipeline, media: Path) -> None:
    seen: list[tuple[int, int]] = []
    pipeline.set_progress_bar_config(disable=True)
    pipeline(
        media / "long.mp4", num_inference_steps=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(done, 6) for done in range(1, 7)], "three windows of two steps"


def test_waveforms_are_saved(pipeline: V2APipeline, tmp_path: Path) -> None:
    waveforms = torch.linspace(-0.5, 0.5, 3200).reshape(2, 1600)
    assert pipeline.save(waveforms, tmp_path / "new" / "a.wav") == [tmp_path / "new" / f"a_{one}.wav" for one in (0, 1)]
    (path,) = pipeline.save(waveforms[0], tmp_path / "b.wav")
    saved, rate = read_waveform(path)
    assert rate == 16_000
    assert np.allclose(saved, waveforms[0].numpy(), atol=2**-22)
    with pytest.raises(UsageError, match=r"a\.mp3: waveforms are written as \.wav"):
        pipeline.save(waveforms, tmp_path / "a.mp3")
    with pytest.raises(UsageError, match=r"\(N,\) or \(B, N\), not \(2, 1, 1600\)"):
        pipeline.save(waveforms[:, None], tmp_path / "a.wav")
    with pytest.raises(RunFailure, match="not finite"):
        pipeline.save(waveforms / 0, tmp_path / "a.wav")


def test_a_pipeline_shows_what_it_is_made_of(pipeline: V2APipeline) -> None:
    shown = repr(pipeline)
    for part in ("ClipEncoder(", "TransformerMapper, Diffusion, AverageFrames", "AudioLDM(", "duration=0.64", "'cpu'"):
        assert part in shown


def test_a_mapper_draws_from_pytorchs_own_stream_when_no_generator_is_given(pipeline: V2APipeline) -> None:
    frames, drawn = torch.nn.functional.normalize(torch.randn(2, 3, 512), dim=-1), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(pipeline.mapper.sample(frames))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])

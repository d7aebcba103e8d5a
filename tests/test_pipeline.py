"""Pictures and clips to sound, from Python and from the command line."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from tests.app.test_fit import fit, only_run, write
from tests.hub import Hub, serving
from v2a_lightning.app.cli import main
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import sha256_file
from v2a_lightning.generation import read_generation
from v2a_lightning.generators import AudioLDM, MusicLDM
from v2a_lightning.mapper import AverageFrames, Diffusion, TransformerMapper
from v2a_lightning.media import probe, read_waveform, write_clip
from v2a_lightning.model_card import Training
from v2a_lightning.module import V2AMapper
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.randomness import clip_seed
from v2a_lightning.runs import CONFIG_KEY
from v2a_lightning.specs import FrameSpec

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pipeline(random_weights: Path) -> V2APipeline:
    """A pipeline that never was trained."""
    torch.manual_seed(0)
    network = TransformerMapper(depth=1, heads=2, dim_head=32, ff_mult=1)
    torch.nn.init.normal_(network.trunk.projection.weight, std=0.05)
    mapper = V2AMapper(network, Diffusion(), AverageFrames(), sampling_steps=2)
    audioldm = AudioLDM(str(random_weights / "audioldm"), steps=1, guidance=1.0)
    return V2APipeline(ClipEncoder(str(random_weights / "clip")), mapper, audioldm, FrameSpec(4, 0.64))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, a clip of 0.64 s and one of 1.5 s without sound."""
    folder = tmp_path_factory.mktemp("media")
    frames = RANDOM.integers(0, 255, (12, 96, 96, 3), np.uint8)
    Image.fromarray(frames[0]).save(folder / "still.png")
    write_clip(folder / "short.mp4", frames[:5], 8, RANDOM.standard_normal(10_240).astype(np.float32) * 0.1)
    write_clip(folder / "long.mp4", frames, 8, None)
    return folder


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


def test_the_card_has_what_the_hub_reads(pipeline: V2APipeline, tmp_path: Path) -> None:
    scores = {"val/embedding_fd": 0.25, "val/fd": 48.0}
    parts = pipeline.encoder, pipeline.mapper, pipeline.generator, pipeline.frames
    V2APipeline(*parts, Training("Miniature", 3, scores)).save_pretrained(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag, card.data.license) == (
        "v2a-lightning", "text-to-audio", "other"
    )  # fmt: skip
    assert "video-to-audio" in card.data.tags
    assert {one.metric_type: one.metric_value for one in card.data.eval_results} == scores
    assert "# V2A-Mapper: TransformerMapper for audioldm:" in card.text
    assert "| val/fd | 48 |" in card.text
    assert "do not compare with those of real data" in card.text
    assert V2APipeline.from_pretrained(tmp_path).training == Training("Miniature", 3, scores)


def test_a_mapper_draws_from_pytorchs_own_stream_when_no_generator_is_given(pipeline: V2APipeline) -> None:
    frames, drawn = torch.nn.functional.normalize(torch.randn(2, 3, 512), dim=-1), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(pipeline.mapper.sample(frames))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_saved_and_read_again_it_sounds_the_same(pipeline: V2APipeline, media: Path, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "pipeline.json"
    ]  # fmt: skip
    again = V2APipeline.from_pretrained(tmp_path / "saved")
    assert torch.equal(again(media / "still.png"), pipeline(media / "still.png"))
    pipeline.generator.dtype = torch.bfloat16
    pipeline.save_pretrained(tmp_path / "half")
    pipeline.generator.dtype = torch.float32
    assert V2APipeline.from_pretrained(tmp_path / "half").generator.dtype == torch.bfloat16


def test_what_earlier_versions_saved_opens(pipeline: V2APipeline, media: Path, tmp_path: Path) -> None:
    """Pipelines, and the configs in checkpoints, that call the encoder clip and the generator audioldm."""
    pipeline.save_pretrained(tmp_path / "saved")
    described = tmp_path / "saved" / "pipeline.json"
    parts = json.loads(described.read_text())
    old = {"clip": parts["encoder"], "audioldm": parts["generator"], "frames": parts["frames"]}
    for part, name in (("clip", "ClipEncoder"), ("audioldm", "AudioLDM")):
        old[part]["class_path"] = f"v2a_lightning.foundation.{name}"
    described.write_text(json.dumps(old))
    data, evaluation = {"clip": old["clip"], "frames": old["frames"]}, {"audioldm": old["audioldm"]}
    config = {"data": {"init_args": data}, "evaluation": {"init_args": evaluation}}
    mapper = pipeline.mapper
    content = {"hyper_parameters": mapper.describe(), "state_dict": mapper.state_dict()}
    torch.save({**content, CONFIG_KEY: yaml.dump(config)}, tmp_path / "run.ckpt")
    for source in (tmp_path / "saved", tmp_path / "run.ckpt"):
        assert torch.equal(V2APipeline.from_pretrained(source)(media / "still.png"), pipeline(media / "still.png"))


def test_other_parts_are_given_as_objects_or_as_checkpoints(
    pipeline: V2APipeline, random_weights: Path, tmp_path: Path
) -> None:
    pipeline.save_pretrained(tmp_path / "saved")
    other = shutil.copytree(random_weights / "audioldm", tmp_path / "other")
    again = V2APipeline.from_pretrained(tmp_path / "saved", generator=str(other))
    assert again.generator.describe()["init_args"] == {
        **pipeline.generator.describe()["init_args"], "checkpoint": str(other)
    }  # fmt: skip
    given = AudioLDM(str(other), steps=3)
    assert V2APipeline.from_pretrained(tmp_path / "saved", generator=given).generator is given
    described = tmp_path / "saved" / "pipeline.json"
    described.write_text(json.dumps({**json.loads(described.read_text()), "generator": None}))
    with pytest.raises(UsageError, match=r"saved: generator: none is named there; give one \(--generator\)"):
        V2APipeline.from_pretrained(tmp_path / "saved")
    named = V2APipeline.from_pretrained(tmp_path / "saved", generator="v2a_lightning.generators.MusicLDM")
    assert isinstance(named.generator, MusicLDM)


def test_on_the_hub_and_back_it_sounds_the_same(
    pipeline: V2APipeline, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    with serving(monkeypatch, tmp_path):
        pipeline.push_to_hub("owner/name", token="hf_nothing")
        assert set(Hub.files) == {"README.md", "config.json", "model.safetensors", "pipeline.json"}
        card = Hub.files["README.md"].decode()
        assert card.startswith("---\nlibrary_name: v2a-lightning")
        assert "| generator | `" in card
        assert "V2APipeline.from_pretrained" in card
        again = V2APipeline.from_pretrained("owner/name")
        assert torch.equal(again(media / "still.png"), pipeline(media / "still.png"))
        weights = V2AMapper.from_pretrained("owner/name").state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in pipeline.mapper.state_dict().items())


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither a checkpoint nor a pipeline's folder"):
        V2APipeline.from_pretrained(tmp_path)


def test_generate_from_a_runs_checkpoint(
    tiny_config: dict[str, Any], tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--trainer.max_epochs=1", "--run.wandb=disabled", "--evaluation.clips=2"]
    assert fit(write(tiny_config, tmp_path), *options) == 0
    checkpoint = str(only_run(tiny_config) / "checkpoints" / "last.ckpt")
    output = tmp_path / "generated"
    (tmp_path / "broken.mp4").write_bytes(b"this is no clip")
    inputs = [str(tmp_path / "broken.mp4"), str(media / "still.png"), str(media / "short.mp4")]
    options = ["--checkpoint", checkpoint, "--output", str(output), "--samples=2", "--seed=7"]

    assert main(["generate", *inputs, *options]) == 1, "an input failed, and the others were made"
    told = capsys.readouterr()
    assert "1 of 3 inputs could not be used" in told.err
    assert "broken.mp4: undecodable" in told.err
    names = {path.name for path in output.iterdir()}
    assert names == {f"{stem}_{index}.wav" for stem in ("still", "short") for index in (0, 1)} | {
        "short_0.mp4", "short_1.mp4", "generation.json"
    }  # fmt: skip
    waveform, rate = read_waveform(output / "still_0.wav")
    assert (len(waveform), rate) == (40_960, 16_000)
    video = probe(output / "short_1.mp4")
    assert (video.width, video.sample_rate) == (96, 16_000)
    content = (output / "short_0.wav").read_bytes()
    assert main(["generate", inputs[2], *options]) == 0
    assert (output / "short_0.wav").read_bytes() == content

    settings, made = read_generation(output)
    assert made == {"still_0", "still_1", "short_0", "short_1"}, "a second call with the same settings adds its sounds"
    assert settings["checkpoint_sha256"] == sha256_file(Path(checkpoint))
    own = json.loads((only_run(tiny_config) / "audio" / "epoch_000" / "generation.json").read_text())
    same = (
        "generator",
        "generator_fingerprint",
        "steps",
        "guidance",
        "mapper",
        "mapper_weights_sha256",
        "mapper_guidance",
    )
    assert {name: settings[name] for name in same} == {name: own[name] for name in same}
    assert main(["generate", inputs[1], *options, "--guidance=3"]) == 2
    assert "made with guidance 1.0, not 3.0; give another --output" in capsys.readouterr().err

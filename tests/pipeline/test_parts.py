"""Pipelines saved, opened again, sent to the Hub and back, and made from a run's checkpoint."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from tests.app.test_fit import fit, only_run, write
from tests.hub import Hub, serving
from v2a_lightning.app.cli import main
from v2a_lightning.errors import UsageError
from v2a_lightning.files import sha256_file
from v2a_lightning.generation import read_generation
from v2a_lightning.generators import AudioLDM, MusicLDM
from v2a_lightning.media import probe, read_waveform
from v2a_lightning.model_card import Training
from v2a_lightning.module import V2AMapper
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.runs import CONFIG_KEY

RANDOM = np.random.default_rng(0)


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
        "short_0.mp4", "short_1.mp4", "generation.json", "report.html"
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
    training = V2APipeline.from_pretrained(checkpoint).training
    assert (training.data, training.epoch) == ("VGGSound", 0)
    assert {"val/cosine", "val/loss"} <= set(training.scores)
    assert "val/evaluation_seconds" not in training.scores

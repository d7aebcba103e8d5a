"""Encoders of any width through embed, fit, a checkpoint and a saved folder, and widths that do not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.encoders.test_open_clip import ARCHITECTURES, save_open_clip
from tests.encoders.test_transformers_vision import save_dinov2
from v2a_lightning.app.cli import main
from v2a_lightning.encoders import Encoder
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import AttentionPooling, AverageFrames, JointAggregator, MLPRegressor, Regression
from v2a_lightning.module import V2AMapper
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.randomness import generators
from v2a_lightning.widths import Widths

WIDTHS = Widths({"": ("dino", 768)}, "clap:miniature", 1, 512)


def mapper_of(condition_dim: int, aggregator: Any = None, **network: Any) -> V2AMapper:
    return V2AMapper(
        MLPRegressor(hidden=8, condition_dim=condition_dim, **network), Regression(), aggregator or AverageFrames()
    )


def test_widths_are_filled_in_where_a_config_says_none() -> None:
    both = Widths({"clip": ("clip:a", 512), "dino": ("dino", 768)}, "clap", 1, 512)
    pooling = {"class_path": "AttentionPooling", "init_args": {"dim": None, "heads": 8}}
    config: dict[str, Any] = {
        "network": {"init_args": {"dim": 256, "condition_dim": None, "target_dim": 7, "tokens": None}},
        "objective": {"init_args": {"dim": None}},
        "aggregator": {
            "init_args": {"aggregators": {"clip": pooling, "dino": {**pooling, "init_args": {"dim": None}}}}
        },
    }
    both.fill_in(config)
    assert config["network"]["init_args"] == {"dim": 256, "condition_dim": 1280, "target_dim": 7, "tokens": 1}
    assert config["objective"]["init_args"]["dim"] == 1280
    found = config["aggregator"]["init_args"]["aggregators"]
    assert (found["clip"]["init_args"]["dim"], found["dino"]["init_args"]["dim"]) == (512, 768)


@pytest.mark.parametrize(
    ("mapper", "widths", "message"),
    [
        (lambda: mapper_of(512), WIDTHS, r"data.encoder dino \(768\) makes embeddings of width 768, and model.network"),
        (lambda: mapper_of(768, tokens=2), WIDTHS, r"clap:miniature makes targets of 1 x 512 .* predicts 2 x 512"),
        (lambda: mapper_of(768), Widths({"": ("dino", 768)}, "t5", 1, 512, False), "of t5 are not L2-normalised"),
        (
            lambda: mapper_of(768),
            Widths({"a": ("x", 256), "b": ("y", 512)}),
            r"several encoders \(a, b\), .*AverageFra",
        ),
    ],
)
def test_widths_that_do_not_fit_are_one_line(mapper: Any, widths: Widths, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        widths.refuse_others(mapper())
    assert "\n" not in str(error.value)


def test_parts_of_a_mapper_that_do_not_fit_are_refused_when_it_is_made() -> None:
    with pytest.raises(UsageError, match=r"Regression is made for conditions of width 512 .* MLPRegressor for 768"):
        V2AMapper(MLPRegressor(hidden=8, condition_dim=768), Regression(512), AverageFrames())
    joined = JointAggregator({"a": AverageFrames(), "b": AttentionPooling(8, heads=2)})
    frames = {"a": torch.randn(2, 3, 16), "b": torch.randn(2, 3, 8)}
    assert mapper_of(24, joined).sample(frames, generator=generators([1, 2])).shape == (2, 1, 512)
    with pytest.raises(UsageError, match=r"AverageFrames takes the frames of one encoder, .*\(a, b\)"):
        mapper_of(24).sample(frames, generator=generators([1, 2]))


class Colours(Encoder):
    """An encoder of a user's own: the mean colours of a grid."""

    def __init__(self, side: int = 4) -> None:
        self.side = side

    @property
    def embedding_dim(self) -> int:
        return 3 * self.side**2

    def encode_frames(self, frames: torch.Tensor) -> torch.Tensor:
        pictures = frames.permute(0, 3, 1, 2).float() / 255
        grid = torch.nn.functional.adaptive_avg_pool2d(pictures, self.side)
        return torch.nn.functional.normalize(grid.flatten(1) - 0.5, dim=-1)


def encoders(kind: str, folder: Path) -> tuple[Any, int]:
    dinov2 = {"class_path": "v2a_lightning.encoders.TransformersEncoder", "init_args": {"checkpoint": f"{folder}/dino"}}
    clip = {"class_path": "v2a_lightning.encoders.ClipEncoder", "init_args": {"checkpoint": f"{folder}/clip"}}
    if kind in ("dinov2", "several"):
        save_dinov2(folder / "dino", 768)
    if kind in ("open_clip", "several"):
        save_open_clip(folder / "clip", 768, ARCHITECTURES["a vision transformer"])
    own = {"class_path": "tests.test_widths.Colours", "init_args": {"side": 4}}
    several = {
        "class_path": "v2a_lightning.encoders.EncoderSet",
        "init_args": {"encoders": {"dino": dinov2, "clip": clip}},
    }
    return {
        "dinov2": (dinov2, 768),
        "open_clip": (clip, 768),
        "of one's own": (own, 48),
        "several": (several, 1536),
    }[kind]


@pytest.mark.parametrize("kind", ["dinov2", "open_clip", "of one's own", "several"])
def test_an_encoder_of_another_width_goes_the_whole_way(
    kind: str, tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2A_TRUST", "tests")
    described, width = encoders(kind, tmp_path)
    data, model = tiny_config["data"]["init_args"], tiny_config["model"]["init_args"]
    data |= {"encoder": described, "store": str(tmp_path / "store")}
    if kind == "several":
        pooling = {"class_path": "v2a_lightning.mapper.AttentionPooling"}
        model["aggregator"] = {
            "class_path": "v2a_lightning.mapper.JointAggregator",
            "init_args": {"aggregators": {"dino": pooling, "clip": {"class_path": "v2a_lightning.mapper.MaxFrames"}}},
        }
    tiny_config["evaluation"] = None
    tiny_config["trainer"]["callbacks"] = tiny_config["trainer"]["callbacks"][:2]
    (tmp_path / "config.yaml").write_text(yaml.dump(tiny_config))
    assert main(["fit", "--config", str(tmp_path / "config.yaml"), "--run.wandb=disabled"]) == 0

    (checkpoint,) = (tmp_path / "runs").rglob("last.ckpt")
    mapper = V2AMapper.from_pretrained(checkpoint)
    assert (mapper.network.condition_dim, mapper.network.target_shape) == (width, (1, 512))
    mapper.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["network"]["init_args"]["condition_dim"] == saved["objective"]["init_args"]["dim"] == width
    again = V2AMapper.from_pretrained(tmp_path / "saved")
    generator = _generator(tiny_config, tmp_path)
    pipelines = [V2APipeline.from_pretrained(checkpoint, generator=generator)]
    pipelines[0].save_pretrained(tmp_path / "pipeline")
    pipelines.append(V2APipeline.from_pretrained(tmp_path / "pipeline"))
    frames = torch.randint(
        0, 256, (3, 40, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).numpy()
    first, second = (pipeline.embed(frames, [1, 2]) for pipeline in pipelines)
    assert first.shape == (2, 1, 512)
    assert torch.equal(first, second)
    assert all(torch.equal(one, other) for one, other in zip(mapper.parameters(), again.parameters(), strict=True))


def _generator(config: dict[str, Any], folder: Path) -> Any:
    from v2a_lightning.generators import AudioLDM

    weights = Path(config["data"]["init_args"]["clap"]["init_args"]["checkpoint"]).parent
    return AudioLDM(str(weights / "audioldm"))


def test_a_mismatch_is_one_line_before_anything_is_embedded(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = tiny_config["data"]["init_args"], tiny_config["model"]["init_args"]
    described, _ = encoders("dinov2", tmp_path)
    data |= {"encoder": described, "store": str(tmp_path / "store")}
    model["network"]["init_args"]["condition_dim"] = 512
    model["objective"] = {"class_path": "v2a_lightning.mapper.Regression"}
    model["aggregator"] = {"class_path": "v2a_lightning.mapper.AverageFrames"}
    (tmp_path / "config.yaml").write_text(yaml.dump(tiny_config))
    assert main(["fit", "--config", str(tmp_path / "config.yaml")]) == 2
    assert "makes embeddings of width 768, and model.network is made for 512" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()

"""Class paths in files that others wrote: what is made of them, and what is not even imported."""

import json
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
import yaml

from v2a_lightning.components import SelfDescribing, make
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import AudioLDM
from v2a_lightning.mapper import AverageFrames, MLPRegressor, Network, Regression
from v2a_lightning.module import V2AMapper
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.runs import CONFIG_KEY
from v2a_lightning.specs import FrameSpec

OWN_PART = """
from pathlib import Path
from v2a_lightning.mapper import MLPRegressor, Network

Path({marker!r}).touch()

class MyNetwork(MLPRegressor):
    def __init__(self, inner: Network | None = None, depth: int = 1) -> None:
        super().__init__(depth=depth)

class NoNetwork:
    def __init__(self, **_):
        raise SystemError("was called")
"""


class Plain(SelfDescribing):
    """A user's own part: no module, and with every kind of argument."""

    def __init__(
        self,
        frames: FrameSpec,
        inner: Network | None = None,
        encoders: dict[str, ClipEncoder] | None = None,
        folder: Path = Path("here"),
        **more: int,
    ) -> None:
        self.given = (frames, inner, encoders, folder, more)


def test_whatever_describes_itself_says_how_it_was_made_to_the_last_nested_argument() -> None:
    part = Plain(FrameSpec(2.0, 3.0), MLPRegressor(8, hidden=4), {"small": ClipEncoder("miniature")}, more=3)
    described = part.describe()
    network = {"dim": 8, "hidden": 4, "depth": 1, "dropout": 0.0}
    assert described["class_path"] == "tests.test_components.Plain"
    assert described["init_args"]["frames"] == {"frames_per_second": 2.0, "duration": 3.0}
    assert described["init_args"]["inner"] == {
        "class_path": "v2a_lightning.mapper.MLPRegressor",
        "init_args": network,
    }
    assert described["init_args"]["encoders"]["small"]["class_path"] == "v2a_lightning.encoders.ClipEncoder"
    assert (described["init_args"]["folder"], described["init_args"]["more"]) == ("here", 3)
    assert json.loads(json.dumps(described)) == described


def test_what_was_described_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2A_TRUST", "tests")
    part = Plain(FrameSpec(2.0, 3.0), encoders={"small": ClipEncoder("a/b"), "large": ClipEncoder("c/d")})
    again = make(part.describe(), SelfDescribing, "a file")
    assert again.describe() == part.describe()
    assert again.given[0] == FrameSpec(2.0, 3.0)  # type: ignore[attr-defined]


def test_an_argument_that_no_yaml_can_say_is_named() -> None:
    with pytest.raises(UsageError, match=r"Plain: the argument 'frames' is a Event, .* derive Event from"):
        Plain(Event()).describe()  # type: ignore[arg-type]


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Appears when the package `strange_parts` is imported, or the command of `attacks` is run."""
    marker = tmp_path / "executed"
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "strange_parts.py").write_text(OWN_PART.format(marker=str(marker)))
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.delitem(sys.modules, "strange_parts", raising=False)
    return marker


def attacks(marker: Path) -> list[Any]:
    command = ["touch", str(marker)]
    return [
        {"class_path": "subprocess.Popen", "init_args": {"args": command}},
        {"class_path": "os.system", "init_args": {"command": " ".join(command)}},
        {"class_path": "strange_parts.MyNetwork"},
        "strange_parts.MyNetwork",
        {"class_path": "v2a_lightning.app.cli.main", "init_args": {"arguments": []}},
        {"class_path": "v2a_lightning.pipeline.Path", "init_args": {}},
        {"class_path": "v2a_lightning.checkpoints.frozen_model.FrozenModel"},
        {"class_path": "v2a_lightning"},
        {"class_path": ".subprocess.Popen"},
        {"class_path": "v2a_lightning..subprocess.Popen"},
        {"class_path": ["subprocess.Popen"]},
        {"init_args": {}},
        {
            "class_path": "v2a_lightning.mapper.MLPRegressor",
            "init_args": {"depth": {"class_path": "subprocess.Popen", "init_args": {"args": command}}},
        },
        {"class_path": "v2a_lightning.mapper.MLPRegressor", "init_args": command},
        {"class_path": "v2a_lightning.mapper.MLPRegressor", "init_args": {"depth": "a great many"}},
        {"class_path": "v2a_lightning.mapper.MLPRegressor", "init_args": {"colour": 1}},
        [],
        None,
    ]


def test_only_the_projects_classes_of_the_kind_are_made(marker: Path) -> None:
    described = {"class_path": "v2a_lightning.mapper.MLPRegressor", "init_args": {"depth": 1}}
    assert isinstance(make(described, Network, "file"), MLPRegressor)
    with pytest.raises(UsageError, match=r"file names .*MLPRegressor where a ClipEncoder is wanted"):
        make(described, ClipEncoder, "file")
    for attack in attacks(marker):
        with pytest.raises(UsageError, match="file") as error:
            make(attack, Network, "file")
        assert "\n" not in str(error.value)
        assert not marker.exists(), attack


def test_a_package_that_is_named_is_trusted_and_its_parts_are_still_checked(
    marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="say V2A_TRUST=strange_parts in the environment"):
        make({"class_path": "strange_parts.MyNetwork"}, Network, "file")
    monkeypatch.setenv("V2A_TRUST", "other, strange_parts")
    inner = {"class_path": "strange_parts.MyNetwork", "init_args": {"depth": 2}}
    made = make({"class_path": "strange_parts.MyNetwork", "init_args": {"inner": inner}}, Network, "file")
    assert type(made).__name__ == "MyNetwork"
    for name in ("NoNetwork", "Path", "Missing"):
        with pytest.raises(UsageError, match="and it is none"):
            make({"class_path": f"strange_parts.{name}"}, Network, "file")
    inner["class_path"] = "strange_parts.NoNetwork"
    with pytest.raises(UsageError, match=r"file: inner names strange_parts\.NoNetwork where a Network is wanted"):
        make({"class_path": "strange_parts.MyNetwork", "init_args": {"inner": inner}}, Network, "file")


@pytest.fixture(scope="module")
def saved(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline's folder, and a checkpoint as `fit` writes it."""
    folder = tmp_path_factory.mktemp("saved")
    mapper = V2AMapper(MLPRegressor(depth=1), Regression(), AverageFrames())
    clip, audioldm = ClipEncoder(str(random_weights / "clip")), AudioLDM(str(random_weights / "audioldm"))
    V2APipeline(clip, mapper, audioldm, FrameSpec(4, 0.64)).save_pretrained(folder / "pipeline")
    parts = json.loads((folder / "pipeline" / "pipeline.json").read_text())
    config = {
        "data": {"init_args": {"encoder": parts["encoder"], "frames": parts["frames"]}},
        "evaluation": {"init_args": {"generator": parts["generator"]}},
    }
    content = {"hyper_parameters": mapper.describe(), "state_dict": mapper.state_dict(), CONFIG_KEY: yaml.dump(config)}
    torch.save(content, folder / "run.ckpt")
    assert isinstance(V2APipeline.from_pretrained(folder / "pipeline"), V2APipeline)
    assert isinstance(V2APipeline.from_pretrained(folder / "run.ckpt"), V2APipeline)
    return folder


@pytest.mark.parametrize("part", ["encoder", "generator"])
def test_a_pipeline_makes_nothing_else_than_its_models(saved: Path, tmp_path: Path, marker: Path, part: str) -> None:
    import shutil

    folder = shutil.copytree(saved / "pipeline", tmp_path / "pipeline")
    parts = json.loads((folder / "pipeline.json").read_text())
    checkpoint = torch.load(saved / "run.ckpt", weights_only=True)
    config = yaml.safe_load(checkpoint[CONFIG_KEY])
    for attack in attacks(marker):
        (folder / "pipeline.json").write_text(json.dumps(parts | {part: attack}))
        config["evaluation" if part == "generator" else "data"]["init_args"][part] = attack
        torch.save(checkpoint | {CONFIG_KEY: yaml.dump(config)}, tmp_path / "run.ckpt")
        for source in (folder, tmp_path / "run.ckpt"):
            with pytest.raises(UsageError, match=source.name) as error:
                V2APipeline.from_pretrained(source)
            assert "\n" not in str(error.value)
            assert not marker.exists(), attack


@pytest.mark.parametrize("part", ["network", "objective", "aggregator", "inference_aggregator", "optimizer", "seed"])
def test_a_mapper_makes_nothing_else_than_its_parts(saved: Path, tmp_path: Path, marker: Path, part: str) -> None:
    import shutil

    folder = shutil.copytree(saved / "pipeline", tmp_path / "mapper")
    config = json.loads((folder / "config.json").read_text())
    checkpoint = torch.load(saved / "run.ckpt", weights_only=True)
    for attack in attacks(marker):
        if attack is None and part in ("inference_aggregator", "optimizer", "seed"):
            continue
        (folder / "config.json").write_text(json.dumps(config | {part: attack}))
        checkpoint["hyper_parameters"] = config | {part: attack, "_instantiator": "os.system"}
        torch.save(checkpoint, tmp_path / "run.ckpt")
        for read in (V2AMapper.from_pretrained, V2AMapper.load_from_checkpoint):
            for source in (folder, tmp_path / "run.ckpt"):
                with pytest.raises(UsageError, match=source.name) as error:
                    read(source)
                assert "\n" not in str(error.value)
                assert not marker.exists(), attack


def test_damaged_descriptions_are_named(saved: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(saved / "pipeline", tmp_path / "pipeline")
    for name in ("pipeline.json", "config.json"):
        whole = (folder / name).read_bytes()
        for content in (b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"3", b"[" * 100_000, b'{"network": 3}'):
            (folder / name).write_bytes(content)
            with pytest.raises(UsageError, match=r"pipeline") as error:
                V2APipeline.from_pretrained(folder)
            assert "\n" not in str(error.value)
        (folder / name).write_bytes(whole)


def test_a_part_that_is_gone_is_named_with_the_checkpoint_that_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = V2AMapper(MLPRegressor(8, hidden=4), Regression(), AverageFrames())
    config = {**mapper.describe(), "aggregator": {"class_path": "gone_parts.Pooling", "init_args": {}}}
    torch.save({"hyper_parameters": config, "state_dict": mapper.state_dict()}, tmp_path / "mapper.ckpt")
    with pytest.raises(UsageError, match=r"mapper\.ckpt: aggregator names the class gone_parts\.Pooling, .*V2A_TRUST"):
        V2AMapper.from_pretrained(tmp_path / "mapper.ckpt")
    monkeypatch.setenv("V2A_TRUST", "gone_parts")
    with pytest.raises(
        UsageError, match=r"mapper\.ckpt: aggregator names .*gone_parts\.Pooling, .*be imported: No module"
    ):
        V2AMapper.from_pretrained(tmp_path / "mapper.ckpt")

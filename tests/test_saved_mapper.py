"""Mappers saved, opened again, and taken to begin another training with."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

from tests.mapper.small import DIM, PairsModule, small_mapper, small_transformer, trainer, unit_vectors
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import (
    AttentionPooling,
    MiddleFrame,
    MLPRegressor,
)
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import generators


def test_saved_mappers_come_back(tmp_path: Path) -> None:
    mapper = small_mapper(aggregator=AttentionPooling(heads=4), inference_aggregator=MiddleFrame(), guidance=2.0)
    torch.nn.init.normal_(mapper.network.trunk.projection.weight, std=0.05)
    run = trainer(tmp_path)
    run.strategy.connect(mapper)
    run.save_checkpoint(tmp_path / "mapper.ckpt")
    mapper.save_pretrained(tmp_path / "mapper")
    assert {path.name for path in (tmp_path / "mapper").iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert "`TransformerMapper(dim=512, depth=2," in (tmp_path / "mapper" / "README.md").read_text()
    frames = unit_vectors(6).view(2, 3, DIM)
    expected = mapper.eval().sample(frames, generator=generators([1, 2]))
    for again in (
        V2AMapper.from_pretrained(tmp_path / "mapper"),
        V2AMapper.from_pretrained(tmp_path / "mapper.ckpt"),
        V2AMapper.load_from_checkpoint(tmp_path / "mapper.ckpt"),
    ):
        assert torch.equal(again.sample(frames, generator=generators([1, 2])), expected)
        assert again.describe() == mapper.describe()


def test_a_checkpoint_of_another_shape_is_refused_in_one_line(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.strategy.connect(small_mapper())
    run.save_checkpoint(tmp_path / "mapper.ckpt")
    deeper = small_mapper(network=small_transformer(depth=3))
    with pytest.raises(
        UsageError, match=r"network TransformerMapper\(.*depth=2.*\), and here it is .*depth=3"
    ) as error:
        trainer(tmp_path).fit(deeper, datamodule=PairsModule(), ckpt_path=tmp_path / "mapper.ckpt")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="holds a mapper with network"):
        trainer(tmp_path).test(small_mapper(network=MLPRegressor()), PairsModule(), tmp_path / "mapper.ckpt")


@pytest.mark.parametrize("kind", ["missing", "garbage", "foreign", "empty folder"])
def test_what_is_no_mapper_is_refused_by_name(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = tmp_path / "thing"
    if kind == "garbage":
        path.write_bytes(b"not a checkpoint")
    elif kind == "foreign":
        torch.save({"state_dict": {}}, path)
    elif kind == "empty folder":
        path.mkdir()
    with pytest.raises(UsageError, match="thing") as error:
        V2AMapper.from_pretrained(path)
    assert "\n" not in str(error.value)


def test_a_warm_start_begins_with_the_averaged_weights(tmp_path: Path) -> None:
    # An average that forgets nothing keeps the first step's weights: they are not those that were trained.
    each = ModelCheckpoint(tmp_path, filename="mapper", save_on_train_epoch_end=True)
    run = trainer(tmp_path, callbacks=[EMAWeightAveraging(decay=1.0), each], enable_checkpointing=True)
    run.fit(small_mapper(optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2)), datamodule=PairsModule())
    saved = torch.load(tmp_path / "mapper.ckpt", weights_only=True)
    V2AMapper.from_pretrained(tmp_path / "mapper.ckpt").save_pretrained(tmp_path / "folder")
    for source in ("mapper.ckpt", "folder"):
        torch.manual_seed(3)
        warm = small_mapper(init_from=str(tmp_path / source))
        for name, tensor in warm.state_dict().items():
            assert torch.equal(tensor, saved["state_dict"][name])
        assert warm.describe()["init_from"] == warm.hparams["init_from"] == str(tmp_path / source)
    name = "trunk.projection.weight"
    assert not torch.equal(warm.network.state_dict()[name], saved["current_model_state"][f"network.{name}"])
    warm.save_pretrained(tmp_path / "warm")
    assert f"| init_from | `{tmp_path / 'folder'}` |" in (tmp_path / "warm" / "README.md").read_text()
    for path in (tmp_path / "folder").iterdir():
        path.unlink()
    again = V2AMapper.from_pretrained(tmp_path / "warm")
    assert again.describe() == warm.describe(), "where the weights came from is told, and not needed any more"


def test_a_warm_start_from_another_mapper_names_what_differs(tmp_path: Path) -> None:
    small_mapper().save_pretrained(tmp_path / "mapper")
    with pytest.raises(
        UsageError, match=r"mapper: the checkpoint holds a mapper with network .*depth=2.*depth=3"
    ) as error:
        small_mapper(network=small_transformer(depth=3), init_from=str(tmp_path / "mapper"))
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="nothing_here"):
        small_mapper(init_from=str(tmp_path / "nothing_here"))

"""`doctor`: a run that will go well, and each thing that would stop it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.random_weights import write_random
from v2a_lightning.app.commands.doctor import doctor
from v2a_lightning.data_modules import EmbeddingStore, StoreSpec, Tower
from v2a_lightning.errors import UsageError


def examine(
    config: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *settings: str
) -> tuple[int, str]:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    code = doctor([str(path)], list(settings))
    return code, capsys.readouterr().out


def line_of(text: str, *words: str) -> str:
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert found, f"no line with {words} in\n{text}"
    return found[0]


def test_a_run_that_will_go_well(tiny_config: dict[str, Any], tmp_path: Path, capsys) -> None:
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 0, text
    for subject in ("clip", "clap", "audioldm", "cnn14", "vggish", "wav2clip", "device", "memory", "data", "disk"):
        assert line_of(text, f"ok       {subject} ")
    assert "512 wide, 96 px" in line_of(text, "clip", "opens")
    assert "16000 Hz, 1/2/3 attention heads" in line_of(text, "audioldm", "opens")
    assert "cosine 1.0000" in line_of(text, "is the one the generator was trained with")
    assert "5 of 5 clips decode" in text
    assert line_of(text, "ok       store", "of 28 clips")
    command = f"python -m v2a_lightning fit --config={tmp_path / 'config.yaml'}"
    assert text.splitlines()[-2:] == ["all in all: ok", f"next: {command}"]


def test_another_clap_a_broken_tokenizer_and_a_false_file_are_errors(
    tiny_config: dict[str, Any], random_weights: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_random(tmp_path / "other", seed=1)
    data, evaluation = tiny_config["data"]["init_args"], tiny_config["evaluation"]["init_args"]
    data["clap"]["init_args"]["checkpoint"] = str(other / "clap")
    clip = shutil.copytree(random_weights / "clip", tmp_path / "clip")
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        (clip / name).unlink()
    data["encoder"]["init_args"]["checkpoint"] = str(clip)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "vggish-10086976.pth").write_bytes(b"something else")
    monkeypatch.setenv("V2A_MIRROR", str(tmp_path / "mirror"))
    evaluation["suite"]["init_args"]["vggish"] = "vggish"
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 1
    assert line_of(text, "error    clap", "is not the one the generator was trained with")
    assert line_of(text, "-> name the generator")
    assert line_of(text, "error    clip", "cannot be used")
    assert line_of(text, "error    vggish", "is not the published file")


def test_missing_weights_and_missing_clips_say_how_to_get_them(
    tiny_config: dict[str, Any], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    tiny_config["data"]["init_args"]["encoder"]["init_args"]["checkpoint"] = "openai/ViT-B-32"
    tiny_config["evaluation"]["init_args"]["suite"]["init_args"]["tagger"] = "cnn14-16k"
    (tmp_path / "empty").mkdir()
    code, text = examine(tiny_config, tmp_path, capsys, f"data.media={tmp_path / 'empty'}")
    assert code == 1
    assert line_of(text, "error    clip", "openai/ViT-B-32 is not on this machine")
    assert line_of(text, "354 MB", "put ViT-B-32.pt into a folder and name the folder in V2A_MIRROR")
    assert line_of(text, "error    cnn14", "cnn14-16k is not on this machine")
    assert line_of(text, "error    data", "0 of 28 clips have a file")


def test_a_missing_csv_or_manifest_is_one_line_among_the_others(
    tiny_config: dict[str, Any], tmp_path: Path, capsys
) -> None:
    code, text = examine(tiny_config, tmp_path, capsys, "data.csv=nowhere.csv")
    assert code == 1
    assert line_of(text, "error    data", "csv nowhere.csv: there is no such file")
    assert line_of(text, "ok       memory")
    code, text = examine(tiny_config, tmp_path, capsys, "data.manifest=nowhere.parquet")
    assert code == 1
    assert line_of(text, "error    data", "manifest nowhere.parquet: there is no such file")


def test_a_store_of_other_encoders_is_an_error_that_names_both(
    tiny_config: dict[str, Any], tmp_path: Path, capsys
) -> None:
    store = EmbeddingStore(tmp_path / "store")
    other = Tower("frames", "clip:other", "0" * 64, "frames-2fps-2.56s")
    with store.writer(StoreSpec(other)) as writer:
        writer.add_frames("a_000000", "dog", "train", "a.mp4", np.zeros((5, 512), np.float32))
    code, text = examine(tiny_config, tmp_path, capsys, f"data.store={tmp_path / 'store'}")
    assert code == 1
    assert line_of(text, "error    store", "holds frames embeddings of clip:other [000000000000]", "names clip:")


def test_a_finished_store_is_checked_without_media(tiny_config: dict[str, Any], tmp_path: Path, capsys) -> None:
    tiny_config["data"] = {
        "class_path": "v2a_lightning.data_modules.EmbeddingDataModule",
        "init_args": {"store": str(tmp_path / "nothing"), "batch_size": 4},
    }
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 1
    assert line_of(text, "error    data", "is no embedding store")


def test_the_head_counts_of_published_folders_are_a_warning(
    tiny_config: dict[str, Any], random_weights: Path, tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(random_weights / "audioldm", tmp_path / "audioldm")
    unet = folder / "unet" / "config.json"
    unet.write_text(json.dumps(json.loads(unet.read_text()) | {"attention_head_dim": 8}))
    tiny_config["evaluation"]["init_args"]["generator"]["init_args"]["checkpoint"] = str(folder)
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 3
    assert line_of(text, "warning  audioldm", "8 attention heads for every level")
    assert line_of(text, "-> head_counts=[1, 2, 3]")


def test_a_wrong_config_is_a_usage_error(tiny_config: dict[str, Any], tmp_path: Path, capsys) -> None:
    tiny_config["data"]["init_args"]["batchsize"] = 4
    with pytest.raises(UsageError, match="batchsize"):
        examine(tiny_config, tmp_path, capsys)


def test_a_mapper_of_another_width_is_an_error_that_names_the_key(
    tiny_config: dict[str, Any], tmp_path: Path, capsys
) -> None:
    tiny_config["model"]["init_args"]["network"]["init_args"]["condition_dim"] = 768
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 1
    assert line_of(text, "error    mapper", "model.network is made for 768; leave its condition_dim out")

"""One strict gate: every model says which file and tensor is not right, and reads the variants that are published."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from v2a_lightning.checkpoints.weights import find_weights, load_strictly, read_weights, without_values
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.evaluation.extractors import load_extractor
from v2a_lightning.generators import AudioLDM
from v2a_lightning.generators.diffusion_folder import read_unet, read_vae, read_vocoder
from v2a_lightning.mapper import AverageFrames, MLPRegressor, Regression
from v2a_lightning.miniature.referee import Referee, load_referee
from v2a_lightning.module import V2AMapper

UNET = "unet/diffusion_pytorch_model.safetensors"
PARTS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "clip": ("clip", "open_clip_model.safetensors", lambda path: ClipEncoder(str(path)).load()._part("model")),
    "clap": ("clap", "model.safetensors", lambda path: ClapEncoder(str(path)).load()._part("model").clap),
    "unet": ("audioldm", UNET, lambda path: read_unet(path, None)),
    "vae": ("audioldm", "vae/diffusion_pytorch_model.safetensors", read_vae),
    "vocoder": ("audioldm", "vocoder/model.safetensors", read_vocoder),
    "unconditional": ("audioldm", "unconditional.safetensors", lambda path: AudioLDM(str(path)).load()),
    "cnn14": ("cnn14", "model.safetensors", lambda path: load_extractor("cnn14", path)),
    "vggish": ("vggish", "model.safetensors", lambda path: load_extractor("vggish", path)),
    "wav2clip": ("wav2clip", "model.safetensors", lambda path: load_extractor("wav2clip", path)),
    "referee": ("referee", "model.safetensors", load_referee),
    "mapper": ("mapper", "model.safetensors", V2AMapper.from_pretrained),
}
OF_LIBRARIES = ("clip", "clap", "unet", "vae", "vocoder")


@pytest.fixture(scope="module")
def models(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "all"
    shutil.copytree(random_weights, folder)
    mapper = V2AMapper(MLPRegressor(depth=1), Regression(), AverageFrames())
    mapper.save_pretrained(folder / "mapper")
    (folder / "referee").mkdir()
    save_file(Referee().state_dict(), folder / "referee" / "model.safetensors")
    return folder


def copy_of(models: Path, part: str, place: Path) -> tuple[Path, Path, Callable[[Path], Any]]:
    """A folder of a model that may be spoiled, the file with its weights, and what reads it."""
    name, file, read = PARTS[part]
    folder = shutil.copytree(models / name, place / name)
    return folder, folder / file, read


def rewrite(file: Path, change: Callable[[dict[str, Tensor], str], None]) -> str:
    """Change a file's tensors; returns the name of a matrix in the middle of them."""
    state = load_file(file)
    names = sorted(name for name, tensor in state.items() if tensor.is_floating_point() and tensor.numel() > 1)
    chosen = names[len(names) // 2]
    change(state, chosen)
    save_file(state, file, metadata={"format": "pt"})
    return chosen


def lose(state: dict[str, Tensor], name: str) -> None:
    del state[name]
    state["somebody_elses"] = torch.zeros(2)


def add(state: dict[str, Tensor], name: str) -> None:
    state[f"{name}_more"] = torch.zeros(2)


def reshape(state: dict[str, Tensor], name: str) -> None:
    state[name] = torch.cat([state[name], state[name]])


def spoil(value: float) -> Callable[[dict[str, Tensor], str], None]:
    def change(state: dict[str, Tensor], name: str) -> None:
        state[name].view(-1)[-1] = value

    return change


@pytest.mark.parametrize("part", PARTS)
def test_every_model_names_the_tensor_that_is_not_right(models: Path, tmp_path: Path, part: str) -> None:
    faults = {"missing": lose, "more": add, "shape": reshape, "nan": spoil(torch.nan), "infinite": spoil(torch.inf)}
    for fault, change in faults.items():
        folder, file, read = copy_of(models, part, tmp_path / fault)
        name = rewrite(file, change)
        with pytest.raises(V2AError) as error:
            read(folder)
        said = str(error.value)
        assert "\n" not in said
        assert str(folder) in said
        assert name in said or part == "unconditional", (fault, said)


@pytest.mark.parametrize("part", PARTS)
def test_every_model_names_the_file_that_is_none(models: Path, tmp_path: Path, part: str) -> None:
    folder, file, read = copy_of(models, part, tmp_path)
    whole = file.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234567\n"
    faults = {
        b"": "is empty",
        pointer: "git-lfs pointer",
        b"<!DOCTYPE html><html>404</html>": "web page",
        whole[: len(whole) // 2]: "damaged, cut off",
        whole[:100]: "damaged, cut off",
        b"\x00" * 1000: "damaged, cut off",
        b"PK\x03\x04" + whole: "damaged, cut off",
    }
    for content, words in faults.items():
        file.write_bytes(content)
        with pytest.raises(RunFailure, match=words) as error:
            read(folder)
        assert str(file) in str(error.value)
        assert "\n" not in str(error.value)


def in_half(state: dict[str, Tensor], file: Path) -> None:
    name = file.name.replace(".safetensors", ".fp16.safetensors")
    save_file({key: one.half() for key, one in state.items()}, file.with_name(name), metadata={"format": "pt"})


def pickled(state: dict[str, Tensor], file: Path) -> None:
    torch.save(state, _as_bin(file))


def from_parallel_training(state: dict[str, Tensor], file: Path) -> None:
    kept = {"epoch": 3, "state_dict": {f"module.{key}": one for key, one in state.items()}, "optimizer": {"lr": 1.0}}
    torch.save(kept, _as_bin(file))


def sharded(state: dict[str, Tensor], file: Path) -> None:
    _shards(state, file, lambda part, path: save_file(part, path, metadata={"format": "pt"}))


def sharded_pickles(state: dict[str, Tensor], file: Path) -> None:
    _shards(state, _as_bin(file), torch.save)


def _as_bin(file: Path) -> Path:
    name = {"model": "pytorch_model", "open_clip_model": "open_clip_pytorch_model"}.get(file.stem, file.stem)
    return file.with_name(f"{name}.bin")


def _shards(state: dict[str, Tensor], file: Path, save: Callable[[dict[str, Tensor], Path], Any]) -> None:
    names = sorted(state)
    halves = {f"{file.stem}-0000{i + 1}-of-00002{file.suffix}": names[i::2] for i in range(2)}
    for shard, own in halves.items():
        save({name: state[name] for name in own}, file.with_name(shard))
    places = {name: shard for shard, own in halves.items() for name in own}
    file.with_name(f"{file.name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


@pytest.mark.parametrize("variant", [in_half, pickled, from_parallel_training, sharded, sharded_pickles])
@pytest.mark.parametrize("part", OF_LIBRARIES)
def test_published_variants_are_read(
    models: Path, tmp_path: Path, part: str, variant: Callable[[dict[str, Tensor], Path], None]
) -> None:
    folder, file, read = copy_of(models, part, tmp_path)
    expected = read(folder).state_dict()
    state = load_file(file)
    file.unlink()
    variant(state, file)
    found = read(folder).state_dict()
    tolerance = {"atol": 1e-3, "rtol": 1e-3} if variant is in_half else {"atol": 0, "rtol": 0}
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, **tolerance)


def test_old_and_new_names_of_attention_are_one(models: Path, tmp_path: Path) -> None:
    folder, file, read = copy_of(models, "vae", tmp_path)
    expected, state = read(folder).state_dict(), load_file(file)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {
        re.sub(r"(attentions\.\d+)\.(to_q|to_k|to_v|to_out\.0)\.", lambda m: f"{m[1]}.{old[m[2]]}.", name): one
        for name, one in state.items()
    }
    assert renamed.keys() != state.keys()
    save_file(renamed, file, metadata={"format": "pt"})
    found = read(folder).state_dict()
    assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_counters_and_indices_may_be_there_or_not(models: Path, tmp_path: Path) -> None:
    folder, file, read = copy_of(models, "clap", tmp_path)
    rewrite(file, lambda state, _: state.update({"text_model.embeddings.position_ids": torch.arange(4)[None]}))
    read(folder)
    folder, file, read = copy_of(models, "clip", tmp_path)

    def without_counters(state: dict[str, Tensor], _name: str) -> None:
        for name in [name for name in state if name.endswith("num_batches_tracked")]:
            del state[name]

    rewrite(file, without_counters)
    read(folder)


def test_an_index_names_files_beside_it_alone(models: Path, tmp_path: Path) -> None:
    save_file({"weight": torch.ones(1)}, tmp_path / "outside.safetensors")
    index = tmp_path / "folder" / "model.safetensors.index.json"
    index.parent.mkdir()
    for name in ("../outside.safetensors", str(tmp_path / "outside.safetensors"), "..", 3):
        index.write_text(json.dumps({"weight_map": {"weight": name}}))
        with pytest.raises(RunFailure, match="which is no file beside it"):
            read_weights(index)
    shutil.copy(tmp_path / "outside.safetensors", index.with_name("a.safetensors"))
    index.write_text(json.dumps({"weight_map": {"weight": "a.safetensors", "bias": "a.safetensors"}}))
    with pytest.raises(RunFailure, match=r"tensor 'bias' is not in a\.safetensors"):
        read_weights(index)
    index.write_text(json.dumps({"weight_map": {"weight": "b.safetensors"}}))
    with pytest.raises(RunFailure, match=r"index\.json cannot be read"):
        read_weights(index)
    index.write_text("[]")
    with pytest.raises(RunFailure, match=r"index\.json cannot be read"):
        read_weights(index)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"{tmp_path} holds no weights: there is no model.safetensors"):
        find_weights(tmp_path, "model", "pytorch_model")


def test_a_folders_tokenizer_runs_no_code_of_the_folder(models: Path, tmp_path: Path) -> None:
    for part in ("clip", "clap"):
        folder, _, _ = copy_of(models, part, tmp_path)
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\nclass Evil: pass\n")
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings |= {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, "tokenizer_class": "Evil"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        for name in ("config.json", "open_clip_config.json"):
            if (folder / name).is_file():
                config = json.loads((folder / name).read_text())
                config.get("model_cfg", {}).get("text_cfg", {})["tokenizer_kwargs"] = {"trust_remote_code": True}
                (folder / name).write_text(json.dumps(config))
        with suppress(V2AError):
            (ClipEncoder(str(folder)) if part == "clip" else ClapEncoder(str(folder))).encode_text(["a dog"])
        assert not (tmp_path / "executed").exists()


def test_a_module_is_built_however_its_values_are_drawn() -> None:
    # What uninitialised memory may hold: torch draws a truncated normal anew until nothing is out of bounds.
    weight = torch.full((64,), 1e30)
    with without_values():
        torch.nn.init.trunc_normal_(weight, std=0.02)
        torch.nn.init.normal_(weight)
    assert not weight.any()


def test_weights_are_the_files_own_tensors_in_the_modules_precision(tmp_path: Path) -> None:
    whole, half = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2).half()
    for name, module in (("whole", whole), ("half", half)):
        save_file(module.state_dict(), tmp_path / f"{name}.safetensors")
    state = read_weights(tmp_path / "whole.safetensors")
    loaded = load_strictly(torch.nn.Linear(3, 2), state, tmp_path)
    assert loaded.weight.data_ptr() == state["weight"].data_ptr(), "no copy beside them"
    assert loaded.weight.equal(whole.weight)
    assert loaded.weight.requires_grad
    from_half = load_strictly(torch.nn.Linear(3, 2), read_weights(tmp_path / "half.safetensors"), tmp_path)
    assert from_half.weight.dtype == torch.float32
    assert from_half.weight.equal(half.weight.float())

"""Names to files: the registry, local paths, URLs, a mirror, and the Hub with and without network."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub import Hub, serving
from v2a_lightning.checkpoints.fetch import file_name
from v2a_lightning.checkpoints.known import CHECKPOINTS, licence_of
from v2a_lightning.checkpoints.registry import HUB_ID, find, is_url, needed_files, resolve
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.errors import RunFailure, UsageError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with serving(monkeypatch, tmp_path) as address:
        yield address


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("V2A_MIRROR", raising=False)
    return tmp_path / "cache"


def test_every_known_checkpoint_says_where_it_is_from_and_under_what_licence() -> None:
    for name, entry in CHECKPOINTS.items():
        assert entry.name == name
        assert entry.kinds
        assert entry.licence
        assert entry.megabytes > 0
        assert entry.evidence
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for _, digest in entry.digests.values())
        assert set(entry.unverified) <= {"megabytes", "licence"}
        for size, _ in entry.digests.values() if is_url(entry.source) else ():
            assert size is None or round(size / 1e6) == entry.megabytes
        assert not is_url(entry.source) or set(entry.digests) <= {file_name(entry.source)}
        assert is_url(entry.source) or HUB_ID.fullmatch(entry.source)
    assert "not known" in licence_of("somebody/something")


def test_a_local_path_stands_for_itself_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "clap.pt").touch()
    assert resolve(str(tmp_path / "clap.pt"), "clap") == tmp_path / "clap.pt"
    with pytest.raises(UsageError, match=r"clip checkpoint '/nowhere/x': there is no such .* openai/ViT-B-32"):
        resolve("/nowhere/x", "clip")


def test_a_known_name_is_found_in_the_mirror_and_only_for_its_kind(monkeypatch, tmp_path: Path) -> None:
    assert find("vggish", "vggish") is None
    with pytest.raises(UsageError, match=r"HF_HUB_OFFLINE forbids .* put vggish-10086976.pth into"):
        resolve("vggish", "vggish")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "vggish-10086976.pth").touch()
    monkeypatch.setenv("V2A_MIRROR", str(tmp_path / "mirror"))
    assert resolve("vggish", "vggish") == tmp_path / "mirror" / "vggish-10086976.pth"
    with pytest.raises(UsageError, match="is for vggish, not for clip"):
        resolve("vggish", "clip")
    (tmp_path / "mirror" / "owner" / "name").mkdir(parents=True)
    assert resolve("owner/name", "clip") == tmp_path / "mirror" / "owner" / "name"


def test_a_url_is_fetched_once_and_checked_by_the_digest_it_names(server: str, cache: Path) -> None:
    Hub.files = {"weights.pt": b"weights"}
    digest = hashlib.sha256(b"weights").hexdigest()
    path = resolve(f"{server}/weights.pt#sha256={digest}", "clap")
    assert path.read_bytes() == b"weights"
    assert path.is_relative_to(cache)
    asked = len(Hub.asked)
    assert resolve(f"{server}/weights.pt", "clap") == path
    assert len(Hub.asked) == asked
    with pytest.raises(RunFailure, match="sha256"):
        resolve(f"{server}/weights.pt?again#sha256={'0' * 64}", "clap")


def test_a_hub_folder_is_fetched_without_what_no_model_is_read_from(server: str, weights: Path) -> None:
    Hub.files = {path.name: path.read_bytes() for path in (weights / "clap").iterdir()}
    Hub.files |= {"pytorch_model.bin": b"the same as the safetensors", "flax_model.msgpack": b"", "picture.png": b""}
    folder = resolve("owner/name", "clap")
    assert {path.name for path in folder.iterdir()} == {path.name for path in (weights / "clap").iterdir()}
    asked = len(Hub.asked)
    assert ClapEncoder("owner/name").fingerprint == ClapEncoder(str(weights / "clap")).fingerprint
    assert len(Hub.asked) == asked
    (folder / "model.safetensors").unlink()
    assert resolve("owner/name", "clap") == folder
    assert (folder / "model.safetensors").is_file()


def test_offline_the_hubs_own_cache_is_used(server: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    Hub.files = {"config.json": b"{}"}
    folder = resolve("owner/name", "clap")
    monkeypatch.setenv("V2A_CACHE", str(cache / "other"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(Hub.asked)
    assert resolve("owner/name", "clap") == folder
    assert len(Hub.asked) == asked


def test_a_file_that_is_not_what_the_hub_states_is_refused_and_fetched_anew(server: str) -> None:
    Hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
    Hub.stated = {"model.safetensors": "0" * 64}
    with pytest.raises(RunFailure, match=r"model.safetensors of owner/name has the sha256 .*; it was removed"):
        resolve("owner/name", "clap")
    Hub.stated = {}
    assert (resolve("owner/name", "clap") / "model.safetensors").read_bytes() == b"weights"


def test_a_known_file_on_the_hub_is_asked_of_the_endpoint_and_held_to_its_digest(
    server: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    entry = CHECKPOINTS["laion-clap-630k-audioset"]
    Hub.files = {"lukewys/laion_clap/resolve/main/630k-audioset-best.pt": b"something else"}
    with pytest.raises(RunFailure, match=r"14 bytes, the published file 1863587645"):
        resolve(entry.name, "clap")
    right = replace(entry, digests={file_name(entry.source): (14, hashlib.sha256(b"something else").hexdigest())})
    monkeypatch.setitem(CHECKPOINTS, entry.name, right)
    assert resolve(entry.name, "clap") == cache / "files" / file_name(entry.source)


def test_a_hub_folder_that_is_not_there_is_named(server: str) -> None:
    with pytest.raises(RunFailure, match="owner/other cannot be fetched from the Hugging Face Hub"):
        resolve("owner/other", "clap")


def test_offline_nothing_is_asked_of_the_hub() -> None:
    with pytest.raises(UsageError, match="'owner/name' is not on this machine and HF_HUB_OFFLINE forbids"):
        resolve("owner/name", "clap")


@pytest.mark.parametrize("name", ["../../outside.safetensors", "/outside.bin", "a/../../b.json", "..\\outside.json"])
def test_a_repository_writes_nothing_outside_its_folder(server: str, cache: Path, name: str) -> None:
    Hub.files = {"config.json": b"{}", name: b"weights"}
    with pytest.raises(RunFailure, match=r"owner/name lists the file .*, which is none inside its folder"):
        resolve("owner/name", "clap")
    assert not list(cache.parent.rglob("outside*"))


def test_a_repository_too_large_for_the_disk_is_not_begun(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from v2a_lightning.checkpoints import fetch as download

    Hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
    monkeypatch.setattr(download, "LARGEST_BYTES", 8)
    with pytest.raises(RunFailure, match="owner/name has 9 bytes; no more than 8 are fetched"):
        resolve("owner/name", "clap")


def test_half_precision_is_taken_where_there_is_no_other() -> None:
    names = ["unet/model.fp16.safetensors", "unet/model.safetensors", "vae/model.fp16.safetensors"]
    assert needed_files(names) == names[1:]


def test_pickles_are_left_where_there_are_safetensors() -> None:
    names = ["unet/model.bin", "unet/model.safetensors", "vae/model.bin", "vae/config.json", "x.onnx", "README.md"]
    assert needed_files(names) == ["unet/model.safetensors", "vae/model.bin", "vae/config.json"]


def test_of_an_open_clip_folder_only_its_own_weights_are_taken() -> None:
    names = ["config.json", "open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    others = ["model.safetensors", "pytorch_model.bin"]
    assert needed_files([*names, *others]) == names[:3]

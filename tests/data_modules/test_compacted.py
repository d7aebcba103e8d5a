"""The compacted form of a store holds what its shards hold, is mapped, and is refused when they are others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from v2a_lightning.data_modules import (
    EmbeddingDataModule,
    EmbeddingStore,
    Splits,
    StoreSpec,
    Tower,
    VGGSoundDataModule,
    compacted,
    load_table,
    shards,
)
from v2a_lightning.data_modules.clips import Clip, Reject
from v2a_lightning.data_modules.compacted import compact, is_compacted, open_compacted
from v2a_lightning.errors import RunFailure, UsageError

from .test_store import AUDIO, FRAMES, SPEC, embedding, fill


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    store = EmbeddingStore(tmp_path / "store")
    fill(store, ["c", "a"])
    fill(store, ["d", "b"], rank=1, frames=2)
    return store


def test_it_holds_what_the_shards_hold(store: EmbeddingStore) -> None:
    read = load_table(store, SPEC)
    path = compact(store, SPEC)
    mapped = load_table(store, SPEC)
    assert path == Path(store.url, SPEC.compacted)
    for name in ("clip_ids", "labels", "splits", "paths"):
        assert getattr(mapped, name) == getattr(read, name)
    assert mapped.lengths.tolist() == read.lengths.tolist() == [3, 2, 3, 2]
    for name in ("frames", "target"):
        left, right = getattr(mapped, name), getattr(read, name)
        assert left.dtype == right.dtype == torch.float16
        assert torch.equal(left, right)


def test_several_encoders_and_a_clip_that_one_lacks(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "float32")
    dino = Tower("frames", "dino", "d" * 64, FRAMES.spec)
    spec = StoreSpec({"clip": FRAMES, "dino": dino}, Tower("audio", "t5", "e" * 64, AUDIO.spec, tokens=2))
    fill(store, ["c"], StoreSpec(FRAMES))
    with store.writer(spec) as writer:
        for number, clip_id in enumerate("ba"):
            parts = {"clip": embedding(clip_id, 3), "dino": np.full((3, 5), number, np.float32)}
            writer.add_frames(clip_id, "dog", "train", f"{clip_id}.mp4", parts)
            writer.add_audio(clip_id, embedding(clip_id + "/audio", 2))
    rows = load_table(store, spec).batch([0, 1])
    compact(store, spec)
    again = load_table(store, spec).batch([0, 1])
    assert again["clip_id"] == rows["clip_id"] == ["a", "b"]
    assert again["target"].shape == (2, 2, 8)
    for name in ("clip", "dino"):
        assert torch.equal(again["frames"][name], rows["frames"][name])
    assert not is_compacted(store, StoreSpec(FRAMES))
    assert load_table(store, StoreSpec(FRAMES)).clip_ids == ["a", "b", "c"]


def test_it_is_opened_without_a_look_into_the_shards(store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.writer(SPEC) as writer:
        writer.add_reject(Reject("e", "e.mp4", "silent"))
    compact(store, SPEC)
    opened: list[tuple[str, list[str]]] = []
    read = shards._read_shard

    def noting(folder: object, path: str, size: int, columns: list[str], *rest: object) -> shards.Shard:
        opened.append((path.split("-")[0], list(columns)))
        return read(folder, path, size, columns, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "_read_shard", noting)
    data = EmbeddingDataModule(store.url, batch_size=2, splits=Splits(validation_clips=2))
    data.setup("fit")
    assert [reject.clip_id for reject in data.rejects] == ["e"]
    # Which encoders there are is in the first shard of each, as are the rejected clips in theirs.
    assert [kind for kind, columns in opened if "clip_id" in columns] == ["rejects"]
    maps = Path("/proc/self/maps")
    assert not maps.exists() or SPEC.compacted in maps.read_text()


def test_some_clips_have_the_batches_they_had(store: EmbeddingStore) -> None:
    clips = [Clip("d", "", ""), Clip("b", "", ""), Clip("nobody", "", "")]
    read = load_table(store, SPEC, [clip.clip_id for clip in clips])
    before = read.batch(read.rows(clips))
    compact(store, SPEC)
    mapped = load_table(store, SPEC, [clip.clip_id for clip in clips])
    after = mapped.batch(mapped.rows(clips))
    assert before["clip_id"] == after["clip_id"] == ["d", "b"]
    for name in ("frames", "frame_mask", "target"):
        assert torch.equal(before[name], after[name])


def test_one_of_other_shards_is_refused(store: EmbeddingStore) -> None:
    compact(store, SPEC)
    fill(store, ["e"], rank=2)
    with pytest.raises(RunFailure, match=rf"{SPEC.compacted} was made from other shards .* `.*embed --compact true`"):
        load_table(store, SPEC)
    compact(store, SPEC)
    assert load_table(store, SPEC).clip_ids == ["a", "b", "c", "d", "e"]
    next(Path(store.url, AUDIO.subfolder).iterdir()).unlink()
    with pytest.raises(RunFailure, match="was made from other shards"):
        load_table(store, SPEC)


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "facts", "no safetensors of ours"])
def test_a_damaged_one_is_named_and_made_again(
    store: EmbeddingStore, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_table(store, SPEC)
    path = compact(store, SPEC)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no safetensors of ours":
        path.write_bytes((2).to_bytes(8, "little") + b"{}")
    else:
        content[9 if damage == "header" else content.find(b"dog")] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(RunFailure, match=rf"{SPEC.compacted} is damaged \(.*\); run") as failure:
        load_table(store, SPEC)
    assert "\n" not in str(failure.value)
    compact(store, SPEC)
    assert f"compacting {store.url}: {path} is damaged" in capsys.readouterr().err
    assert load_table(store, SPEC).clip_ids == whole.clip_ids


def test_a_whole_one_is_left_and_a_damaged_shard_makes_none(store: EmbeddingStore) -> None:
    path = compact(store, SPEC)
    before = path.stat()
    compact(store, SPEC)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.unlink()
    shard = next(Path(store.url, FRAMES.subfolder).iterdir())
    content = bytearray(shard.read_bytes())
    content[100] ^= 0xFF
    shard.write_bytes(content)
    killed = Path(store.url, f".{path.stem[:40]}.abcdefgh.safetensors")
    killed.write_bytes(b"half")
    with pytest.raises(RunFailure, match=f"{shard.name} is damaged"):
        compact(store, SPEC)
    assert not list(Path(store.url).glob("*compact-*"))
    assert not killed.exists()


def test_where_nothing_can_be_compacted(tmp_path: Path) -> None:
    remote = EmbeddingStore("memory://bucket/compacted")
    fill(remote, ["a"])
    with pytest.raises(UsageError, match=r"memory://bucket/compacted cannot be compacted.* copy it to a folder"):
        compact(remote, SPEC)
    assert open_compacted(remote, SPEC) is None
    with pytest.raises(UsageError, match="has no clip that every encoder has embedded"):
        compact(EmbeddingStore(tmp_path), SPEC)


def test_an_id_that_is_a_path_is_refused(store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr("v2a_lightning.data_modules.store.refuse_unsafe_id", lambda clip_id: None)
        context.setattr("v2a_lightning.data_modules.stored_clips.refuse_unsafe_ids", lambda where, clip_ids: None)
        fill(store, ["../../x"], rank=2)
        compact(store, SPEC)
    with pytest.raises(UsageError, match=rf"{SPEC.compacted}: the clip id '../../x' cannot be the name of a file"):
        load_table(store, SPEC)


def test_a_compacted_store_stays_one_when_clips_are_added(make_data: Callable[..., VGGSoundDataModule]) -> None:
    few = make_data(splits=Splits(validation_fraction=0, max_clips=3))
    few.prepare_data()
    few.compact()
    data = make_data()
    data.prepare_data()
    clips = compacted.open_compacted(data.store, data.encoders.spec())
    assert clips is not None
    assert len(clips.facts) == 16
    data.setup("fit")
    few.setup("fit")
    assert [len(batch["clip_id"]) for batch in few.train_dataloader()] == [2]

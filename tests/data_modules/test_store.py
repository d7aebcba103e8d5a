"""A store survives kills, many writers, other encoders and damage."""

import json
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from v2a_lightning.data_modules import Decoding, EmbeddingStore, StoreSpec, Tower, VGGSoundDataModule, load_table
from v2a_lightning.data_modules.clips import Clip, Reject
from v2a_lightning.data_modules.store import METADATA_KEY
from v2a_lightning.data_modules.table import widths_of
from v2a_lightning.errors import RunFailure, UsageError

from .conftest import AUDIO as AUDIO_SPEC
from .conftest import FRAMES as FRAMES_SPEC
from .conftest import SmallVGGSound
from .encoders import SmallClap, SmallClip

FRAMES = Tower("frames", "clip:a", "a" * 64, "frames-1fps-10s")
AUDIO = Tower("audio", "clap:a", "b" * 64, "audio-16000hz-10s")
SPEC = StoreSpec(FRAMES, AUDIO)
WIDTH = 8


def embedding(clip_id: str, rows: int) -> np.ndarray:
    return np.random.default_rng(abs(hash(clip_id)) % 2**32).standard_normal((rows, WIDTH)).astype(np.float32)


def fill(store: EmbeddingStore, clip_ids: list[str], spec: StoreSpec = SPEC, rank: int = 0, frames: int = 3) -> None:
    with store.writer(spec, rank) as writer:
        for clip_id in clip_ids:
            writer.add_frames(clip_id, "dog", "train", f"{clip_id}.mp4", embedding(clip_id, frames))
            if spec.audio is not None:
                writer.add_audio(clip_id, embedding(clip_id + "/audio", 1)[0])


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_what_is_written_is_read(tmp_path: Path, precision: str) -> None:
    store = EmbeddingStore(tmp_path / "store", precision)  # type: ignore[arg-type]
    fill(store, ["b", "a"])
    fill(store, ["c"], frames=2)
    table = load_table(store, SPEC)
    assert (table.clip_ids, table.labels, table.splits) == (["a", "b", "c"], ["dog"] * 3, ["train"] * 3)
    assert table.frames.dtype == getattr(torch, precision)
    assert table.lengths.tolist() == [3, 3, 2]
    tolerance = 2e-3 if precision == "float16" else 0
    for row, clip_id in enumerate(table.clip_ids):
        length = table.lengths[row]
        np.testing.assert_allclose(table.frames[row, :length].numpy(), embedding(clip_id, length), atol=tolerance)
        assert table.target is not None
        np.testing.assert_allclose(table.target[row].numpy(), embedding(clip_id + "/audio", 1), atol=tolerance)
    batch = table.batch([2, 0])
    assert batch["frame_mask"].tolist() == [[True, True, False], [True, True, True]]
    assert not batch["frames"][0, 2].any()


def test_a_table_keeps_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    fill(store, ["a", "b", "c"])
    table = load_table(store, SPEC, ["c", "nobody", "a"])
    assert table.clip_ids == ["c", "a"]
    assert table.rows([Clip("a", "", ""), Clip("c", "", ""), Clip("b", "", "")]) == [1, 0]


def test_several_processes_write_side_by_side(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    for rank in range(3):
        fill(store, [f"{rank}{letter}" for letter in "ab"], rank=rank)
    shards = sorted(path.name for path in (tmp_path / FRAMES.subfolder).iterdir())
    assert [name[:10] for name in shards] == ["part-00000", "part-00001", "part-00002"]
    assert load_table(store, SPEC).clip_ids == ["0a", "0b", "1a", "1b", "2a", "2b"]


def test_a_clip_counts_when_every_encoder_is_done_with_it(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    fill(store, ["a", "b"])
    other = StoreSpec(FRAMES, Tower("audio", "clap:other", "c" * 64, AUDIO.spec))
    with store.writer(other) as writer:
        writer.add_audio("b", embedding("other", 1)[0])
    assert load_table(store, SPEC).clip_ids == ["a", "b"]
    assert load_table(store, other).clip_ids == ["b"]
    with pytest.raises(UsageError, match=r"clap:a .*clap:other"):
        store.only_spec()


def test_several_encoders_and_targets_of_several_tokens(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "float32")
    dino = Tower("frames", "dino", "d" * 64, FRAMES.spec)
    spec = StoreSpec({"clip": FRAMES, "dino": dino}, Tower("audio", "t5", "e" * 64, AUDIO.spec, tokens=2))
    fill(store, ["a"], StoreSpec(FRAMES))
    with store.writer(spec) as writer:
        for clip_id in ("a", "b"):
            parts = {"clip": embedding(clip_id, 3), "dino": np.ones((3, 5), np.float32)}
            writer.add_frames(clip_id, "dog", "train", f"{clip_id}.mp4", parts)
            writer.add_audio(clip_id, embedding(clip_id + "/audio", 2))
    rows = {
        one: [pq.read_metadata(path).num_rows for path in (tmp_path / one.subfolder).iterdir()]
        for one in (FRAMES, dino)
    }
    assert {one.encoder: sum(counts) for one, counts in rows.items()} == {"clip:a": 2, "dino": 2}
    table = load_table(store, spec)
    batch = table.batch([0, 1])
    assert {name: part.shape for name, part in batch["frames"].items()} == {"clip": (2, 3, WIDTH), "dino": (2, 3, 5)}
    assert batch["target"].shape == (2, 2, WIDTH)
    np.testing.assert_array_equal(batch["target"][1].numpy(), embedding("b/audio", 2))
    assert store.only_spec({"clip": "clip:a", "dino": "dino"}) == spec
    assert load_table(store, store.only_spec({"": "dino"})).batch([0])["frames"].shape == (1, 3, 5)
    with pytest.raises(UsageError, match=r"several encoders .* name one with data.encoder"):
        store.only_spec()
    widths = widths_of(store, spec)
    assert (dict(widths.frames), widths.tokens, widths.target_dim) == (
        {"clip": ("clip:a", 8), "dino": ("dino", 5)},
        2,
        8,
    )


def test_a_store_of_one_encoder_is_as_it_always_was(tmp_path: Path) -> None:
    assert (FRAMES.subfolder, AUDIO.subfolder) == ("frames-a344eca48e9f", "audio-686f47fa2182")
    assert json.loads(AUDIO.description) == {
        "kind": "audio", "encoder": "clap:a", "fingerprint": "b" * 64, "spec": "audio-16000hz-10s"
    }  # fmt: skip
    assert Tower.described(AUDIO.description) == AUDIO
    assert SPEC.rejects == "rejects-943271300c1f"


def test_other_encoders_are_refused_by_name(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    store.refuse_others(SPEC)
    fill(store, ["a"])
    store.refuse_others(SPEC)
    with pytest.raises(UsageError, match=r"frames embeddings of clip:a \[aaaaaaaaaaaa\].* names clip:b \[bbbb"):
        store.refuse_others(StoreSpec(Tower("frames", "clip:b", "b" * 64, FRAMES.spec), AUDIO))
    assert EmbeddingStore(tmp_path).only_spec() == SPEC


def test_shards_carry_their_spec_and_checksums(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "float32")
    fill(store, [f"{number:03d}" for number in range(100)])
    (shard,) = (tmp_path / FRAMES.subfolder).iterdir()
    assert METADATA_KEY.encode() in pq.read_schema(shard).metadata
    content = bytearray(shard.read_bytes())
    position = content.find(embedding("050", 3).tobytes())
    assert position > 0
    content[position] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(RunFailure, match=rf"{shard.name} is damaged"):
        load_table(store, SPEC)


def test_rejects_are_forgotten_when_the_clip_is_embedded(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    with store.writer(SPEC) as writer:
        writer.add_reject(Reject("a", "a.mp4", "silent"))
        writer.add_reject(Reject("b", "b.mp4", "timeout"))
    assert {key: one.reason for key, one in store.rejects(SPEC).items()} == {"a": "silent", "b": "timeout"}
    assert store.rejects(SPEC)["a"].is_final(Path("a.mp4"))
    assert not store.rejects(SPEC)["b"].is_final(Path("a.mp4"))
    fill(store, ["b"])
    assert list(store.rejects(SPEC)) == ["a"]


def test_a_store_behind_a_url(tmp_path: Path) -> None:
    store = EmbeddingStore("memory://bucket/store")
    fill(store, ["a", "b"])
    store.write_rejects_csv([Reject("c", "c.mp4", "short", "0.2 s")])
    assert load_table(EmbeddingStore("memory://bucket/store"), SPEC).clip_ids == ["a", "b"]
    assert store.folder.read("rejects.csv") == b"clip_id,path,reason,detail\nc,c.mp4,short,0.2 s\n"
    with pytest.raises(UsageError, match="nosuch"):
        EmbeddingStore("nosuch://bucket/store")


def test_an_encoder_added_later_sees_only_what_it_must(make_data: Callable[..., VGGSoundDataModule]) -> None:
    make_data().prepare_data()
    other = make_data(clap=SmallClap(7))
    pending = other.extraction().pending()
    assert {(frames, audio) for _, frames, audio in pending} == {(False, True)}
    other.embed(add_encoder=True)
    assert other.encoders.encoder.calls == 0  # type: ignore[attr-defined]
    other.setup("fit")
    make_data().setup("fit")


class SlowClap(SmallClap):
    """The same embeddings, later."""

    name = "SmallClap:0"

    def encode_audio(self, waveforms: Any, sample_rate: int) -> torch.Tensor:
        time.sleep(0.3)
        return super().encode_audio(waveforms, sample_rate)


class WritingAtOnce(VGGSoundDataModule):
    """Writes every clip when it is done, so that there is something to see before a minute has passed."""

    @property
    def store(self) -> EmbeddingStore:
        return EmbeddingStore(self.store_url, flush_seconds=0.0)


def test_a_killed_extraction_goes_on_where_it_was(
    make_data: Callable[..., VGGSoundDataModule], vggsound: SmallVGGSound, tmp_path: Path
) -> None:
    killed = str(tmp_path / "killed")
    slow = WritingAtOnce(
        str(vggsound.csv), str(vggsound.media), store=killed, encoder=SmallClip(), clap=SlowClap(),
        frames=FRAMES_SPEC, audio=AUDIO_SPEC, decoding=Decoding(num_workers=1, encoder_batch_size=1),
    )  # fmt: skip
    process = get_context("fork").Process(target=_alone, args=(slow,))
    process.start()
    frames = slow.encoders.spec().frames
    begin = time.monotonic()
    while len(slow.store.clip_ids(frames)) < 4 and time.monotonic() - begin < 120:
        time.sleep(0.1)
    process.kill()
    process.join()
    assert 4 <= len(slow.store.clip_ids(frames)) < 16
    data, whole = make_data(store=killed), make_data(store=str(tmp_path / "whole"))
    for one in (data, whole):
        one.prepare_data()
    spec = data.encoders.spec()
    left, right = load_table(data.store, spec), load_table(whole.store, spec)
    assert left.clip_ids == right.clip_ids
    assert len(left.clip_ids) == 16
    torch.testing.assert_close(left.frames, right.frames, atol=1e-3, rtol=0)
    assert sum(pq.read_metadata(path).num_rows for path in Path(killed, frames.subfolder).iterdir()) == 16


def _alone(data: VGGSoundDataModule) -> None:
    # A forked process must not wait for the threads its parent had.
    torch.set_num_threads(1)
    data.prepare_data()

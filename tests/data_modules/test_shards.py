"""A store notices what is lost, damaged or exchanged."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from v2a_lightning.data_modules import EmbeddingStore, Splits, StoreSpec, Tower, VGGSoundDataModule, load_table
from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.extraction import EmbeddedBatch
from v2a_lightning.data_modules.shards import STORE_VERSION, read_index
from v2a_lightning.data_modules.store import METADATA_KEY
from v2a_lightning.errors import RunFailure, UsageError, V2AError

from .encoders import SmallClap
from .test_store import AUDIO, FRAMES, SPEC, WIDTH, embedding, fill


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    store = EmbeddingStore(tmp_path / "store", "float32")
    fill(store, ["a", "b"])
    fill(store, ["c", "d"], rank=1)
    return store


def shards(store: EmbeddingStore, tower: Tower = FRAMES) -> list[Path]:
    return sorted(Path(store.url, tower.subfolder).iterdir())


def test_every_writer_lists_its_shards(store: EmbeddingStore) -> None:
    index = read_index(store.folder)
    there = {f"{tower.subfolder}/{path.name}": path for tower in SPEC.towers for path in shards(store, tower)}
    assert index.keys() == there.keys()
    assert {path: entry.size for path, entry in index.items()} == {
        path: file.stat().st_size for path, file in there.items()
    }
    assert [entry.rows for entry in index.values()] == [2, 2, 2, 2]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped footer", "flipped name", "exchanged", "lost"])
def test_a_shard_that_is_not_what_was_written_is_named(store: EmbeddingStore, number: int, damage: str) -> None:
    path = shards(store)[number]
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped footer":
        flip(path, -20)
    elif damage == "flipped name":
        flip(path, path.read_bytes().find(b"dog"))
    elif damage == "exchanged":
        path.write_bytes(shards(store)[1 - number].read_bytes())
    else:
        path.unlink()
    with pytest.raises(RunFailure, match=rf"{path.name}.*|lost, such as .*{path.name}") as failure:
        load_table(store, SPEC)
    assert "\n" not in str(failure.value)


def test_every_flip_of_a_shard_is_noticed(store: EmbeddingStore) -> None:
    path = shards(store)[0]
    whole = path.read_bytes()
    for position in range(0, len(whole), 13):
        flip(path, position)
        with pytest.raises(V2AError, match=path.name):
            load_table(store, SPEC)
        path.write_bytes(whole)


def test_a_footer_that_tells_of_other_rows_is_noticed_by_whoever_reads_the_names_alone(store: EmbeddingStore) -> None:
    path = shards(store)[0]
    (listed,) = [one for one in Path(store.url).glob("index-*.json") if path.name in one.read_text()]
    content = json.loads(listed.read_text())
    content["shards"][f"{FRAMES.subfolder}/{path.name}"][0] = 3
    listed.write_text(json.dumps(content))
    with pytest.raises(RunFailure, match=rf"{path.name} is damaged \(it has 2 rows where 3 were written\)"):
        store.clip_ids(FRAMES)


def test_lost_shards_are_said_and_made_again(
    make_data: Callable[..., VGGSoundDataModule], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_data()
    data.prepare_data()
    spec = data.encoders.spec()
    before = load_table(data.store, spec)
    (lost,) = Path(data.store.url, spec.audio.subfolder).iterdir()  # type: ignore[union-attr]
    lost.unlink()
    with pytest.raises(RunFailure, match=rf"1 shards with 16 rows are lost, such as .*{lost.name}; put them back"):
        load_table(data.store, spec)
    again = make_data()
    again.prepare_data()
    assert f"1 shards with 16 rows are lost, such as {spec.audio.subfolder}" in capsys.readouterr().err  # type: ignore[union-attr]
    after = load_table(data.store, spec)
    assert after.clip_ids == before.clip_ids
    assert before.target is not None
    np.testing.assert_allclose(after.target, before.target, atol=1e-3)
    assert again.encoders.encoder.calls == 0  # type: ignore[attr-defined]


def test_one_of_several_lost_shards_is_made_again(make_data: Callable[..., VGGSoundDataModule]) -> None:
    for clips in (3, None):
        data = make_data(splits=Splits(0.2, max_clips=clips))
        data.prepare_data()
    spec = data.encoders.spec()
    lost, _ = sorted(Path(data.store.url, spec.frames.subfolder).iterdir())
    lost.unlink()
    make_data().prepare_data()
    assert len(load_table(data.store, spec)) == 16


def test_a_store_of_the_first_version_opens_and_is_listed(
    store: EmbeddingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_table(store, SPEC)
    for path in Path(store.url).glob("index-*.json"):
        path.unlink()
    assert load_table(store, SPEC).clip_ids == whole.clip_ids
    store.mend()
    assert "listing 4 shards of an earlier version" in capsys.readouterr().err
    assert len(read_index(store.folder)) == 4
    assert load_table(store, SPEC).clip_ids == whole.clip_ids
    store.mend()
    assert not capsys.readouterr().err


def test_a_shard_whose_writer_was_killed_before_it_was_listed_counts_once(store: EmbeddingStore) -> None:
    fill(store, ["e"], rank=2)
    next(Path(store.url).glob("index-00002-*.json")).unlink()
    assert load_table(store, SPEC).clip_ids == ["a", "b", "c", "d", "e"]
    store.mend()
    assert sum(entry.rows for entry in read_index(store.folder).values()) == 10


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"version": 2, "shards": {"a": 1}}', '{"version": 2, "shards": {"a": ["x", 1, ""]}}',
     "[" * 9999],
)  # fmt: skip
def test_a_damaged_list_is_named(store: EmbeddingStore, content: str) -> None:
    path = next(Path(store.url).glob("index-*.json"))
    path.write_text(content)
    with pytest.raises(RunFailure, match=rf"{path.name} is damaged .*delete it and run `embed` again"):
        load_table(store, SPEC)


def test_a_newer_version_is_refused(store: EmbeddingStore) -> None:
    path = next(Path(store.url).glob("index-*.json"))
    path.write_text(json.dumps({"version": STORE_VERSION + 1, "shards": {}, "more": 1}))
    with pytest.raises(UsageError, match=f"newer version .store version {STORE_VERSION + 1}"):
        load_table(store, SPEC)


def write_frames(store: EmbeddingStore, change: Callable[[dict[str, list[object]]], None], tower: str = "") -> Path:
    """A shard of two clips of three frames each that no writer would write."""
    rows: dict[str, list[object]] = {
        "clip_id": ["x", "y"], "label": ["dog"] * 2, "split": ["train"] * 2, "path": ["x.mp4", "y.mp4"],
        "num_frames": [3, 3], "frames": [[0.5] * 3 * WIDTH, [0.25] * 3 * WIDTH],
    }  # fmt: skip
    change(rows)
    kinds = {"num_frames": pa.int32(), "frames": pa.list_(pa.float32())}
    table = pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in rows.items()})
    path = Path(store.url, FRAMES.subfolder, "part-foreign.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: tower or json.dumps(asdict(FRAMES))}), path)
    return path


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("num_frames", [3, 2**31 - 1], "num_frames counts 2147483650 frames in 48 numbers"),
        ("num_frames", [2, 4], "num_frames is not what its frames have"),
        ("num_frames", [3, 0], "num_frames counts"),
        ("num_frames", [3, None], "its column num_frames is of type int32, 1 values are missing"),
        ("frames", [[0.5] * 3 * WIDTH, [0.5, float("nan")] * 12], r"1 clips hold values that are not finite \(y\)"),
        ("frames", [[0.5] * 3 * WIDTH, [0.5, float("-inf")] * 12], r"1 clips hold values that are not finite \(y\)"),
        ("frames", [[0.5] * 3 * WIDTH, None], "num_frames counts 6 frames in 25 numbers|its column frames"),
        ("clip_id", ["x", "../../y"], "the clip id '../../y' cannot be the name of a file"),
        ("clip_id", ["/x", "y"], "the clip id '/x' cannot be the name of a file"),
    ],
)
def test_a_shard_that_contradicts_itself_is_named(tmp_path: Path, name: str, values: list[object], said: str) -> None:
    store = EmbeddingStore(tmp_path, "float32")
    path = write_frames(store, lambda rows: rows.update({name: values}))
    with pytest.raises(V2AError, match=rf"{path.name}.*{said}"):
        load_table(store, StoreSpec(FRAMES))


@pytest.mark.parametrize(
    "tower",
    ["", "{", "[]", json.dumps({**asdict(FRAMES), "tower": "left"}), json.dumps({**asdict(FRAMES), "spec": 3}),
     json.dumps(asdict(AUDIO)), json.dumps({"kind": "frames"})],
)  # fmt: skip
def test_an_encoder_that_is_not_described_is_a_damaged_shard(tmp_path: Path, tower: str) -> None:
    store = EmbeddingStore(tmp_path, "float32")
    path = write_frames(store, lambda rows: None, tower or "nothing")
    with pytest.raises(RunFailure, match=rf"{path.name} is damaged"):
        load_table(store, StoreSpec(FRAMES))


def test_what_is_not_finite_is_rejected_and_tried_again(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    clips = [Clip(name, "dog", "train", tmp_path / f"{name}.mp4") for name in "abc"]
    for clip in clips:
        clip.path.touch()  # type: ignore[union-attr]
    frames = [(clip, embedding(clip.clip_id, 3)) for clip in clips]
    sounds = [(clip, embedding(clip.clip_id, 1)[0]) for clip in clips]
    frames[0][1][1, 2] = np.nan
    sounds[1][1][0] = 1e6  # finite, but not in float16
    with store.writer(SPEC) as writer:
        EmbeddedBatch(frames, sounds, []).write(writer)
        with pytest.raises(ValueError, match="the embedding of a is empty, or holds values that are not finite"):
            writer.add_frames("a", "dog", "train", "a.mp4", frames[0][1])
        with pytest.raises(UsageError, match="cannot be the name of a file"):
            writer.add_frames("../a", "dog", "train", "a.mp4", frames[2][1])
    assert load_table(store, SPEC).clip_ids == ["c"]
    rejects = store.rejects(SPEC)
    assert {key: (one.reason, one.detail) for key, one in rejects.items()} == {
        "a": ("not_finite", "the embedding of its frames"),
        "b": ("not_finite", "the embedding of its sound"),
    }
    assert not any(one.is_final(Path(one.path)) for one in rejects.values())


class BrokenClap(SmallClap):
    """Makes NaN of every sound."""

    def encode_audio(self, waveforms: object, sample_rate: int) -> object:  # type: ignore[override]
        return super().encode_audio(waveforms, sample_rate) * float("nan")  # type: ignore[arg-type]


def test_a_broken_encoder_poisons_no_store(make_data: Callable[..., VGGSoundDataModule]) -> None:
    data = make_data(clap=BrokenClap())
    data.prepare_data()
    with pytest.raises(RunFailure, match=r"no clip left for train.*16 not_finite"):
        data.setup("fit")


def test_another_file_of_the_same_id_is_not_given_its_embedding(
    make_data: Callable[..., VGGSoundDataModule], tmp_path: Path
) -> None:
    data = make_data()
    data.prepare_data()
    other = tmp_path / "other"
    other.mkdir()
    for path in Path(data.media).iterdir():
        content = path.read_bytes()
        (other / path.name).write_bytes(content)
    make_data(media=str(other)).prepare_data()
    (other / "goodclip003_000003.mp4").write_bytes((other / "goodclip004_000004.mp4").read_bytes() + b"\0")
    with pytest.raises(UsageError, match=r"embedding of .* under the id goodclip003_000003, and .*other"):
        make_data(media=str(other)).prepare_data()

"""Lists of clips, the manifest and the embedding store, as other programs, disks and transfers leave them."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.strategies import accepted, damaged
from v2a_lightning.app.folder_scores import labels_of
from v2a_lightning.data_modules.clips import Clip, read_ids
from v2a_lightning.data_modules.compacted import compact
from v2a_lightning.data_modules.manifest import ManifestRow, earlier_rows, manifest_bytes, read_manifest
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.table import EmbeddingTable, load_table
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.data_modules.vggsound import read_vggsound_csv
from v2a_lightning.files import refuse_unsafe_id

LINES = ('---g-f_I2yQ,1,"people marching, loud",test', "--0PQM4-hqg,30,waterfall burbling,train", "a,5,é,train")
CSV = ("\n".join(LINES) + "\n").encode()
ODD_FIELDS = ("", " ", "../../x", "a/b", "x" * 300, "-1", "1.5", "१२", "9" * 400, '"', "test", "Test", "\0")
FIELDS = st.sampled_from(ODD_FIELDS)
LISTS = st.lists(st.lists(FIELDS | st.text(max_size=5), max_size=6).map(",".join), max_size=5).map("\n".join)
TEXTS = LISTS.map(lambda text: CSV + text.encode("utf-8", "surrogatepass"))


@given(damaged(CSV) | TEXTS)
def test_csv(tmp_path: Path, content: bytes) -> None:
    clips = accepted(read_vggsound_csv, tmp_path / "vggsound.csv", content)
    if clips is not None:
        assert clips
        for clip in clips:
            refuse_unsafe_id(clip.clip_id)
            assert clip.label.strip()
            assert clip.split.strip()


@given(damaged(CSV) | TEXTS)
def test_csv_of_evaluate(tmp_path: Path, content: bytes) -> None:
    labels = accepted(lambda path: labels_of(str(path), ["a_000005"]), tmp_path / "vggsound.csv", content)
    if labels is not None:
        assert all(isinstance(label, str) for label in labels[0].values())


@given(damaged(b"a_000001\nb_000002.mp4\n\nc_000003\n") | TEXTS)
def test_ids(tmp_path: Path, content: bytes) -> None:
    ids = accepted(read_ids, tmp_path / "ids.txt", content)
    if ids is not None:
        # They are looked for among clips and name no file.
        assert all(one and one == one.strip() for one in ids)


ROWS = [
    ManifestRow("a_000001", "clips/a_000001.mp4", "dog", "train", 1, 10.0, "ok", "", "", "10-20"),
    ManifestRow("b_000002", "", "cat", "test", 2, 0.0, "rejected", "missing", "no file of this name"),
]


@given(damaged(manifest_bytes(ROWS, "frames")))
def test_manifest(tmp_path: Path, content: bytes) -> None:
    for read in (read_manifest, lambda path: earlier_rows(path, "frames")):
        rows = accepted(read, tmp_path / "manifest.parquet", content)
        for row in rows or ():
            refuse_unsafe_id(row.clip_id)
            assert math.isfinite(row.duration)
            assert row.status in ("ok", "rejected")


FRAMES = Tower("frames", "clip", "f" * 64, "frames-1fps-2s")
AUDIO = Tower("audio", "clap", "a" * 64, "audio-16000hz-2s")
SPEC = StoreSpec(FRAMES, AUDIO)


def write_store(folder: Path) -> None:
    numbers = np.random.default_rng(0)
    with EmbeddingStore(folder).writer(SPEC) as writer:
        for number in range(5):
            clip = Clip(f"clip_{number:06d}", "dog", "train")
            frames = numbers.standard_normal((1 + number % 3, 4)).astype(np.float16)
            writer.add_frames(clip.clip_id, clip.label, clip.split, "x.mp4", frames)
            writer.add_audio(clip.clip_id, numbers.standard_normal(3).astype(np.float16))


def whole_store() -> tuple[dict[str, bytes], bytes]:
    """The files of a store, and its compacted form."""
    with TemporaryDirectory() as folder:
        write_store(Path(folder))
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
        return files, compact(EmbeddingStore(folder), SPEC).read_bytes()


STORE, COMPACTED = whole_store()
SHARDS = sorted(name for name in STORE if name.endswith(".parquet"))


@st.composite
def stores(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(STORE)))
    return name, draw(damaged(STORE[name]))


@given(stores())
def test_store(tmp_path: Path, damage: tuple[str, bytes]) -> None:
    name, content = damage
    for one, whole in STORE.items():
        (tmp_path / "store" / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / one).write_bytes(whole)

    def read(_: Path) -> tuple[list[str], torch.Tensor, torch.Tensor | None]:
        store = EmbeddingStore(tmp_path / "store")
        table = load_table(store, store.only_spec())
        return table.clip_ids, table.frames, table.target

    found = accepted(read, tmp_path / "store" / name, content, named="store")
    if found is None:
        return
    (tmp_path / "store" / name).write_bytes(STORE[name])
    whole = read(tmp_path)
    assert found[0] == whole[0]
    assert torch.equal(found[1], whole[1])
    assert found[2] is not None
    assert whole[2] is not None
    assert torch.equal(found[2], whole[2])


@given(damaged(COMPACTED))
def test_compacted(tmp_path: Path, content: bytes) -> None:
    for one, whole in STORE.items():
        (tmp_path / "store" / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / one).write_bytes(whole)

    def read(_: Path) -> EmbeddingTable:
        return load_table(EmbeddingStore(tmp_path / "store"), SPEC)

    found = accepted(read, tmp_path / "store" / SPEC.compacted, content, named="store")
    (tmp_path / "store" / SPEC.compacted).unlink()
    whole = read(tmp_path)
    # The embeddings themselves have no checksum there: they are not read before they are wanted.
    assert found is None or (found.clip_ids, found.labels) == (whole.clip_ids, whole.labels)

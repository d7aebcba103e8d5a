"""The benchmark's stores are as large as they say, and its two topics of stores run."""

from pathlib import Path

import pytest
import torch

from experiments.benchmarks.speed import growth, loading
from experiments.benchmarks.speed.stores import FRAMES, SPEC, WIDTH, LargeStore, Reader
from v2a_lightning.data_modules import EmbeddingStore, load_table
from v2a_lightning.data_modules.compacted import compact


def test_a_large_store_is_a_small_one_many_times(tmp_path: Path) -> None:
    compact(LargeStore(tmp_path, 3000), SPEC)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.parquet")) < 15e6
    table = load_table(EmbeddingStore(tmp_path), SPEC)
    assert len(table) == len(set(table.clip_ids)) == 3000
    assert table.paths[2999] == f"/data/vggsound/clips/{table.clip_ids[2999]}.mp4"
    batch = table.batch([5, 2005])
    assert batch["frames"].shape == (2, FRAMES, WIDTH)
    assert torch.equal(batch["frames"][0], batch["frames"][1])
    reader = Reader(tmp_path, 0, 1)
    reader.set_up()
    assert len(reader.module.clip_ids("train")) == 2248


def test_the_topics_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "draw", lambda *_: pytest.fail("a quick run draws nothing"))
    grown = {row.what: row for row in growth.rows(quick=True)}
    assert grown["1,000 clips: disk"].value * 1e9 == pytest.approx(1000 * (FRAMES + 1) * WIDTH * 2, rel=0.02)
    assert grown["disk, 1,000 clips"].value == pytest.approx(1, rel=0.02)
    assert grown["1,000 clips: open"].goal == growth.OPEN_GOAL
    assert all(row.value > 0 for row in grown.values())
    rows = {row.against: row for row in loading.rows(quick=True) if row.against}
    assert {name: (row.unit, row.goal) for name, row in rows.items()} == {
        "one copy": ("x", 1.1),
        "training step": ("%", 1.0),
    }


def test_the_figure(tmp_path: Path) -> None:
    measured = {name: {1000: 1.0, 10_000: 9.0} for name in growth.UNITS}
    growth.draw(measured, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")

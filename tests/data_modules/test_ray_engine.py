"""Ray's engine on a cluster of two machines gives the store that one process gives, and goes on where it was."""

import logging
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from v2a_lightning.data_modules import Decoding, Splits, VGGSoundDataModule, load_table
from v2a_lightning.data_modules.extraction import EmbeddedBatch
from v2a_lightning.data_modules.ray_engine import EmbedTables, RayEngine, _blocks
from v2a_lightning.data_modules.store import StoreWriter
from v2a_lightning.errors import UsageError
from v2a_lightning.media.table_stage import DecodeTables

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Of the processes that Ray starts.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 2, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.WARNING)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.full
def test_the_store_of_one_process(make_data: Callable[..., VGGSoundDataModule], tmp_path: Path, cluster: Any) -> None:
    here, few = make_data(), make_data(store=str(tmp_path / "ray"), splits=Splits(0.2, max_clips=6))
    here.prepare_data()
    few.embed(engine=RayEngine.of(1, "cpu"))
    before = few.store.clip_ids(few.encoders.spec().towers[0])
    assert len(before) > 3
    there = make_data(store=str(tmp_path / "ray"))
    there.embed(engine=RayEngine.of(1, "cpu"))
    assert not there.extraction().pending()
    assert {one.clip_id: (one.reason, one.path) for one in there.rejects} == {
        one.clip_id: (one.reason, one.path) for one in here.rejects
    }
    ours, theirs = (load_table(data.store, data.encoders.spec()) for data in (here, there))
    assert sorted(theirs.clip_ids) == sorted(ours.clip_ids)
    rows = [theirs.clip_ids.index(clip_id) for clip_id in ours.clip_ids]
    assert torch.equal(theirs.frames[rows], ours.frames)
    assert theirs.target is not None
    assert ours.target is not None
    assert torch.equal(theirs.target[rows], ours.target)
    assert [theirs.paths[row] for row in rows] == list(ours.paths)


@pytest.mark.full
def test_a_machine_that_is_lost_costs_no_row(
    make_data: Callable[..., VGGSoundDataModule], cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, write = make_data(decoding=Decoding(encoder_batch_size=1)), EmbeddedBatch.write

    def lose(batch: EmbeddedBatch, writer: StoreWriter) -> None:
        write(batch, writer)
        for node in list(cluster.worker_nodes):
            cluster.remove_node(node, allow_graceful=False)

    monkeypatch.setattr(EmbeddedBatch, "write", lose)
    data.embed(engine=RayEngine.of(1, "cpu"))
    assert not cluster.worker_nodes
    for tower in data.encoders.spec().towers:
        ids = [one for shard in data.store.shards(tower, ["clip_id"]) for one in shard.table["clip_id"].to_pylist()]
        assert len(ids) == len(set(ids)) == 16
    assert {reject.reason for reject in data.left_out} == {"silent", "no_audio", "undecodable", "short"}


def test_the_stages_on_tables(make_data: Callable[..., VGGSoundDataModule], tmp_path: Path) -> None:
    """What Ray runs, without Ray: also in the tests that take seconds."""
    here, data = make_data(store=str(tmp_path / "here")), make_data()
    here.prepare_data()
    extraction = data.extraction()
    pending = extraction.pending()
    blocks = list(_blocks(pending, extraction.requests(pending), 8))
    assert [len(block) for block in blocks] == [8, 8, 4]
    decode, embed = DecodeTables(60.0), EmbedTables(extraction.embed, "cpu")
    with data.store.writer(data.encoders.spec()) as writer:
        for block in blocks:
            decoded = list(decode(block))
            assert [len(table) for table in decoded] == [1] * len(block)
            embedded = pickle.loads(embed(pa.concat_tables(decoded))["embedded"][0].as_py())
            assert embedded.clips == len(block)
            embedded.write(writer)
    decode._decoder.close()
    ours, theirs = (load_table(one.store, one.encoders.spec()) for one in (here, data))
    assert theirs.clip_ids == ours.clip_ids
    assert torch.equal(theirs.frames, ours.frames)


def test_options_that_ray_does_not_know() -> None:
    assert RayEngine.of("auto", "auto") == RayEngine(None, None)
    assert RayEngine.of("2", "gpu") == RayEngine(2, True)
    for devices, accelerator in (("0,1", "auto"), (1, "tpu"), (-1, "cpu")):
        with pytest.raises(UsageError, match="--engine ray takes a number for --devices"):
            RayEngine.of(devices, accelerator)

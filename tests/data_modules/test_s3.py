"""A store in an S3 bucket, on a server of this machine."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import torch
import yaml

from v2a_lightning.app.cli import main
from v2a_lightning.data_modules import (
    EmbeddingDataModule,
    EmbeddingStore,
    Splits,
    StreamedDataModule,
    VGGSoundDataModule,
    load_table,
)
from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.streamed import write_stream

from .test_store import SPEC, fill


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="embeddings")
    yield "s3://embeddings/small"
    # A process keeps its connections, and moto its buckets, beyond the server.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    urlopen(Request(f"{address}/moto-api/reset", method="POST")).close()
    server.stop()


def test_a_store_in_a_bucket_is_like_one_on_disk(make_data: Callable[..., VGGSoundDataModule], bucket: str) -> None:
    remote, local = make_data(store=bucket, splits=Splits(0.2, max_clips=4)), make_data(splits=Splits(0.2, max_clips=4))
    for data in (remote, local):
        data.prepare_data()
        data.setup("fit")
    for ours, theirs in zip(remote.train_dataloader(), local.train_dataloader(), strict=True):
        assert ours["clip_id"] == theirs["clip_id"]
        torch.testing.assert_close(ours["frames"], theirs["frames"], atol=1e-3, rtol=0)
        torch.testing.assert_close(ours["target"], theirs["target"], atol=1e-3, rtol=0)
    assert remote.store.folder.read("rejects.csv") == local.store.folder.read("rejects.csv")
    more = make_data(store=bucket)
    assert {clip.clip_id for clip, *_ in more.extraction().pending()}.isdisjoint(remote.clip_ids("train"))
    finished = EmbeddingDataModule(bucket, batch_size=4)
    finished.setup("fit")
    assert set(finished.clip_ids("train")) <= {clip.clip_id for clip in remote.usable_clips}


def test_the_command_embeds_into_a_bucket_and_does_nothing_twice(
    bucket: str, tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_config))
    command = ["embed", "--config", str(tmp_path / "config.yaml"), "--accelerator", "cpu", "--devices", "1"]
    command += ["--set", f"data.store={bucket}", "data.splits.max_clips=2"]
    assert main(command) == 0
    assert f"{bucket}: 2 test, 1 train, 1 validation; 0 not used" in capsys.readouterr().err
    store = EmbeddingStore(bucket)
    spec = store.only_spec()
    shards = store.folder.names(spec.frames.subfolder)
    assert len(load_table(store, spec)) == 4
    assert main(command) == 0
    assert store.folder.names(spec.frames.subfolder) == shards


@pytest.mark.parametrize("workers", [0, 2])
def test_training_clips_are_streamed_from_a_bucket(
    bucket: str, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of litdata's two clients speaks to servers with a certificate only.
    monkeypatch.setattr("litdata.streaming.downloader._OBSTORE_AVAILABLE", False)
    store = EmbeddingStore(tmp_path / "store")
    names = [f"{number:02d}" for number in range(12)]
    fill(store, names)
    clips = [Clip(name, "dog", "validation" if name < "02" else "train", Path("x.mp4")) for name in names]
    write_stream(bucket, store, SPEC, clips)
    data = StreamedDataModule(bucket, batch_size=4, workers=workers, cache=str(tmp_path / "cache"))
    data.setup("fit")
    shown = [batch["clip_id"] for batch in data.train_dataloader()]
    assert sorted(chain(*shown)) == names[2:]
    assert data.clip_ids("validation") == names[:2]

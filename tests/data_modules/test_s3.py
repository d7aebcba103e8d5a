"""A store in an S3 bucket, on a server of this machine."""

from collections.abc import Callable, Iterator

import pytest
import torch

from data_modules import EmbeddingDataModule, VGGSoundDataModule


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
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
    server.stop()


def test_a_store_in_a_bucket_is_like_one_on_disk(make_data: Callable[..., VGGSoundDataModule], bucket: str) -> None:
    remote, local = make_data(store=bucket, max_clips=4), make_data(max_clips=4)
    for data in (remote, local):
        data.prepare_data()
        data.setup("fit")
    for ours, theirs in zip(remote.train_dataloader(), local.train_dataloader(), strict=True):
        assert ours["clip_id"] == theirs["clip_id"]
        torch.testing.assert_close(ours["frames"], theirs["frames"], atol=1e-3, rtol=0)
        torch.testing.assert_close(ours["audio"], theirs["audio"], atol=1e-3, rtol=0)
    assert remote.store.folder.read("rejects.csv") == local.store.folder.read("rejects.csv")
    more = make_data(store=bucket)
    assert {clip.clip_id for clip, *_ in more.extraction().pending()}.isdisjoint(remote.clip_ids("train"))
    finished = EmbeddingDataModule(bucket, batch_size=4)
    finished.setup("fit")
    assert set(finished.clip_ids("train")) <= {clip.clip_id for clip in remote.usable_clips}

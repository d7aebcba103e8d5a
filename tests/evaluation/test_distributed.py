"""Two processes with uneven shards give what one process gives, within 1e-5.

A sound is heard alone, so no shard changes what is heard. Matrix libraries sum in another order in one thread than in
several, and a process of its own has another number of threads: features then differ by up to 1e-7. Where threads are
the same, `test_suite.py` demands equality to the last bit.
"""

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from tests.evaluation.conftest import RATE, add_clips, sound
from v2a_lightning.evaluation import (
    ClipScore,
    EvaluationSuite,
    FrechetAtInfinity,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    KullbackLeibler,
    PrecisionRecallDensityCoverage,
)

SHARDS = {
    "uneven": (list(range(7)), list(range(7, 11))),
    "in turns": (list(range(0, 11, 2)), list(range(1, 11, 2))),
    "one empty": (list(range(11)), []),
    "overlap": (list(range(6)), list(range(5, 11))),
}


def features(seed: int) -> torch.Tensor:
    return torch.randn(11, 6, generator=torch.Generator().manual_seed(seed))


def feature_metrics(rows: list[int]) -> dict[str, float]:
    """All torchmetrics classes over some of the clips."""
    made, own = features(0), features(1)
    frechet, kernel, kl = FrechetDistance(), KernelDistance(paired=False), KullbackLeibler()
    inception, similarity = InceptionScore(), ClipScore()
    paired, clouds, endless = KernelDistance(), PrecisionRecallDensityCoverage(neighbours=2), FrechetAtInfinity()
    for row in rows:
        part = slice(row, row + 1)
        frechet.update(made[part], own[part])
        kernel.update(made[part], own[part])
        paired.update(made[part], own[part], places=[row])
        kl.update(made[part], own[part])
        inception.update(made[part])
        similarity.update(made[part], frames=[own[: 1 + row % 3]])
    for row in rows:
        part = slice(row, row + 1)
        clouds.update(made[part], own[part])
        # Sixteen clips are the least: each row stands for two.
        both = [made[part] + 1, made[part].expand(2, 6)], [own[part], own[part] - 1]
        endless.update(*both, places=[2 * row, 2 * row + 1])
    metrics = {
        "fd": frechet,
        "kad": kernel,
        "kl": kl,
        "is": inception,
        "cs": similarity,
        "endless": endless,
        "paired": paired,
    }
    several = {name: float(value) for name, value in clouds.compute().items()}
    return {name: float(metric.compute()) for name, metric in metrics.items()} | several


def suite_metrics(extractors: dict[str, str], rows: list[int]) -> dict[str, float]:
    """The suite over some of the clips."""
    suite = EvaluationSuite(**extractors)
    for row in rows:
        add_clips(suite, [f"clip{row:02d}"], [sound(row)], RATE, [sound(50 + row)], [torch.ones(2, 512)])
    return suite.compute()


def worker(rank: int, port: int, folder: str, extractors: dict[str, str]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found = {}
    for name, shards in SHARDS.items():
        # A duplicate clip is nothing to a metric of features, which does not know clips.
        if name != "overlap":
            found[f"features {name}"] = feature_metrics(shards[rank])
        found[f"suite {name}"] = suite_metrics(extractors, shards[rank])
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, extractors: dict[str, str]) -> list[dict[str, dict[str, float]]]:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Forked from a process that has imported this file, once for both.
    multiprocessing.set_forkserver_preload([__name__])
    multiprocessing.start_processes(worker, (port, str(folder), extractors), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("shards", ["uneven", "in turns", "one empty"])
def test_feature_metrics_are_exact(found: list[dict[str, dict[str, float]]], shards: str) -> None:
    expected = feature_metrics(list(range(11)))
    for rank in (0, 1):
        assert found[rank][f"features {shards}"] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shards", list(SHARDS))
def test_the_suite_gives_what_one_process_gives(
    found: list[dict[str, dict[str, float]]], extractors: dict[str, str], shards: str
) -> None:
    expected = suite_metrics(extractors, list(range(11)))
    for rank in (0, 1):
        assert found[rank][f"suite {shards}"] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_every_sharding_gives_the_same_to_the_last_bit(found: list[dict[str, dict[str, float]]]) -> None:
    values = [of_rank[f"suite {shards}"] for of_rank in found for shards in SHARDS]
    assert all(value == values[0] for value in values), "all were heard by processes of one thread"

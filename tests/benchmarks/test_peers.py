"""Peers in processes of their own, and the steps they are measured against."""

import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks.speed import peer_step, peers, sampling, shared_machine, training
from experiments.benchmarks.speed.measuring import PROJECT, Row
from experiments.benchmarks.speed.peers import Peer, peers_python
from experiments.benchmarks.speed.steps import TrainingSteps, products_of

IDLE = "tests.benchmarks.idle_prior"


def test_a_peer_answers_calls_whatever_it_prints() -> None:
    with Peer(IDLE) as peer:
        assert peer("train", nulls=77, batch=2) == {"nulls": 77, "batch": 2}
        with pytest.raises(RuntimeError, match="ValueError: no such prior"):
            peer("fail")
        assert peer("sample") == {}
    assert peer.process.returncode == 0


def test_a_peer_that_has_ended_is_named() -> None:
    with Peer("tests.benchmarks.no_such") as peer, pytest.raises(RuntimeError, match=r"no_such.*ended with 1"):
        peer("train")


def test_the_peers_environment_is_made_once_for_each_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "peers.txt"
    requirements.write_text("# nobody\n")
    monkeypatch.setattr(peers, "REQUIREMENTS", requirements)
    folder = tmp_path / "peers"
    python = peers_python(folder)
    with Peer(IDLE, python) as peer:
        assert peer("train") == {}
    installs = []
    monkeypatch.setattr(peers.subprocess, "run", lambda command, check: installs.append(command))
    assert peers_python(folder) == python
    assert not installs
    requirements.write_text("# somebody\n")
    peers_python(folder)
    assert installs[0][-2:] == ["-r", str(requirements)]


@pytest.fixture
def ours() -> TrainingSteps:
    torch.manual_seed(0)
    return TrainingSteps("v2a_mapper.yaml", "--model.network.init_args.depth=2", "--model.network.init_args.dropout=0")


def test_a_step_trains_as_the_config_says(ours: TrainingSteps) -> None:
    assert ours.optimizer.defaults["lr"] == 1.1e-4
    assert ours.clip == 0.5
    batch = ours.batch(4)
    weight = ours.mapper.network.trunk.blocks[0].query.weight
    before = weight.detach().clone()
    for _ in range(3):
        ours.step(batch)
    average = ours.average.module.network.trunk.blocks[0].query.weight
    assert not torch.equal(weight, before)
    assert not torch.equal(average, weight)
    assert ours.average.n_averaged == 3


@pytest.mark.parametrize("bf16", [False, True])
def test_a_steps_products_are_all_of_its_operations_but_attention(ours: TrainingSteps, bf16: bool) -> None:
    batch = ours.batch(4)
    with FlopCounterMode(display=False) as counter:
        ours.step(batch, bf16)
    products = products_of(lambda: ours.step(batch, bf16))
    counted = counter.get_flop_counts()["Global"]
    attention = sum(count for operation, count in counted.items() if "attention" in str(operation))
    assert products.operations == counter.get_total_flops() - attention
    kinds = [operands[0].dtype for _, operands, _ in products.calls]
    assert kinds.count(torch.bfloat16 if bf16 else torch.float32) > 0.9 * len(kinds)
    products()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    for topic in (training, sampling):
        monkeypatch.setattr(topic, "PRIOR", IDLE)
        monkeypatch.setattr(topic, "peers_python", lambda: sys.executable)


@pytest.mark.usefixtures("idle")
def test_training_at_a_tiny_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "has_bf16", lambda: True)
    found = list(training.rows(quick=True))
    against = [(row.what.rpartition(" ")[0], row.against) for row in found]
    assert against.count(("training step, fp32, batch", "DALLE2-pytorch's prior without null tokens")) == 2
    assert against[-1] == ("peak memory of training, batch 4,", "DALLE2-pytorch's prior without null tokens")
    _check(found)
    goals = [row.goal for row in found if row.goal is not None]
    assert goals == [1.7, 90, 75, 1.9, 94, 75, 27, 27, 0.6]


@pytest.mark.usefixtures("idle")
def test_sampling_at_a_tiny_size() -> None:
    quality, ddpm, prior = sampling.rows(quick=True)
    _check([quality, ddpm, prior])
    assert (quality.goal, ddpm.goal, prior.goal) == (1.02, 90, 15)
    assert "tried: " in quality.note
    assert ddpm.value > 1


def test_a_shared_machine_at_a_tiny_size(monkeypatch: pytest.MonkeyPatch) -> None:
    peer_step.train(batch=2, steps=1)
    monkeypatch.setattr(shared_machine, "STEP", IDLE)
    asleep, comes = shared_machine.rows(quick=True)
    _check([asleep, comes])
    assert (asleep.goal, asleep.better, comes.goal) == (3.0, "lower", None)


def test_the_peers_page_of_the_benchmark_names_one_version_of_each() -> None:
    lines = (PROJECT / "experiments/benchmarks/speed/peers.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["dalle2-pytorch==1.15.6"]


def _check(found: list[Row]) -> None:
    for row in found:
        assert row.value > 0
        assert row.spread[0] <= row.value <= row.spread[1]

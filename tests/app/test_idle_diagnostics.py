"""What doctor says of a machine with GPUs that a training would not use."""

from typing import Any, ClassVar

import pytest
import torch

from v2a_lightning.app import idle_diagnostics
from v2a_lightning.app.idle_diagnostics import check_idle

TRAINER = {"accelerator": "auto", "devices": "auto", "precision": "bf16-mixed"}
MODEL = {"compile_network": True, "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"fused": True}}}
PLAIN = {"class_path": "torch.optim.AdamW", "init_args": {"fused": None}}


class OnTheCPU:
    """A suite."""

    options: ClassVar[dict[str, Any]] = {"device": "cpu"}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(idle_diagnostics.shutil, "which", lambda name: "/usr/bin/cc" if name == "cc" else None)
    return monkeypatch


@pytest.mark.parametrize(
    ("trainer", "model", "suite", "remedy"),
    [
        ({}, {}, None, None),
        ({"devices": 8}, {"optimizer": None}, None, None),
        ({"accelerator": "cpu"}, {"compile_network": False}, OnTheCPU(), "trainer.accelerator=auto"),
        ({"devices": 1}, {}, None, "trainer.devices=8"),
        ({"precision": "32-true"}, {}, None, "trainer.precision=bf16-mixed"),
        ({"precision": None}, {}, None, "trainer.precision=bf16-mixed"),
        ({}, {"compile_network": False}, None, "model.init_args.compile_network=true"),
        ({}, {"optimizer": PLAIN}, None, "model.init_args.optimizer.init_args.fused=true, for Adam, AdamW and SGD"),
        ({}, {}, OnTheCPU(), "evaluation.suite.init_args.device=auto"),
    ],
)
def test_each_thing_that_would_wait_is_named(
    gpus: Any, trainer: dict[str, Any], model: dict[str, Any], suite: Any, remedy: str | None
) -> None:
    found = list(check_idle({**TRAINER, **trainer}, {**MODEL, **model}, suite))
    assert [(one.level, one.remedy) for one in found] == ([("warning", remedy)] if remedy else [])


def test_compiling_takes_a_compiler(gpus: pytest.MonkeyPatch) -> None:
    gpus.setattr(idle_diagnostics.shutil, "which", lambda name: None)
    assert [one.level for one in check_idle(TRAINER, MODEL)] == ["error"]


def test_without_a_gpu_nothing_is_idle() -> None:
    assert list(check_idle({**TRAINER, "accelerator": "cpu"}, {}, OnTheCPU())) == []

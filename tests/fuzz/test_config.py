"""The YAML of `fit`: whatever it says, a mistake in it is one line and exit code 2."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.conftest import EXAMPLES
from tests.fuzz.strategies import altered_json, damaged
from v2a_lightning.app.cli import main

CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "run": {"root": "runs", "experiment": "fuzz", "wandb": "disabled"},
    "data": {
        "class_path": "v2a_lightning.data_modules.EmbeddingDataModule",
        "init_args": {"store": "absent", "batch_size": 4},
    },
    "model": {
        "class_path": "v2a_lightning.module.V2AMapper",
        "init_args": {
            "network": {"class_path": "v2a_lightning.mapper.MLPRegressor", "init_args": {"hidden": 2}},
            "objective": {"class_path": "v2a_lightning.mapper.Regression"},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3, "betas": [0.9, 0.99]}},
        },
    },
    "trainer": {
        "accelerator": "cpu",
        "max_epochs": 1,
        "callbacks": [{"class_path": "v2a_lightning.callbacks.RunReport"}],
    },
}
TEXT = yaml.safe_dump(CONFIG).encode()
STRANGE = (b"", b"[]", b"&a [*a]", b"\xff", b"a: !!python/name:os.system")


# To parse and build takes a hundred times as long as any other reader.
@settings(max_examples=max(10, EXAMPLES // 20))
@given(altered_json(CONFIG) | damaged(TEXT) | st.sampled_from(STRANGE))
def test_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_bytes(content)
    capsys.readouterr()
    code = main(["fit", "--config", "config.yaml"])
    told = capsys.readouterr().err
    # The store is absent, so that no config of these can train.
    assert code in (1, 2), told
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, told
    assert "Run it again with --debug" not in told, told

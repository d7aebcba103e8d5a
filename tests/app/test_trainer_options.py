"""Options of Lightning that a run cannot have are refused before anything is made, and None is YAML's null."""

from pathlib import Path
from typing import Any

import pytest

from tests.app.test_fit import write
from v2a_lightning.app.cli import main
from v2a_lightning.app.trainer_options import nulls_spelt_out

CALLBACKS = "lightning.pytorch.callbacks"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--trainer.barebones=true", "trainer.barebones: "),
        ("--trainer.strategy=fsdp", "trainer.strategy fsdp: "),
        ("--trainer.precision=16-true", "trainer.precision 16-true: weights are float32"),
        (f"--trainer.callbacks=[{{class_path: {CALLBACKS}.LearningRateFinder}}]", "LearningRateFinder changes"),
        (
            f"--averaging={{class_path: {CALLBACKS}.EMAWeightAveraging}}",
            "give v2a_lightning.callbacks.ExponentialAverage",
        ),
        ("--trainer.devices=3", "data.batch_size is that of all 3 processes together and 4 cannot be shared evenly"),
        ("--trainer.devices=0", "the config cannot be built"),
    ],
)
def test_what_a_run_cannot_have_is_refused_and_leaves_nothing(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    tiny_config |= {"evaluation": None}
    assert main(["fit", "--config", write(tiny_config, tmp_path), option]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not Path(tiny_config["run"]["root"]).exists()


def test_none_is_null() -> None:
    given = ["--a=None", "--b", "None", "--c=[None, 0.5]", "--d={'x': None, 'y': [True, None]}", "--e=Nonesuch"]
    given += ["--f=[a None b]"]
    assert nulls_spelt_out(given) == [
        "--a=null", "--b", "null", "--c=[null, 0.5]", "--d={'x': null, 'y': [True, null]}", "--e=Nonesuch",
        "--f=[a None b]",
    ]  # fmt: skip


def test_two_batches_are_overfitted(tiny_config: dict[str, Any], tmp_path: Path) -> None:
    tiny_config |= {"evaluation": None}
    tiny_config["run"]["wandb"] = "disabled"
    options = ["--trainer.overfit_batches=2", "--trainer.gradient_clip_val=None", "--trainer.callbacks=null"]
    assert main(["fit", "--config", write(tiny_config, tmp_path), *options]) == 0

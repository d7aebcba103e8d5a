"""A key that no class takes is named with the one that is meant and the page that lists them, before torch is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from v2a_lightning.app.config_keys import config_arguments, read_keys, refuse_unknown_keys, where_keys_are
from v2a_lightning.errors import UsageError

FIT = "python -m v2a_lightning fit"
MINIATURE = "v2a_lightning.data_modules.MiniatureDataModule"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--data.clipz=3", f"data.clipz; did you mean data.clips?; `{FIT} --data.help {MINIATURE}` lists the keys"),
        ("--data.init_args.clipz=3", "data.clipz; did you mean data.clips?"),
        ("--data.splits.validation_clip=3", "did you mean data.splits.validation_clips?"),
        ("--trainer.max_epoch=3", f"did you mean trainer.max_epochs?; `{FIT} --trainer.help` lists the keys"),
        ("--model.network.deph=3", f"did you mean model.network.depth?; `{FIT} --model.network.help v2a"),
        ("--model.lr=3", "there is no key model.lr; did you mean model.optimizer.lr?"),
        ("--trainer.batch_size=3", "did you mean data.batch_size?"),
        ("--run.experimnt=a", "did you mean run.experiment?"),
        ("--dta.clips=3", f"there is no key dta; did you mean data?; `{FIT} --help` lists the keys"),
        ("--data.quark=3", f"there is no key data.quark; `{FIT} --data.help {MINIATURE}` lists the keys"),
    ],
)
def test_the_key_that_is_meant_is_named(option: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_unknown_keys("fit", ["--config", "quickstart", option])
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{option.partition('=')[0]}: there is no key ")


def test_a_file_with_a_wrong_key_is_named(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(f"data:\n  class_path: {MINIATURE}\n  init_args: {{batchsize: 3}}\n")
    with pytest.raises(UsageError, match=r"mine.yaml: there is no key data.batchsize; did you mean data.batch_size\?"):
        refuse_unknown_keys("fit", ["--config", str(config)])


@pytest.mark.parametrize(
    "options",
    [
        ["--model.network=v2a_lightning.mapper.MLPMapper", "--model.network.hidden=3"],
        ["--data", "v2a_lightning.data_modules.VGGSoundDataModule", "--data.csv", "a.csv", "--data.media=clips"],
        ["--evaluation=null", "--averaging", "null", "--trainer.callbacks+=lightning.pytorch.callbacks.Timer"],
        ["--config=ablations/tiny", "--seed_everything=3", "--ckpt_path", "last", "--print_config"],
        ["--model=of.somebody.else", "--model.anything=3"],
        ["--data.frames={frames_per_second: 2, duration: 2}", "--data.decoding.timeout=3"],
    ],
)
def test_keys_that_classes_take_pass(options: list[str]) -> None:
    refuse_unknown_keys("fit", ["--config", "quickstart", *options])


def test_a_class_in_another_ones_place_keeps_what_it_takes() -> None:
    data = read_keys(["--config", "quickstart", "--data=v2a_lightning.data_modules.VGGSoundDataModule"]).place("data")
    assert data.class_path.endswith("VGGSoundDataModule")
    assert data.values["batch_size"] == 64
    assert "clips" not in data.values


def test_a_parsers_message_leads_to_the_class_of_the_config() -> None:
    page = where_keys_are("fit", ["--config", "v2a_mapper"], 'key "data": Expected int')
    assert page == f"`{FIT} --data.help v2a_lightning.data_modules.VGGSoundDataModule` lists the keys"
    assert where_keys_are("test", [], "no idea") == "`python -m v2a_lightning test --help` lists the keys"


def test_settings_of_plain_commands_are_checked_alike() -> None:
    with pytest.raises(UsageError, match=r"--set wants key=value, not 'data.clips'"):
        config_arguments(["quickstart"], ["data.clips"])
    with pytest.raises(UsageError, match=r"--data.clipz: there is no key data.clipz; did you mean data.clips\?"):
        config_arguments(["quickstart"], ["data.clipz=3"])
    arguments = config_arguments(["quickstart"], ["data.clips=3"])
    assert arguments[0].endswith("quickstart.yaml")
    assert arguments[1:] == ["--data.clips=3"]


def test_a_mistyped_key_and_help_cost_no_torch() -> None:
    code = (
        "import sys, time; from v2a_lightning.app.cli import main;"
        "codes = [main(['fit', '--config', 'quickstart', *one]) for one in (['--help'], ['--data.clipz=3'])];"
        "print('codes', codes, 'torch' in sys.modules, 'lightning' in sys.modules, time.process_time() < 3)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert told.stdout.splitlines()[-1] == "codes [0, 2] False False True"
    assert "did you mean data.clips?" in told.stderr

"""Studies become plain commands, each with a folder that only this command has."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from v2a_lightning.errors import UsageError
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.study import read_study, study_names

TARGETS = {
    "ablation-aggregation", "ablation-guidance", "ablation-mapper", "ablation-schedule", "ablation-steps",
    "direct-baseline", "domain-gap", "failure-cases", "generalization", "interpolation", "table1",
    "training-length",
}  # fmt: skip


ON_BOTH_LINES = "AudioLDM 2.5"
DETERMINISTIC = {"ridge regression", "orthogonal Procrustes", "nearest neighbour", "no mapper"}


def write_study(folder: Path, **content: object) -> None:
    base = {"title": "T", "question": "?", "base": ["base.yaml"], "metrics": ["fd"]}
    (folder / "study.yaml").write_text(yaml.safe_dump({**base, **content}))


def test_every_target_has_a_study(in_project: Path) -> None:
    assert set(study_names()) == TARGETS
    for target in TARGETS:
        study = read_study(target)
        assert study.question
        assert study.metrics or study.analyse


def test_a_run_is_a_command_one_could_type(in_project: Path) -> None:
    runs = plan(read_study("ablation-aggregation"), Options(seeds=2))
    trainings = [run for run in runs if run.needs is None]
    assert [(run.variant, run.seed) for run in trainings[:5]] == [
        ("random", 0), ("middle", 0), ("average", 0), ("max", 0), ("attention", 0)
    ]  # fmt: skip
    assert len(trainings) == 10
    command = trainings[0].command
    assert command.startswith("python -m v2a_lightning fit --config=ablations/base --seed_everything=0 ")
    assert "--model.aggregator=v2a_lightning.mapper.RandomFrame" in command
    assert command.endswith("--ckpt_path=last")


def test_an_evaluation_takes_the_checkpoint_of_its_training(in_project: Path) -> None:
    runs = plan(read_study("ablation-aggregation"), Options(seeds=1))
    evaluations = [run for run in runs if run.needs is not None]
    # Each of five trainings with four aggregators, less the four that are the training's own.
    assert len(evaluations) == 16
    for run in evaluations:
        assert run.arguments[0] == "validate"
        assert f"--ckpt_path={run.needs.checkpoint}" in run.arguments
        assert "--evaluation=null" in run.arguments
        assert runs.index(run.needs) < runs.index(run)


def test_preparing_writes_no_run_and_makes_sound_only_where_a_config_needs_it(in_project: Path) -> None:
    runs = {run.variant: run for run in plan(read_study("direct-baseline"), Options(seeds=1))}
    for run in runs.values():
        assert "--trainer.fast_dev_run=true" in run.preparing
        assert not any(one.startswith(("--run.", "--ckpt_path")) for one in run.preparing)
    assert "--evaluation=null" in runs["mapper"].preparing
    # Its UNet is that of the evaluation's AudioLDM.
    assert "--evaluation=null" not in runs["direct"].preparing


def test_no_two_runs_share_a_folder(in_project: Path) -> None:
    for target in TARGETS - {"generalization", "table1"}:
        runs = [run for run in plan(read_study(target), Options(seeds=3)) if run.variant not in DETERMINISTIC]
        alone = [run for run in runs if run.evaluation != ON_BOTH_LINES]
        assert len({run.folder for run in alone}) == len(alone), target


def test_a_point_on_two_lines_of_a_figure_is_run_once(in_project: Path) -> None:
    runs = {run.evaluation: run for run in plan(read_study("ablation-guidance"), Options(seeds=1))}
    assert runs[ON_BOTH_LINES].folder == runs["mapper 1"].folder
    assert runs[ON_BOTH_LINES].row != runs["mapper 1"].row


def test_what_draws_nothing_is_run_once_and_stands_for_every_seed(in_project: Path) -> None:
    runs = [run for run in plan(read_study("ablation-mapper"), Options(seeds=3)) if run.variant in DETERMINISTIC]
    assert len(runs) == 12
    assert len({run.folder for run in runs}) == 4
    assert {run.seed for run in runs} == {0, 1, 2}


def test_studies_share_their_trainings(in_project: Path) -> None:
    base = {run.folder for run in plan(read_study("failure-cases"), Options(seeds=5)) if run.needs is None}
    assert len(base) == 5
    for target in ("ablation-aggregation", "ablation-mapper", "ablation-guidance", "ablation-steps", "domain-gap"):
        assert base <= {run.folder for run in plan(read_study(target), Options(seeds=5))}, target


def test_another_config_is_another_run(in_project: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("trainer: {max_epochs: 1}\n")
    second.write_text("trainer: {max_epochs: 2}\n")
    study = read_study("domain-gap")
    names = {plan(study, Options(seeds=1, base=(str(file),)))[0].name for file in (first, second)}
    before = plan(study, Options(seeds=1, base=(str(first),)))[0].name
    first.write_text("trainer: {max_epochs: 3}\n")
    after = plan(study, Options(seeds=1, base=(str(first),)))[0].name
    assert len({*names, before, after}) == 3


def test_small_options_are_left_out_at_full_size(in_project: Path) -> None:
    study = read_study("ablation-mapper")
    small = [one for run in plan(study, Options(seeds=1)) for one in run.arguments]
    options = Options(seeds=1, size="full", base=("v2a_mapper",))
    full = [one for run in plan(study, options) for one in run.arguments]
    assert any("network.depth" in one for one in small)
    assert not any("network.depth" in one for one in full)
    assert "--config=v2a_mapper" in full


def test_overrides_come_last(in_project: Path) -> None:
    runs = plan(read_study("direct-baseline"), Options(seeds=1, overrides=("trainer.max_epochs=3",)))
    for run in runs:
        given = [one for one in run.arguments if one.startswith("--trainer.max_epochs=")]
        assert given[-1] == "--trainer.max_epochs=3"


def test_axes_are_combined(in_project: Path) -> None:
    study = read_study("ablation-schedule")
    names = [name for name, _, _ in study.rows()]
    assert len(names) == 12
    assert "sigmoid, velocity" in names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"variant": {}}, "no key 'variant' here"),
        ({"variants": {"a": {"sets": {}}}}, "no key 'sets' here"),
        ({"baseline": "b", "variants": {"a": {}}}, "baseline 'b' is none of the rows"),
    ],
)
def test_mistakes_in_a_study_are_named(tmp_path: Path, content: dict[str, object], message: str) -> None:
    write_study(tmp_path, **content)
    with pytest.raises(UsageError, match=message):
        read_study("study", tmp_path)


def test_a_study_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    write_study(tmp_path, variants={"small": {"set": {"model.network.hidden": 8}, "x": 2}})
    study = read_study(str(tmp_path / "study.yaml"))
    assert study.target == "study"
    assert [(name, variant.options, variant.x) for name, variant, _ in study.rows()] == [
        ("small", {"model.network.hidden": 8}, 2)
    ]


def test_an_unknown_target_names_the_known(in_project: Path) -> None:
    with pytest.raises(UsageError, match="there is no study 'ablation'; the studies are ablation-aggregation"):
        read_study("ablation")


def test_a_missing_config_is_named(in_project: Path) -> None:
    study = replace(read_study("domain-gap"), base=("nowhere.yaml",))
    with pytest.raises(UsageError, match=r"config nowhere\.yaml: there is no such file"):
        plan(study, Options(seeds=1))

"""What training never saw: some of the classes, another drawing style, still pictures. Made of the base's own data."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2a_lightning.files import atomic_write
from v2a_lightning.studies.conduct import Context, Finding
from v2a_lightning.studies.keeping import kept
from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.plan import TINY, Options, digest
from v2a_lightning.studies.statistics import paired_difference
from v2a_lightning.studies.study import Study
from v2a_lightning.studies.summary import values_by_seed
from v2a_lightning.studies.tables import Table

EVERY = 4
"""One class in so many is kept from training."""

Row = tuple[str, str, str, str]


def prepare(study: Study, options: Options) -> Study:
    """Write the csv files and the configs over the base that the study's commands name, into its folder.

    Returns:
        The study without the evaluations that there are no data for: clips in another style (`ood.csv`) and pictures
        (`imagehear/`) lie in a miniature world's folder, and VGGSound has none.
    """
    folder = options.folder(study)
    base = [f"--config={config}" for config in options.base or study.base]
    base += [f"--config={TINY}"] if options.size == "tiny" else []
    base += [f"--{override.removeprefix('--')}" for override in options.overrides]
    there = kept(folder / f"data-{digest(base)}.json", lambda: _write(folder, base))
    return replace(study, evaluations=tuple(one for one in study.evaluations if _has_data(one.configs, there)))


def analyse(context: Context) -> list[Finding]:
    """What leaving classes out of training costs on each test: the part less the whole, seed by seed."""
    whole, part = context.study.variants[0].name, context.study.variants[1].name
    metrics = [metric for metric in context.study.metrics if metric != "cosine_unrelated"]
    rows = []
    for evaluation in context.study.evaluations:
        all_classes = context.evaluations(whole, evaluation.name)
        some_classes = context.evaluations(part, evaluation.name)
        differences = [
            paired_difference(values_by_seed(all_classes, metric), values_by_seed(some_classes, metric))
            for metric in metrics
        ]
        rows.append([evaluation.name, *differences])
    return [
        Table(
            name="cost",
            caption=f"“{part}” less “{whole}”, paired by seed [95 % interval], two-sided p of the paired t-test.",
            columns=["Tested on", *(measure(metric).heading for metric in metrics)],
            rows=rows,
        )
    ]


def _has_data(configs: Sequence[str], there: Sequence[str]) -> bool:
    return all(Path(config).name in there for config in configs if config.startswith("{folder}"))


def _write(folder: Path, base: Sequence[str]) -> list[str]:
    """The names of the configs that were written."""
    from v2a_lightning.app.lightning_cli import MapperCLI

    data: Any = MapperCLI("fit", [*base, "--trainer.fast_dev_run=true", "--evaluation=null"]).datamodule
    data.prepare_data()
    rows = _read(Path(data.csv))
    tested = sorted({label for _, _, label, split in rows if split == "test"})
    unseen = set(tested[1::EVERY])
    parts = {
        "part": [row for row in rows if row[2] not in unseen],
        "seen": [row for row in rows if row[2] not in unseen and row[3] == "test"],
        "unseen": [row for row in rows if row[2] in unseen and row[3] == "test"],
    }
    for name, part in parts.items():
        _write_clips(folder, name, part, data, sorted(unseen))
    root = Path(getattr(data, "root", "."))
    written = [f"{name}.yaml" for name in parts]
    if hasattr(data, "root") and (root / "ood.csv").is_file():
        _write_clips(folder, "style", _read(root / "ood.csv"), data, [])
        written.append("style.yaml")
    if hasattr(data, "root") and (root / "imagehear").is_dir():
        _write_stills(folder, root, data)
        written.append("stills.yaml")
    return written


def _read(path: Path) -> list[Row]:
    from v2a_lightning.data_modules.clips import read_vggsound_csv

    split_ids = ((clip.clip_id.rpartition("_"), clip) for clip in read_vggsound_csv(path))
    return [(video, str(int(start)), clip.label, clip.split) for (video, _, start), clip in split_ids]


def _write_clips(folder: Path, name: str, rows: Iterable[Row], data: Any, unseen: Sequence[str]) -> None:
    path = folder / f"{name}.csv"
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    arguments = {"csv": str(path), "media": str(data.media), "store": str(data.store_url)}
    _write_config(folder / f"{name}.yaml", "v2a_lightning.data_modules.VGGSoundDataModule", arguments, unseen, None)


def _write_stills(folder: Path, root: Path, data: Any) -> None:
    # Pictures have no length and no sound, and are kept in a store of their own.
    arguments = {"media": str(root / "imagehear"), "store": str(root / "stills")}
    stills = "v2a_lightning.data_modules.ImageHearDataModule"
    _write_config(folder / "stills.yaml", stills, arguments, [], float(data.audio.duration))


def _write_config(
    path: Path, class_path: str, arguments: dict[str, str], unseen: Sequence[str], seconds: float | None
) -> None:
    content: dict[str, Any] = {"data": {"class_path": class_path, "init_args": arguments}}
    if seconds is not None:
        evaluation = "v2a_lightning.callbacks.AudioEvaluation"
        content["evaluation"] = {"class_path": evaluation, "init_args": {"seconds": seconds}}
    head = f"# Over a base. Classes kept from training: {', '.join(unseen)}.\n" if unseen else "# Over a base.\n"
    with atomic_write(path) as temporary:
        temporary.write_text(head + _yaml(content))


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False))

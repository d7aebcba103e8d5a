"""Data that training never saw, from the base's own: some of the classes, another drawing style, still pictures."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from v2a_lightning.data_modules.vggsound import read_vggsound_csv
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.pages import write_page
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Options, digest
from v2a_lightning.studies.records import difference_of
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.study import Study
from v2a_lightning.studies.trained_runs import cached_json, open_config
from v2a_lightning.studies.write import Finding

EVERY = 4
"""One class in so many is kept from training."""

OVER_A_BASE = "# Over a base."

Row = tuple[str, str, str, str]


def write_unseen_data(study: Study, options: Options) -> Study:
    """Write the csv files and the configs over the base that the study's commands name, into its folder.

    Returns:
        The study without the evaluations that there are no data for: clips in another style (`ood.csv`) and pictures
        (`imagehear/`) lie in a miniature world's folder, and VGGSound has none.
    """
    folder = options.folder(study.target)
    base = [*options.base_arguments(study), *options.override_arguments()]
    there = cached_json(folder / f"data-{digest(base)}.json", lambda: _write(folder, base, options))

    def has_data(configs: Sequence[str]) -> bool:
        return all(Path(config).name in there for config in configs if config.startswith("{folder}"))

    return replace(study, evaluations=tuple(one for one in study.evaluations if has_data(one.configs)))


def compare_unseen_data(study_runs: StudyRuns) -> list[Finding]:
    """What leaving classes out of training costs on each test: the part less the whole, seed by seed."""
    whole, part = (variant.name for variant in study_runs.study.variants[:2])
    metrics = [metric for metric in study_runs.study.metrics if metric != "cosine_unrelated"]
    rows = []
    for evaluation in study_runs.study.evaluations:
        all_classes, some = (study_runs.evaluations(variant, evaluation.name) for variant in (whole, part))
        rows.append([evaluation.name, *(difference_of(all_classes, some, metric) for metric in metrics)])
    return [
        Table(
            name="cost",
            caption=f"“{part}” less “{whole}”, paired by seed [95 % interval], two-sided p of the paired t-test.",
            columns=["Tested on", *(measure(metric).heading for metric in metrics)],
            rows=rows,
        )
    ]


def _write(folder: Path, base: Sequence[str], options: Options) -> list[str]:
    """The names of the configs that were written."""
    data: Any = open_config(options, "fit", [*base, "--evaluation=null"]).datamodule
    rows = _read(Path(data.csv))
    tested = sorted({label for _, _, label, split in rows if split == "test"})
    unseen = set(tested[1::EVERY])
    parts = {
        "part": [row for row in rows if row[2] not in unseen],
        "seen": [row for row in rows if row[2] not in unseen and row[3] == "test"],
        "unseen": [row for row in rows if row[2] in unseen and row[3] == "test"],
    }
    head = OVER_A_BASE + (f" Classes kept from training: {', '.join(sorted(unseen))}." if unseen else "")
    written = [_write_clips(folder, name, part, data, head) for name, part in parts.items()]
    root = Path(getattr(data, "root", "."))
    if hasattr(data, "root") and (root / "ood.csv").is_file():
        written.append(_write_clips(folder, "style", _read(root / "ood.csv"), data, OVER_A_BASE))
    if hasattr(data, "root") and (root / "imagehear").is_dir():
        written.append(_write_stills(folder, root, float(data.audio.duration)))
    return written


def _read(path: Path) -> list[Row]:
    split_ids = ((clip.clip_id.rpartition("_"), clip) for clip in read_vggsound_csv(path))
    return [(video, str(int(start)), clip.label, clip.split) for (video, _, start), clip in split_ids]


def _write_clips(folder: Path, name: str, rows: Iterable[Row], data: Any, head: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_page(folder / f"{name}.csv", text.getvalue())
    arguments = {"csv": str(folder / f"{name}.csv"), "media": str(data.media), "store": str(data.store_url)}
    content = {"data": _described("data_modules.VGGSoundDataModule", arguments)}
    write_page(folder / f"{name}.yaml", f"{head}\n" + yaml.safe_dump(content, sort_keys=False))
    return f"{name}.yaml"


def _write_stills(folder: Path, root: Path, seconds: float) -> str:
    # Pictures have no length and no sound, and are kept in a store of their own.
    arguments = {"media": str(root / "imagehear"), "store": str(root / "stills")}
    content = {
        "data": _described("data_modules.ImageHearDataModule", arguments),
        "evaluation": _described("callbacks.AudioEvaluation", {"seconds": seconds}),
    }
    write_page(folder / "stills.yaml", f"{OVER_A_BASE}\n" + yaml.safe_dump(content, sort_keys=False))
    return "stills.yaml"


def _described(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"v2a_lightning.{name}", "init_args": arguments}

"""What a study is: a YAML that names a base config, its variants, and what is reported of them.

title: ...                      the table's caption
question: ...                   what is asked, in a sentence
base: [config, ...]             configs of `fit`; --base replaces them
configs: [config, ...]          configs over the base, for every variant
set: {key: value}               options of `fit`, for every variant
variants: {name: {...}}         configs, set, small: options for the sizes tiny and small alone, deterministic: one that
                                draws nothing, so that one training stands for every seed
axes: {name: {choice: {...}}}   instead of variants: every combination of choices
own: name                       what the training's own validation is called; null leaves it out of the tables
evaluations: {name: {...}}      further `validate` or `test` commands on each trained mapper: command, configs, set,
                                only: [variant, ...], x: its place on the figure's axis, series: its line there
metrics: [name, ...]            columns
baseline: name                  the row that others are compared with, seed by seed
figure: intervals | curves      and x_label, x_log
prepare, analyse: module:function   what a study does before and after its runs
"""

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import CONFIGS

STUDIES = CONFIGS / "ablations"
SETTING_KEYS = frozenset(("configs", "set", "small", "command", "only", "x", "series", "deterministic"))
OPTIONAL_KEYS = ("own", "baseline", "figure", "x_label", "x_log", "prepare", "analyse", "notes")
NEEDED_KEYS = frozenset(("title", "question", "base", "metrics"))
KEYS = NEEDED_KEYS | {"configs", "set", "variants", "axes", "evaluations", *OPTIONAL_KEYS}


@dataclass(frozen=True)
class Setting:
    """What a variant or an evaluation adds to a command; `options` are the YAML's `set`. See this module's head."""

    name: str
    configs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    command: str = "fit"
    only: tuple[str, ...] = ()
    x: float | None = None
    series: str = ""
    deterministic: bool = False


@dataclass(frozen=True)
class Study:
    """A study as its YAML describes it; see this module's head."""

    target: str
    title: str
    question: str
    base: tuple[str, ...]
    variants: tuple[Setting, ...]
    evaluations: tuple[Setting, ...]
    metrics: tuple[str, ...]
    own: str | None = ""
    common: Setting = Setting("")
    baseline: str = ""
    figure: str = "intervals"
    x_label: str = ""
    x_log: bool = False
    prepare: str = ""
    analyse: str = ""
    notes: str = ""

    def rows(self) -> Iterator[tuple[str, Setting, Setting | None]]:
        """The rows of the table: a name, a variant, and an evaluation (None for the training's own validation)."""
        for variant in self.variants:
            if self.own is not None:
                yield self._row_name(variant, self.own), variant, None
            for evaluation in self.evaluations:
                if not evaluation.only or variant.name in evaluation.only:
                    yield self._row_name(variant, evaluation.name), variant, evaluation

    def _row_name(self, variant: Setting, name: str) -> str:
        if len(self.variants) == 1 and name:
            return name
        return f"{variant.name}, {name}" if name else variant.name


def read_study(target: str, folder: Path = STUDIES) -> Study:
    """Read one of the project's studies by its name, or a study of one's own by its path, which ends in .yaml.

    Raises:
        UsageError: when there is no such study, or its YAML is not of the form.
    """
    path = Path(target) if target.endswith(".yaml") else folder / f"{target}.yaml"
    if not path.is_file():
        raise UsageError(f"there is no study {target!r}; the studies are {', '.join(study_names(folder))}")
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict) or (wrong := sorted(content.keys() - KEYS)):
        raise UsageError(f"{path}: {'not a mapping' if not isinstance(content, dict) else f'no key {wrong[0]!r} here'}")
    if missing := sorted(NEEDED_KEYS - content.keys()):
        raise UsageError(f"{path}: the key {missing[0]!r} is missing")
    study = _study(path, content)
    rows = {name for name, _, _ in study.rows()}
    if study.baseline and study.baseline not in rows:
        raise UsageError(f"{path}: baseline {study.baseline!r} is none of the rows {sorted(rows)}")
    return study


def study_names(folder: Path = STUDIES) -> list[str]:
    """Every study of a folder; beside them stand the configs they start from."""
    return [path.stem for path in sorted(folder.glob("*.yaml")) if "\nquestion:" in path.read_text()]


def imported(name: str) -> Callable[..., Any]:
    """The function that `module:function` stands for."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _study(path: Path, content: dict[str, Any]) -> Study:
    if content.get("axes"):
        variants = list(_combinations(content["axes"], path))
    else:
        variants = [_setting(name, one, path) for name, one in (content.get("variants") or {"": {}}).items()]
    evaluations = (content.get("evaluations") or {}).items()
    return Study(
        target=path.stem,
        title=content["title"],
        question=content["question"],
        base=tuple(content["base"]),
        variants=tuple(variants),
        evaluations=tuple(_setting(name, one, path, "validate") for name, one in evaluations),
        metrics=tuple(content["metrics"]),
        common=_setting("", {key: content[key] for key in ("configs", "set") if key in content}, path),
        **{key: content[key] for key in OPTIONAL_KEYS if key in content},
    )


def _setting(name: Any, content: Mapping[str, Any] | None, path: Path, command: str = "fit") -> Setting:
    given: dict[str, Any] = {"command": command, **(content or {})}
    if wrong := sorted(given.keys() - SETTING_KEYS):
        raise UsageError(f"{path}: {name}: no key {wrong[0]!r} here; there are {', '.join(sorted(SETTING_KEYS))}")
    given["options"] = given.pop("set", None) or {}
    values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in given.items()}
    return Setting(str(name), **values)


def _combinations(axes: Mapping[str, Mapping[str, Any]], path: Path) -> Iterator[Setting]:
    choices = [[_setting(name, one, path) for name, one in axis.items()] for axis in axes.values()]
    for picked in itertools.product(*choices):
        yield Setting(
            name=", ".join(one.name for one in picked),
            configs=tuple(config for one in picked for config in one.configs),
            options={key: value for one in picked for key, value in one.options.items()},
            small={key: value for one in picked for key, value in one.small.items()},
            x=next((one.x for one in picked if one.x is not None), None),
            series=", ".join(one.name for one in picked if one.x is None),
        )

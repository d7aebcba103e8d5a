"""What a command has made, as plain values that two runs can be compared by, and the rows of the table."""

import csv
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Result = dict[str, Any]
# How long something took is no result.
TIMES = ("seconds", "rate", "created", "run_seconds")


@dataclass
class Row:
    """A line of the table.

    Args:
        fault: what was done.
        tried: how often.
        survived: how often everything was as it should be.
        lost: what was not, and how often.
        note: what was compared.
        seconds: how long it took.
    """

    fault: str
    tried: int = 0
    survived: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    note: str = ""
    seconds: float = 0.0

    def add(self, problem: str, times: int = 1) -> None:
        """Count an attempt; `problem` is empty when it was survived."""
        self.tried += times
        if problem:
            self.lost[problem] = self.lost.get(problem, 0) + times
        else:
            self.survived += times

    def cells(self) -> list[str]:
        """As the table shows it."""
        lost = "; ".join(f"{count} x {what}" for what, count in self.lost.items())
        return [self.fault, str(self.tried), str(self.survived), lost or "-", self.note]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = [["fault", "tried", "survived", "lost", "note"], ["---", "---:", "---:", "---", "---"]]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines + [row.cells() for row in rows])


def difference(first: Result, second: Result) -> str:
    """In which parts the second of two results differs; empty when it does not."""
    for what, names in (("missing", first.keys() - second.keys()), ("too many", second.keys() - first.keys())):
        if names:
            return f"{len(names)} parts {what}, such as {min(names)}"
    different = sorted(name for name in first if first[name] != second[name])
    return f"{len(different)} of {len(first)} parts differ, such as {different[0]}" if different else ""


def files(folder: Path, *, but: tuple[str, ...] = (), place: Path | None = None) -> Result:
    """The bytes of every file in a folder by its path, less the name of `place`, the folder of an attempt."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    names = [str(path.relative_to(folder)) for path in paths]
    return {name: _sha(path, place) for name, path in zip(names, paths, strict=True) if path.name not in but}


def embeddings(store: Path) -> Result:
    """The rows of a store by part and clip id, one after another where an id is there twice.

    A reject of a clip that was embedded later is history, to the store as well.
    """
    import pyarrow.parquet as pq

    found: Result = {}
    for path in sorted(store.glob("*-*/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            key, copy = f"{path.parent.name}/{row['clip_id']}", 0
            while f"{key}#{copy}" in found:
                copy += 1
            found[f"{key}#{copy}"] = {name: value for name, value in row.items() if name != "stamp"}
    embedded = {key.partition("/")[2].rpartition("#")[0] for key in found if key.startswith("frames-")}
    return {
        key: row
        for key, row in found.items()
        if not (key.startswith("rejects-") and key.partition("/")[2].rpartition("#")[0] in embedded)
    }


def weights(checkpoint: Path) -> Result:
    """The tensors and counters of a checkpoint, by name."""
    import torch

    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    parts = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "epoch", "global_step")
    return _flat({name: content[name] for name in parts if name in content}, checkpoint.name)


def scores(path: Path) -> Result:
    """Whatever a JSON file says, but for times."""
    return _flat(json.loads(path.read_text()), path.name)


def metrics(path: Path) -> Result:
    """The values of a metrics.csv by name and step, in whichever rows they stand; no times."""
    found: Result = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value != "" and not _is_time(name) and name != "step":
                    found.setdefault(f"{path.name} {name} at step {row['step']}", []).append(value)
    # A step that two kinds of values were logged at names its epoch in each.
    return {key: sorted(set(values)) if " epoch at" in key else values for key, values in found.items()}


def _flat(value: Any, name: str) -> Result:
    import torch

    if isinstance(value, dict):
        return {key: one for part in value for key, one in _flat(value[part], f"{name} {part}").items()
                if not _is_time(str(part))}  # fmt: skip
    if isinstance(value, list | tuple):
        return {key: one for number, part in enumerate(value) for key, one in _flat(part, f"{name} {number}").items()}
    return {name: value.contiguous().numpy().tobytes() if isinstance(value, torch.Tensor) else value}


def _is_time(name: str) -> bool:
    return any(word in name for word in TIMES)


def _sha(path: Path, place: Path | None) -> str:
    content = path.read_bytes()
    return hashlib.sha256(content if place is None else content.replace(bytes(place), b"")).hexdigest()

"""The manifest: every clip of a data set, looked at once, with what is wrong with it."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_modules.clips import Clip, ids_hash
from data_modules.extraction import DecodingSettings
from data_modules.progress import progress
from data_modules.store import Reject
from v2a_lightning.errors import UsageError
from v2a_lightning.media import ClipRequest, Inspection, MediaError, WorkerPool, inspect_clip
from v2a_lightning.specs import AudioSpec, FrameSpec

USABLE, REJECTED = "ok", "rejected"


@dataclass(frozen=True)
class ManifestRow:
    """One clip.

    Args:
        clip_id: its id.
        path: its file; empty when there is none.
        label: its class.
        split: its split.
        start: second at which it begins in the film it was cut from.
        duration: seconds, as the file's header says.
        status: ok or rejected.
        reason: what is wrong; empty when nothing is. A still picture may be ok all the same.
        detail: what was found.
    """

    clip_id: str
    path: str
    label: str
    split: str
    start: int
    duration: float
    status: str
    reason: str
    detail: str

    def as_reject(self) -> Reject:
        """The clip as the list of rejected clips has it."""
        return Reject(self.clip_id, self.path, self.reason, self.detail)


def inspect_clips(
    clips: Sequence[Clip], frames: FrameSpec, audio: AudioSpec | None, decoding: DecodingSettings
) -> list[ManifestRow]:
    """Look at every clip, with a progress bar; the rows are in the order of the clips."""
    present = [clip for clip in clips if clip.path is not None and not clip.duplicate]
    requests = [
        ClipRequest(clip.path, frames, audio, backend=decoding.backend) for clip in present if clip.path is not None
    ]
    found: dict[str, Inspection] = {}
    workers = max(1, min(decoding.workers, len(requests)))
    with progress("inspecting clips", len(requests)) as advance, _pool(workers, decoding) as pool:
        for clip, outcome in zip(present, pool.map(requests), strict=True):
            if isinstance(outcome, MediaError):
                outcome = Inspection(0.0, outcome.reason, outcome.detail)
            found[clip.clip_id] = outcome
            advance(1)
    return [_row(clip, _judge(clip, found), decoding.keep_still) for clip in clips]


def _pool(workers: int, decoding: DecodingSettings) -> WorkerPool[ClipRequest, Inspection]:
    return WorkerPool(inspect_clip, workers, decoding.timeout)


def _judge(clip: Clip, found: Mapping[str, Inspection]) -> Inspection:
    if clip.duplicate:
        return Inspection(0.0, "duplicate", "named before")
    return Inspection(0.0, "missing", "no file of this name") if clip.path is None else found[clip.clip_id]


def _row(clip: Clip, inspection: Inspection, keep_still: bool) -> ManifestRow:
    usable = inspection.reason is None or (inspection.reason == "still" and keep_still)
    start = clip.clip_id.rpartition("_")[2]
    return ManifestRow(
        clip_id=clip.clip_id,
        path="" if clip.path is None else str(clip.path),
        label=clip.label,
        split=clip.split,
        start=int(start) if start.isdecimal() else 0,
        duration=inspection.duration,
        status=USABLE if usable else REJECTED,
        reason=inspection.reason or "",
        detail=inspection.detail,
    )


def manifest_bytes(rows: Sequence[ManifestRow]) -> bytes:
    """The manifest as a Parquet file."""
    kinds = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    columns = {
        field.name: pa.array([getattr(row, field.name) for row in rows], kinds[field.type])  # type: ignore[index]
        for field in fields(ManifestRow)
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, write_page_checksum=True)
    return buffer.getvalue()


def rows_of_bytes(content: bytes) -> list[ManifestRow]:
    """The rows of a manifest's content."""
    names = [field.name for field in fields(ManifestRow)]
    return [ManifestRow(**row) for row in pq.read_table(io.BytesIO(content), columns=names).to_pylist()]


def read_manifest(path: Path | str) -> list[ManifestRow]:
    """Read a manifest.

    Raises:
        UsageError: when it is not there, or is something else.
    """
    if not Path(path).is_file():
        raise UsageError(f"manifest {path}: there is no such file")
    try:
        return rows_of_bytes(Path(path).read_bytes())
    except (pa.ArrowInvalid, TypeError) as error:
        raise UsageError(f"manifest {path}: {str(error).splitlines()[0]}") from error


def unusable_files(rows: Iterable[ManifestRow]) -> dict[str, Reject]:
    """The clips whose files cannot be used; a missing file may have come since, and a duplicate has a first."""
    rejected = (row for row in rows if row.status == REJECTED and row.reason not in ("missing", "duplicate"))
    return {row.clip_id: row.as_reject() for row in rejected}


def used_test_ids(rows: Iterable[ManifestRow], listed: set[str] | None = None) -> list[str]:
    """Sorted ids of the usable test clips, of those on a list when one is given."""
    usable = {row.clip_id for row in rows if row.split == "test" and row.status == USABLE}
    return sorted(usable if listed is None else usable & listed)


def summary(rows: Sequence[ManifestRow], listed: set[str] | None = None) -> str:
    """One page in Markdown: counts by split and reason, the test set's hash, and counts by class."""
    used = used_test_ids(rows, listed)
    lines = ["# Manifest", "", f"{len(rows)} clips, {sum(row.status == USABLE for row in rows)} of them usable.", ""]
    lines += [f"Test clips used: {len(used)}. Hash of their ids: `{ids_hash(used)}`.", ""]
    if listed is not None:
        lines += [f"The list of test ids has {len(listed)}; {len(listed - set(used))} of them are not usable here.", ""]
    lines += ["## By split", "", *_table(rows, "split")]
    lines += ["", "## By class", "", *_table(rows, "label")]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[ManifestRow], key: str) -> Iterator[str]:
    reasons = sorted({row.reason for row in rows if row.reason})
    yield "| " + " | ".join([key, "clips", "usable", *reasons]) + " |"
    yield "|" + "|".join(["---", *["---:"] * (2 + len(reasons))]) + "|"
    for name in sorted({str(asdict(row)[key]) for row in rows}):
        part = [row for row in rows if getattr(row, key) == name]
        counts = Counter(row.reason for row in part)
        usable = sum(row.status == USABLE for row in part)
        cells = [name, len(part), usable, *(counts[reason] for reason in reasons)]
        yield "| " + " | ".join(map(str, cells)) + " |"

"""The manifest: every clip of a data set, looked at once, with what is wrong with it."""

import io
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from v2a_lightning.data_modules.clips import TEST, Clip, Reject, checked_id, file_stamp, ids_hash
from v2a_lightning.data_modules.extraction import Decoding
from v2a_lightning.data_modules.shards import DAMAGE
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import UsageError
from v2a_lightning.media import ClipRequest, Decoder, Inspection, MediaError, inspect_clip
from v2a_lightning.media.errors import PASSING, Reason
from v2a_lightning.progress import progress
from v2a_lightning.specs import AudioSpec, FrameSpec

USABLE, REJECTED = "ok", "rejected"
METADATA_KEY = b"v2a_looked_at"
SAVE_SECONDS = 60.0
"""How much work a killed manifest loses at most."""
TEXT = pa.string()
SCHEMA = pa.schema({
    "clip_id": TEXT, "path": TEXT, "label": TEXT, "split": TEXT, "start": pa.int32(), "duration": pa.float64(),
    "status": TEXT, "reason": TEXT, "detail": TEXT, "stamp": TEXT,
})  # fmt: skip


@dataclass(frozen=True)
class ManifestRow:
    """One clip: ok or rejected, for a reason. A still picture has a reason and may be ok all the same.

    It begins at second `start` of the video it was cut from, and lasts `duration` seconds, as its header says. A file
    is inspected again when its `stamp` (size and time) is another.
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
    stamp: str = ""

    def is_of(self, clip: Clip) -> bool:
        """Whether inspecting the clip's file again would find the same."""
        same_file = self.path == str(clip.path) and self.stamp == file_stamp(clip.path) != ""
        return same_file and self.reason not in {*PASSING, "duplicate"}

    def inspection(self) -> Inspection:
        """What was found."""
        return Inspection(self.duration, cast(Reason, self.reason) if self.reason else None, self.detail)


def inspect_clips(
    clips: Sequence[Clip],
    frames: FrameSpec,
    audio: AudioSpec | None,
    decoding: Decoding,
    known: Iterable[ManifestRow] = (),
    save: Callable[[list[ManifestRow]], None] = lambda rows: None,
) -> list[ManifestRow]:
    """Decode every clip, with a progress bar; the rows are in the order of the clips.

    Clips whose files are as they were in `known`, rows of an earlier inspection with the same specs, are not inspected
    again. `save` is given the rows there are, about once a minute.
    """
    earlier = {row.clip_id: row for row in known}
    files = [clip for clip in clips if clip.path is not None and not clip.duplicate]
    rows = ((clip, earlier.get(clip.clip_id)) for clip in files)
    found = {clip.clip_id: row.inspection() for clip, row in rows if row is not None and row.is_of(clip)}
    new = Share().of([clip for clip in files if clip.clip_id not in found])
    saved = time.monotonic()
    for clip, inspection in _inspections(new, frames, audio, decoding):
        found[clip.clip_id] = inspection
        if time.monotonic() - saved >= SAVE_SECONDS:
            save(_rows(clips, found, decoding.keep_still))
            saved = time.monotonic()
    return _rows(clips, found, decoding.keep_still)


def _inspections(
    clips: Sequence[Clip], frames: FrameSpec, audio: AudioSpec | None, decoding: Decoding
) -> Iterator[tuple[Clip, Inspection]]:
    requests = [ClipRequest(clip.path, frames, audio, backend=decoding.backend) for clip in clips if clip.path]
    if not requests:
        return
    workers = min(decoding.workers, len(requests))
    with (
        progress("inspecting clips", len(requests)) as advance,
        Decoder(inspect_clip, workers, decoding.timeout) as decoder,
    ):
        for clip, outcome in zip(clips, decoder.map(requests), strict=True):
            if isinstance(outcome, MediaError):
                outcome = Inspection(0.0, outcome.reason, outcome.detail)
            yield clip, outcome
            advance(1)


def _rows(clips: Sequence[Clip], found: Mapping[str, Inspection], keep_still: bool) -> list[ManifestRow]:
    """Rows of the clips about which something is known."""
    rows = []
    for clip in clips:
        if clip.duplicate:
            rows.append(_row(clip, Inspection(0.0, "duplicate", "named before"), keep_still))
        elif clip.path is None:
            rows.append(_row(clip, Inspection(0.0, "missing", "no file of this name"), keep_still))
        elif clip.clip_id in found:
            rows.append(_row(clip, found[clip.clip_id], keep_still))
    return rows


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
        stamp=file_stamp(clip.path),
    )


def what_is_inspected(frames: FrameSpec, audio: AudioSpec | None) -> str:
    """What of a clip a manifest is about: rows that were made with another are not taken over."""
    return frames.key if audio is None else f"{frames.key} {audio.key}"


def manifest_bytes(rows: Sequence[ManifestRow], of_what: str = "") -> bytes:
    """The manifest as a Parquet file."""
    schema = SCHEMA.with_metadata({METADATA_KEY: of_what.encode()})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema), buffer, write_page_checksum=True)
    return buffer.getvalue()


def read_manifest(path: Path | str) -> list[ManifestRow]:
    """Read a manifest from a path or fsspec URL; UsageError when it is not there, is damaged, or is something else."""
    try:
        system, place = url_to_fs(str(path))
        table = pq.read_table(io.BytesIO(system.cat_file(place)), page_checksum_verification=True)
        table = table.select(SCHEMA.names)
        table.validate(full=True)
        if table.schema != SCHEMA or any(column.null_count for column in table.columns):
            raise ValueError(f"its columns are {', '.join(map(str, table.schema))}, or values are missing")
        if unknown := set(table["status"].to_pylist()) - {USABLE, REJECTED}:
            raise ValueError(f"a status is {min(unknown)!r}")
    except FileNotFoundError as error:
        raise UsageError(f"manifest {path}: there is no such file") from error
    except DAMAGE as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise UsageError(f"manifest {path} is damaged, or is something else ({reason[0]}); make it again") from error
    rows = [ManifestRow(**row) for row in table.to_pylist()]
    for row in rows:
        checked_id(f"manifest {path}", row.clip_id)
    return rows


def earlier_rows(path: Path, of_what: str) -> list[ManifestRow]:
    """The rows of a manifest that was begun or finished before; none when there is none about the same.

    UsageError when the file is damaged, or is something else: it is not written over.
    """
    if not path.is_file():
        return []
    rows = read_manifest(path)
    metadata = pq.read_schema(path).metadata or {}
    return rows if metadata.get(METADATA_KEY) == of_what.encode() else []


def unusable_files(rows: Iterable[ManifestRow]) -> dict[str, Reject]:
    """The clips whose files cannot be used; a missing file may have come since, and a duplicate has a first."""
    rejected = (row for row in rows if row.status == REJECTED and row.reason not in ("missing", "duplicate"))
    return {row.clip_id: Reject(row.clip_id, row.path, row.reason, row.detail) for row in rejected}


def used_test_ids(rows: Iterable[ManifestRow], listed: set[str] | None = None) -> list[str]:
    """Sorted ids of the usable test clips, of those on a list when one is given."""
    usable = {row.clip_id for row in rows if row.split == TEST and row.status == USABLE}
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
    parts: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        parts[getattr(row, key)].append(row)
    for name, part in sorted(parts.items()):
        counts = Counter(row.reason for row in part)
        usable = sum(row.status == USABLE for row in part)
        cells = [name, len(part), usable, *(counts[reason] for reason in reasons)]
        yield "| " + " | ".join(map(str, cells)) + " |"

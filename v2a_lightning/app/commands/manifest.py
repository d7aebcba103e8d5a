"""`manifest`: look at every clip of a csv and list what is usable."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

if TYPE_CHECKING:
    from v2a_lightning.data_modules.manifest import ManifestRow


def manifest(
    csv: str,
    media: str,
    output: str = "manifest.parquet",
    test_ids: str | None = None,
    frames_per_second: float = 1.0,
    seconds: float = 10.0,
    sample_rate: int = 16_000,
    keep_still: bool = True,
    workers: int | None = None,
    timeout: float = 60.0,
) -> int:
    """Look at every clip of VGGSound's csv, and write which can be used, and why the others cannot.

    Every clip is decoded as training would decode it: missing, no_audio, no_video, silent, not_finite, still, short,
    undecodable, timeout and duplicate are told apart. Writes a Parquet table (clip_id, path, label, split, start,
    duration, status, reason, detail, stamp), which `data.manifest` of a config takes, and beside it, by the
    table's name:

    .md: a page that counts them by split and class and gives the hash of the test ids used. It is the `clips_sha256`
    of a result that was measured on all of them.

    .test_ids.txt: those test ids, which `data.test_ids` takes; its sha256 is that hash.

    Clips that an earlier run looked at, and whose files are as they were, are not looked at again, so the command can
    be killed and started again.

    Args:
        csv: VGGSound's csv: youtube id, start second, label, split.
        media: folder of the clips, or of folders of them.
        output: the Parquet file; the page has its name with .md.
        test_ids: text file with the ids of the test clips to use, such as the paper's 15,446.
        frames_per_second: how densely a clip is looked at.
        seconds: how much of a clip is looked at and listened to.
        sample_rate: of the sound, in Hz.
        keep_still: count clips whose picture never changes as usable.
        workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one clip may take.
    """
    from v2a_lightning.data_modules.base import default_workers
    from v2a_lightning.data_modules.clips import TEST, TRAIN, VALIDATION, read_ids, read_vggsound_csv, unused_splits
    from v2a_lightning.data_modules.extraction import DecodingSettings
    from v2a_lightning.data_modules.manifest import (
        earlier_rows,
        inspect_clips,
        looked_at,
        manifest_bytes,
        summary,
        used_test_ids,
    )
    from v2a_lightning.data_modules.vggsound import with_files
    from v2a_lightning.specs import AudioSpec, FrameSpec

    if min(frames_per_second, seconds, sample_rate, timeout) <= 0 or (workers is not None and workers < 1):
        raise UsageError("--frames_per_second, --seconds, --sample_rate, --timeout and --workers are above 0")
    listed = None if test_ids is None else read_ids(test_ids)
    clips = with_files(read_vggsound_csv(csv), media)
    decoding = DecodingSettings(workers or default_workers(), timeout, keep_still=keep_still)
    frames, audio = FrameSpec(frames_per_second, seconds), AudioSpec(sample_rate, seconds)
    table, of_what = Path(output), looked_at(frames, audio)

    def save(rows: "list[ManifestRow]") -> None:
        _write(table, manifest_bytes(rows, of_what))

    rows = inspect_clips(clips, frames, audio, decoding, earlier_rows(table, of_what), save)
    page = summary(rows, listed)
    save(rows)
    _write(table.with_suffix(".md"), page.encode())
    _write(table.with_suffix(".test_ids.txt"), "".join(f"{one}\n" for one in used_test_ids(rows, listed)).encode())
    print(page.split("\n## By class")[0].strip())
    if line := unused_splits(clips, {TRAIN, VALIDATION, TEST}):
        print(f"csv {csv}: {line}", file=sys.stderr)
    return 0


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)

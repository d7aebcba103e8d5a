"""`manifest`: look at every clip of a data set and list what is usable."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.app.config_keys import config_arguments
from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

if TYPE_CHECKING:
    from v2a_lightning.data_modules.manifest import ManifestRow


def manifest(
    csv: str | None = None,
    media: str | None = None,
    data: list[str] | None = None,
    set: list[str] | None = None,
    output: str = "manifest.parquet",
    test_ids: str | None = None,
    frames_per_second: float = 1.0,
    seconds: float = 10.0,
    sample_rate: int = 16_000,
    keep_still: bool = True,
    workers: int | None = None,
    timeout: float = 60.0,
) -> int:
    """Look at every clip of a data set, and write which can be used, and why the others cannot.

    The data set is VGGSound's by --csv and --media, or any other by --data, whose config says how clips are decoded.
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
        media: folder of its clips, or of folders of them.
        data: instead of both, YAML of an experiment, or several that are merged; of it, `data` is used.
        set: key=value over --data, such as data.decoding.timeout=20.
        output: the Parquet file; the page has its name with .md.
        test_ids: text file with the ids of the test clips to use, such as the paper's 15,446.
        frames_per_second: with --csv, how densely a clip is looked at.
        seconds: with --csv, how much of a clip is looked at.
        sample_rate: with --csv, of the sound, in Hz.
        keep_still: with --csv, count clips whose picture never changes as usable.
        workers: with --csv, decoding processes; by default one for each processor.
        timeout: with --csv, seconds that decoding one clip may take.
    """
    from v2a_lightning.app.config_objects import read_data
    from v2a_lightning.data_modules import Decoding, VGGSoundDataModule
    from v2a_lightning.data_modules.clips import read_ids
    from v2a_lightning.data_modules.manifest import (
        earlier_rows,
        inspect_clips,
        manifest_bytes,
        summary,
        used_test_ids,
        what_is_inspected,
    )
    from v2a_lightning.specs import AudioSpec, FrameSpec

    if min(frames_per_second, seconds, sample_rate, timeout) <= 0 or (workers is not None and workers < 1):
        raise UsageError("--frames_per_second, --seconds, --sample_rate, --timeout and --workers are above 0")
    listed = None if test_ids is None else read_ids(test_ids)
    if data is not None:
        module = read_data(config_arguments(data, set or []))
        module.prepare_media()
    elif csv is not None and media is not None:
        frames, audio = FrameSpec(frames_per_second, seconds), AudioSpec(sample_rate, seconds)
        decoding = Decoding(workers, timeout, keep_still=keep_still)
        module = VGGSoundDataModule(csv, media, frames=frames, audio=audio, decoding=decoding)
    else:
        raise UsageError("say which clips: --csv and --media, or --data")
    encoders, table = module.encoders, Path(output)
    inspected = what_is_inspected(encoders.frames, encoders.audio)

    def save(rows: "list[ManifestRow]") -> None:
        _write(table, manifest_bytes(rows, inspected))

    known = earlier_rows(table, inspected)
    rows = inspect_clips(module.named_clips, encoders.frames, encoders.audio, module.decoding, known, save)
    page = summary(rows, listed)
    save(rows)
    _write(table.with_suffix(".md"), page.encode())
    _write(table.with_suffix(".test_ids.txt"), "".join(f"{one}\n" for one in used_test_ids(rows, listed)).encode())
    print(page.split("\n## By class")[0].strip())
    print(f"\nmanifest: {table}\npage: {table.with_suffix('.md')}")
    print(f"next: {PROGRAM} embed --config {' '.join(data or ['CONFIG'])} --set data.manifest={table}")
    if module.unused_splits:
        print(module.unused_splits, file=sys.stderr)
    return 0


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)

"""`download`: fetch the clips of a data set from YouTube."""

import sys
from collections import Counter
from pathlib import Path

from v2a_lightning.app.config_keys import config_arguments
from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.errors import RunFailure, UsageError


def download(
    csv: str | None = None,
    output: str | None = None,
    data: list[str] | None = None,
    set: list[str] | None = None,
    split: str | None = None,
    ids: str | None = None,
    limit: int | None = None,
    seconds: float = 10.0,
    workers: int = 2,
    retries: int = 3,
    wait: float = 5.0,
    bytes_per_second: int | None = None,
    video_format: str = "best[height<=360]/best",
    site: str = "https://www.youtube.com/watch?v={id}",
    again: bool = False,
) -> int:
    """Fetch clips with yt-dlp (`pip install 'v2a-lightning[download]'`), cut to their seconds.

    The clips are those of VGGSound's csv (--csv and --output), or of any data set whose clips are parts of YouTube
    videos (--data). Clips that are there are left alone, so the command can be killed and started again. What became of
    each clip is written to OUTPUT/outcomes.csv. Whether you may fetch and use a video is between you, the site and its
    makers.

    Args:
        csv: VGGSound's csv: youtube id, start second, label, split.
        output: folder of the clips; with --data, its data.media when not given.
        data: instead of --csv, YAML of an experiment, or several that are merged; of it, `data` is used.
        set: key=value over --data.
        split: fetch this split only.
        ids: text file with the ids of the clips to fetch.
        limit: fetch at most so many.
        seconds: length of a clip.
        workers: downloads at a time.
        retries: how often a video is tried again when that may help.
        wait: seconds between two videos, and before the first retry; twice as many before each further one.
        bytes_per_second: limit of each download.
        video_format: yt-dlp's choice of format; without an ffmpeg program it needs picture and sound in one file.
        site: URL of a video, with {id} for its id.
        again: try those that failed before once more.
    """
    from v2a_lightning.app.config_objects import read_data
    from v2a_lightning.data_modules.clips import read_ids
    from v2a_lightning.data_modules.download import DONE, Fetcher, fetch_all, to_fetch
    from v2a_lightning.data_modules.vggsound import read_vggsound_csv
    from v2a_lightning.progress import progress

    if "{id}" not in site:
        raise UsageError(f"--site {site} has no {{id}}")
    if workers < 1 or retries < 0 or wait < 0 or seconds <= 0:
        raise UsageError("--workers is at least 1, --retries and --wait at least 0, --seconds above 0")
    wanted = None if ids is None else read_ids(ids)
    if data is not None:
        module = read_data(config_arguments(data, set or []))
        if "://" in module.media:
            raise UsageError(f"data.media {module.media}: clips are fetched into a local folder; give one")
        Path(module.media).mkdir(parents=True, exist_ok=True)
        named, folder = [clip for clip in module.named_clips if clip.path is None], Path(output or module.media)
    elif csv is not None and output is not None:
        named, folder = read_vggsound_csv(csv), Path(output)
    else:
        raise UsageError("say which clips and where to: --csv and --output, or --data")
    clips = [clip for clip in named if split in (None, clip.split)]
    if named and not clips:
        raise UsageError(f"--split {split}: there are {', '.join(sorted({clip.split for clip in named}))}")
    clips = [clip for clip in clips if wanted is None or clip.clip_id in wanted]
    missing = to_fetch(clips, folder, again)[:limit]
    fetcher = Fetcher(folder, site, seconds, video_format, retries, wait, bytes_per_second)
    counts: Counter[str] = Counter()
    with progress("fetching clips", len(missing)) as advance:
        for outcome in fetch_all(fetcher, missing, workers):
            counts[outcome.status] += 1
            advance(1)
    found = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "nothing to fetch"
    print(f"{folder}: {found}; each clip's outcome is in {folder / 'outcomes.csv'}", file=sys.stderr)
    if missing and not counts[DONE]:
        raise RunFailure(f"none of {len(missing)} clips could be fetched; see {folder / 'outcomes.csv'}")
    clips_of = f"--csv {csv} --media {folder}" if data is None else f"--data {' '.join(data)}"
    print(f"next: {PROGRAM} manifest {clips_of}", file=sys.stderr)
    return 0

"""`download`: fetch the clips of a csv."""

import sys
from collections import Counter
from pathlib import Path

from v2a_lightning.errors import RunFailure, UsageError


def download(
    csv: str,
    output: str,
    split: str | None = None,
    ids: str | None = None,
    limit: int | None = None,
    seconds: float = 10.0,
    workers: int = 2,
    retries: int = 3,
    wait: float = 5.0,
    bytes_per_second: int | None = None,
    film_format: str = "best[height<=360]/best",
    site: str = "https://www.youtube.com/watch?v={id}",
    again: bool = False,
) -> int:
    """Fetch the clips of VGGSound's csv with yt-dlp (`pip install 'v2a-lightning[download]'`), cut to their seconds.

    Clips that are there are left alone, so the command can be killed and started again. What became of each clip is
    written to OUTPUT/outcomes.csv. Whether you may fetch and use a film is between you, the site and its makers.

    Args:
        csv: VGGSound's csv: youtube id, start second, label, split.
        output: folder of the clips.
        split: fetch this split only.
        ids: text file with the ids of the clips to fetch.
        limit: fetch at most so many.
        seconds: length of a clip.
        workers: downloads at a time.
        retries: how often a film is asked for again when that may help.
        wait: seconds between two films, and before the first retry; twice as many before each further one.
        bytes_per_second: limit of each download.
        film_format: yt-dlp's choice of format; without an ffmpeg program it needs picture and sound in one file.
        site: address of a film, with {id} for its id.
        again: try those that failed before once more.
    """
    from v2a_lightning.data_modules.clips import read_ids, read_vggsound_csv
    from v2a_lightning.data_modules.download import DONE, Fetcher, fetch_all, to_fetch
    from v2a_lightning.data_modules.progress import progress

    if "{id}" not in site:
        raise UsageError(f"--site {site} has no {{id}}")
    if workers < 1 or retries < 0 or wait < 0 or seconds <= 0:
        raise UsageError("--workers is at least 1, --retries and --wait at least 0, --seconds above 0")
    wanted = None if ids is None else read_ids(ids)
    named = read_vggsound_csv(csv)
    clips = [clip for clip in named if split in (None, clip.split)]
    if not clips:
        raise UsageError(f"--split {split}: csv {csv} has {', '.join(sorted({clip.split for clip in named}))}")
    clips = [clip for clip in clips if wanted is None or clip.clip_id in wanted]
    missing = to_fetch(clips, Path(output), again)[:limit]
    fetcher = Fetcher(Path(output), site, seconds, film_format, retries, wait, bytes_per_second)
    counts: Counter[str] = Counter()
    with progress("fetching clips", len(missing)) as advance:
        for outcome in fetch_all(fetcher, missing, workers):
            counts[outcome.status] += 1
            advance(1)
    found = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "nothing to fetch"
    print(f"{output}: {found}; each clip's outcome is in {Path(output, 'outcomes.csv')}", file=sys.stderr)
    if missing and not counts[DONE]:
        raise RunFailure(f"none of {len(missing)} clips could be fetched; see {Path(output, 'outcomes.csv')}")
    return 0

"""Fetching clips: videos by yt-dlp, cut to the seconds that their ids name, with a line about each."""

import csv
import logging
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import path_of_id
from v2a_lightning.media import MediaError, cut_clip

OUTCOMES = "outcomes.csv"
DONE, FAILED = "downloaded", "failed"
# What yt-dlp says when trying again is no use.
FINAL = re.compile(
    "video unavailable|private video|has been removed|account has been terminated|not available|confirm your age|"
    "http error 404|http error 410|larger than",
    re.IGNORECASE,
)
LARGEST_VIDEO = 4 * 2**30
"""Bytes after which a download is given up: ten hours of a small picture have fewer."""


@dataclass(frozen=True)
class Outcome:
    """What became of a clip: downloaded, or failed and why."""

    clip_id: str
    status: str
    detail: str = ""


@dataclass(frozen=True)
class Fetcher:
    """Fetches clips whose ids are `<video id>_<start second as 6 digits>`.

    Args:
        output: folder of the clips.
        site: URL of a video, with `{id}` for its id.
        seconds: length of a clip.
        video_format: yt-dlp's choice of format. Without an ffmpeg program it has to hold picture and sound in one file.
        retries: how often a video is tried again when that may help.
        wait: seconds before the first retry, twice as many before each further one; also between two videos.
        bytes_per_second: limit of each download; none when None.
    """

    output: Path
    site: str
    seconds: float
    video_format: str
    retries: int
    wait: float
    bytes_per_second: int | None

    def fetch(self, clip: Clip) -> Outcome:
        """Fetch one clip and leave the site alone for a while; whatever goes wrong is the outcome."""
        video_id, _, start = clip.clip_id.rpartition("_")
        outcome = Outcome(clip.clip_id, DONE)
        # Beside the clips, so that a video needs no second disk.
        with tempfile.TemporaryDirectory(prefix=".video-", dir=self.output) as folder:
            try:
                video = self._download(self.site.format(id=video_id), Path(folder))
                cut_clip(video, clip_file(self.output, clip), float(start), self.seconds)
            except MediaError as error:
                outcome = Outcome(clip.clip_id, FAILED, f"{error.reason}: {error.detail}")
            except RunFailure as error:
                outcome = Outcome(clip.clip_id, FAILED, str(error))
        time.sleep(self.wait)
        return outcome

    def _download(self, url: str, folder: Path) -> Path:
        """The video's file; RunFailure with yt-dlp's reason when there is none."""
        from yt_dlp import DownloadError, YoutubeDL
        from yt_dlp.utils import DownloadCancelled

        options: dict[str, Any] = {
            "format": self.video_format,
            "outtmpl": str(folder / "video.%(ext)s"),
            "noplaylist": True,
            "quiet": True,
            "noprogress": True,
            # What matters comes as an exception too.
            "logger": logging.Logger("yt-dlp", logging.CRITICAL + 1),
            "retries": 0,
            "ratelimit": self.bytes_per_second,
            "progress_hooks": [_refuse_too_large],
        }
        for attempt in count():
            try:
                with YoutubeDL(options) as downloader:
                    found = downloader.extract_info(url, download=True)
                break
            except (DownloadError, DownloadCancelled) as error:
                reason = (str(error).removeprefix("ERROR: ").splitlines() or ["no reason given"])[0]
                if attempt == self.retries or FINAL.search(reason):
                    raise RunFailure(reason) from error
                time.sleep(self.wait * 2**attempt)
        files = (found or {}).get("requested_downloads") or []
        if len(files) != 1:
            raise RunFailure(f"{len(files)} videos at this URL, not one")
        return Path(files[0]["filepath"])


def _refuse_too_large(progress: dict[str, Any]) -> None:
    """yt-dlp's own limit trusts the length that a server announces."""
    from yt_dlp.utils import DownloadCancelled

    if (progress.get("downloaded_bytes") or 0) > LARGEST_VIDEO:
        raise DownloadCancelled(f"larger than {LARGEST_VIDEO} bytes")


def clip_file(folder: Path, clip: Clip) -> Path:
    """Where a clip is put."""
    return path_of_id(folder, clip.clip_id, ".mp4")


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """The latest outcome of each clip; a line that a killed process left half written says nothing."""
    path = folder / OUTCOMES
    if not path.is_file():
        return {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [Outcome(*row) for row in csv.reader(file) if len(row) == 3 and row[1] in (DONE, FAILED)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is damaged, or is something else ({error}); remove it") from error
    return {row.clip_id: row for row in rows}


def to_fetch(clips: Iterable[Clip], folder: Path, again: bool) -> list[Clip]:
    """The clips that are not there, and have not failed before unless those are tried again.

    UsageError when a clip's id does not say which part of which video it is.
    """
    known = {} if again else read_outcomes(folder)
    failed = {clip_id for clip_id, outcome in known.items() if outcome.status == FAILED}
    fresh = [clip for clip in clips if not clip.duplicate and not clip_file(folder, clip).is_file()]
    for clip in fresh:
        if not re.fullmatch(r".+_\d{6}", clip.clip_id):
            raise UsageError(f"{clip.clip_id} names no part of a video: ids are <video id>_<start second as 6 digits>")
    return [clip for clip in fresh if clip.clip_id not in failed]


def fetch_all(fetcher: Fetcher, clips: Sequence[Clip], workers: int) -> Iterator[Outcome]:
    """Fetch clips with several downloads at a time; each outcome is written down before it is yielded."""
    try:
        import yt_dlp  # noqa: F401
    except ImportError as error:
        raise UsageError("download needs yt-dlp: pip install 'v2a-lightning[download]'") from error
    _write_down(fetcher.output)
    with ThreadPoolExecutor(workers) as executor:
        try:
            for future in as_completed([executor.submit(fetcher.fetch, clip) for clip in clips]):
                _write_down(fetcher.output, future.result())
                yield future.result()
        finally:
            executor.shutdown(cancel_futures=True)


def _write_down(folder: Path, *outcomes: Outcome) -> None:
    path = folder / OUTCOMES
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(map(astuple, outcomes))
    except OSError as error:
        raise RunFailure(f"{path} cannot be written: {error.strerror}") from error

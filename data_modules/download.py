"""Fetching clips: films by yt-dlp, cut to the seconds that the csv names, with a line about each."""

import csv
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import path_of_id
from v2a_lightning.media import MediaError, cut_clip

YOUTUBE = "https://www.youtube.com/watch?v={id}"
OUTCOMES = "outcomes.csv"
DONE, FAILED = "downloaded", "failed"
# Words in yt-dlp's messages after which asking again is no use.
FINAL = (
    "video unavailable",
    "private video",
    "has been removed",
    "account has been terminated",
    "not available",
    "confirm your age",
    "http error 404",
    "http error 410",
    "larger than",
)
LARGEST_FILM = 4 * 2**30
"""Bytes after which a download is given up: ten hours of a small picture have fewer."""


@dataclass(frozen=True)
class Outcome:
    """What became of a clip: downloaded, or failed and why."""

    clip_id: str
    status: str
    detail: str = ""


@dataclass(frozen=True)
class Fetcher:
    """Fetches clips.

    Args:
        output: folder of the clips.
        site: address of a film, with `{id}` for its id.
        seconds: length of a clip.
        film_format: yt-dlp's choice of format. Without an ffmpeg program it has to hold picture and sound in one file.
        retries: how often a film is asked for again when that may help.
        wait: seconds before the first retry, twice as many before each further one; also between two films.
        bytes_per_second: limit of each download; none when None.
    """

    output: Path
    site: str = YOUTUBE
    seconds: float = 10.0
    film_format: str = "best[height<=360]/best"
    retries: int = 3
    wait: float = 5.0
    bytes_per_second: int | None = None

    def fetch(self, clip: Clip) -> Outcome:
        """Fetch one clip; whatever goes wrong is its outcome."""
        film_id, _, start = clip.clip_id.rpartition("_")
        # Beside the clips, so that a film needs no second disk.
        with tempfile.TemporaryDirectory(prefix=".film-", dir=self.output) as folder:
            film = self._film(self.site.format(id=film_id), Path(folder))
            if isinstance(film, str):
                return Outcome(clip.clip_id, FAILED, film)
            try:
                cut_clip(film, clip_file(self.output, clip), float(start), self.seconds)
            except MediaError as error:
                return Outcome(clip.clip_id, FAILED, f"{error.reason}: {error.detail}")
        return Outcome(clip.clip_id, DONE)

    def _film(self, address: str, folder: Path) -> Path | str:
        """The film's file, or the reason why there is none."""
        message = ""
        for attempt in range(self.retries + 1):
            found = self._ask(address, folder)
            if isinstance(found, Path):
                return found
            message = found
            if any(word in message.lower() for word in FINAL):
                break
            if attempt < self.retries:
                time.sleep(self.wait * 2**attempt)
        return message

    def _ask(self, address: str, folder: Path) -> Path | str:
        from yt_dlp import DownloadError, YoutubeDL
        from yt_dlp.utils import DownloadCancelled

        def bound(progress: dict[str, Any]) -> None:
            if (progress.get("downloaded_bytes") or 0) > LARGEST_FILM:
                raise DownloadCancelled(f"larger than {LARGEST_FILM} bytes")

        options: dict[str, Any] = {
            "format": self.film_format,
            "outtmpl": str(folder / "film.%(ext)s"),
            "noplaylist": True,
            "quiet": True,
            "no_warnings": True,
            "noprogress": True,
            "logger": _Quiet(),
            "retries": 0,
            "ratelimit": self.bytes_per_second,
            "progress_hooks": [bound],
        }
        try:
            with YoutubeDL(options) as asking:
                found = asking.extract_info(address, download=True)
        except (DownloadError, DownloadCancelled) as error:
            return (str(error).removeprefix("ERROR: ").splitlines() or ["no reason given"])[0]
        files = (found or {}).get("requested_downloads") or []
        return Path(files[0]["filepath"]) if len(files) == 1 else f"{len(files)} films at this address, not one"


class _Quiet:
    """yt-dlp tells its logger; what matters comes as an exception too."""

    def debug(self, message: str) -> None: ...
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...


def clip_file(folder: Path, clip: Clip) -> Path:
    """Where a clip is put."""
    return path_of_id(folder, clip.clip_id, ".mp4")


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """The latest outcome of each clip; a line that a killed process left half written says nothing.

    Raises:
        UsageError: when the file is something else.
    """
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
    """The clips that are not there, and have not failed before unless those are tried again."""
    known = {} if again else read_outcomes(folder)
    failed = {clip_id for clip_id, outcome in known.items() if outcome.status == FAILED}
    fresh = [clip for clip in clips if not clip.duplicate and not clip_file(folder, clip).is_file()]
    return [clip for clip in fresh if clip.clip_id not in failed]


def fetch_all(fetcher: Fetcher, clips: Sequence[Clip], workers: int) -> Iterator[Outcome]:
    """Fetch clips with several downloads at a time; each outcome is written down before it is yielded.

    Raises:
        UsageError: when yt-dlp is not installed.
        RunFailure: when the folder cannot be written to.
    """
    try:
        import yt_dlp  # noqa: F401
    except ImportError as error:
        raise UsageError("download needs yt-dlp: pip install 'v2a-lightning[download]'") from error
    _write_down(fetcher.output)
    with ThreadPoolExecutor(workers) as executor:
        waiting = [executor.submit(_in_turn, fetcher, clip) for clip in clips]
        try:
            for future in as_completed(waiting):
                outcome = future.result()
                _write_down(fetcher.output, outcome)
                yield outcome
        finally:
            for future in waiting:
                future.cancel()


def _write_down(folder: Path, *outcomes: Outcome) -> None:
    path = folder / OUTCOMES
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([one.clip_id, one.status, one.detail] for one in outcomes)
    except OSError as error:
        raise RunFailure(f"{path} cannot be written: {error.strerror}") from error


def _in_turn(fetcher: Fetcher, clip: Clip) -> Outcome:
    """Fetch a clip and leave the site alone for a while."""
    outcome = fetcher.fetch(clip)
    time.sleep(fetcher.wait)
    return outcome

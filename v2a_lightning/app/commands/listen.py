"""`listen`: build and analyse listening tests."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.errors import UsageError
from v2a_lightning.files import refuse_inputs_as_outputs

if TYPE_CHECKING:
    from v2a_lightning.evaluation.score_files import ScoreFile


def build(
    system: list[str],
    output: Path,
    reference: Path | None = None,
    media: Path | None = None,
    clips: int = 12,
    anchors: int = 4,
    seconds: float | None = None,
    loudness: float | None = -23.0,
    title: str = "Listening test",
    contact: str = "",
    seed: int = 0,
) -> None:
    """Build a page on which raters judge the sounds of several systems, blind.

    Every rater rates each sound's fidelity and its relevance to the picture from 1 to 5, and prefers one of two for
    each clip, in an order of their own. The page opens from a file, needs no server, and gives the answers as a file.
    Its sounds have one length and loudness and bear codes. What they stand for is in the key, a file of its own that
    raters must not get. Without --media there is no picture, and relevance is not asked.

    Args:
        system: a system and its folder of sounds as NAME=DIR, named by clip id; several for several systems.
        output: the page to write with everything in it when the name ends in .html, else a folder for page and media.
        reference: folder of the clips' own sounds, which become hidden high anchors.
        media: folder of the clips' videos or pictures.
        clips: clips in the test, drawn from those that every folder has.
        anchors: clips that come with hidden anchors, too, by which careless raters are found.
        seconds: of each sound at most; in any case a clip's sounds are cut to the shortest of them.
        loudness: of all sounds, in LUFS; "null" leaves them as loud as they are.
        title: of the page.
        contact: what raters should do with their answers, as the last page says it.
        seed: of everything that is drawn.
    """
    _check_counts(clips, anchors, seconds)
    from v2a_lightning.listening.building import Settings, build_test
    from v2a_lightning.listening.plan import find_folders

    settings = Settings(title, contact, clips, anchors, seconds, loudness, seed)
    page, key_path, key = build_test(find_folders(system, reference, media), settings, output)
    print(
        f"{page}: {len(key.sounds)} sounds to rate of {len(key.clips)} clips, {len(next(iter(key.blocks), ()))} pairs"
    )
    print(f"{key_path}: what the codes stand for; keep it from the raters")


def _check_counts(clips: int, anchors: int, seconds: float | None) -> None:
    if clips < 2:
        raise UsageError(f"--clips is 2 or more, not {clips}")
    if anchors < 0:
        raise UsageError(f"--anchors is 0 or more, not {anchors}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"--seconds is a number above 0, not {seconds:g}")


def analyse(
    answers: list[str],
    /,
    key: Path,
    output: Path,
    scores: list[str] | None = None,
    margin: float = 1.0,
    resamples: int = 2000,
    seed: int = 0,
) -> None:
    """Say what raters' answers mean: opinions, preferences, agreement, and which metrics rank as people do.

    Raters who cannot tell the hidden anchors apart are left out, and named with the reason. Writes analysis.json, every
    table as Markdown, CSV and LaTeX, and report.html.

    Args:
        answers: the files that raters saved.
        key: the test's key, as `build` wrote it.
        output: folder to write to.
        scores: files that `evaluate` wrote, one for each system under the test's name for it; for the correlations.
        margin: points by which a rater has to rate high anchors above low ones.
        resamples: bootstrap resamples behind the intervals.
        seed: of the resamples.
    """
    if resamples < 100:
        raise UsageError(f"--resamples is 100 or more, not {resamples}")
    from v2a_lightning.listening.reliability import check_library

    check_library()
    from v2a_lightning.listening.analysis import analyse_answers
    from v2a_lightning.listening.answers import read_answers
    from v2a_lightning.listening.key import read_key
    from v2a_lightning.listening.reporting import ANALYSIS_FILE, REPORT_FILE, tables, write_analysis

    written = [output / ANALYSIS_FILE, output / REPORT_FILE]
    refuse_inputs_as_outputs([*answers, key, *(scores or [])], written, "--output")
    test = read_key(key)
    responses = read_answers([Path(path) for path in answers], test)
    analysis = analyse_answers(responses, test, _score_files(scores or []), margin, resamples, seed)
    write_analysis(analysis, output)
    print("\n".join(table.markdown() for table in tables(analysis)))
    print(output / REPORT_FILE)


def _score_files(paths: list[str]) -> "list[ScoreFile]":
    if not paths:
        return []
    from v2a_lightning.evaluation.score_files import read_score_file

    return [read_score_file(Path(path)) for path in paths]


listen = {"build": build, "analyse": analyse}

"""The steps of `evaluate`: pair the files of two folders, extract their features, report the scores."""

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from v2a_lightning.app.messages import PROGRAM, print_table
from v2a_lightning.data_modules.vggsound import read_labels
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.compare import score_table
from v2a_lightning.evaluation.folders import Pairing, first_few, pair_folders
from v2a_lightning.evaluation.frames import FrameSampling
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.files import refuse_inputs_as_outputs
from v2a_lightning.generation import GENERATION_FILE
from v2a_lightning.progress import progress


def pair(
    generated: str, reference: str | None, media: str | None, csv: str | None, outputs: Collection[Path]
) -> Pairing:
    """The files of each clip.

    Raises:
        UsageError: when there are fewer than two clips, or the output is one of the files.
    """
    pairing = pair_folders(Path(generated), *(None if one is None else Path(one) for one in (reference, media)))
    inputs = [path for side in (pairing.generated, pairing.reference, pairing.media) for path in side.values()]
    tables = [Path(generated) / GENERATION_FILE, *([Path(csv)] if csv else [])]
    refuse_inputs_as_outputs([*inputs, *tables], outputs, "--output")
    if len(pairing.generated) < 2:
        only = next(iter(pairing.generated))
        raise UsageError(f"only one clip to score ({only}): distributions and intervals need at least two")
    return pairing


def warnings_for(pairing: Pairing, made: Collection[str] | None, left_out: Mapping[str, str]) -> Iterator[str]:
    """What a reader of the scores has to know of the clips."""
    if others := [] if made is None else sorted(set(pairing.generated) - set(made)):
        found = f"{len(others)} sounds are not in {GENERATION_FILE}; what made them is not known"
        yield f"{found}: {first_few(others)}"
    if left_out:
        yield f"WARNING: {len(left_out)} of {len(pairing.generated)} clips are left out: {first_few(left_out)}"


def default_cache() -> Path:
    """Where features are kept by default: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "v2a_lightning" / "features"


def add_clips(
    suite: EvaluationSuite, pairing: Pairing, labels: Mapping[str, str], frames: FrameSampling
) -> dict[str, str]:
    """Add every clip.

    Returns:
        clip id -> reason of the clips that are left out since one of their files cannot be used.

    Raises:
        RunFailure: when fewer than two are left.
    """
    left_out: dict[str, str] = {}
    clips = (
        ClipFiles(name, made, pairing.reference.get(name), pairing.media.get(name), labels.get(name), frames)
        for name, made in pairing.generated.items()
    )
    with progress("extracting features", len(pairing.generated)) as advance:
        for clip, error in suite.add_files(clips):
            if error is not None:
                left_out[clip.clip_id] = str(error)
                print(f"left out: {error}", file=sys.stderr)
            advance(1)
    if len(pairing.generated) - len(left_out) < 2:
        reason = next(iter(left_out.values()))
        raise RunFailure(f"{len(left_out)} of {len(pairing.generated)} clips cannot be used; the first: {reason}")
    return left_out


def report(file: ScoreFile, output: str, page: Path | None) -> None:
    """Print the scores, what is to be known of them, and where they and their page are."""
    print_table(score_table(file))
    for line in [*file.notes, *(f"no {metric}: {reason}" for metric, reason in file.scores.missing.items())]:
        print(line)
    print(f"scores and cards: {output}")
    if page is not None:
        print(f"page: {page}")
    print(f"next: {PROGRAM} compare BASELINE.json {output}")


def labels_of(path: str | None, clip_ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Clip id -> label of a csv, and a line on how many of the clips have one.

    Raises:
        UsageError: when the file is no such csv.
    """
    if path is None:
        return {}, []
    labels = read_labels(path)
    without = sorted(set(clip_ids) - labels.keys())
    count = f"{len(clip_ids) - len(without)} of {len(clip_ids)} clips have a label in {path}"
    lacking = f"; without one, and without a CLAP-score to a text: {first_few(without)}" if without else ""
    return labels, [count + lacking]

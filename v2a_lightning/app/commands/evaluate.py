"""`evaluate`: score any system's folder of sounds."""

import math
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import refuse_inputs_as_outputs
from v2a_lightning.generation import GENERATION_FILE, read_generation

if TYPE_CHECKING:
    from v2a_lightning.evaluation.folders import Pairing
    from v2a_lightning.evaluation.frames import FrameSampling
    from v2a_lightning.evaluation.score_files import ScoreFile
    from v2a_lightning.evaluation.suite import EvaluationSuite


def evaluate(
    generated: str,
    reference: str | None = None,
    media: str | None = None,
    output: str = "scores.json",
    name: str | None = None,
    metrics: list[str] | None = None,
    tagger: str = "miniature",
    vggish: str = "miniature",
    wav2clip: str = "miniature",
    clip: str | None = None,
    clap: str | None = None,
    csv: str | None = None,
    seconds: float | None = None,
    frames_per_second: float = 4.0,
    resamples: int = 500,
    seed: int = 0,
    cache: str | None = None,
    device: str = "auto",
) -> int:
    """Score a folder of sounds, whatever made them.

    Files are paired by clip id, which is a file's name without its suffix; whatever has no counterpart is named and
    left out. Any sample rate and any format FFmpeg reads will do, videos included. Prints a table with 95 % bootstrap
    intervals and writes scores.json, in which every number has its card. Without --reference only the inception score
    and what compares with pictures and text can be computed. Clips with a file that cannot be used are left out, with
    their reasons in scores.json, and the command ends with an error once the others are scored; started again it
    extracts only the features it has not kept.

    The miniature's extractors are the default; name the published files for numbers that mean something elsewhere.

    Args:
        generated: folder of generated sounds.
        reference: folder of the clips' own sounds.
        media: folder of the clips' videos or pictures, for the CLIP-score.
        output: file for the scores.
        name: of the system, as tables show it; the generated folder's name by default.
        metrics: names (fd, fad, kl, ...), class paths of your own, and "default", which stands for all that need no
            package of their own. fd_passt, kl_passt, is_passt, imagebind and desync need one.
        tagger: Cnn14 behind FD, KAD, KL and IS: "miniature", a folder, or PANNs' published file.
        vggish: VGGish behind FAD: "miniature", a folder, or the published file.
        wav2clip: Wav2CLIP behind the CLIP-score: "miniature", a folder, or the published file.
        clip: CLIP behind the CLIP-score; by default the one Wav2CLIP was trained against, OpenAI's ViT-B/32 or the
            miniature's.
        clap: CLAP behind the CLAP-score; none by default.
        csv: VGGSound's csv, or one whose header names an id and a label or caption: the texts of the CLAP-score.
        seconds: how much of each sound and video is used, from its start; all by default.
        frames_per_second: how densely videos are sampled.
        resamples: bootstrap resamples behind the intervals; 0 for none.
        seed: of the resamples.
        cache: folder for features, which are kept by content; ~/.cache/v2a_lightning/features by default.
        device: where to compute; "auto" takes a GPU when there is one.
    """
    if resamples < 0:
        raise UsageError(f"--resamples is 0 or more, not {resamples}")
    if not 0 < frames_per_second < math.inf:
        raise UsageError(f"--frames_per_second is a number above 0, not {frames_per_second:g}")
    if seconds is not None and not 1 <= seconds < math.inf:
        raise UsageError(f"--seconds is 1 or more, not {seconds:g}")
    if clap is None and csv is not None:
        raise UsageError("--csv gives the texts of the CLAP-score, which needs --clap too")
    from v2a_lightning.evaluation.folders import first_few, pair_folders
    from v2a_lightning.evaluation.frames import FrameSampling
    from v2a_lightning.evaluation.score_files import ScoreFile
    from v2a_lightning.evaluation.suite import EvaluationSuite

    pairing = pair_folders(Path(generated), *(None if one is None else Path(one) for one in (reference, media)))
    inputs = [path for side in (pairing.generated, pairing.reference, pairing.media) for path in side.values()]
    made_by = Path(generated) / GENERATION_FILE
    refuse_inputs_as_outputs([*inputs, made_by, *map(Path, filter(None, [csv]))], [Path(output)], "--output")
    labels, labelled = _labels(csv, pairing.generated)
    if len(pairing.generated) < 2:
        only = next(iter(pairing.generated))
        raise UsageError(f"only one clip to score ({only}): distributions and intervals need at least two")
    generation, made = read_generation(Path(generated))
    models: dict[str, Any] = {"tagger": tagger, "vggish": vggish, "wav2clip": wav2clip, "clip": clip, "clap": clap}
    suite = EvaluationSuite(
        metrics or ["default"],
        **models,
        device=choose_device(device),
        seconds=seconds,
        cache=Path(cache) if cache is not None else default_cache(),
    )
    suite.load(frames=media is not None)
    left_out = _add_clips(suite, pairing, labels, FrameSampling(frames_per_second, seconds))
    notes = [*pairing.lines(), *labelled]
    if others := [] if made is None else sorted(set(pairing.generated) - made):
        found = f"{len(others)} sounds are not in {GENERATION_FILE}; what made them is not known"
        notes.append(f"{found}: {first_few(others)}")
    share = f"{len(left_out)} of {len(pairing.generated)} clips"
    notes += [f"WARNING: {share} are left out: {first_few(left_out)}"] if left_out else []
    sources = {"generated": generated, "reference": reference, "media": media, "clip": media and suite.clip.checkpoint}
    file = ScoreFile(
        name=name or Path(generated).resolve().name,
        scores=suite.scores(resamples, seed),
        cards=suite.cards(generation),
        resamples=resamples,
        seed=seed,
        notes=notes + suite.faults(),
        sources={role: folder for role, folder in sources.items() if folder is not None},
        left_out=left_out,
    )
    _report(file, Path(output))
    if left_out:
        raise RunFailure(f"{share} were left out; {output} says why: {next(iter(left_out.values()))}")
    return 0


def default_cache() -> Path:
    """Where features are kept by default: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "v2a_lightning" / "features"


def _add_clips(
    suite: "EvaluationSuite", pairing: "Pairing", labels: dict[str, str], frames: "FrameSampling"
) -> dict[str, str]:
    """Add every clip.

    Returns:
        clip id -> reason of the clips that are left out since one of their files cannot be used.

    Raises:
        RunFailure: when fewer than two are left.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    left_out: dict[str, str] = {}
    hidden = not console.is_terminal
    for clip_id in track(list(pairing.generated), "extracting features", console=console, disable=hidden):
        made, own, video = (side.get(clip_id) for side in (pairing.generated, pairing.reference, pairing.media))
        assert made is not None
        try:
            suite.add_files(clip_id, made, own, video, labels.get(clip_id), frames)
        except (RunFailure, UsageError) as error:
            left_out[clip_id] = str(error)
            print(f"left out: {error}", file=sys.stderr)
    if len(pairing.generated) - len(left_out) < 2:
        reason = next(iter(left_out.values()))
        raise RunFailure(f"{len(left_out)} of {len(pairing.generated)} clips cannot be used; the first: {reason}")
    return left_out


def _report(file: "ScoreFile", output: Path) -> None:
    """Write the scores and print them."""
    from rich.console import Console

    from v2a_lightning.evaluation.compare import score_table

    file.write(output)
    # A pipe has no width; a table folded at 80 columns is hard to read and to parse.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(score_table(file))
    for line in [*file.notes, *(f"no {metric}: {reason}" for metric, reason in file.scores.missing.items())]:
        print(line)
    print(f"scores and cards: {output}")


def _labels(path: str | None, clip_ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Clip id -> label of a csv, and a line on how many of the clips have one.

    Raises:
        UsageError: when the file is no such csv.
    """
    if path is None:
        return {}, []
    from v2a_lightning.data_modules.vggsound import read_labels
    from v2a_lightning.evaluation.folders import first_few

    labels = read_labels(path)
    without = sorted(set(clip_ids) - labels.keys())
    count = f"{len(clip_ids) - len(without)} of {len(clip_ids)} clips have a label in {path}"
    lacking = f"; without one, and without a CLAP-score to a text: {first_few(without)}" if without else ""
    return labels, [count + lacking]

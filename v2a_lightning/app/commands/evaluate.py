"""`evaluate`: score any system's folder of sounds."""

import math
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import refuse_inputs_as_outputs
from v2a_lightning.generation import GENERATION_FILE, read_generation

if TYPE_CHECKING:
    from v2a_lightning.evaluation.folders import Pairing
    from v2a_lightning.evaluation.score_files import ScoreFile
    from v2a_lightning.evaluation.seeing import FrameReader
    from v2a_lightning.evaluation.suite import EvaluationSuite


def evaluate(
    generated: str,
    reference: str | None = None,
    media: str | None = None,
    output: str = "scores.json",
    name: str | None = None,
    tagger: str = "miniature",
    vggish: str = "miniature",
    wav2clip: str = "miniature",
    clip: str = "miniature",
    clap: str | None = None,
    csv: str | None = None,
    extras: list[str] | None = None,
    seconds: float | None = None,
    frames_per_second: float = 4.0,
    resamples: int = 500,
    seed: int = 0,
    cache: str | None = None,
    device: str = "auto",
) -> int:
    """Score a folder of sounds, whatever made them.

    Files are paired by clip id, which is a file's name without its suffix; whatever has no counterpart is named and
    left out. Any sample rate and any format FFmpeg reads will do, films included. Prints a table with 95 % bootstrap
    intervals and writes scores.json, in which every number has its card. Without --reference only the inception score
    and what compares with pictures and text can be computed. Clips with a file that cannot be used are left out, with
    their reasons in scores.json, and the command ends with an error once the others are scored; started again it hears
    only what it has not heard, since features are kept.

    The miniature's extractors are the default; name the published files for numbers that mean something elsewhere.

    Args:
        generated: folder of generated sounds.
        reference: folder of the clips' own sounds.
        media: folder of the clips' films or pictures, for the CLIP-score.
        output: file for the scores.
        name: of the system, as tables show it; the generated folder's name by default.
        tagger: Cnn14 behind FD, KAD, KL and IS: "miniature", a folder, or PANNs' published file.
        vggish: VGGish behind FAD: "miniature", a folder, or the published file.
        wav2clip: Wav2CLIP behind the CLIP-score: "miniature", a folder, or the published file.
        clip: CLIP that sees the frames; Wav2CLIP was trained with OpenAI's ViT-B/32.
        clap: CLAP behind the CLAP-score; none by default.
        csv: VGGSound's csv, whose labels are the texts of the CLAP-score.
        extras: further scores through packages of their own: imagebind, desync, passt.
        seconds: how much of each sound and film is used, from its start; all by default.
        frames_per_second: how densely films are looked at.
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
    from v2a_lightning.evaluation.extras import check_extras
    from v2a_lightning.evaluation.folders import pair_folders

    check_extras(extras or [], has_reference=reference is not None, has_media=media is not None)
    pairing = pair_folders(Path(generated), _folder(reference), _folder(media))
    inputs = [path for side in (pairing.generated, pairing.reference, pairing.media) for path in side.values()]
    made_by = Path(generated) / GENERATION_FILE
    refuse_inputs_as_outputs([*inputs, made_by, *map(Path, filter(None, [csv]))], [Path(output)], "--output")
    labels, told = _labels(csv, pairing.generated)
    if len(pairing.generated) < 2:
        only = next(iter(pairing.generated))
        raise UsageError(f"only one clip to score ({only}): distributions and intervals need at least two")
    from v2a_lightning.evaluation.seeing import FrameReader
    from v2a_lightning.evaluation.suite import EvaluationSuite

    device = choose_device(device)
    generation, made = read_generation(Path(generated))
    features = Path(cache) if cache is not None else default_cache()
    reader = FrameReader(clip, frames_per_second, seconds, device, features) if media is not None else None
    suite = EvaluationSuite(
        tagger=tagger,
        vggish=vggish,
        wav2clip=wav2clip,
        clap=clap,
        device=device,
        seconds=seconds,
        cache=features,
        generation=generation,
        frames=reader.describe(pairing.media.values()) if reader is not None else "",
        extras=extras or [],
    )
    suite.load()
    left_out = _hear(pairing, suite, reader, labels)
    sources = {"generated": generated, "reference": reference, "media": media, "clip": clip if media else None}
    notes = [*pairing.lines(), *told, *_unknown_makers(pairing.generated, made)]
    file = _scored(suite, notes, name or Path(generated).resolve().name, sources, resamples, seed, left_out)
    _report(file, Path(output))
    if left_out:
        line = f"{len(left_out)} of {len(pairing.generated)} clips were left out; {output} says why"
        raise RunFailure(f"{line}: {next(iter(left_out.values()))}")
    return 0


def default_cache() -> Path:
    """Where features are kept unless told otherwise: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "v2a_lightning" / "features"


def _hear(
    pairing: "Pairing", suite: "EvaluationSuite", reader: "FrameReader | None", labels: dict[str, str]
) -> dict[str, str]:
    """Hear every clip.

    Returns:
        clip id -> reason of the clips that are left out since one of their files cannot be used.

    Raises:
        RunFailure: when fewer than two are left.
    """
    from v2a_lightning.evaluation.reading import hear_files

    left_out: dict[str, str] = {}
    for clip_id in _progress(pairing.generated):
        made, own, picture = (side.get(clip_id) for side in (pairing.generated, pairing.reference, pairing.media))
        assert made is not None
        try:
            frames = reader.read(picture) if reader is not None and picture is not None else None
            hear_files(suite, clip_id, made, own, frames, labels.get(clip_id), picture)
        except (RunFailure, UsageError) as error:
            left_out[clip_id] = str(error)
            print(f"left out: {error}", file=sys.stderr)
    if len(pairing.generated) - len(left_out) < 2:
        reason = next(iter(left_out.values()))
        raise RunFailure(f"{len(left_out)} of {len(pairing.generated)} clips cannot be used; the first: {reason}")
    return left_out


def _scored(
    suite: "EvaluationSuite",
    notes: list[str],
    name: str,
    sources: dict[str, str | None],
    resamples: int,
    seed: int,
    left_out: dict[str, str],
) -> "ScoreFile":
    from v2a_lightning.evaluation.score_files import ScoreFile

    scored = len(suite.records())
    counted = [f"WARNING: {len(left_out)} of {scored + len(left_out)} clips are left out: {_some(left_out)}"]
    return ScoreFile(
        name=name,
        scores=suite.scores(resamples, seed),
        cards=suite.cards(),
        resamples=resamples,
        seed=seed,
        notes=notes + (counted if left_out else []) + suite.faults(),
        sources={role: folder for role, folder in sources.items() if folder is not None},
        left_out=left_out,
    )


def _report(file: "ScoreFile", output: Path) -> None:
    """Write the scores and print them."""
    from rich.console import Console

    from v2a_lightning.evaluation.tables import score_table

    file.write(output)
    # A pipe has no width; a table folded at 80 columns is hard to read and to parse.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(score_table(file))
    for note in file.notes:
        print(note)
    for metric, reason in file.scores.missing.items():
        print(f"no {metric}: {reason}")
    print(f"scores and cards: {output}")


def _unknown_makers(clip_ids: Iterable[str], made: set[str] | None) -> list[str]:
    """A line on sounds that are not among those of the folder's generation.json."""
    others = [] if made is None else sorted(set(clip_ids) - made)
    if not others:
        return []
    return [f"{len(others)} sounds are not in {GENERATION_FILE}; what made them is not known: {_some(others)}"]


def _labels(path: str | None, clip_ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Clip id -> label of a VGGSound csv, and a line on how many of the clips have one.

    Raises:
        UsageError: when the file is no such csv.
    """
    if path is None:
        return {}, []
    from v2a_lightning.data_modules.clips import read_vggsound_csv

    labels = {clip.clip_id: clip.label for clip in read_vggsound_csv(path)}
    without = sorted(set(clip_ids) - labels.keys())
    count = f"{len(clip_ids) - len(without)} of {len(clip_ids)} clips have a label in {path}"
    return labels, [f"{count}; without one, and without a CLAP-score to a text: {_some(without)}" if without else count]


def _some(names: Iterable[str]) -> str:
    first = list(names)
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")


def _progress(clips: dict[str, Path]) -> Iterator[str]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(list(clips), "hearing", console=console, disable=not console.is_terminal)


def _folder(path: str | None) -> Path | None:
    return None if path is None else Path(path)

"""`evaluate`: score any system's folder of sounds."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generation import GENERATION_FILE, read_generation

if TYPE_CHECKING:
    from v2a_lightning.metrics.folders import Pairing
    from v2a_lightning.metrics.seeing import FrameReader
    from v2a_lightning.metrics.suite import EvaluationSuite


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
    and what compares with pictures and text can be computed.

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
    if frames_per_second <= 0:
        raise UsageError(f"--frames_per_second is above 0, not {frames_per_second:g}")
    if seconds is not None and seconds < 1:
        raise UsageError(f"--seconds is 1 or more, not {seconds:g}")
    if clap is None and csv is not None:
        raise UsageError("--csv gives the texts of the CLAP-score, which needs --clap too")
    from v2a_lightning.metrics.extras import check_extras
    from v2a_lightning.metrics.folders import pair_folders

    check_extras(extras or [], has_reference=reference is not None, has_media=media is not None)
    pairing = pair_folders(Path(generated), _folder(reference), _folder(media))
    if len(pairing.generated) < 2:
        only = next(iter(pairing.generated))
        raise UsageError(f"only one clip to score ({only}): distributions and intervals need at least two")
    from v2a_lightning.metrics.seeing import FrameReader
    from v2a_lightning.metrics.suite import EvaluationSuite

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
    _hear(pairing, suite, reader, _labels(csv))
    sources = {"generated": generated, "reference": reference, "media": media, "clip": clip if media else None}
    notes = [*pairing.lines(), *_unknown_makers(pairing.generated, made)]
    _report(suite, notes, Path(output), name or Path(generated).resolve().name, sources, resamples, seed)
    return 0


def default_cache() -> Path:
    """Where features are kept unless told otherwise: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "v2a_lightning" / "features"


def _hear(pairing: "Pairing", suite: "EvaluationSuite", reader: "FrameReader | None", labels: dict[str, str]) -> None:
    """Hear every clip. All unreadable files are found before the command fails, so that one run names them all."""
    from v2a_lightning.media import MediaError
    from v2a_lightning.metrics.reading import hear_files

    unreadable: list[str] = []
    for clip_id in _progress(pairing.generated):
        made, own, picture = (side.get(clip_id) for side in (pairing.generated, pairing.reference, pairing.media))
        assert made is not None
        try:
            frames = reader.read(picture) if reader is not None and picture is not None else None
            hear_files(suite, clip_id, made, own, frames, labels.get(clip_id), picture)
        except MediaError as error:
            unreadable.append(str(error))
    if unreadable:
        more = f"; and {len(unreadable) - 1} more: {'; '.join(unreadable[1:4])}" if unreadable[1:] else ""
        raise RunFailure(f"cannot read {unreadable[0]}{more}")


def _report(
    suite: "EvaluationSuite",
    notes: list[str],
    output: Path,
    name: str,
    sources: dict[str, str | None],
    resamples: int,
    seed: int,
) -> None:
    from rich.console import Console

    from v2a_lightning.metrics.score_files import ScoreFile
    from v2a_lightning.metrics.tables import score_table

    scores = suite.scores(resamples, seed)
    file = ScoreFile(
        name=name,
        scores=scores,
        cards=suite.cards(),
        resamples=resamples,
        seed=seed,
        notes=notes + suite.faults(),
        sources={role: folder for role, folder in sources.items() if folder is not None},
    )
    file.write(output)
    # A pipe has no width; a table folded at 80 columns is hard to read and to parse.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(score_table(file))
    for note in file.notes:
        print(note)
    for metric, reason in scores.missing.items():
        print(f"no {metric}: {reason}")
    print(f"scores and cards: {output}")


def _unknown_makers(clip_ids: Iterable[str], made: set[str] | None) -> list[str]:
    """A line on sounds that are not among those of the folder's generation.json."""
    others = [] if made is None else sorted(set(clip_ids) - made)
    if not others:
        return []
    named = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
    return [f"{len(others)} sounds are not in {GENERATION_FILE}; what made them is not known: {named}"]


def _labels(path: str | None) -> dict[str, str]:
    """Clip id -> label of a VGGSound csv: YouTube id, start second, label, split, without a header."""
    if path is None:
        return {}
    import csv

    if not Path(path).is_file():
        raise UsageError(f"--csv {path}: there is no such file")
    labels = {}
    with open(path, newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if len(row) != 4 or not row[1].strip().isdigit():
                raise UsageError(f"{path}, line {number}: not YouTube id, start second, label, split")
            labels[f"{row[0]}_{int(row[1]):06d}"] = row[2]
    return labels


def _progress(clips: dict[str, Path]) -> Iterator[str]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(list(clips), "hearing", console=console, disable=not console.is_terminal)


def _folder(path: str | None) -> Path | None:
    return None if path is None else Path(path)

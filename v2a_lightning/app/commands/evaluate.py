"""`evaluate`: score any system's folder of sounds."""

import math
from pathlib import Path
from typing import Any

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generation import read_generation


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
    report: bool = True,
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
        csv: VGGSound's csv, or one whose header names an id and a label or caption: the texts of the CLAP-score, and
            the classes of the page.
        seconds: how much of each sound and video is used, from its start; all by default.
        frames_per_second: how densely videos are sampled.
        resamples: bootstrap resamples behind the intervals; 0 for none.
        seed: of the resamples.
        cache: folder for features, which are kept by content; ~/.cache/v2a_lightning/features by default.
        device: where to compute; "auto" takes a GPU when there is one.
        report: write a page with the scores, and players of the best and the worst clips, beside the output.
    """
    _check_numbers(resamples, frames_per_second, seconds)
    from v2a_lightning.app import folder_scores
    from v2a_lightning.evaluation.frames import FrameSampling
    from v2a_lightning.evaluation.score_files import ScoreFile
    from v2a_lightning.evaluation.suite import EvaluationSuite
    from v2a_lightning.reports.score_pages import page_beside, write_scores_page

    page = page_beside(Path(output)) if report else None
    pairing = folder_scores.pair(generated, reference, media, csv, [Path(output), *([page] if page else [])])
    labels, notes = folder_scores.labels_of(csv, pairing.generated)
    generation, made = read_generation(Path(generated))
    models: dict[str, Any] = {"tagger": tagger, "vggish": vggish, "wav2clip": wav2clip, "clip": clip, "clap": clap}
    kept = folder_scores.default_cache() if cache is None else Path(cache)
    suite = EvaluationSuite(
        metrics or ["default"], **models, device=choose_device(device), seconds=seconds, cache=kept
    )
    suite.load(frames=media is not None)
    left_out = folder_scores.add_clips(suite, pairing, labels, FrameSampling(frames_per_second, seconds))
    sources = {"generated": generated, "reference": reference, "media": media, "clip": media and suite.clip.checkpoint}
    file = ScoreFile(
        name=name or Path(generated).resolve().name,
        scores=suite.scores(resamples, seed),
        cards=suite.cards(generation),
        resamples=resamples,
        seed=seed,
        notes=[*pairing.lines(), *notes, *folder_scores.warnings_for(pairing, made, left_out), *suite.faults()],
        sources={role: folder for role, folder in sources.items() if folder is not None},
        left_out=left_out,
        floors=suite.floors(),
        labels={clip_id: labels[clip_id] for clip_id in pairing.generated if clip_id in labels},
    )
    file.write(Path(output))
    if page is not None:
        write_scores_page(page, file)
    folder_scores.report(file, output, page)
    if left_out:
        share = f"{len(left_out)} of {len(pairing.generated)} clips"
        raise RunFailure(f"{share} were left out; {output} says why: {next(iter(left_out.values()))}")
    return 0


def _check_numbers(resamples: int, frames_per_second: float, seconds: float | None) -> None:
    if resamples < 0:
        raise UsageError(f"--resamples is 0 or more, not {resamples}")
    if not 0 < frames_per_second < math.inf:
        raise UsageError(f"--frames_per_second is a number above 0, not {frames_per_second:g}")
    if seconds is not None and not 1 <= seconds < math.inf:
        raise UsageError(f"--seconds is 1 or more, not {seconds:g}")

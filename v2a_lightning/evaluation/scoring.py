"""All scores of a set of clips, with bootstrap resamples: plain functions from records to numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.divergence import (
    inception_score,
    sigmoid_divergence,
    softmax_divergence,
    split_inception_score,
)
from v2a_lightning.evaluation.extrapolation import MINIMUM_CLIPS, frechet_at_infinity
from v2a_lightning.evaluation.frechet import frechet_distance
from v2a_lightning.evaluation.kernel import paired_kernel_distance
from v2a_lightning.evaluation.neighbours import NEIGHBOURS, neighbourhoods
from v2a_lightning.evaluation.records import ClipRecord, stacked
from v2a_lightning.evaluation.similarity import PERCENT, cosines

SPLITS = 10
# Scores of a clip against its film or text, and what a clip must have come with; nothing is said of unasked extras.
SIMILARITIES = {
    "cs": "frames",
    "cs_mean_frame": "frames",
    "clap_text": "a text for a CLAP",
    "imagebind": "",
    "desync": "",
}
Counts = Callable[[int], Tensor]


@dataclass(frozen=True)
class Score:
    """One number.

    Args:
        value: over all its clips.
        clip_ids: the clips in it.
        replicates: (B,) its values over B resamples of the clips; empty where none were taken.
        per_clip: (clips,) values whose mean it is, where it is a mean.
    """

    value: float
    clip_ids: list[str]
    replicates: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    per_clip: Tensor | None = None

    def interval(self, floor: float | None = None, coverage: float = 0.95) -> tuple[float, float] | None:
        """Bootstrap interval around the value, None without resamples.

        The resamples' quantiles are moved by the difference between the value and their mean, since drawing clips with
        replacement moves some scores (KAD, IS) throughout, and only their spread is wanted.
        """
        if not len(self.replicates):
            return None
        tail = (1 - coverage) / 2
        quantiles = torch.quantile(self.replicates, torch.tensor([tail, 1 - tail], dtype=torch.float64))
        low, high = (quantiles - self.replicates.mean() + self.value).tolist()
        return (low, high) if floor is None else (max(floor, low), high)


@dataclass(frozen=True)
class Scores:
    """Numbers by their names in the catalogue, and for other names why there is none."""

    found: dict[str, Score] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def score_records(records: Sequence[ClipRecord], resamples: int = 0, seed: int = 0) -> Scores:
    """Every metric of the catalogue that the records allow, in the catalogue's order.

    Args:
        records: one per clip, in the order of their ids.
        resamples: bootstrap resamples B of the clips.
        seed: of the resamples.
    """
    counts = partial(resample_counts, resamples=resamples, seed=seed)
    sounding = [record for record in records if record.generated]
    paired = [record for record in sounding if record.reference]
    parts = [
        _inception_scores(sounding, counts),
        _pair_scores(paired, counts),
        _distribution_scores(paired, counts),
        _neighbour_scores(paired, counts),
        _similarity_scores(sounding, counts),
        _passt_scores(paired, counts),
    ]
    found = {name: score for part in parts for name, score in part.found.items()}
    missing = {name: reason for part in parts for name, reason in part.missing.items()}
    return Scores(
        {name: found[name] for name in CATALOGUE if name in found},
        {name: missing[name] for name in CATALOGUE if name in missing},
    )


def resample_counts(clips: int, resamples: int, seed: int) -> Tensor:
    """How often each clip is drawn in each resample: (resamples, clips) doubles.

    The same for the same three numbers, so that two systems scored on the same clips share their resamples.
    """
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(clips, (resamples, clips), generator=random)
    ones = torch.ones(resamples, clips, dtype=torch.float64)
    return torch.zeros(resamples, clips, dtype=torch.float64).scatter_add_(1, drawn, ones)


def _inception_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    if len(records) < 2:
        return _none_of(("is", "is_splits"), _too_few("sounds", 2, len(records)))
    logits, clip_ids = stacked(records, "generated", "logits"), _ids(records)
    whole = Score(float(inception_score(logits)), clip_ids, inception_score(logits, counts(len(records))))
    if len(records) < SPLITS:
        return Scores({"is": whole}, {"is_splits": _too_few("sounds", SPLITS, len(records))})
    return Scores({"is": whole, "is_splits": Score(split_inception_score(logits, SPLITS)[0], clip_ids)})


def _pair_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    if not records:
        return _none_of(("kl", "kl_sigmoid", "clap_audio"), _too_few("pairs", 1, 0))
    logits = stacked(records, "generated", "logits"), stacked(records, "reference", "logits")
    found = {
        "kl": _mean(softmax_divergence(*logits), records, counts),
        "kl_sigmoid": _mean(sigmoid_divergence(*logits), records, counts),
    }
    if not all("clap" in record.generated for record in records):
        return Scores(found, {"clap_audio": "no CLAP was named"})
    embeddings = stacked(records, "generated", "clap"), stacked(records, "reference", "clap")
    return Scores(found | {"clap_audio": _mean(PERCENT * cosines(*embeddings), records, counts)})


def _distribution_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    if len(records) < 2:
        return _none_of(("fd", "fad", "kad", "fad_infinity"), _too_few("pairs", 2, len(records)))
    made, own = stacked(records, "generated", "embedding"), stacked(records, "reference", "embedding")
    made_examples = [record.generated["examples"] for record in records]
    own_examples = [record.reference["examples"] for record in records]
    kernel = _kernel_scores(made, own, records, counts(len(records)))
    # No interval: drawn with replacement, clips move a Frechet distance by more than draws of clips differ.
    found = {
        "fd": Score(frechet_distance(made, own), _ids(records)),
        "fad": Score(frechet_distance(torch.cat(made_examples), torch.cat(own_examples)), _ids(records)),
        **kernel.found,
    }
    if len(records) < MINIMUM_CLIPS:
        return Scores(found, {**kernel.missing, "fad_infinity": _too_few("pairs", MINIMUM_CLIPS, len(records))})
    extended = Score(frechet_at_infinity(made_examples, own_examples), _ids(records))
    return Scores(found | {"fad_infinity": extended}, kernel.missing)


def _kernel_scores(made: Tensor, own: Tensor, records: list[ClipRecord], drawn: Tensor) -> Scores:
    try:
        value = float(paired_kernel_distance(made, own))
    except ValueError as error:
        # Several cuts of one film may have one and the same sound.
        return Scores({}, {"kad": str(error)})
    # Without resamples the sum over none of them keeps the shape.
    replicates = paired_kernel_distance(made, own, drawn) if len(drawn) else drawn.sum(1)
    return Scores({"kad": Score(value, _ids(records), replicates)})


def _neighbour_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    names = ("precision", "recall", "density", "coverage")
    if len(records) <= NEIGHBOURS:
        return _none_of(names, _too_few("pairs", NEIGHBOURS + 1, len(records)))
    values = neighbourhoods(stacked(records, "generated", "embedding"), stacked(records, "reference", "embedding"))
    return Scores({name: _mean(getattr(values, name), records, counts) for name in names})


def _passt_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    if len(records) < 2 or not all("passt_logits" in record.generated for record in records):
        return Scores()
    made, own = stacked(records, "generated", "passt_embedding"), stacked(records, "reference", "passt_embedding")
    logits, drawn = stacked(records, "generated", "passt_logits"), counts(len(records))
    divergence = softmax_divergence(logits, stacked(records, "reference", "passt_logits"))
    return Scores(
        {
            "fd_passt": Score(frechet_distance(made, own), _ids(records)),
            "kl_passt": _mean(divergence, records, counts),
            "is_passt": Score(float(inception_score(logits)), _ids(records), inception_score(logits, drawn)),
        }
    )


def _similarity_scores(records: list[ClipRecord], counts: Counts) -> Scores:
    found: dict[str, Score] = {}
    missing: dict[str, str] = {}
    for name, needed in SIMILARITIES.items():
        scored = [record for record in records if name in record.similarities]
        if scored:
            values = torch.tensor([record.similarities[name] for record in scored], dtype=torch.float64)
            found[name] = _mean(values, scored, counts)
        elif needed:
            missing[name] = f"no clip came with {needed}"
    return Scores(found, missing)


def _mean(per_clip: Tensor, records: list[ClipRecord], counts: Counts) -> Score:
    replicates = counts(len(per_clip)) @ per_clip / len(per_clip)
    return Score(float(per_clip.mean()), _ids(records), replicates, per_clip)


def _ids(records: list[ClipRecord]) -> list[str]:
    return [record.clip_id for record in records]


def _none_of(names: Sequence[str], reason: str) -> Scores:
    return Scores(missing=dict.fromkeys(names, reason))


def _too_few(what: str, needed: int, there: int) -> str:
    return f"needs at least {needed} {what}; there {'is' if there == 1 else 'are'} {there}"

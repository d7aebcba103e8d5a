"""The evaluation of generated sounds: one class behind the training callback and the `evaluate` command."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from v2a_lightning.devices import choose_device
from v2a_lightning.evaluation.cards import MetricCard, clips_sha256
from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.extras import check_extras, load_ears, load_onlookers
from v2a_lightning.evaluation.hearing import (
    ClapEar,
    Described,
    Ear,
    ExtractorEar,
    FeatureCache,
    Features,
    content_sha256,
)
from v2a_lightning.evaluation.records import ClipRecord, fault_lines, fault_share, gather_records
from v2a_lightning.evaluation.scoring import SIMILARITIES, Scores, score_records
from v2a_lightning.evaluation.similarity import PERCENT, clip_score, clip_score_of_mean_frame, cosines
from v2a_lightning.evaluation.sounds import CHANNELS, RESAMPLER, SHORTEST_SECONDS, Crop, Wave, find_faults


class EvaluationSuite:
    """Hears generated sounds and the clips' own, and scores the one by the other.

    Construction is cheap: networks are loaded when the first sound comes. It is no module and holds no part of a
    training, so it ends up in no checkpoint. The same clips give the same numbers in any order, in any batches and over
    any number of processes.

    Args:
        tagger: Cnn14 behind FD, KAD, KL and IS: "miniature", a folder, or the published file (16 or 32 kHz).
        vggish: VGGish behind FAD.
        wav2clip: Wav2CLIP behind the CLIP-score.
        clap: CLAP behind the CLAP-score; None leaves it out.
        device: where the networks run; "auto" takes a GPU when there is one, each process of a run its own.
        seconds: how much of a sound is heard, from its start; None for all of it.
        cache: folder that keeps features by content for the next run; None keeps nothing.
        generation: how the sounds were made (seed, sampler, steps, guidance, checkpoint), for the cards.
        frames: which frames of the clips are looked at, for the cards.
        extras: scores through packages of their own: "passt", "imagebind", "desync".

    Raises:
        UsageError: when an extra is unknown or its package is not installed.
    """

    def __init__(
        self,
        tagger: str = "miniature",
        vggish: str = "miniature",
        wav2clip: str = "miniature",
        clap: str | None = None,
        device: str = "cpu",
        seconds: float | None = None,
        cache: Path | None = None,
        generation: dict[str, Any] | None = None,
        frames: str = "",
        extras: Sequence[str] = (),
    ) -> None:
        device = choose_device(device)
        # Training names no folders; its clips have sounds and pictures as far as the data has them.
        check_extras(extras, has_reference=True, has_media=True)
        self.crop = Crop(seconds)
        self.ears: dict[str, Ear] = {
            "tagger": ExtractorEar("cnn14", tagger, device, self.crop),
            "vggish": ExtractorEar("vggish", vggish, device, self.crop),
            "wav2clip": ExtractorEar("wav2clip", wav2clip, device, self.crop),
        }
        if clap is not None:
            self.ears["clap"] = ClapEar(clap, device)
        self.ears.update(load_ears(extras, device, self.crop))
        self.onlookers = load_onlookers(extras, device)
        self.device = device
        self.cache = FeatureCache(cache)
        self.generation, self.frames = dict(generation or {}), frames
        self._records: dict[str, ClipRecord] = {}
        self._references: dict[str, Features] = {}
        self._gathered: list[ClipRecord] | None = None
        self._scores: Scores | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the `evaluate` command is to be given to hear with the same ears."""
        found: dict[str, Any] = {"device": self.device}
        for name, ear in self.ears.items():
            if isinstance(ear, (ExtractorEar, ClapEar)):
                found[name] = ear.checkpoint
        return found if self.crop.seconds is None else {**found, "seconds": self.crop.seconds}

    def load(self) -> None:
        """Load every network, so that what is wrong with one is found before the first sound.

        Raises:
            UsageError: naming the checkpoint that cannot be used.
        """
        listeners: list[Described] = [*self.ears.values(), *self.onlookers.values()]
        for listener in listeners:
            _ = listener.fingerprint

    def limit(self, seconds: float) -> None:
        """Hear the first so many seconds of every sound from now on, unless it was said already how many."""
        if self.crop.seconds is None:
            self.crop = Crop(max(seconds, SHORTEST_SECONDS))
            for ear in self.ears.values():
                if hasattr(ear, "part"):
                    ear.part = self.crop

    def update(
        self,
        clip_ids: Sequence[str],
        generated: Sequence[Tensor | Wave],
        sample_rate: int,
        references: Sequence[Tensor | Wave | None] | None = None,
        frame_embeddings: Sequence[Tensor | None] | None = None,
        texts: Sequence[str | None] | None = None,
        reference_rate: int | None = None,
        media: Sequence[Path | None] | None = None,
    ) -> None:
        """Hear some clips. A clip that comes again replaces what was heard of it before.

        Args:
            clip_ids: B ids.
            generated: B mono waves (N,) in [-1, 1]; lengths may differ.
            sample_rate: of the generated waves.
            references: the clips' own waves; None where a clip has none. Each is heard once, however often it comes.
            frame_embeddings: CLIP embeddings (T, D) of the clips' real frames, padding left out.
            texts: what the clips are labelled.
            reference_rate: of the references, if it is not `sample_rate`.
            media: the clips' films or pictures; only the extras that look at them need their files.

        Raises:
            ValueError: when the sequences' lengths differ or a wave is not (N,).
        """
        count = len(clip_ids)
        sides = (generated, references, frame_embeddings, texts, media)
        columns = [[None] * count if side is None else list(side) for side in sides]
        if any(len(column) != count for column in columns):
            raise ValueError(f"{count} clip ids come with {[len(column) for column in columns]} sounds, frames, texts")
        self._gathered = self._scores = None
        for clip_id, made, own, *against in zip(clip_ids, *columns, strict=True):
            reference = None if own is None else (_array(own), reference_rate or sample_rate)
            self._records[clip_id] = self._hear(clip_id, (_array(made), sample_rate), reference, *against)

    def compute(self) -> dict[str, float]:
        """Every metric that the clips of all processes allow, by its name in the catalogue (fd, fad, kl, is, cs, ...).

        Under DDP every process must call it, and every process gets the same numbers; afterwards `scores`, `faults`,
        `records` and `card` need no other process. Warns when more than 1 % of the sounds are silent: distances of
        distributions can look well on silence.
        """
        self._gathered = gather_records(self._records.values())
        self._scores = score_records(self._gathered)
        for line in self.faults():
            if line.startswith("WARNING"):
                warnings.warn(line.removeprefix("WARNING: "), stacklevel=2)
        return {name: score.value for name, score in self._scores.found.items()}

    def scores(self, resamples: int = 0, seed: int = 0) -> Scores:
        """The numbers of `compute` with per-clip values and bootstrap resamples, and why any is missing."""
        if self._scores is None or resamples:
            self._scores = score_records(self.records(), resamples, seed)
        return self._scores

    def faults(self) -> list[str]:
        """One line for each kind of faulty sound (silent, clipped, short, not finite): count, share, first clips."""
        return fault_lines(self.records())

    def records(self) -> list[ClipRecord]:
        """The clips of all processes in the order of their ids."""
        if self._gathered is None:
            self._gathered = gather_records(self._records.values())
        return self._gathered

    def card(self, metric: str = "fd") -> MetricCard:
        """What one number was measured with.

        Raises:
            ValueError: when the catalogue has no such metric, or its ear was not named.
        """
        listeners: dict[str, Described] = {**self.ears, **self.onlookers}
        if metric not in CATALOGUE or CATALOGUE[metric].ear not in listeners:
            raise ValueError(f"no metric {metric!r} in this evaluation")
        entry, records = CATALOGUE[metric], self.records()
        ear = listeners[entry.ear]
        clips = [record for record in records if _takes_part(record, metric)]
        return MetricCard(
            metric=metric,
            formula=entry.formula,
            extractor=ear.name,
            weights_sha256=ear.weights_sha256,
            fingerprint=ear.fingerprint,
            label=ear.label,
            sample_rate=ear.sample_rate,
            channels=CHANNELS,
            resampler=RESAMPLER,
            crop=ear.crop,
            n_generated=len(clips),
            n_reference=sum(record.paired for record in clips),
            clips_sha256=clips_sha256([record.clip_id for record in clips]),
            frames=self.frames if metric.startswith("cs") else "",
            silent_share=fault_share(records, "silent"),
            clipped_share=fault_share(records, "clipped"),
            generation=self.generation,
        )

    def cards(self) -> dict[str, MetricCard]:
        """A card for every number of `compute`."""
        return {name: self.card(name) for name in self.scores().found}

    def reset(self) -> None:
        """Forget the generated sounds; what the references sound like is remembered."""
        self._records, self._gathered, self._scores = {}, None, None

    def _hear(
        self,
        clip_id: str,
        generated: tuple[Wave, int],
        reference: tuple[Wave, int] | None,
        frames: Tensor | None,
        text: str | None,
        media: Path | None,
    ) -> ClipRecord:
        own_seconds = None if reference is None else len(reference[0]) / reference[1]
        faults = find_faults(*generated, self.crop.seconds or own_seconds)
        heard = {} if "not_finite" in faults else self._listen(*generated)
        own_faults = frozenset() if reference is None else find_faults(*reference, self.crop.seconds)
        own = {} if reference is None or "not_finite" in own_faults else self._listen_once(*reference)
        similarities = self._similarities(heard, frames, text)
        if heard and media is not None:
            for onlooker in self.onlookers.values():
                similarities |= onlooker.compare(*generated, media)
        return ClipRecord(clip_id, heard, own, similarities, faults, own_faults)

    def _listen(self, wave: Wave, rate: int) -> Features:
        heard: Features = {}
        for ear in self.ears.values():
            heard.update(self.cache.hear(ear, wave, rate))
        return heard

    def _listen_once(self, wave: Wave, rate: int) -> Features:
        key = content_sha256(wave, rate)
        if key not in self._references:
            self._references[key] = self._listen(wave, rate)
        return self._references[key]

    def _similarities(self, heard: Features, frames: Tensor | None, text: str | None) -> dict[str, float]:
        found: dict[str, float] = {}
        if heard and frames is not None:
            found["cs"] = clip_score(heard["audio"], frames)
            found["cs_mean_frame"] = clip_score_of_mean_frame(heard["audio"], frames)
        clap = self.ears.get("clap")
        if heard and text is not None and isinstance(clap, ClapEar):
            found["clap_text"] = PERCENT * float(cosines(heard["clap"][None], clap.read(text)[None]))
        return found


def _takes_part(record: ClipRecord, metric: str) -> bool:
    if metric in ("is", "is_splits"):
        return bool(record.generated)
    if metric in SIMILARITIES:
        return metric in record.similarities
    return record.paired


def _array(wave: Tensor | Wave | Any) -> Wave:
    array = wave.detach().float().cpu().numpy() if isinstance(wave, Tensor) else np.asarray(wave, np.float32)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"a sound is (N,) with N > 0, not {array.shape}")
    return array

"""The evaluation of generated sounds: one class behind the training callback and the `evaluate` command."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import V2AError
from v2a_lightning.evaluation.cards import MetricCard, clips_sha256
from v2a_lightning.evaluation.catalogue import DEFAULT, choose
from v2a_lightning.evaluation.features import (
    CHANNELS,
    RESAMPLER,
    SHORTEST_SECONDS,
    ClapFeatures,
    Crop,
    FeatureCache,
    Features,
    NetworkFeatures,
    Sound,
    Waveform,
    as_waveform,
    content_sha256,
    make_extractors,
)
from v2a_lightning.evaluation.frames import ClipFrames, default_clip, require_width
from v2a_lightning.evaluation.metric import ClipMetric, Input
from v2a_lightning.evaluation.reading import ClipFiles, ahead, frame_embeddings, read_files
from v2a_lightning.evaluation.records import (
    ClipRecord,
    clips_of,
    fault_lines,
    fault_share,
    find_faults,
    floors_of,
    gather_records,
    score_records,
)
from v2a_lightning.evaluation.score_files import Scores


class EvaluationSuite:
    """Extracts features of generated sounds and of the clips' own, and computes metrics of them.

    Networks are loaded when the first sound comes. The same clips give the same numbers in any order and over any
    number of processes.

    Args:
        metrics: names, class paths of `AudioMetric`s, and "default" for all that need no package of their own.
        tagger: Cnn14 behind FD, KAD, KL and IS: "miniature", a folder, or the published file (16 or 32 kHz).
        vggish: VGGish behind FAD.
        wav2clip: Wav2CLIP behind the CLIP-score.
        clip: CLIP behind the CLIP-score; when None the one of Wav2CLIP's training (miniature or openai/ViT-B-32).
        clap: CLAP behind the CLAP-score; None leaves it out.
        device: where the networks run; "auto" is a GPU when there is one, and in a run the device that it trains on.
        seconds: how much of a sound is used, from its start; None for all of it.
        cache: folder that keeps features by content for the next run; None keeps nothing.

    Raises:
        UsageError: when there is no such metric or its package is not installed.
    """

    def __init__(
        self,
        metrics: Sequence[str] = (DEFAULT,),
        tagger: str = "miniature",
        vggish: str = "miniature",
        wav2clip: str = "miniature",
        clip: str | None = None,
        clap: str | None = None,
        device: str = "auto",
        seconds: float | None = None,
        cache: Path | None = None,
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name != "self"}
        chosen = choose_device(device)
        self.crop = Crop(seconds)
        classes, self.names = choose(metrics)
        self.metrics = [metric(sync_on_compute=False) for metric in classes]
        self._by_number = {name: metric for metric in self.metrics for name in metric.numbers()}
        self.numbers = {name: metric.numbers()[name] for name, metric in self._by_number.items()}
        self.cache = FeatureCache(cache)
        needed = {feature.partition("/")[0] for metric in self.metrics for feature in metric.needs.values()}
        networks = {"tagger": tagger, "vggish": vggish, "wav2clip": wav2clip}
        self._takes_frames = any("frames" in metric.needs for metric in self.metrics)
        self.extractors = make_extractors(needed, networks, clap, chosen, self.crop)
        for metric in self.metrics:
            self.extractors |= {name: one(chosen, self.crop) for name, one in metric.extractors.items()}
        self.clip = ClipFrames(clip or default_clip(wav2clip), chosen, self.cache)
        self._references: dict[str, Features] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the generated sounds; the features of the references are kept."""
        self._records: dict[str, ClipRecord] = {}
        self._gathered: list[ClipRecord] | None = None
        self._scores: Scores | None = None

    def limited_to(self, seconds: float) -> "EvaluationSuite":
        """A suite that uses the first `seconds` of every sound; this one where it has a length of its own."""
        if self.crop.seconds is not None:
            return self
        return EvaluationSuite(**{**self._arguments, "seconds": max(seconds, SHORTEST_SECONDS)})

    def run_on(self, device: torch.device) -> None:
        """Compute on a run's own device, unless one was named."""
        if self._arguments["device"] == "auto":
            self.clip.to(device)
            for extractor in self.extractors.values():
                extractor.to(device)

    @property
    def options(self) -> dict[str, Any]:
        """The options with which `evaluate` computes the same numbers."""
        metrics = list(self._arguments["metrics"])
        found = {"device": self._arguments["device"], **({} if metrics == [DEFAULT] else {"metrics": metrics})}
        for name, extractor in self.extractors.items():
            if isinstance(extractor, (NetworkFeatures, ClapFeatures)):
                found[name] = extractor.checkpoint
        if self._takes_frames:
            found["clip"] = self.clip.checkpoint
        return found if self.crop.seconds is None else {**found, "seconds": self.crop.seconds}

    def load(self, frames: bool = True) -> None:
        """Load every network, before the first sound; with `frames` those of the clip-score have to fit.

        Raises:
            UsageError: naming the checkpoint that cannot be used.
        """
        _ = [extractor.fingerprint for extractor in self.extractors.values()]
        wav2clip = self.extractors.get("wav2clip")
        if frames and self._takes_frames and isinstance(wav2clip, NetworkFeatures):
            require_width(self.clip, wav2clip)

    def add_files(self, clips: Iterable[ClipFiles]) -> Iterator[tuple[ClipFiles, V2AError | None]]:
        """`add` clips from files while the next ones are read; yields each with why it could not be added."""
        clip_frames = self.clip if self._takes_frames else None
        for clip, read in ahead(clips, lambda clip: read_files(clip, clip_frames)):
            try:
                generated, reference, pictures = read.result()
                frames = frame_embeddings(clip, pictures, clip_frames)
                self.add(clip.clip_id, generated, reference, frames, clip.text, clip.video, clip.frames_described)
            except V2AError as error:
                yield clip, error
            else:
                yield clip, None

    def add(
        self,
        clip_id: str,
        generated: Sound,
        reference: Sound | None = None,
        frames: Tensor | None = None,
        text: str | None = None,
        video: Path | None = None,
        frames_described: str = "",
    ) -> None:
        """Add one clip, in the place of what was known of it before.

        Args:
            clip_id: the clip.
            generated: mono waveform (N,) in [-1, 1] and its rate in Hz.
            reference: the clip's own, whose features are extracted once.
            frames: CLIP embeddings (T, D) of the clip's real frames, padding left out.
            text: what the clip is labelled.
            video: the clip's video or picture, for metrics that look at the file.
            frames_described: which frames were embedded, for cards.

        Raises:
            ValueError: when a waveform is not (N,).
        """
        self._gathered = self._scores = None
        made, own = as_waveform(generated), None if reference is None else as_waveform(reference)
        faults = find_faults(*made, self.crop.seconds or (own and len(own[0]) / own[1]))
        own_faults = find_faults(*own, self.crop.seconds) if own else frozenset()
        features: dict[str, Features] = {}
        if "not_finite" not in faults:
            features = {"generated": self._extract("generated", *made, video), **self._beside(frames, text)}
        if own and "not_finite" not in own_faults:
            key = content_sha256(*own)
            if key not in self._references:
                self._references[key] = self._extract("reference", *own, None)
            features["reference"] = self._references[key]
        values = {
            metric.name: float(metric.score(**inputs))
            for metric in self.metrics
            if isinstance(metric, ClipMetric) and (inputs := metric.inputs_of(features)) is not None
        }
        given = frozenset(features) | (frozenset() if video is None else {"video"})
        kept = self._of_sets(features)
        self._records[clip_id] = ClipRecord(clip_id, kept, values, given, frames_described, faults, own_faults)

    def compute(self) -> dict[str, float]:
        """Every chosen metric that the clips of all processes allow, by name (fd, fad, kl, is, cs, ...).

        Under DDP every process must call it and gets the same numbers; afterwards `scores`, `faults`, `records` and
        `card` need no other process. Warns when more than 1 % of the sounds are silent: distances of
        distributions can look well on silence.
        """
        self._gathered, self._scores = gather_records(self._records.values()), None
        for line in self.faults():
            if line.startswith("WARNING"):
                warnings.warn(line.removeprefix("WARNING: "), stacklevel=2)
        return {name: score.value for name, score in self.scores().found.items()}

    def scores(self, resamples: int = 0, seed: int = 0) -> Scores:
        """The numbers of `compute` with per-clip values and bootstrap resamples, and why any is missing."""
        if self._scores is None or resamples:
            scores = score_records(self.metrics, self.records(), resamples, seed)
            found = {name: scores.found[name] for name in self.names if name in scores.found}
            missing = {name: self._unnamed(name) or why for name, why in scores.missing.items() if name in self.names}
            self._scores = Scores(found, {name: missing[name] for name in self.names if name in missing})
        return self._scores

    def floors(self) -> dict[str, float]:
        """Each distance of sets between two halves of the clips' own sounds: what true sounds reach."""
        return floors_of(self.metrics, self.records())

    def faults(self) -> list[str]:
        """One line for each kind of faulty sound (silent, clipped, short, not finite): count, share, first clips."""
        return fault_lines(self.records())

    def records(self) -> list[ClipRecord]:
        """The clips of all processes in the order of their ids."""
        if self._gathered is None:
            self._gathered = gather_records(self._records.values())
        return self._gathered

    def card(self, name: str = "fd", generation: Mapping[str, Any] | None = None) -> MetricCard:
        """What one number was measured with, of sounds that were generated as `generation` says.

        Raises:
            ValueError: when it is not among the chosen ones, or its extractor was not named.
        """
        if name not in self.names or self._unnamed(name):
            raise ValueError(f"no metric {name!r} in this evaluation")
        metric, number, records = self._by_number[name], self.numbers[name], self.records()
        extractor = self.extractors[metric.extractor]
        clips = clips_of(metric, records)
        return MetricCard(
            metric=name,
            formula=number.formula,
            extractor=extractor.name,
            weights_sha256=extractor.weights_sha256,
            fingerprint=extractor.fingerprint,
            label=extractor.label,
            sample_rate=extractor.sample_rate,
            channels=CHANNELS,
            resampler=RESAMPLER,
            crop=extractor.crop,
            n_generated=len(clips),
            n_reference=sum("reference" in record.inputs for record in clips),
            clips_sha256=clips_sha256([record.clip_id for record in clips]),
            frames=self.clip.describe(record.frames for record in clips) if "frames" in metric.needs else "",
            silent_share=fault_share(records, "silent"),
            clipped_share=fault_share(records, "clipped"),
            generation=dict(generation or {}),
            title=number.title,
            better=number.better or "",
            floor=number.floor,
            headline=number.headline,
        )

    def cards(self, generation: Mapping[str, Any] | None = None) -> dict[str, MetricCard]:
        """A card for every number of `compute`."""
        return {name: self.card(name, generation) for name in self.scores().found}

    def _unnamed(self, name: str) -> str:
        """Why a number's extractor is not there; "" when it is."""
        needed = self._by_number[name].extractor
        return "" if needed in self.extractors else f"no {needed.upper()} was named"

    def _extract(self, side: Input, waveform: Waveform, rate: int, video: Path | None) -> Features:
        """A sound's features by "extractor/feature": those that metrics need of this side of a clip."""
        needed = {metric.needs[side].partition("/")[0] for metric in self.metrics if side in metric.needs}
        found: Features = {}
        for name, extractor in self.extractors.items():
            if name in needed and (video is not None or not extractor.needs_video):
                features = self.cache.extract(extractor, waveform, rate, video)
                found |= {f"{name}/{one}" if one else name: feature for one, feature in features.items()}
        return found

    def _beside(self, frames: Tensor | None, text: str | None) -> dict[str, Features]:
        """The features that come with a sound: of label and frames (T, D), rounded as in a store of half precision."""
        found: dict[str, Features] = {} if frames is None else {"frames": {"clip/frames": frames.half().float()}}
        if text is not None and isinstance(clap := self.extractors.get("clap"), ClapFeatures):
            found["text"] = {"clap/text": clap.extract_text(text)}
        return found

    def _of_sets(self, features: Mapping[str, Features]) -> dict[str, Features]:
        """Of a clip's features what metrics of sets take; the others have given their value."""
        sets = [metric for metric in self.metrics if not isinstance(metric, ClipMetric)]
        kept = {item for metric in sets for item in metric.needs.items()}
        return {
            given: {name: one for name, one in of.items() if (given, name) in kept} for given, of in features.items()
        }

"""The evaluation of generated sounds: one class behind the training callback and the `evaluate` command."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from v2a_lightning.devices import choose_device
from v2a_lightning.evaluation.cards import MetricCard, clips_sha256
from v2a_lightning.evaluation.catalogue import DEFAULT, choose
from v2a_lightning.evaluation.features import (
    CHANNELS,
    RESAMPLER,
    SHORTEST_SECONDS,
    ClapFeatures,
    ClipFeatures,
    Crop,
    FeatureCache,
    Features,
    NetworkFeatures,
    Waveform,
    as_waveform,
    make_extractors,
)
from v2a_lightning.evaluation.frames import ClipFrames, FrameSampling, default_clip, require_width
from v2a_lightning.evaluation.metric import ClipMetric
from v2a_lightning.evaluation.records import (
    ClipRecord,
    clips_of,
    fault_lines,
    fault_share,
    find_faults,
    gather_records,
    score_records,
)
from v2a_lightning.evaluation.score_files import Scores
from v2a_lightning.media import read_waveform


class EvaluationSuite:
    """Extracts features of generated sounds and of the clips' own, and computes metrics of them.

    Construction is cheap: networks are loaded when the first sound comes. It is no module and holds no part of a
    training, so it ends up in no checkpoint. The same clips give the same numbers in any order, in any batches and over
    any number of processes.

    Args:
        metrics: names of the catalogue, class paths of `AudioMetric`s, and "default" for all that need no package of
            their own.
        tagger: Cnn14 behind FD, KAD, KL and IS: "miniature", a folder, or the published file (16 or 32 kHz).
        vggish: VGGish behind FAD.
        wav2clip: Wav2CLIP behind the CLIP-score.
        clip: CLIP behind the CLIP-score, whatever the data is embedded with; the one that Wav2CLIP was trained against
            when None (the miniature's, or openai/ViT-B-32).
        clap: CLAP behind the CLAP-score; None leaves it out.
        device: where the networks run; "auto" takes a GPU when there is one, each process of a run its own.
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
        device: str = "cpu",
        seconds: float | None = None,
        cache: Path | None = None,
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name != "self"}
        self.device = choose_device(device)
        self.crop = Crop(seconds)
        classes, self.names = choose(metrics)
        self.metrics = [metric(sync_on_compute=False) for metric in classes]
        self.numbers = {name: number for metric in self.metrics for name, number in metric.numbers().items()}
        self.cache = FeatureCache(cache)
        needed = {feature.partition("/")[0] for metric in self.metrics for feature in metric.needs.values()}
        networks = {"tagger": tagger, "vggish": vggish, "wav2clip": wav2clip}
        self.extractors = make_extractors(needed, networks, clap, self.device, self.crop)
        for metric in self.metrics:
            self.extractors |= {name: one(self.device, self.crop) for name, one in metric.extractors.items()}
        self.clip = ClipFrames(clip or default_clip(wav2clip), self.device, self.cache)
        self._features = ClipFeatures([metric.needs for metric in self.metrics], self.extractors, self.cache)
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

    @property
    def options(self) -> dict[str, Any]:
        """What the `evaluate` command is to be given to compute the same numbers."""
        metrics = list(self._arguments["metrics"])
        found: dict[str, Any] = {"device": self.device, **({} if metrics == [DEFAULT] else {"metrics": metrics})}
        for name, extractor in self.extractors.items():
            if isinstance(extractor, (NetworkFeatures, ClapFeatures)):
                found[name] = extractor.checkpoint
        if self._takes("frames"):
            found["clip"] = self.clip.checkpoint
        return found if self.crop.seconds is None else {**found, "seconds": self.crop.seconds}

    def load(self, frames: bool = True) -> None:
        """Load every network, so that what is wrong with one is found before the first sound.

        Args:
            frames: whether clips will come with frames.

        Raises:
            UsageError: naming the checkpoint that cannot be used.
        """
        for extractor in self.extractors.values():
            _ = extractor.fingerprint
        wav2clip = self.extractors.get("wav2clip")
        if frames and self._takes("frames") and isinstance(wav2clip, NetworkFeatures):
            require_width(self.clip, wav2clip)

    def add_files(
        self,
        clip_id: str,
        generated: Path,
        reference: Path | None = None,
        video: Path | None = None,
        text: str | None = None,
        frames: FrameSampling | Tensor | None = None,
    ) -> None:
        """Add one clip from its files: whole files at their own rates, of which the suite takes its part.

        Args:
            clip_id: the clip.
            generated: file of the generated sound.
            reference: file of the clip's own sound, its video for instance.
            video: the clip's video or picture.
            text: what the clip is labelled.
            frames: which frames of the video the suite embeds, or embeddings (T, D) by `clip`.

        Raises:
            MediaError: when a file cannot be read.
        """
        embeddings, described = frames if isinstance(frames, Tensor) else None, ""
        if isinstance(frames, FrameSampling) and video is not None and self._takes("frames"):
            embeddings, described = self.clip.read(video, frames), frames.describe(video)
        sounds = read_waveform(generated), None if reference is None else read_waveform(reference)
        self._add(clip_id, *sounds, embeddings, text, video, described)

    def update(
        self,
        clip_ids: Sequence[str],
        generated: Sequence[Tensor | Waveform],
        sample_rate: int,
        references: Sequence[Tensor | Waveform | None] | None = None,
        frame_embeddings: Sequence[Tensor | None] | None = None,
        texts: Sequence[str | None] | None = None,
        reference_rate: int | None = None,
        videos: Sequence[Path | None] | None = None,
        frames_described: str = "",
    ) -> None:
        """Add some clips. A clip that comes again replaces what was known of it before.

        Args:
            clip_ids: B ids.
            generated: B mono waveforms (N,) in [-1, 1]; lengths may differ.
            sample_rate: of the generated waveforms.
            references: the clips' own waveforms; None where a clip has none. Features of each are extracted once.
            frame_embeddings: CLIP embeddings (T, D) of the clips' real frames, padding left out.
            texts: what the clips are labelled.
            reference_rate: of the references, if it is not `sample_rate`.
            videos: the clips' videos or pictures; only metrics that look at them themselves need their files.
            frames_described: which frames were embedded, for cards.

        Raises:
            ValueError: when the sequences' lengths differ or a waveform is not (N,).
        """
        count = len(clip_ids)
        given = (generated, references, frame_embeddings, texts, videos)
        columns: list[list[Any]] = [[None] * count if one is None else list(one) for one in given]
        if any(len(column) != count for column in columns):
            raise ValueError(f"{count} clip ids come with {[len(column) for column in columns]} sounds, frames, texts")
        for clip_id, waveform, own, frames, text, video in zip(clip_ids, *columns, strict=True):
            reference = None if own is None else (as_waveform(own), reference_rate or sample_rate)
            self._add(clip_id, (as_waveform(waveform), sample_rate), reference, frames, text, video, frames_described)

    def compute(self) -> dict[str, float]:
        """Every chosen metric that the clips of all processes allow, by name (fd, fad, kl, is, cs, ...).

        Under DDP every process must call it, and every process gets the same numbers; afterwards `scores`, `faults`,
        `records` and `card` need no other process. Warns when more than 1 % of the sounds are silent: distances of
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

    def faults(self) -> list[str]:
        """One line for each kind of faulty sound (silent, clipped, short, not finite): count, share, first clips."""
        return fault_lines(self.records())

    def records(self) -> list[ClipRecord]:
        """The clips of all processes in the order of their ids."""
        if self._gathered is None:
            self._gathered = gather_records(self._records.values())
        return self._gathered

    def card(self, name: str = "fd", generation: Mapping[str, Any] | None = None) -> MetricCard:
        """What one number was measured with.

        Args:
            name: the number's.
            generation: how the sounds were generated (seed, generator, mapper, checkpoint).

        Raises:
            ValueError: when it is not among the chosen ones, or its extractor was not named.
        """
        metric = next((one for one in self.metrics if name in one.numbers() and name in self.names), None)
        if metric is None or (extractor := self.extractors.get(metric.extractor)) is None:
            raise ValueError(f"no metric {name!r} in this evaluation")
        number, records = metric.numbers()[name], self.records()
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
        metric = next(one for one in self.metrics if name in one.numbers())
        return "" if metric.extractor in self.extractors else f"no {metric.extractor.upper()} was named"

    def _takes(self, given: str) -> bool:
        return any(given in metric.needs for metric in self.metrics)

    def _add(
        self,
        clip_id: str,
        generated: tuple[Waveform, int],
        reference: tuple[Waveform, int] | None,
        frames: Tensor | None,
        text: str | None,
        video: Path | None,
        frames_described: str,
    ) -> None:
        self._gathered = self._scores = None
        own_seconds = None if reference is None else len(reference[0]) / reference[1]
        faults = find_faults(*generated, self.crop.seconds or own_seconds)
        own_faults = frozenset() if reference is None else find_faults(*reference, self.crop.seconds)
        features: dict[str, Features] = {}
        if "not_finite" not in faults:
            features["generated"] = self._features.generated(*generated, video)
            features |= {} if frames is None else {"frames": {"clip/frames": frames}}
            features |= {} if text is None else {"text": self._features.text(text)}
        if reference is not None and "not_finite" not in own_faults:
            features["reference"] = self._features.reference(*reference)
        values = {
            metric.name: float(metric.score(**inputs))
            for metric in self.metrics
            if isinstance(metric, ClipMetric) and (inputs := metric.inputs_of(features)) is not None
        }
        given = frozenset(features) | (frozenset() if video is None else {"video"})
        shown = frames_described if frames is not None else ""
        record = ClipRecord(clip_id, self._kept(features), values, given, shown, faults, own_faults)
        self._records[clip_id] = record

    def _kept(self, features: Mapping[str, Features]) -> dict[str, Features]:
        """Of a clip's features what metrics of sets take; the others have given their value."""
        sets = [metric for metric in self.metrics if not isinstance(metric, ClipMetric)]
        kept = {item for metric in sets for item in metric.needs.items()}
        return {
            given: {name: one for name, one in of.items() if (given, name) in kept} for given, of in features.items()
        }

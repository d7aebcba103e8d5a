"""Evaluation: Frechet distances against SciPy's matrix root, intervals of all metrics, and a whole evaluation against
the networks alone."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from experiments.benchmarks.speed.measuring import Row, Timing, alternate, median, ratio, times_faster
from v2a_lightning.distances import frechet_distance, median_bandwidth
from v2a_lightning.evaluation import KernelDistance, PrecisionRecallDensityCoverage
from v2a_lightning.evaluation.catalogue import DEFAULT_METRICS
from v2a_lightning.evaluation.extractors import EXTRACTORS
from v2a_lightning.evaluation.features import NetworkFeatures
from v2a_lightning.evaluation.frames import FrameSampling
from v2a_lightning.evaluation.metric import ClipMetric
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.evaluation.records import ClipRecord, score_records
from v2a_lightning.evaluation.score_files import resample_counts
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.media import write_clip, write_waveform

TEST_CLIPS, RESAMPLES = 15_446, 500
BEFORE_SECONDS = 96 * 60.0
"""73 minutes of Frechet resamples, which are no longer drawn (docs/EVALUATION.md says why), and 23 of neighbours."""
EVALUATED, SECONDS, RATE = 1000, 10.0, 16_000


def rows(quick: bool) -> Iterator[Row]:
    """The rows of this topic."""
    width = 64 if quick else 2048
    for clips, goal in ((300, None), (20, None)) if quick else ((TEST_CLIPS, 2.5), (100, 1000.0)):
        yield frechet(clips, width, goal, rounds=1 if quick else 2)
    yield by_themselves(60 if quick else 2000, width)
    yield intervals(60 if quick else TEST_CLIPS, width)
    yield whole(clips=2 if quick else 6, reduced=quick)


def frechet(clips: int, width: int, goal: float | None, rounds: int) -> Row:
    """The distance against the textbook form."""
    first, second = _features(clips, width, 0), _features(clips, width, 1)
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: frechet_distance(first, second),
        "scipy": lambda: by_matrix_root(first, second),
    }
    timings = alternate(calls, rounds, warmup=0)
    what = f"Frechet distance, N = {clips:,}, D = {width:,}"
    return times_faster(what, "scipy.linalg.sqrtm", timings["ours"], timings["scipy"], goal)


def by_matrix_root(first: Tensor, second: Tensor) -> float:
    """The textbook form with SciPy's matrix square root, as the public tools compute it."""
    a, b = np.cov(first.numpy(), rowvar=False), np.cov(second.numpy(), rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = scipy.linalg.sqrtm(a @ b)
    difference = first.numpy().mean(0) - second.numpy().mean(0)
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)


def by_themselves(clips: int, width: int) -> Row:
    """KAD with its resamples and neighbourhoods, against what each takes with distances taken pair by pair."""
    generated, reference = _features(clips, width, 0), _features(clips, width, 1)
    ids, weights = [str(clip) for clip in range(clips)], resample_counts(clips, RESAMPLES, 0)

    def ours() -> None:
        for metric in (KernelDistance(), PrecisionRecallDensityCoverage()):
            metric.update(generated, reference)
            metric.results(ids, weights)

    def pair_by_pair() -> None:
        for counts in (torch.ones(1, clips, dtype=torch.float64), weights):
            kernel_by_distances(generated, reference, counts)
        neighbours_by_distances(generated, reference)

    timings = alternate({"ours": ours, "pairs": pair_by_pair}, rounds=1 if clips < 100 else 2, warmup=0)
    what = f"KAD, precision, recall, density and coverage with intervals, N = {clips:,}, D = {width:,}"
    return times_faster(what, "distances pair by pair, each metric's anew", timings["ours"], timings["pairs"], None)


def kernel_by_distances(first: Tensor, second: Tensor, counts: Tensor) -> Tensor:
    """KAD of resamples from matrices of distances."""
    bandwidth = median_bandwidth(second)

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(one, other).square() / (2 * bandwidth**2))

    block = kernel(first, first) + kernel(second, second) - kernel(first, second) - kernel(second, first)
    block.fill_diagonal_(0.0)
    return 100 * (counts @ block * counts).sum(1) / (len(first) * (len(first) - 1))


def neighbours_by_distances(made: Tensor, real: Tensor, neighbours: int = 5) -> list[Tensor]:
    """Precision, density, coverage and recall from distances that are no products."""

    def distances(one: Tensor, other: Tensor) -> Tensor:
        return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")

    made_radius, real_radius = (distances(one, one).kthvalue(neighbours + 1, 1).values for one in (made, real))
    between = distances(real, made)
    inside = between < real_radius[:, None]
    return [inside.any(0), inside.sum(0) / neighbours, inside.any(1), (between < made_radius).any(1)]


def intervals(clips: int, width: int) -> Row:
    """Every default metric with its intervals, on features of full width."""
    records = [synthetic_record(clip, width) for clip in range(clips)]
    metrics = [metric() for metric in DEFAULT_METRICS]
    [timing] = alternate({"": lambda: score_records(metrics, records, RESAMPLES)}, rounds=1, warmup=0)[""]
    value = BEFORE_SECONDS / timing.wall
    note = f"{timing.wall:.0f} s, {timing.cpu:.0f} s of processors; before: 96 minutes of one, measured in parts"
    what = f"scores and {RESAMPLES} resamples of all metrics, N = {clips:,}"
    return Row(what, "version 40d0a9e", value, "x", None if clips < 100 else 20.0, "higher", 1, (value, value), note)


def whole(clips: int, reduced: bool) -> Row:
    """Evaluating a thousand ten-second clips against what the three networks take to run on their sounds."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        checkpoints = _write_networks(room, reduced)
        files = [write_pair(room, clip) for clip in range(clips)]
        suite = EvaluationSuite(**checkpoints, cache=room / "features", seconds=SECONDS, device="cpu")
        networks = [one.network for one in suite.extractors.values() if isinstance(one, NetworkFeatures)]
        sound = torch.from_numpy(_sound(0))
        suite.clip.__dict__["fingerprint"] = "known"  # the store has the frames: the CLIP is not read
        passes = iter(range(1000))

        def evaluate() -> None:
            suite.cache.folder = room / f"features{next(passes)}"
            suite._references.clear()
            for _, error in suite.add_files(files):
                if error is not None:
                    raise error

        def forward() -> None:
            with torch.no_grad():
                for _ in range(2 * clips):
                    for network in networks:
                        network.extract(sound)

        timings = alternate({"evaluate": evaluate, "forward": forward}, rounds=1 if reduced else 3)
        began = time.perf_counter()
        score_records([metric() for metric in DEFAULT_METRICS], _copies(suite.records(), EVALUATED), RESAMPLES)
        scoring = time.perf_counter() - began
    more = scoring * clips / EVALUATED
    with_scoring = [Timing(one.wall + more, one.cpu + more) for one in timings["evaluate"]]
    value, spread = ratio(with_scoring, timings["forward"])
    note = f"{clips} pairs timed, {median(timings['forward']) / clips:.2f} s of networks each; scoring {scoring:.1f} s"
    goal = None if reduced else 1.1
    what = f"evaluation of {EVALUATED:,} ten-second clips, features kept, intervals"
    return Row(what, "the extractors' forward alone", value, "x", goal, "lower", len(with_scoring), spread, note)


def write_pair(room: Path, clip: int) -> ClipFiles:
    """A ten-second video with sound, a generated sound, and frame embeddings as a store has them."""
    pictures = np.random.default_rng(clip).integers(0, 255, (10, 240, 320, 3), dtype=np.uint8).repeat(25, 0)
    video, generated = room / f"{clip}.mp4", room / f"{clip}.wav"
    write_clip(video, pictures, 25.0, np.repeat(_sound(100 + clip, 44_100)[:, None], 2, 1), 44_100)
    write_waveform(generated, _sound(clip), RATE)
    embeddings = torch.randn(10, 512, generator=torch.Generator().manual_seed(clip))
    return ClipFiles(str(clip), generated, video, video, None, FrameSampling(1.0, SECONDS), embeddings)


def synthetic_record(clip: int, width: int) -> ClipRecord:
    """A clip's features of full width, random."""
    sides = {}
    for side, seed in (("generated", 2 * clip), ("reference", 2 * clip + 1)):
        random = torch.Generator().manual_seed(seed)
        sides[side] = {
            "tagger/embedding": torch.randn(width, generator=random).relu(),
            "tagger/logits": 3 * torch.randn(527, generator=random),
            "vggish/examples": torch.randn(10, 128, generator=random),
        }
    values = {metric.name: float(clip % 7) for metric in DEFAULT_METRICS if issubclass(metric, ClipMetric)}
    return ClipRecord(f"{clip:06d}", sides, values)


def _write_networks(room: Path, reduced: bool) -> dict[str, str]:
    names = {"tagger": "cnn14", "vggish": "vggish", "wav2clip": "wav2clip"}
    if reduced:
        return dict.fromkeys(names, "miniature")
    torch.manual_seed(0)
    for kind in names.values():
        EXTRACTORS[kind](EXTRACTORS[kind].config_class()).save_pretrained(room / kind)
    return {name: str(room / kind) for name, kind in names.items()}


def _sound(seed: int, rate: int = RATE) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    samples = np.random.default_rng(seed).standard_normal(int(SECONDS * rate))
    return (0.1 * samples).astype(np.float32)


def _features(clips: int, width: int, seed: int) -> Tensor:
    """(N, D) doubles with a spectrum that falls off, as a tagger's have."""
    random = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0, -2, width, dtype=torch.float64).exp()
    return (1 + 0.02 * seed) * torch.randn(clips, width, generator=random, dtype=torch.float64) * scale


def _copies(records: list[ClipRecord], count: int) -> list[ClipRecord]:
    """Records of as many clips, each with noise of its own on the features."""
    random = torch.Generator().manual_seed(0)
    found = []
    for clip in range(count):
        record = records[clip % len(records)]
        features = {
            side: {name: one + 0.1 * torch.randn(one.shape, generator=random) for name, one in of.items()}
            for side, of in record.features.items()
        }
        found.append(ClipRecord(f"{clip:06d}", features, record.values))
    return found

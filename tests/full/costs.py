"""What the paper's run costs on full VGGSound: `python -m tests.full.costs` writes it into docs/COSTS.md.

Computed, not measured: operations are counted on the published architectures with random weights or none, and divided
by the part of an accelerator's peak that such networks reach. What processors do for one clip is measured.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.benchmarks.speed.evaluation import synthetic_record, write_pair
from tests.full.measuring import COSTS
from v2a_lightning.evaluation.catalogue import DEFAULT_METRICS
from v2a_lightning.evaluation.extractors import EXTRACTORS
from v2a_lightning.evaluation.features import NetworkFeatures
from v2a_lightning.evaluation.reading import READERS, read_files
from v2a_lightning.evaluation.records import score_records
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.media import ClipRequest, decode_clip, write_clip
from v2a_lightning.reports.tables import write_section
from v2a_lightning.specs import AudioSpec, FrameSpec

TRAIN_CLIPS, TEST_CLIPS = 183_730, 15_446
FRAMES, SECONDS = 10, 10.0
EPOCHS, EVALUATIONS, EVALUATED_CLIPS = 200, 20, 512
MAPPER_STEPS, AUDIOLDM_STEPS = 64, 200
MAPPER_BYTES = 48.83e6 * 4
WEIGHTS = ("openai/ViT-B-32", "audioldm-s-full-v2", "cnn14-16k", "vggish", "wav2clip")
PEAKS = {"bfloat16": 312e12, "TF32": 156e12, "float32": 19.5e12}
"""Operations a second of an A100 in each precision, as its maker states them. TF32 is float32 rounded in the matrix
units, which PyTorch does for convolutions unless told not to, and for matrix products when told to."""
SHARE = 0.3
"""The part of them that is reached."""
LAUNCH_SECONDS = 10e-6
"""That a GPU takes at least for each operator of a network that is called for one sound at a time."""


@dataclass(frozen=True)
class Cost:
    """One stage of the run: what is repeated, how often, and the operations of one repetition."""

    stage: str
    unit: str
    count: int
    operations: float

    def gpu_hours(self, precision: str) -> float:
        """On one accelerator, of which `SHARE` is reached."""
        return self.count * self.operations / (PEAKS[precision] * SHARE) / 3600


def operations(build: Callable[[], Any], call: Callable[[Any], Any], device: str = "meta") -> float:
    """Floating point operations of one call, counted on a model without memory, or on one with random weights."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device(device), torch.no_grad():
        model = build().eval()
        with FlopCounterMode(display=False) as counter:
            call(model)
    return float(counter.get_total_flops())


def count_costs() -> list[Cost]:
    """Every stage of experiments/v2a_mapper.yaml on all of VGGSound."""
    from tests.full import published
    from v2a_lightning.mapper import TransformerMapper

    latent_frames = int(SECONDS * 100) // 4
    clip = operations(published.clip, lambda model: model.encode_image(torch.zeros(FRAMES, 3, 224, 224)))
    clap = operations(published.clap, lambda model: model.audio_model(torch.zeros(1, 1, 1001, 64)))
    mapper = operations(
        TransformerMapper, lambda model: model(torch.zeros(1, 1, 512), torch.zeros(1).long(), torch.zeros(1, 512))
    )
    unet = operations(
        published.audioldm_unet,
        lambda model: model(torch.zeros(2, 8, latent_frames, 16), 1, None, class_labels=torch.zeros(2, 512)),
    )
    vae = operations(published.audioldm_vae, lambda model: model.decode(torch.zeros(1, 8, latent_frames, 16)))
    vocoder = operations(published.audioldm_vocoder, lambda model: model(torch.zeros(1, 4 * latent_frames, 64)))
    sound = MAPPER_STEPS * mapper + AUDIOLDM_STEPS * unet + vae + vocoder
    waveform = 0.1 * torch.randn(1, int(SECONDS * 16_000))
    heard = sum(operations(lambda one=one: one, lambda model: model(waveform), "cpu") for one in extractors())
    clips, sounds = TRAIN_CLIPS + TEST_CLIPS, (EVALUATIONS + 1) * EVALUATED_CLIPS + 2 * TEST_CLIPS
    return [
        Cost("CLIP embeddings", f"clip of {FRAMES} frames", clips, clip),
        Cost("CLAP embeddings", f"clip of {SECONDS:g} s", clips, clap),
        Cost("training", f"clip, {EPOCHS} epochs", TRAIN_CLIPS * EPOCHS, 3 * mapper),
        Cost(f"validation, {EVALUATIONS} times", "generated clip", EVALUATIONS * EVALUATED_CLIPS, sound),
        Cost("test", "generated clip", TEST_CLIPS, sound),
        Cost("FD, FAD, KL, IS and CS", "true or generated sound", sounds, heard),
    ]


def decoding_seconds(repeats: int = 5) -> float:
    """Processor time to decode one clip: ten seconds of 320 x 240 at 25 frames a second, with stereo sound."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (10, 240, 320, 3), dtype=np.uint8).repeat(25, 0)
    waveform = 0.1 * random.standard_normal((441_000, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        request = ClipRequest(
            Path(folder, "clip.mp4"), FrameSpec(1, SECONDS), AudioSpec(16_000, SECONDS), picture_size=224
        )
        write_clip(request.path, frames, 25, waveform, 44_100)
        decode_clip(request)
        begun = time.process_time()
        for _ in range(repeats):
            decode_clip(request)
    return (time.process_time() - begun) / repeats


class Launches(TorchDispatchMode):
    """Counts operators, of which a GPU starts each by itself."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


def extractors() -> list[Any]:
    """The metrics' networks, with random weights."""
    return [EXTRACTORS[kind](EXTRACTORS[kind].config_class()).eval() for kind in EXTRACTORS]


@torch.no_grad()
def launches() -> int:
    """Operators of the metrics' networks for one sound."""
    waveform = 0.1 * torch.randn(int(SECONDS * 16_000))
    with Launches() as counted:
        for network in extractors():
            network.extract(waveform)
    return counted.count


def evaluation_seconds(clips: int = 4) -> tuple[float, float]:
    """Processor seconds of one test clip: reading its two sounds, and all that `add_files` does but for networks."""
    with tempfile.TemporaryDirectory() as folder:
        files = [write_pair(Path(folder), clip) for clip in range(clips)]
        suite = EvaluationSuite(device="cpu", seconds=SECONDS)
        for one in suite.extractors.values():
            assert isinstance(one, NetworkFeatures)
            features = one.network.extract(torch.zeros(16_000))
            one.network.extract = lambda _, features=features: features  # type: ignore[method-assign, misc]
        begun = time.process_time()
        for one in files:
            read_files(one, None)
        reading = (time.process_time() - begun) / clips
        begun = time.process_time()
        assert all(error is None for _, error in suite.add_files(files))
        return reading, (time.process_time() - begun) / clips - reading


def scoring_seconds(clips: int = 2000) -> float:
    """Processor seconds of the test's scores without intervals, which a run has none of: at most as the square of the
    clips, of which fewer are timed."""
    records, metrics = [synthetic_record(clip, 2048) for clip in range(clips)], [one() for one in DEFAULT_METRICS]
    begun = time.process_time()
    score_records(metrics, records)
    return (time.process_time() - begun) * (TEST_CLIPS / clips) ** 2


def cost_of_a_test(costs: list[Cost], precision: str = "bfloat16") -> str:
    """What a test takes beside its generation, as Markdown."""
    generation = next(cost for cost in costs if cost.stage == "test").gpu_hours(precision) * 3600 / TEST_CLIPS
    heard = next(cost for cost in costs if cost.stage.startswith("FD")).operations
    networks = 2 * max(heard / (PEAKS["TF32"] * SHARE), launches() * LAUNCH_SECONDS)
    reading, preparing = evaluation_seconds()
    scoring = scoring_seconds() / TEST_CLIPS
    each = max(generation + networks, preparing, reading / READERS) + scoring
    rows = [
        ("generation, GPU", generation),
        ("the metrics' networks, GPU", networks),
        ("resampling, hashing, keeping features, one processor, beside the generation", preparing),
        (f"reading both sounds, {READERS} threads, beside the generation", reading / READERS),
        ("scores, one processor, at the end", scoring),
        ("all", each),
    ]
    lines = ["| part | seconds a clip |", "| --- | ---: |", *(f"| {what} | {seconds:.3f} |" for what, seconds in rows)]
    said = f"A test of {TEST_CLIPS:,} clips takes {each / generation:.2f} times its generation in {precision}: "
    return "\n".join([said + f"{each * TEST_CLIPS / 3600:.1f} hours.", "", *lines])


def disk_table() -> list[tuple[str, float]]:
    """What is kept on the disk, in gigabytes."""
    from tests.full import published
    from v2a_lightning.checkpoints.known import CHECKPOINTS

    builders = (published.audioldm_unet, published.audioldm_vae, published.audioldm_vocoder, published.clap)
    with torch.device("meta"):
        converted = 4 * sum(parameter.numel() for build in builders for parameter in build().parameters())
    return [
        ("weights as fetched", sum(CHECKPOINTS[name].megabytes for name in WEIGHTS) / 1e3),
        ("AudioLDM and its CLAP, converted", converted / 1e9),
        (f"embeddings in float16, {FRAMES} frames a clip", (TRAIN_CLIPS + TEST_CLIPS) * (FRAMES + 1) * 512 * 2 / 1e9),
        ("two checkpoints: weights, their average and AdamW's two moments", 2 * 4 * MAPPER_BYTES / 1e9),
        ("generated test clips, 16 kHz, 16 bit", TEST_CLIPS * SECONDS * 16_000 * 2 / 1e9),
    ]


def tables(costs: list[Cost]) -> str:
    """What a whole run costs, as Markdown."""
    peaks = ", ".join(f"{peak / 1e12:g} TFLOP/s in {precision}" for precision, peak in PEAKS.items())
    heads = " | ".join(f"GPU hours, {precision}" for precision in PEAKS)
    lines = [
        f"Computed for one A100: {peaks}, of which {SHARE:.0%} are reached.",
        "",
        f"| stage | repeated | times | GFLOP each | {heads} |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(PEAKS),
    ]
    for cost in costs:
        hours = " | ".join(f"{cost.gpu_hours(precision):,.1f}" for precision in PEAKS)
        lines.append(f"| {cost.stage} | {cost.unit} | {cost.count:,} | {cost.operations / 1e9:,.1f} | {hours} |")
    sums = " | ".join(f"{sum(cost.gpu_hours(precision) for cost in costs):,.1f}" for precision in PEAKS)
    each, clips = decoding_seconds(), TRAIN_CLIPS + TEST_CLIPS
    lines += [
        f"| all | | | | {sums} |",
        "",
        f"Decoding, by processors beside: {each:.2f} s of processor time for a clip of 320 x 240 (measured), so "
        f"{each * clips / 3600:,.0f} processor hours for {clips:,} (computed), for `manifest` and again for `embed`.",
        "",
        "| on the disk, the clips themselves not counted | GB, computed |",
        "| --- | ---: |",
    ]
    return "\n".join([*lines, *(f"| {what} | {gigabytes:,.1f} |" for what, gigabytes in disk_table())])


if __name__ == "__main__":
    counted = count_costs()
    write_section("computed", tables(counted), COSTS)
    write_section("test", cost_of_a_test(counted), COSTS)
    print(COSTS.read_text())

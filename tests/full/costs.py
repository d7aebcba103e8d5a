"""What the paper's run costs on full VGGSound: `python -m tests.full.costs` writes it into docs/COSTS.md.

Computed, not measured: operations are counted on the published architectures with random weights or none, and divided
by the part of an accelerator's peak that such networks reach. Only what one clip's decoding takes is measured.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.full.measuring import COSTS
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
    from v2a_lightning.evaluation.extractors.cnn14 import Cnn14, Cnn14Config
    from v2a_lightning.evaluation.extractors.vggish import VGGish, VGGishConfig
    from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP, Wav2CLIPConfig
    from v2a_lightning.mapper import TransformerMapper

    latent_frames = int(SECONDS * 100) // 4
    clip = operations(published.clip, lambda model: model.encode_image(torch.zeros(FRAMES, 3, 224, 224)))
    clap = operations(published.clap, lambda model: model.audio_model(torch.zeros(1, 1, 1001, 64)))
    mapper = operations(
        TransformerMapper, lambda model: model(torch.zeros(1, 512), torch.zeros(1).long(), torch.zeros(1, 512))
    )
    unet = operations(
        published.audioldm_unet,
        lambda model: model(torch.zeros(2, 8, latent_frames, 16), 1, None, class_labels=torch.zeros(2, 512)),
    )
    vae = operations(published.audioldm_vae, lambda model: model.decode(torch.zeros(1, 8, latent_frames, 16)))
    vocoder = operations(published.audioldm_vocoder, lambda model: model(torch.zeros(1, 4 * latent_frames, 64)))
    sound = MAPPER_STEPS * mapper + AUDIOLDM_STEPS * unet + vae + vocoder
    waveform = 0.1 * torch.randn(1, int(SECONDS * 16_000))
    ears = (lambda: Cnn14(Cnn14Config()), lambda: VGGish(VGGishConfig()), lambda: Wav2CLIP(Wav2CLIPConfig()))
    heard = sum(operations(build, lambda model: model(waveform), "cpu") for build in ears)
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


def tables() -> str:
    """Everything as Markdown."""
    peaks = ", ".join(f"{peak / 1e12:g} TFLOP/s in {precision}" for precision, peak in PEAKS.items())
    heads = " | ".join(f"GPU hours, {precision}" for precision in PEAKS)
    lines = [
        f"Computed for one A100: {peaks}, of which {SHARE:.0%} are reached.",
        "",
        f"| stage | repeated | times | GFLOP each | {heads} |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(PEAKS),
    ]
    costs = count_costs()
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
    write_section("computed", tables(), COSTS)
    print(COSTS.read_text())

"""What the paper's run costs on full VGGSound: `python -m tests.full.costs` prints the table.

Computed, not measured: operations are counted on the published architectures without weights, and divided by the
part of an accelerator's peak that such networks reach. Decoding is left out: processors do it beside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

TRAIN_CLIPS, TEST_CLIPS = 183_730, 15_446
FRAMES, SECONDS = 10, 10.0
EPOCHS, EVALUATIONS, EVALUATED_CLIPS = 200, 20, 512
MAPPER_STEPS, AUDIOLDM_STEPS = 64, 200
PEAKS = {"bfloat16": 312e12, "float32": 19.5e12}
"""Operations a second of an A100 in each precision; float32 without its rounded matrix units."""
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


def operations(build: Callable[[], Any], call: Callable[[Any], Any]) -> float:
    """Floating point operations of one call, counted on a model without memory."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad():
        model = build().eval()
        with FlopCounterMode(display=False) as counter:
            call(model)
    return float(counter.get_total_flops())


def count_costs() -> list[Cost]:
    """Every stage of experiments/v2a_mapper.yaml on all of VGGSound."""
    from v2a_lightning.foundation import published
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
    clips = TRAIN_CLIPS + TEST_CLIPS
    return [
        Cost("CLIP embeddings", f"clip of {FRAMES} frames", clips, clip),
        Cost("CLAP embeddings", f"clip of {SECONDS:g} s", clips, clap),
        Cost("training", f"clip, {EPOCHS} epochs", TRAIN_CLIPS * EPOCHS, 3 * mapper),
        Cost(f"validation, {EVALUATIONS} times", "generated clip", EVALUATIONS * EVALUATED_CLIPS, sound),
        Cost("test", "generated clip", TEST_CLIPS, sound),
    ]


def disk_table() -> list[tuple[str, float]]:
    """What is kept on the disk, in gigabytes."""
    clips = TRAIN_CLIPS + TEST_CLIPS
    return [
        (f"embeddings in float16, {FRAMES} frames a clip", clips * (FRAMES + 1) * 512 * 2 / 1e9),
        ("generated test clips, 16 kHz, 16 bit", TEST_CLIPS * SECONDS * 16_000 * 2 / 1e9),
    ]


def main() -> None:
    """Print both tables as Markdown."""
    peaks = ", ".join(f"{peak / 1e12:g} TFLOP/s in {precision}" for precision, peak in PEAKS.items())
    print(f"Computed for an A100: {peaks}, of which {SHARE:.0%} are reached.\n")
    heads = " | ".join(f"GPU hours, {precision}" for precision in PEAKS)
    print(f"| stage | repeated | times | GFLOP each | {heads} |\n| --- | --- | ---: | ---: | ---: | ---: |")
    costs = count_costs()
    for cost in costs:
        hours = " | ".join(f"{cost.gpu_hours(precision):,.1f}" for precision in PEAKS)
        print(f"| {cost.stage} | {cost.unit} | {cost.count:,} | {cost.operations / 1e9:,.1f} | {hours} |")
    sums = " | ".join(f"{sum(cost.gpu_hours(precision) for cost in costs):,.1f}" for precision in PEAKS)
    print(f"| all | | | | {sums} |")
    print("\n| on the disk | GB |\n| --- | ---: |")
    for what, gigabytes in disk_table():
        print(f"| {what} | {gigabytes:,.1f} |")


if __name__ == "__main__":
    main()

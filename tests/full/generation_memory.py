"""How much memory AudioLDM-S takes for each second of each clip at once: `python -m tests.full.generation_memory`
writes it into docs/COSTS.md.

What `doctor` computes with. Three clips against one, ten seconds, with guidance, on the CPU in float32.
"""

from pathlib import Path

from tests.full.measuring import COSTS, run
from v2a_lightning.reports.tables import write_section

SECONDS = 10
PROGRAM = """
import torch
from tests.full import published
parts = published.audioldm_unet, published.audioldm_vae, published.audioldm_vocoder
unet, vae, vocoder = (build().eval() for build in parts)
with torch.no_grad():
    latents = torch.randn({clips}, 8, 25 * {seconds}, 16)
    unet(torch.cat([latents, latents]), 1, None, class_labels=torch.randn(2 * {clips}, 512))
    vocoder(vae.decode(latents).sample.squeeze(1))
"""


def main() -> None:
    """Measure and write down."""
    peaks = []
    for clips in (1, 3):
        measured = run(f"{clips} clips", ["-c", PROGRAM.format(clips=clips, seconds=SECONDS)], Path.cwd())
        peaks.append(measured.peak_bytes)
        print(f"{clips} clips: {measured.peak_bytes / 1e9:.2f} GB, {measured.seconds:.0f} s")
    each = f"{(peaks[1] - peaks[0]) / 2 / SECONDS / 1e6:.0f} MB for each second of each clip"
    said = f"AudioLDM-S beside its weights, float32, with guidance, on the CPU: {each} (three clips against one)."
    write_section("memory", said, COSTS)
    print(said)


if __name__ == "__main__":
    main()

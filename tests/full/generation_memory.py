"""How much memory AudioLDM-S takes for each second of each clip at once: `python -m tests.full.generation_memory`.

What `doctor` computes with. Two clips against one, ten seconds, with guidance, on the CPU in float32.
"""

from pathlib import Path

from tests.full.measuring import run

SECONDS = 10
PROGRAM = """
import torch
from v2a_lightning.foundation import published
parts = published.audioldm_unet, published.audioldm_vae, published.audioldm_vocoder
unet, vae, vocoder = (build().eval() for build in parts)
with torch.no_grad():
    latents = torch.randn({clips}, 8, 25 * {seconds}, 16)
    unet(torch.cat([latents, latents]), 1, None, class_labels=torch.randn(2 * {clips}, 512))
    vocoder(vae.decode(latents).sample.squeeze(1))
"""


def main() -> None:
    """Measure and print."""
    peaks = []
    for clips in (1, 3):
        measured = run(f"{clips} clips", ["-c", PROGRAM.format(clips=clips, seconds=SECONDS)], Path.cwd())
        peaks.append(measured.peak_bytes)
        print(f"{clips} clips: {measured.peak_bytes / 1e9:.2f} GB, {measured.seconds:.0f} s")
    print(f"{(peaks[1] - peaks[0]) / 2 / SECONDS / 1e6:.0f} MB for each second of each clip")


if __name__ == "__main__":
    main()

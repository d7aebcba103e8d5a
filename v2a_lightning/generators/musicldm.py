"""MusicLDM: AudioLDM's kind of model, trained on music with a CLAP of its own."""

from typing import ClassVar

from v2a_lightning.generators.latent_diffusion import ClapLatentDiffusion


class MusicLDM(ClapLatentDiffusion):
    """MusicLDM (Chen et al. 2023) in diffusers' layout, as ucsd-reach/musicldm is published.

    `text_encoder` is a whole CLAP, of which the text tower gives the embedding of no condition and the audio tower,
    with `feature_extractor`, the targets.
    """

    kind = "musicldm"
    published_guidance: ClassVar[float] = 2.0
    parts: ClassVar[tuple[str, ...]] = (
        *ClapLatentDiffusion.parts,
        "text_encoder",
        "tokenizer",
        "feature_extractor",
    )

"""AudioLDM: diffusers' folders, and original checkpoints, which are converted when they are first named."""

from pathlib import Path
from typing import ClassVar

from v2a_lightning.checkpoints.frozen_model import checkpoint_files
from v2a_lightning.checkpoints.registry import cache_folder
from v2a_lightning.generators.audioldm_conversion import converted
from v2a_lightning.generators.clap_match import SELF_TEST_FILE
from v2a_lightning.generators.diffusion_folder import UNCONDITIONAL_FILE
from v2a_lightning.generators.latent_diffusion import ClapLatentDiffusion

ORIGINAL_SUFFIXES = (".ckpt", ".pt", ".pth")


class AudioLDM(ClapLatentDiffusion):
    """AudioLDM, small to large: a folder in diffusers' layout, or an original `.ckpt`, which is converted once.

    A stored `unconditional.safetensors` replaces the folder's text tower.
    """

    kind = "audioldm"
    published_guidance: ClassVar[float] = 2.5
    advice: ClassVar[str] = "; an original .ckpt is converted when it is named as the checkpoint itself"

    def files(self) -> list[Path]:
        """The parts' weights and configs; the text tower only where it is needed."""
        root = self.checked_folder()
        unused = {"clap", SELF_TEST_FILE}
        if (root / UNCONDITIONAL_FILE).is_file():
            unused |= {"text_encoder", "tokenizer"}
        return [file for file in checkpoint_files(root) if file.relative_to(root).parts[0] not in unused]

    def _locate(self) -> Path:
        path = super()._locate()
        if path.is_file() and path.suffix in ORIGINAL_SUFFIXES:
            return converted(path, cache_folder() / "converted")
        return path

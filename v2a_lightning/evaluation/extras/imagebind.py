"""ImageBind score: 100 x the cosine between a sound and its film in ImageBind's space. Weights: CC-BY-NC-SA 4.0."""

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from v2a_lightning.evaluation.extras import fetched, module_sha256
from v2a_lightning.evaluation.similarity import PERCENT, cosines
from v2a_lightning.evaluation.sounds import Wave


class ImageBindOnlooker:
    """Hears three pieces of 2 s and sees five pieces of two frames, as ImageBind's own loaders cut them.

    Args:
        device: where the network runs.
    """

    name, label, sample_rate = "imagebind:imagebind_huge", "", 16_000
    crop = "ImageBind's: 3 pieces of 2 s over the sound, 5 of 2 frames over the film"

    def __init__(self, device: str) -> None:
        self.device = device

    @cached_property
    def _model(self) -> Any:
        from imagebind.models.imagebind_model import imagebind_huge

        return fetched("ImageBind", lambda: imagebind_huge(pretrained=True), self.device)

    @cached_property
    def weights_sha256(self) -> str:
        """Of the network's tensors."""
        return module_sha256(self._model)

    @property
    def fingerprint(self) -> str:
        """Of the network's tensors."""
        return self.weights_sha256

    @torch.no_grad()
    def compare(self, wave: Wave, rate: int, media: Path) -> dict[str, float]:
        """{"imagebind": score} of one clip."""
        from imagebind import data
        from imagebind.models.imagebind_model import ModalityType

        from v2a_lightning.media import is_picture, resample, write_wave

        see = data.load_and_transform_vision_data if is_picture(media) else data.load_and_transform_video_data
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sound.wav"
            write_wave(path, resample(wave, rate, self.sample_rate), self.sample_rate)
            heard = data.load_and_transform_audio_data([str(path)], self.device)
        inputs = {ModalityType.AUDIO: heard, ModalityType.VISION: see([str(media)], self.device)}
        outputs = self._model(inputs)
        cosine = cosines(outputs[ModalityType.AUDIO].cpu(), outputs[ModalityType.VISION].cpu())
        return {"imagebind": PERCENT * float(cosine)}

"""ImageBind's cosine between a sound and its video. Weights: CC-BY-NC-SA 4.0."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from v2a_lightning.distances import cosines
from v2a_lightning.evaluation.extractors.packages import PackageExtractor
from v2a_lightning.evaluation.features import Features, Waveform
from v2a_lightning.media import is_picture, resample, write_waveform


class ImageBindFeatures(PackageExtractor):
    """{"score": 100 x cosine} of three pieces of 2 s and five pieces of two frames, as ImageBind's loaders cut them."""

    name, title, sample_rate = "imagebind:imagebind_huge", "ImageBind", 16_000
    modules, install = ("imagebind", "torchaudio"), "pip install imagebind-unofficial torchaudio"
    crop = "ImageBind's: 3 pieces of 2 s over the sound, 5 of 2 frames over the video"
    needs_video, cached = True, False

    def build(self) -> nn.Module:
        """The package's model."""
        from imagebind.models.imagebind_model import imagebind_huge

        model: nn.Module = imagebind_huge(pretrained=True)
        return model

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` and its video to {"score": ()}."""
        from imagebind import data
        from imagebind.models.imagebind_model import ModalityType

        assert video is not None
        load = data.load_and_transform_vision_data if is_picture(video) else data.load_and_transform_video_data
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sound.wav"
            write_waveform(path, resample(waveform, rate, self.sample_rate), self.sample_rate)
            audio = data.load_and_transform_audio_data([str(path)], self.device)
        outputs = self.model({ModalityType.AUDIO: audio, ModalityType.VISION: load([str(video)], self.device)})
        return {"score": 100.0 * cosines(outputs[ModalityType.AUDIO].cpu(), outputs[ModalityType.VISION].cpu())[0]}

"""PaSST through hear21passt: the features behind FD, KL and IS "PaSST" of newer papers."""

from pathlib import Path

import torch
from torch import nn

from v2a_lightning.evaluation.extractors.packages import PackageExtractor
from v2a_lightning.evaluation.features import Features, Waveform

CLASSES = 527


class PasstFeatures(PackageExtractor):
    """{"logits": (527,), "embedding": (768,)} at 32 kHz; of more than 10 s, the mean over windows."""

    name, title, sample_rate = "passt:passt_s_swa_p16_128_ap476", "PaSST", 32_000
    modules, install = ("hear21passt", "torchaudio"), "pip install hear21passt torchaudio"

    def build(self) -> nn.Module:
        """The package's model."""
        from hear21passt.base import get_basic_model

        model: nn.Module = get_basic_model(mode="all")
        return model

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` to logits and embedding."""
        prepared = torch.from_numpy(self.part.prepare(waveform, rate, self.sample_rate)).to(self.device)
        both = self.model.get_scene_embeddings(prepared[None])[0].float().cpu()
        return {"logits": both[:CLASSES].contiguous(), "embedding": both[CLASSES:].contiguous()}

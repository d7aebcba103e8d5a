"""PaSST through hear21passt: the features behind FD, KL and IS "PaSST" of newer papers."""

from functools import cached_property
from typing import Any

import torch

from v2a_lightning.evaluation.extras import fetched, module_sha256
from v2a_lightning.evaluation.hearing import Features
from v2a_lightning.evaluation.sounds import Crop, Wave

CLASSES = 527


class PasstEar:
    """Hears {"passt_logits": (527,), "passt_embedding": (768,)} at 32 kHz; of more than 10 s, the mean over windows.

    Args:
        device: where the network runs.
        crop: which part of a sound is heard.
    """

    name, label, sample_rate = "passt:passt_s_swa_p16_128_ap476", "", 32_000

    def __init__(self, device: str, crop: Crop | None = None) -> None:
        self.device, self.part = device, crop or Crop()

    @cached_property
    def _model(self) -> Any:
        from hear21passt.base import get_basic_model

        return fetched("PaSST", lambda: get_basic_model(mode="all"), self.device)

    @property
    def crop(self) -> str:
        """Which part of a sound it hears, in words."""
        return str(self.part)

    @cached_property
    def weights_sha256(self) -> str:
        """Of the network's tensors."""
        return module_sha256(self._model)

    @property
    def fingerprint(self) -> str:
        """Of the network's tensors."""
        return self.weights_sha256

    @torch.no_grad()
    def hear(self, wave: Wave, rate: int) -> Features:
        """(N,) at `rate` to logits and embedding."""
        prepared = torch.from_numpy(self.part.prepare(wave, rate, self.sample_rate)).to(self.device)
        both = self._model.get_scene_embeddings(prepared[None])[0].float().cpu()
        return {"passt_logits": both[:CLASSES].contiguous(), "passt_embedding": both[CLASSES:].contiguous()}

"""LAION's own CLAP code, for those who want its format read by it. Nothing is fetched: the package's import and its
constructor ask the network for text models whose weights the checkpoint replaces anyway."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.encoders.clap_weights import config_of, laion_part
from v2a_lightning.encoders.log_mel import MelSpec

AUDIO_MODELS = {96: ("HTSAT-tiny", 768), 128: ("HTSAT-base", 1024)}


class LaionClap(nn.Module):
    """laion_clap's CLAP with the weights of a `.pt` (or of an AudioLDM `.ckpt`)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = laion_part(read_weights(path), path)
        config: Any = config_of(state)
        self.clap = load_strictly(_build(config), state, path)
        self.projection_dim = config.projection_dim
        self.vocabulary_size = config.text_config.vocab_size

    def audio(self, waveforms: Tensor, _mel: MelSpec, dtype: torch.dtype) -> Tensor:
        """Waves (B, 480000) at 48 kHz to (B, D). The model makes its own spectrogram."""
        heard = {"waveform": waveforms.to(dtype), "longer": torch.zeros(len(waveforms), 1, dtype=torch.bool)}
        features = self.clap.encode_audio(heard, device=waveforms.device)["embedding"]
        embeddings: Tensor = self.clap.audio_projection(features)
        return embeddings

    def text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask (B, length) to (B, D)."""
        embeddings: Tensor = self.clap.encode_text({"input_ids": tokens, "attention_mask": mask}, device=tokens.device)
        return embeddings


def _build(config: Any) -> Any:
    """A `clap_module.CLAP` of the config's shapes, with random weights."""
    with _offline():
        import laion_clap  # noqa: F401  (puts clap_module on the path)
        from clap_module.model import CLAP, CLAPAudioCfp, CLAPTextCfg
    from transformers import RobertaConfig, RobertaModel

    name, width = AUDIO_MODELS[config.audio_config.patch_embeds_hidden_size]
    audio = CLAPAudioCfp(model_type="HTSAT", model_name=name.split("-")[1], hop_size=480)
    # "transformer" is the one text model that is built without asking the network; RoBERTa then takes its place.
    text = CLAPTextCfg(77, 1, config.text_config.hidden_size, 12, 1, "transformer")
    model = CLAP(width, audio, text, joint_embed_shape=config.projection_dim)
    for unused in ("token_embedding", "positional_embedding", "ln_final"):
        delattr(model, unused)
    shapes = config.text_config
    model.text_branch_type = "roberta"
    model.text_branch = RobertaModel(
        RobertaConfig(
            vocab_size=shapes.vocab_size,
            hidden_size=shapes.hidden_size,
            num_hidden_layers=shapes.num_hidden_layers,
            num_attention_heads=shapes.num_attention_heads,
            intermediate_size=shapes.intermediate_size,
            max_position_embeddings=shapes.max_position_embeddings,
            type_vocab_size=1,
            layer_norm_eps=shapes.layer_norm_eps,
        )
    )
    return model


@contextmanager
def _offline() -> Iterator[None]:
    """laion_clap's import asks the Hub for three tokenizers; it is told that there is no network."""
    import huggingface_hub.constants as hub

    before, hub.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE, True
    variable = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before
        if variable is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = variable

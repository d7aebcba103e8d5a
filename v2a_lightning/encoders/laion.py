"""LAION's own CLAP code, for those who want its format read by it. Nothing is fetched: the package's import and its
constructor ask the network for text models whose weights the checkpoint replaces anyway."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from huggingface_hub import constants
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.encoders.clap_weights import config_of, laion_part
from v2a_lightning.encoders.log_mel import MelSpec

TEXT_SHAPES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
TEXT_SHAPES += ("max_position_embeddings", "layer_norm_eps")
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
        """Waveforms (B, 480000) at 48 kHz to (B, D). The model makes its own spectrogram."""
        inputs = {"waveform": waveforms.to(dtype), "longer": torch.zeros(len(waveforms), 1, dtype=torch.bool)}
        features = self.clap.encode_audio(inputs, device=waveforms.device)["embedding"]
        embeddings: Tensor = self.clap.audio_projection(features)
        return embeddings

    def text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask (B, length) to (B, D)."""
        embeddings: Tensor = self.clap.encode_text({"input_ids": tokens, "attention_mask": mask}, device=tokens.device)
        return embeddings


def _build(config: Any) -> Any:
    # laion_clap's import asks the Hub for three tokenizers.
    with patch.object(constants, "HF_HUB_OFFLINE", True), patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"}):
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
    model.text_branch_type = "roberta"
    shapes = {name: getattr(config.text_config, name) for name in TEXT_SHAPES}
    model.text_branch = RobertaModel(RobertaConfig(**shapes, type_vocab_size=1))
    return model

"""The published models' architectures without their weights: for tests of their layouts, and to count their costs."""

from typing import Any

CLIP_NAME = "ViT-B-32-quickgelu"

AUDIOLDM_S_UNET: dict[str, Any] = {
    "sample_size": 128,
    "in_channels": 8,
    "out_channels": 8,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (128, 256, 384, 640),
    "layers_per_block": 2,
    "cross_attention_dim": (128, 256, 384, 640),
    "attention_head_dim": (4, 8, 12, 20),
    "class_embed_type": "simple_projection",
    "projection_class_embeddings_input_dim": 512,
    "class_embeddings_concat": True,
}
"""AudioLDM-S: 185,036,552 parameters. `attention_head_dim` is what the original trained with, not the published 8."""

AUDIOLDM_VAE: dict[str, Any] = {
    "sample_size": 512,
    "in_channels": 1,
    "out_channels": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (128, 256, 512),
    "latent_channels": 8,
    "layers_per_block": 2,
    "scaling_factor": 0.9392935633659363,
}

AUDIOLDM_VOCODER: dict[str, Any] = {
    "model_in_dim": 64,
    "sampling_rate": 16_000,
    "upsample_initial_channel": 1024,
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "normalize_before": False,
}


def audioldm_unet(**overrides: Any) -> Any:
    """AudioLDM-S's UNet, and with `attention_head_dim=8` MusicLDM's as it is published."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**AUDIOLDM_S_UNET | overrides)


def audioldm_vae() -> Any:
    """AudioLDM's autoencoder of log-mels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**AUDIOLDM_VAE)


def audioldm_vocoder() -> Any:
    """AudioLDM's HiFi-GAN."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    return SpeechT5HifiGan(SpeechT5HifiGanConfig(**AUDIOLDM_VOCODER))


def clap() -> Any:
    """CLAP with HTSAT-tiny and RoBERTa-base, without fusion."""
    from transformers import ClapConfig, ClapModel, ClapTextConfig

    # LAION builds on roberta-base, whose layer norm has this epsilon.
    return ClapModel(ClapConfig(text_config=ClapTextConfig(layer_norm_eps=1e-5).to_dict(), projection_dim=512))


def musicldm_clap(vocabulary: int) -> Any:
    """MusicLDM's CLAP: HTSAT-base and RoBERTa-base, as diffusers' conversion configures it."""
    from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

    audio = ClapAudioConfig(patch_embeds_hidden_size=128, hidden_size=1024, depths=[2, 2, 12, 2])
    text = ClapTextConfig(vocab_size=vocabulary)
    return ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=512)).eval()


def clip() -> Any:
    """OpenAI's CLIP ViT-B/32."""
    import open_clip

    return open_clip.CLIP(**open_clip.get_model_config(CLIP_NAME))

"""A ComfyUI node: images in, sound out. Copy this file into `ComfyUI/custom_nodes/`; `pip install` the project there.

An IMAGE batch is taken as the frames of one video window, a batch of one as a picture. The AUDIO output goes into Save
Audio, Preview Audio or a video's audio input.
"""

from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from v2a_lightning.pipeline import V2APipeline


@lru_cache(1)
def open_pipeline(checkpoint: str) -> V2APipeline:
    """The pipeline of a checkpoint, kept from one queue to the next."""
    pipeline = V2APipeline.from_pretrained(checkpoint, device="cuda" if torch.cuda.is_available() else "cpu")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class VideoToAudio:
    """Sound for a picture or for the frames of a video."""

    CATEGORY = "audio"
    RETURN_TYPES: ClassVar = ("AUDIO",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 (ComfyUI's name)
        """What the node shows."""
        share = {"min": 0.0, "max": 1.0, "step": 0.05}
        return {
            "required": {
                "images": ("IMAGE",),
                "checkpoint": ("STRING", {"default": "owner/name, or a path"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1}),
                "samples": ("INT", {"default": 1, "min": 1, "max": 16}),
                "best_of": ("INT", {"default": 1, "min": 1, "max": 16}),
                "steps": ("INT", {"default": 50, "min": 1, "max": 500}),
                "guidance": ("FLOAT", {"default": 2.5, "min": 0.0, "max": 20.0, "step": 0.1}),
            },
            "optional": {
                "text": ("STRING", {"default": "", "multiline": True}),
                "negative": ("STRING", {"default": "", "multiline": True}),
                "text_strength": ("FLOAT", {"default": 0.6, **share}),
            },
        }

    def make(
        self,
        images: Tensor,
        checkpoint: str,
        seed: int,
        samples: int,
        best_of: int,
        steps: int,
        guidance: float,
        text: str = "",
        negative: str = "",
        text_strength: float = 0.6,
    ) -> tuple[dict[str, Any]]:
        """IMAGE (T, H, W, 3) float in [0, 1] to AUDIO, a waveform (samples, 1, N) and its rate."""
        pipeline = open_pipeline(checkpoint)
        waveforms = pipeline(
            (images.clamp(0, 1) * 255).round().to(torch.uint8),
            prompt=text or None,
            negative_prompt=negative or None,
            prompt_strength=text_strength,
            num_waveforms_per_prompt=samples,
            best_of=best_of,
            num_inference_steps=steps,
            guidance_scale=guidance,
            seed=seed,
        )
        return ({"waveform": waveforms[:, None], "sample_rate": pipeline.sample_rate},)


NODE_CLASS_MAPPINGS = {"V2AVideoToAudio": VideoToAudio}
NODE_DISPLAY_NAME_MAPPINGS = {"V2AVideoToAudio": "Video to audio (V2A-Mapper)"}

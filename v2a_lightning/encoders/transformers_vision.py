"""The vision models of transformers: SigLIP, SigLIP 2, DINOv2, DINOv3, CLIP, PE through timm, and others."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.checkpoints.frozen_model import FrozenModel, Precision
from v2a_lightning.checkpoints.weights import HARMLESS, find_weights, read_weights, refuse_not_finite, without_values
from v2a_lightning.encoders.base import Encoder, checked_frames, normalised
from v2a_lightning.errors import UsageError

Pooling = Literal["pooled", "cls", "mean"]


class TransformersEncoder(FrozenModel, Encoder):
    """A vision model in transformers' format; of a model of pictures and texts, the picture's side.

    Nothing that a checkpoint brings is executed.

    Args:
        checkpoint: a folder (`config.json`, `preprocessor_config.json` and weights) or a Hugging Face id.
        pooling: what becomes a frame's embedding: the model's own pooled output (of CLIP, the projected one), the first
            token, or the mean of all tokens.
        batch_size: frames encoded at once.
        dtype: precision of the weights.
    """

    kind = "vision"

    def __init__(
        self, checkpoint: str, pooling: Pooling = "pooled", batch_size: int = 64, dtype: Precision = "float32"
    ) -> None:
        super().__init__(checkpoint, dtype)
        self.pooling = pooling
        self.batch_size = batch_size

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings, from the config where that says it."""
        config = self._config()
        vision = config.get("vision_config")
        # Of a model of pictures and texts that projects both, as CLIP.
        joint = config.get("projection_dim") if vision is not None and self.pooling == "pooled" else None
        width = joint or (vision or config).get("hidden_size")
        if isinstance(width, int):
            return width
        return int(self.encode_frames(torch.zeros(1, 32, 32, 3, dtype=torch.uint8)).shape[-1])

    @property
    def image_size(self) -> int | None:  # type: ignore[override]
        """Side of the square that the processor makes, in pixels, where it has one."""
        processor = self._part("processor")
        size = getattr(processor, "crop_size", None) or getattr(processor, "size", None) or {}
        side = size.get("height") or size.get("shortest_edge")
        return int(side) if side else None

    def settings(self) -> dict[str, Any]:
        return {"pooling": self.pooling}

    @torch.no_grad()
    def encode_frames(self, frames: Tensor | np.ndarray[Any, Any]) -> Tensor:
        """Frames uint8 (T, H, W, 3) to (T, D) float32 on the encoder's device, L2-normalised."""
        parts = [self._encode(part) for part in checked_frames(frames).split(self.batch_size) if len(part)]
        return normalised(parts, self.embedding_dim if not parts else 0, self.device)

    def preprocess(self, frames: Tensor) -> Tensor:
        """The model's own transform of uint8 (T, H, W, 3) to its input, such as (T, 3, size, size)."""
        pixels: Tensor = self._inputs(frames)["pixel_values"]
        return pixels

    def _inputs(self, frames: Tensor) -> Mapping[str, Any]:
        inputs: Mapping[str, Any] = self._part("processor")(images=list(frames.cpu().numpy()), return_tensors="pt")
        return inputs

    def _encode(self, frames: Tensor) -> Tensor:
        """(T, D) of frames, not normalised."""
        inputs = {name: value.to(self.device) for name, value in self._inputs(frames).items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.dtype)
        model = self._part("model")
        if self.pooling == "pooled" and hasattr(model, "get_image_features"):
            pooled: Tensor = model.get_image_features(**inputs).pooler_output
            return pooled
        output = getattr(model, "vision_model", model)(**inputs)
        tokens: Tensor = output.last_hidden_state
        if tokens.ndim == 4:  # a convolutional network's map, (T, D, h, w)
            tokens = tokens.flatten(2).transpose(1, 2)
        match self.pooling:
            case "cls":
                return tokens[:, 0]
            case "mean" if "pixel_attention_mask" in inputs:  # pictures of any shape, padded to one number of patches
                real = inputs["pixel_attention_mask"].to(tokens)[..., None]
                return (tokens * real).sum(1) / real.sum(1)
            case "mean":
                return tokens.mean(1)
        if (given := getattr(output, "pooler_output", None)) is None:
            raise UsageError(f"{self.name}: {type(model).__name__} has no pooled output; give pooling cls or mean")
        pooled = given.flatten(1)
        return pooled

    def _config(self) -> dict[str, Any]:
        path = self.path / "config.json"
        config = json.loads(path.read_text()) if path.is_file() else {}
        # timm's folders describe the transform in their config.
        if not config or not ("pretrained_cfg" in config or (self.path / "preprocessor_config.json").is_file()):
            raise UsageError(
                f"{self.path} is no folder of a vision model: it has no {path.name} or preprocessor_config.json"
            )
        if not isinstance(config, dict) or "auto_map" in config:
            raise UsageError(
                f"{path} asks for code of its own, which is not executed: use a model that transformers has"
            )
        return config

    def _load(self) -> dict[str, Any]:
        from transformers import AutoConfig, AutoImageProcessor, AutoModel

        self._config()
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(self.path, **options)
        with torch.device("meta"):
            architecture: Any = type(AutoModel.from_config(config, trust_remote_code=False))
        weights = find_weights(self.path, "model", "pytorch_model")
        state = read_weights(weights)
        refuse_not_finite(state, weights)
        # The library knows what its earlier versions called a tensor; whether all are there is seen to here.
        with without_values():
            model, found = architecture.from_pretrained(
                None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
            )
        self._refuse_incomplete(found, weights, architecture.__name__)
        return {"model": model, "processor": AutoImageProcessor.from_pretrained(self.path, **options)}

    def _refuse_incomplete(self, found: Mapping[str, Any], weights: Path, name: str) -> None:
        unneeded = HARMLESS if self.pooling == "pooled" else rf"{HARMLESS}|(^|\.)pooler\."
        missing = sorted(one for one in found["missing_keys"] if not re.search(unneeded, one))
        if missing:
            raise UsageError(
                f"{weights}: no weights of {name}: tensor {missing[0]!r} is missing ({len(missing)} in all)"
            )
        if mismatched := sorted(map(str, found["mismatched_keys"])):
            raise UsageError(f"{weights}: no weights of {name}: {mismatched[0]} has another shape")

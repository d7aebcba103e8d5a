"""CLIP through open_clip: frames and texts to embeddings."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.checkpoints.frozen_model import FrozenModel, Precision
from v2a_lightning.checkpoints.weights import (
    find_weights,
    load_strictly,
    read_weights,
    refuse_not_finite,
    without_values,
)
from v2a_lightning.encoders.base import Encoder, checked_frames, normalised
from v2a_lightning.errors import UsageError

FOLDER_CONFIG = "open_clip_config.json"
FOLDER_STEMS = ("open_clip_model", "open_clip_pytorch_model", "model", "pytorch_model")


class ClipEncoder(FrozenModel, Encoder):
    """An open_clip model of any architecture: frames and texts to embeddings.

    Args:
        checkpoint: an open_clip folder (`open_clip_config.json` and weights), OpenAI's own `.pt`, or open_clip weights
            in a single file; or anything `v2a_lightning.checkpoints.registry.resolve` finds one of these by.
        model_name: open_clip's name of the architecture, for single files that do not say theirs. OpenAI's weights were
            trained with QuickGELU: their name is `ViT-B-32-quickgelu`; `ViT-B-32` silently gives other embeddings.
        batch_size: frames, or texts, encoded at once.
        dtype: precision of the weights.
    """

    kind = "clip"

    def __init__(
        self,
        checkpoint: str = "miniature",
        model_name: str | None = None,
        batch_size: int = 64,
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(checkpoint, dtype)
        self.model_name = model_name
        self.batch_size = batch_size

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings, 512 for ViT-B/32; from the config where there is one."""
        config = None if self._parts else self._architecture()
        return int(config["embed_dim"] if config else self._part("width"))

    @property
    def image_size(self) -> int:  # type: ignore[override]
        """Side of the square the model is given, in pixels."""
        size = self._part("model").visual.image_size
        return int(size[0] if isinstance(size, (tuple, list)) else size)

    def summary(self) -> str:
        """Width, picture size and vocabulary, in a line; ValueError when tokenizer and text tower have other tokens."""
        tokenizer, model = self._part("tokenizer"), self._part("model")
        count = len(tokenizer.tokenizer) if hasattr(tokenizer, "tokenizer") else int(tokenizer.vocab_size)
        expected = getattr(model, "vocab_size", count)
        if count != expected:
            raise ValueError(
                f"its tokenizer has {count} tokens, its text tower {expected}; tokenizer files are missing"
            )
        return f"{self.embedding_dim} wide, {self.image_size} px, {count} tokens"

    def settings(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    @torch.no_grad()
    def encode_frames(self, frames: Tensor | NDArray[np.uint8], batch_size: int | None = None) -> Tensor:
        """Frames uint8 RGB (T, H, W, 3) to (T, D) float32 on the encoder's device, L2-normalised."""
        frames = checked_frames(frames)
        model = self._part("model")
        parts = [
            model.encode_image(self.preprocess(part).to(self.device, self.dtype))
            for part in frames.split(batch_size or self.batch_size)
        ]
        return normalised(parts, self.embedding_dim, self.device)

    def preprocess(self, frames: Tensor) -> Tensor:
        """CLIP's own transform of uint8 (T, H, W, 3): resize, centre crop, normalise to (T, 3, size, size)."""
        from PIL import Image

        transform = self._part("transform")
        if tuple(frames.shape[1:3]) == (self.image_size, self.image_size):
            # Resizing and cropping change nothing here, and without them the batch needs no loop over pictures.
            pixels: Tensor = transform.transforms[-1](frames.permute(0, 3, 1, 2).float() / 255)
            return pixels
        return torch.stack([transform(Image.fromarray(frame)) for frame in frames.cpu().numpy()])

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: (N, D) float32 on the encoder's device, L2-normalised."""
        model = self._part("model")
        chunks = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        parts = [model.encode_text(self._tokens(chunk)) for chunk in chunks]
        return normalised(parts, self.embedding_dim, self.device)

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        tokens: Tensor = self._part("tokenizer")(list(texts)).to(self.device)
        return tokens

    @torch.no_grad()
    def _load(self) -> dict[str, Any]:
        import open_clip

        path = self.path
        if path.is_dir():
            name = f"local-dir:{open_clip_folder(path)}"
            model = _filled(name, find_weights(path, *FOLDER_STEMS))
        elif is_torchscript(path):
            model, name = _openai_model(path), self.model_name or "ViT-B-32"
        else:
            name = self._named_architecture(path)
            model = _filled(name, path)
        # A folder's config may ask for the folder's own code to be run as its tokenizer.
        text = (self._architecture() or {}).get("text_cfg", {})
        options = {"trust_remote_code": False} if path.is_dir() and text.get("hf_tokenizer_name") else {}
        tokenizer = open_clip.get_tokenizer(name, **options)
        width = model.encode_text(tokenizer([""])).shape[-1]
        return {"model": model, "transform": _transform(model), "tokenizer": tokenizer, "width": width}

    def _architecture(self) -> dict[str, Any] | None:
        """What is known of the architecture without reading weights."""
        import open_clip

        if self.path.is_dir():
            config: dict[str, Any] = json.loads((open_clip_folder(self.path) / FOLDER_CONFIG).read_text())["model_cfg"]
            return config
        return None if is_torchscript(self.path) else open_clip.get_model_config(self._named_architecture(self.path))

    def _named_architecture(self, path: Path) -> str:
        import open_clip

        if self.model_name is None:
            raise UsageError(f"{path} does not say its architecture; give model_name, such as ViT-B-32-quickgelu")
        if self.model_name not in open_clip.list_models():
            raise UsageError(f"clip model_name {self.model_name!r} is none of open_clip's; see open_clip.list_models()")
        return self.model_name


def open_clip_folder(path: Path) -> Path:
    """The folder itself; UsageError when it is none of open_clip's."""
    if not (path / FOLDER_CONFIG).is_file():
        raise UsageError(f"{path} is no open_clip folder: it has no {FOLDER_CONFIG}")
    return path


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, as OpenAI's CLIP weights are."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _filled(name: str, weights: Path) -> Any:
    import open_clip
    from open_clip.model import convert_to_custom_text_state_dict

    with without_values():
        model: Any = open_clip.create_model(name, load_weights=False, pretrained_text=False)
    state = read_weights(weights)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for scale in ("logit_scale", "logit_bias"):  # a number, or a list of one
        if scale in state and getattr(model, scale, None) is not None and state[scale].numel() == 1:
            state[scale] = state[scale].reshape(getattr(model, scale).shape)
    return load_strictly(model, state, weights)


def _openai_model(path: Path) -> Any:
    """OpenAI's own archive: open_clip reads the architecture, QuickGELU included, from the weights."""
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
    from open_clip.model import build_model_from_openai_state_dict

    state = read_weights(path)
    refuse_not_finite(state, path)
    try:
        with without_values():
            model: Any = build_model_from_openai_state_dict(dict(state), cast_dtype=None)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: not the weights of a CLIP of OpenAI's: {reason[:300]}") from error
    model.visual.image_mean, model.visual.image_std = OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
    return model.float()


def _transform(model: Any) -> Callable[[Any], Tensor]:
    from open_clip.transform import PreprocessCfg, image_transform, image_transform_v2

    visual = model.visual
    transform: Callable[[Any], Tensor]
    if hasattr(visual, "preprocess_cfg"):
        transform = image_transform_v2(PreprocessCfg(**visual.preprocess_cfg), is_train=False)
    else:
        transform = image_transform(visual.image_size, is_train=False, mean=visual.image_mean, std=visual.image_std)
    return transform

"""CLIP: frames and texts through open_clip, the miniature's folder and OpenAI's archive alike."""

import copy
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.torchscript import tree_of
from v2a_lightning.checkpoints.frozen_model import quiet_libraries
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import UsageError

OPENAI_SMALL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def encoder(weights: Path) -> ClipEncoder:
    return ClipEncoder(str(weights / "clip"))


def random_frames(count: int, height: int = 96, width: int = 96) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, height, width, 3), dtype=np.uint8)


def test_frames_become_unit_vectors_that_do_not_depend_on_their_batch(encoder: ClipEncoder) -> None:
    frames = random_frames(5)
    together = encoder.encode_frames(frames)
    assert together.shape == (5, encoder.embedding_dim) == (5, 512)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(5))
    torch.testing.assert_close(encoder.encode_frames(frames, batch_size=2), together, atol=1e-6, rtol=0)
    assert encoder.encode_frames(frames[:0]).shape == (0, 512)


def test_the_short_way_for_frames_of_the_models_size_is_clips_own_transform(encoder: ClipEncoder) -> None:
    from PIL import Image

    frames = random_frames(2)
    own = encoder._part("transform")
    expected = torch.stack([own(Image.fromarray(frame)) for frame in frames])
    assert torch.equal(encoder.preprocess(torch.from_numpy(frames)), expected)
    assert encoder.preprocess(torch.from_numpy(random_frames(2, 120, 160))).shape == (2, 3, 96, 96)


def test_texts_are_read_with_the_folders_own_tokenizer(encoder: ClipEncoder) -> None:
    texts = encoder.encode_text(["a dog barks", "rain falls on the roof", "a dog barks"])
    assert texts.shape == (3, 512)
    torch.testing.assert_close(texts[0], texts[2])
    assert not torch.allclose(texts[0], texts[1])


def test_loading_leaves_the_random_stream_alone(weights: Path) -> None:
    before = torch.get_rng_state()
    ClipEncoder(str(weights / "clip")).load()
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_is_said_of_random_weights(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # As in the second process of two, where no level is kept.
    root = logging.getLogger()
    handler, level = logging.StreamHandler(), root.level
    root.addHandler(handler)
    try:
        with quiet_libraries():
            root.setLevel(logging.WARNING)
            ClipEncoder(str(weights / "clip"))._load()
        logging.warning("another warning")
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    told = capfd.readouterr().err
    assert "another warning" in told
    assert "No pretrained weights" not in told


def test_copies_and_pickles_leave_the_weights_behind(encoder: ClipEncoder) -> None:
    encoder.load()
    assert copy.deepcopy(encoder)._parts == {}
    assert len(pickle.dumps(encoder)) < 10_000


def test_the_fingerprint_names_the_weights_and_not_the_card(weights: Path, tmp_path: Path) -> None:
    import shutil

    copied = shutil.copytree(weights / "clip", tmp_path / "clip")
    one, other = ClipEncoder(str(weights / "clip")), ClipEncoder(str(copied))
    (copied / "card.json").write_text("{}")
    assert one.fingerprint == other.fingerprint
    assert ClipEncoder(str(copied), model_name="other").fingerprint != one.fingerprint
    (copied / "open_clip_config.json").write_text("{}")
    assert ClipEncoder(str(copied)).fingerprint != one.fingerprint


def test_openais_archive_is_read_with_quickgelu(tmp_path: Path) -> None:
    model = open_clip.CLIP(**OPENAI_SMALL, quick_gelu=True).eval()
    torch.jit.script(tree_of(model.state_dict())).save(str(tmp_path / "ViT-small.pt"))
    encoder = ClipEncoder(str(tmp_path / "ViT-small.pt"))
    frames = torch.from_numpy(random_frames(2, 64, 64))
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.encode_image(encoder.preprocess(frames)), dim=-1)
    # OpenAI's archives hold half precision, and open_clip rounds to it on the way in.
    torch.testing.assert_close(encoder.encode_frames(frames), expected, atol=2e-3, rtol=0)
    assert encoder.encode_text(["a dog"]).shape == (1, 64)


def test_a_single_file_needs_its_architectures_name(tmp_path: Path, weights: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes((weights / "clip" / "open_clip_model.safetensors").read_bytes())
    with pytest.raises(UsageError, match="give model_name, such as ViT-B-32-quickgelu"):
        ClipEncoder(str(file)).load()
    with pytest.raises(UsageError, match="'ViT-B-99' is none of open_clip's"):
        ClipEncoder(str(file), model_name="ViT-B-99").load()


def test_wrong_input_is_named(encoder: ClipEncoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(T, H, W, 3\)"):
        encoder.encode_frames(np.zeros((2, 3, 96, 96), np.uint8))
    with pytest.raises(UsageError, match="no open_clip folder"):
        ClipEncoder(str(tmp_path)).load()
    with pytest.raises(UsageError, match="there is no such file or folder"):
        ClipEncoder(str(tmp_path / "missing")).load()
    with pytest.raises(UsageError, match="dtype 'float8'"):
        ClipEncoder(dtype="float8")  # type: ignore[arg-type]


ARCHITECTURES = {
    "a vision transformer": {"layers": 1, "width": 64, "patch_size": 32, "image_size": 64},
    "a residual network": {"layers": [1, 1, 1, 1], "width": 16, "patch_size": None, "image_size": 64},
    "one pooled by attention": {"layers": 1, "width": 64, "patch_size": 32, "image_size": 64, "attentional_pool": True},
}


def save_open_clip(folder: Path, width: int, vision: dict[str, Any]) -> Path:
    """A folder in open_clip's published layout, with random weights and open_clip's own tokenizer."""
    config = {**OPENAI_SMALL, "embed_dim": width, "vision_cfg": vision}
    folder.mkdir(exist_ok=True)
    preprocess = {"size": 64, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.parametrize("vision", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
@pytest.mark.parametrize("width", [64, 768])
def test_any_architecture_and_width(tmp_path: Path, width: int, vision: dict[str, Any]) -> None:
    encoder = ClipEncoder(str(save_open_clip(tmp_path, width, vision)))
    assert encoder.embedding_dim == width
    assert not encoder._parts, "the width is in the config"
    found = encoder.encode_frames(random_frames(3))
    assert found.shape == encoder.encode_text(["a", "b", "c"]).shape == (3, width)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    assert encoder.embedding_dim == width


def test_perception_encoder_of_open_clip(tmp_path: Path) -> None:
    from open_clip.factory import create_model

    vision = {"image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384", "timm_model_pretrained": False}
    vision |= {"timm_pool": "map", "timm_proj": None}
    text = {**OPENAI_SMALL["text_cfg"], "context_length": 32}  # type: ignore[dict-item]
    config = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    preprocess = {"size": 384, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(0)
    model = create_model(f"local-dir:{tmp_path}", load_weights=False).eval()
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    encoder = ClipEncoder(str(tmp_path))
    frames = torch.from_numpy(random_frames(3, 40, 56))
    with torch.no_grad():
        expected = model.encode_image(encoder.preprocess(frames), normalize=True)
    assert encoder.embedding_dim == 48
    torch.testing.assert_close(encoder.encode_frames(frames), expected, atol=1e-5, rtol=1e-4)
    assert encoder.encode_text(["a dog"]).shape == (1, 48)

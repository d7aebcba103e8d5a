"""transformers' vision models at tiny sizes, in their published layouts: widths, poolings, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from v2a_lightning.encoders import TransformersEncoder
from v2a_lightning.errors import RunFailure, UsageError

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8}


def save_dinov2(folder: Path, width: int = 24) -> Path:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=width, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, patch_size=8, image_size=32
    )
    Dinov2Model(config).save_pretrained(folder)
    processor = BitImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return folder


def save_siglip(folder: Path, width: int = 24) -> Path:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(0)
    vision = {**SMALL, "hidden_size": width, "image_size": 32}
    text = {**SMALL, "hidden_size": width, "vocab_size": 50, "max_position_embeddings": 8}
    text.pop("patch_size")
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_clip(folder: Path, width: int = 24) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    vision = {**SMALL, "hidden_size": 16, "image_size": 32}
    text = {**SMALL, "hidden_size": 16, "vocab_size": 50, "max_position_embeddings": 8, "eos_token_id": 49}
    text.pop("patch_size")
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


SAVERS = [save_dinov2, save_siglip, save_clip]


def frames(count: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 40, 56, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("width", [24, 768])
def test_any_width_is_known_before_weights_are_read(tmp_path: Path, save: Any, width: int) -> None:
    encoder = TransformersEncoder(str(save(tmp_path, width)))
    assert encoder.embedding_dim == width
    assert not encoder._parts
    found = encoder.encode_frames(frames())
    assert (found.shape, found.dtype) == ((3, width), torch.float32)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    alone = torch.cat([encoder.encode_frames(frame[None]) for frame in frames()])
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-4)


def test_the_pooled_output_is_the_librarys(tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModel

    folder = save_clip(tmp_path)
    inputs = AutoImageProcessor.from_pretrained(folder)(images=list(frames().numpy()), return_tensors="pt")
    with torch.no_grad():
        expected = AutoModel.from_pretrained(folder).get_image_features(**inputs).pooler_output
    found = TransformersEncoder(str(folder)).encode_frames(frames())
    torch.testing.assert_close(found, F.normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


def test_poolings_by_hand(tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, Dinov2Model

    folder = save_dinov2(tmp_path)
    inputs = AutoImageProcessor.from_pretrained(folder)(images=list(frames().numpy()), return_tensors="pt")
    with torch.no_grad():
        tokens = Dinov2Model.from_pretrained(folder)(**inputs).last_hidden_state
    for pooling, expected in (("cls", tokens[:, 0]), ("mean", tokens.mean(1)), ("pooled", tokens[:, 0])):
        encoder = TransformersEncoder(str(folder), pooling=pooling)  # type: ignore[arg-type]
        torch.testing.assert_close(encoder.encode_frames(frames()), F.normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)
    prints = {TransformersEncoder(str(folder), pooling=one).fingerprint for one in ("cls", "mean", "pooled")}  # type: ignore[arg-type]
    assert len(prints) == 3


def test_a_model_without_a_pooled_output_wants_a_pooling(tmp_path: Path) -> None:
    from transformers import ViTImageProcessor, ViTMAEConfig, ViTMAEModel

    ViTMAEModel(ViTMAEConfig(hidden_size=16, image_size=32, **SMALL)).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="ViTMAEModel has no pooled output; give pooling cls or mean"):
        TransformersEncoder(str(tmp_path)).encode_frames(frames())


def test_a_head_for_another_task_is_left_out(tmp_path: Path) -> None:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2ForImageClassification

    config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, patch_size=8, image_size=32)
    model = Dinov2ForImageClassification(config).eval()
    model.save_pretrained(tmp_path)
    BitImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    encoder = TransformersEncoder(str(tmp_path))
    with torch.no_grad():
        expected = model.dinov2(encoder.preprocess(frames())).pooler_output
    torch.testing.assert_close(encoder.encode_frames(frames()), F.normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("save", SAVERS)
def test_weights_that_are_not_whole_are_refused_by_name(tmp_path: Path, save: Any) -> None:
    weights = save(tmp_path) / "model.safetensors"
    whole = load_file(weights)
    name = next(one for one in whole if one.endswith("bias"))
    save_file({one: tensor for one, tensor in whole.items() if one != name}, weights)
    with pytest.raises(UsageError, match=rf"{weights}: no weights of .*: tensor .* is missing"):
        TransformersEncoder(str(tmp_path)).encode_frames(frames())
    save_file({**whole, name: torch.full_like(whole[name], torch.nan)}, weights)
    with pytest.raises(RunFailure, match=rf"tensor '{name}' holds values that are not finite"):
        TransformersEncoder(str(tmp_path)).encode_frames(frames())


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_dinov2(tmp_path, 24)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))
    with pytest.raises((UsageError, RunFailure), match=r"model\.safetensors|mismatch"):
        TransformersEncoder(str(tmp_path)).encode_frames(frames())


def test_code_of_a_checkpoints_own_is_not_executed(tmp_path: Path) -> None:
    save_dinov2(tmp_path)
    marker = tmp_path / "executed"
    (tmp_path / "own.py").write_text(f"from pathlib import Path\nPath({str(marker)!r}).touch()\n")
    config = json.loads((tmp_path / "config.json").read_text())
    own = {**config, "model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (tmp_path / "config.json").write_text(json.dumps(own))
    with pytest.raises(UsageError, match="asks for code of its own, which is not executed"):
        TransformersEncoder(str(tmp_path)).load()
    assert not marker.exists()


def test_what_is_no_vision_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder of a vision model: it has no config\.json"):
        TransformersEncoder(str(tmp_path)).load()


def test_perception_encoder_as_timm_publishes_it(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    shape = {"img_size": 32, "depth": 2}
    model = timm.create_model("vit_pe_core_tiny_patch16_384", **shape).eval()
    pretrained = {**model.pretrained_cfg, "input_size": [3, 32, 32], "fixed_input_size": True}
    config = {"architecture": "vit_pe_core_tiny_patch16_384", "num_classes": 512, "num_features": 192}
    config |= {"global_pool": "map", "model_args": shape, "pretrained_cfg": pretrained}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    encoder = TransformersEncoder(str(tmp_path))
    found = encoder.encode_frames(frames())
    with torch.no_grad():
        tokens = model.forward_features(encoder.preprocess(frames()))
        pooled = model.forward_head(tokens, pre_logits=True)
    assert (encoder.embedding_dim, encoder.image_size, tokens.shape) == (192, None, (3, 5, 192))
    torch.testing.assert_close(found, F.normalize(pooled, dim=-1), atol=1e-5, rtol=1e-4)
    for pooling, expected in (("cls", tokens[:, 0]), ("mean", tokens.mean(1))):
        other = TransformersEncoder(str(tmp_path), pooling=pooling).encode_frames(frames())  # type: ignore[arg-type]
        torch.testing.assert_close(other, F.normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


def test_siglip2_of_any_shape_leaves_padding_out(tmp_path: Path) -> None:
    from transformers import Siglip2Config, Siglip2ImageProcessor, Siglip2Model

    torch.manual_seed(0)
    vision = {**SMALL, "hidden_size": 24, "num_patches": 16}
    text = {**SMALL, "hidden_size": 24, "vocab_size": 50, "max_position_embeddings": 8}
    text.pop("patch_size")
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).eval()
    model.save_pretrained(tmp_path)
    Siglip2ImageProcessor(patch_size=8, max_num_patches=14).save_pretrained(tmp_path)
    encoder = TransformersEncoder(str(tmp_path))
    inputs = encoder._inputs(frames())
    real = int(inputs["pixel_attention_mask"][0].sum())
    # 40 x 56 pixels become 3 x 4 patches, and two more pad them.
    assert (inputs["spatial_shapes"][0].tolist(), real, inputs["pixel_values"].shape) == ([3, 4], 12, (3, 14, 192))
    with torch.no_grad():
        output = model.vision_model(**inputs)
    expected = {"pooled": output.pooler_output, "mean": output.last_hidden_state[:, :real].mean(1)}
    for pooling, one in expected.items():
        encoder = TransformersEncoder(str(tmp_path), pooling=pooling)  # type: ignore[arg-type]
        assert (encoder.embedding_dim, encoder.image_size) == (24, None)
        torch.testing.assert_close(encoder.encode_frames(frames()), F.normalize(one, dim=-1), atol=1e-5, rtol=1e-4)

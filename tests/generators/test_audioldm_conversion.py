"""An original AudioLDM checkpoint becomes a diffusers folder that sounds the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from tests.encoders.test_clap import small_laion
from tests.generators.original_audioldm import write_original
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import AudioLDM
from v2a_lightning.generators.audioldm_conversion import convert_audioldm
from v2a_lightning.generators.clap_match import SAMPLE_RATE, compare, self_test_waveform
from v2a_lightning.generators.diffusion_folder import build_scheduler, save_audioldm
from v2a_lightning.miniature.models import build_unet, build_vae


def small_parts(seed: int) -> tuple[Any, Any, Any]:
    torch.manual_seed(seed)
    unet = build_unet((32, 64, 96), layers=2)
    vae = build_vae((32, 64), scaling_factor=0.94)
    config = SpeechT5HifiGanConfig(
        model_in_dim=64,
        upsample_initial_channel=32,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
        normalize_before=False,
    )
    return unet.eval(), vae.eval(), SpeechT5HifiGan(config).eval()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    unet, vae, vocoder = small_parts(0)
    save_audioldm(unet, vae, vocoder, build_scheduler(), torch.zeros(512), folder / "expected")
    write_original(folder / "audioldm.ckpt", small_parts(1)[0], vae, vocoder, small_clap(), averaged=unet)
    convert_audioldm(folder / "audioldm.ckpt", folder / "converted")
    return folder


def small_clap() -> Any:
    return small_laion(512)  # as wide as the UNet's condition


def test_the_unet_is_the_averaged_one_with_32_channels_to_a_head(original: Path) -> None:
    config = json.loads((original / "converted" / "unet" / "config.json").read_text())
    assert config["attention_head_dim"] == [1, 2, 3]
    assert config["block_out_channels"] == [32, 64, 96]
    assert config["layers_per_block"] == 2
    ours, expected = (AudioLDM(str(original / name)).load()._part("unet") for name in ("converted", "expected"))
    latents, condition = torch.randn(2, 8, 16, 32), torch.randn(2, 512)
    with torch.no_grad():
        outputs = [unet(latents, 500, None, class_labels=condition).sample for unet in (ours, expected)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)


def test_the_autoencoder_the_vocoder_and_the_scheduler_come_along(original: Path) -> None:
    ours, expected = (AudioLDM(str(original / name)) for name in ("converted", "expected"))
    latents = torch.randn(1, 8, 16, 32)
    torch.testing.assert_close(ours.decode(latents), expected.decode(latents))
    assert ours._part("vae").config.scaling_factor == pytest.approx(0.94)
    scheduler = json.loads((original / "converted" / "scheduler" / "scheduler_config.json").read_text())
    assert (scheduler["beta_schedule"], scheduler["beta_end"]) == ("scaled_linear", 0.0195)


def test_its_own_clap_and_the_embedding_of_nothing_come_along(original: Path) -> None:
    clap = small_clap()
    tokens = torch.tensor([[0, 2]])
    with torch.no_grad():
        nothing = clap.text_projection(clap.text_model(tokens).pooler_output)[0]
    found = AudioLDM(str(original / "converted")).load()._part("unconditional")
    torch.testing.assert_close(found, torch.nn.functional.normalize(nothing, dim=0))
    folder = ClapEncoder(str(original / "converted" / "clap"))
    file = ClapEncoder(str(original / "audioldm.ckpt"))
    waveform = self_test_waveform()
    torch.testing.assert_close(folder.encode_audio(waveform, SAMPLE_RATE), file.encode_audio(waveform, SAMPLE_RATE))
    agreement = compare(file, original / "converted")
    assert agreement.same, agreement.evidence
    assert ClapEncoder(str(original / "converted")).path == original / "converted" / "clap"


def test_a_checkpoint_is_converted_once_when_it_is_named(original: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path))
    named = AudioLDM(str(original / "audioldm.ckpt"))
    assert named.path.parent == tmp_path / "converted"
    made = named.path.stat().st_mtime_ns
    assert AudioLDM(str(original / "audioldm.ckpt")).path.stat().st_mtime_ns == made


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(UsageError, match="no original AudioLDM checkpoint"):
        convert_audioldm(tmp_path / "other.ckpt", tmp_path / "converted")
    assert not (tmp_path / "converted").exists()

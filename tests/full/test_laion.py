"""laion_clap and transformers give the same embeddings from the same full-size weights."""

import os
from pathlib import Path

import pytest
import torch

from tests.full.checkpoints import lively_clap
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.encoders.clap_weights import config_of, laion_part
from v2a_lightning.encoders.laion import _build
from v2a_lightning.generators.clap_match import SAMPLE_RATE, self_test_waveform

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LAION's own module writes the file, so its names are LAION's."""
    torch.manual_seed(0)
    shapes = lively_clap()
    module = _build(shapes.config).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-60, -20)
            layer.running_var.uniform_(50, 400)
    path = tmp_path_factory.mktemp("laion") / "630k-random.pt"
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in module.state_dict().items()}}, path
    )
    return path


def test_both_backends_give_the_same_embeddings(file: Path) -> None:
    ours = ClapEncoder(str(file))
    theirs = ClapEncoder(str(file), backend="laion_clap")
    time = torch.arange(3 * 48_000) / 48_000
    chirp = 0.3 * torch.sin(2 * torch.pi * (200 + 900 * time) * time)
    noise = 0.1 * torch.randn(2, 480_000, generator=torch.Generator().manual_seed(0))
    for waveforms, rate in (
        (torch.from_numpy(self_test_waveform()), SAMPLE_RATE),
        (noise, 48_000),
        (chirp[None], 48_000),
    ):
        heard = ours.encode_audio(waveforms, rate)
        torch.testing.assert_close(heard, theirs.encode_audio(waveforms, rate), atol=1e-5, rtol=0)
        assert heard.shape == (len(waveforms), 512)
    tokens = torch.tensor([[0, 10, 2335, 2003, 2, 1, 1], [0, 102, 2258, 50_000, 7, 8, 2]])
    mask = (tokens != 1).long()
    told = [one._part("model").text(tokens, mask) for one in (ours, theirs)]
    told = [torch.nn.functional.normalize(one, dim=-1) for one in told]
    torch.testing.assert_close(told[0], told[1], atol=1e-5, rtol=0)


def test_the_network_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_arguments: object) -> None:
        raise AssertionError("something asked for the network")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    state = laion_part(torch.load(file, weights_only=True)["state_dict"], file)
    _build(config_of(state))
    assert "HF_HUB_OFFLINE" not in os.environ

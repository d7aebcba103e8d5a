import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluation import plain
from tests.evaluation.conftest import sound
from v2a_lightning.errors import V2AError
from v2a_lightning.evaluation.extractors import (
    Cnn14,
    Cnn14Config,
    VGGish,
    VGGishConfig,
    Wav2CLIP,
    load_extractor,
)
from v2a_lightning.evaluation.extractors.extractor import PUBLISHED_SHA256

FRONT_ENDS = {16_000: (512, 160, 8_000), 32_000: (1024, 320, 14_000)}
WIDTHS = [pytest.param(4, id="reduced"), pytest.param(64, id="published", marks=pytest.mark.full)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rate", FRONT_ENDS)
def test_cnn14_equals_the_plain_one(tmp_path: Path, rate: int, width: int) -> None:
    window, hop, high = FRONT_ENDS[rate]
    classes = 527 if width == 64 else 20
    state = plain.published_cnn14(width, classes, window, rate, high, generator())
    path = tmp_path / "tagger.pth"
    # What PANNs' training saved beside the weights.
    torch.save({"iteration": 7, "model": state, "sampler": {"indexes": np.arange(3), "pointer": np.int64(2)}}, path)
    extractor = load_extractor("cnn14", path)
    waveform = torch.from_numpy(sound(1, 2.0, rate))
    with torch.no_grad():
        found = extractor(waveform[None])
    logits, embedding = plain.cnn14(waveform, state, rate, window, hop, high)
    assert extractor.sample_rate == rate
    assert found.logits.shape == (1, classes)
    assert found.embedding.shape == (1, 32 * width)
    assert embedding.std() > 0.01
    assert (found.logits[0] - logits).abs().max() <= 1e-4
    assert (found.embedding[0] - embedding).abs().max() <= 1e-4


@pytest.mark.parametrize("width", WIDTHS)
def test_vggish_equals_the_plain_one(tmp_path: Path, width: int) -> None:
    state = plain.published_vggish(width, 64 * width, generator())
    extras = {"pproc.pca_matrix": torch.eye(128), "pproc.pca_means": torch.zeros(128, 1)}
    torch.save(state | extras, tmp_path / "vggish.pth")
    waveform = sound(2, 3.0)
    with torch.no_grad():
        found = load_extractor("vggish", tmp_path / "vggish.pth")(torch.from_numpy(waveform)[None])
    expected = plain.vggish(waveform, state)
    assert found.shape == (1, 3, 128)
    assert (expected < 0).any(), "the last ReLU is left out"
    assert (found[0] - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("holder", ["state_dict", None])
def test_wav2clip_equals_the_plain_one(tmp_path: Path, holder: str | None, width: int) -> None:
    state = plain.published_wav2clip(width, generator())
    torch.save({holder: state} if holder else state, tmp_path / "wav2clip.pt")
    waveform = sound(3, 2.56)
    with torch.no_grad():
        found = load_extractor("wav2clip", tmp_path / "wav2clip.pt")(torch.from_numpy(waveform)[None])
    expected = plain.wav2clip(waveform, state)
    assert found.shape == (1, 512)
    assert expected.std() > 0.01
    assert (found[0] - expected).abs().max() <= 1e-4


def test_published_sizes() -> None:
    assert sum(parameter.numel() for parameter in Wav2CLIP().audio_encoder.parameters()) == 11_170_240
    assert Cnn14().fc1.out_features == 2048
    assert Cnn14().fc_audioset.out_features == 527
    assert VGGish().embeddings[0].in_features == 12_288


def test_a_clips_features_do_not_depend_on_its_batch(extractors: dict[str, str]) -> None:
    waveforms = torch.from_numpy(np.stack([0.1 * sound(0), sound(1), 3 * sound(2)]))
    for name, kind in (("tagger", "cnn14"), ("vggish", "vggish"), ("wav2clip", "wav2clip")):
        extractor = load_extractor(kind, extractors[name])
        with torch.no_grad():
            together, alone = extractor(waveforms), extractor(waveforms[1:2])
        together, alone = (out.logits if kind == "cnn14" else out for out in (together, alone))
        torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=1e-5)


def test_reduced_ones_train_and_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tagger = Cnn14(Cnn14Config(width=4, classes=3)).train()
    waveforms, labels = torch.from_numpy(np.stack([sound(0), sound(1)])), torch.tensor([0, 2])
    before = tagger.fc1.weight.detach().clone()
    optimiser = torch.optim.SGD(tagger.parameters(), 0.1)
    torch.nn.functional.cross_entropy(tagger(waveforms).logits, labels).backward()
    optimiser.step()
    assert not torch.equal(before, tagger.fc1.weight)
    tagger.save_pretrained(tmp_path)
    again = load_extractor("cnn14", tmp_path)
    assert torch.equal(again(waveforms).logits, tagger.eval()(waveforms).logits)
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "kind": "cnn14", "sample_rate": 16_000, "window": 512, "hop": 160, "low": 50.0, "high": 8_000.0,
        "mel_bands": 64, "width": 4, "classes": 3,
    }  # fmt: skip


def test_fingerprint_stands_for_weights_and_config(tmp_path: Path) -> None:
    torch.manual_seed(0)
    VGGish(VGGishConfig(width=4, hidden=8)).save_pretrained(tmp_path / "a")
    VGGish(VGGishConfig(width=4, hidden=8)).save_pretrained(tmp_path / "b")
    first, other = (load_extractor("vggish", tmp_path / name) for name in "ab")
    weights = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert first.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert first.fingerprint == load_extractor("vggish", tmp_path / "a").fingerprint != other.fingerprint
    with pytest.raises(RuntimeError, match="not loaded from files"):
        _ = VGGish(VGGishConfig(width=4, hidden=8)).fingerprint


def test_short_waveforms_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 300\)"):
        VGGish(VGGishConfig(width=4, hidden=8))(torch.zeros(1, 300))


def test_a_published_name_needs_the_published_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = plain.published_vggish(4, 8, generator())
    path = tmp_path / "vggish-10086976.pth"
    torch.save(state, path)
    with pytest.raises(V2AError, match=r"vggish-10086976.pth: sha256 is .* begins with 10086976"):
        load_extractor("vggish", path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(PUBLISHED_SHA256, path.name, digest)
    assert load_extractor("vggish", path).weights_sha256 == digest


def _folder(tmp_path: Path, kind: str = "vggish", **settings: object) -> Path:
    VGGish(VGGishConfig(width=4, hidden=8)).save_pretrained(tmp_path)
    config = {"kind": kind, "width": 4, "hidden": 8, "embedding": 128} | settings
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    cases = {
        "missing": (tmp_path / "nowhere", "there is no such file or folder"),
        "empty": (tmp_path, "config.json: missing"),
    }
    for path, message in cases.values():
        with pytest.raises(V2AError, match=message):
            load_extractor("vggish", path)
    with pytest.raises(V2AError, match=r"holds a 'cnn14', not a 'vggish'"):
        load_extractor("vggish", _folder(tmp_path, kind="cnn14"))
    with pytest.raises(V2AError, match="unknown key 'depth'"):
        load_extractor("vggish", _folder(tmp_path, depth=3))
    with pytest.raises(V2AError, match=r"'embeddings.0.bias' has shape \(8,\), not \(9,\)"):
        load_extractor("vggish", _folder(tmp_path, hidden=9))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(V2AError, match=r"config\.json cannot be read"):
        load_extractor("vggish", tmp_path)
    _folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(V2AError, match=r"model.safetensors cannot be read: it is damaged"):
        load_extractor("vggish", tmp_path)
    with pytest.raises(V2AError, match="unknown extractor 'yamnet'"):
        load_extractor("yamnet", tmp_path)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_text("no weights")
    with pytest.raises(V2AError, match=r"weights\.pth"):
        load_extractor("cnn14", path)
    torch.save(plain.published_vggish(4, 8, generator()), path)
    with pytest.raises(V2AError, match=r"not a published cnn14 file \(no 'conv_block1.conv1.weight'"):
        load_extractor("cnn14", path)
    torch.save({"note": "nothing"}, path)
    with pytest.raises(V2AError, match="holds no tensors"):
        load_extractor("cnn14", path)
    state = plain.published_vggish(4, 8, generator())
    torch.save(state | {"embeddings.2.bias": torch.full((8,), float("nan"))}, path)
    with pytest.raises(V2AError, match=r"'embeddings.2.bias' holds values that are not finite"):
        load_extractor("vggish", path)
    del state["embeddings.2.bias"]
    torch.save(state, path)
    with pytest.raises(V2AError, match=r"'embeddings.2.bias' is missing"):
        load_extractor("vggish", path)


def test_the_shipped_ones_are_the_same_classes_reduced() -> None:
    from v2a_lightning.miniature.world.events import EVENT_NAMES

    waveforms = torch.from_numpy(np.stack([sound(0), sound(1)]))
    tagger, vggish, wav2clip = (load_extractor(kind) for kind in ("cnn14", "vggish", "wav2clip"))
    assert tagger(waveforms).logits.shape == (2, len(EVENT_NAMES))
    assert vggish(waveforms).shape == (2, 2, 128)
    assert wav2clip(waveforms).shape == (2, 512)
    for extractor in (tagger, vggish, wav2clip):
        assert sum(parameter.numel() for parameter in extractor.parameters()) <= 1_500_000
        assert len(extractor.fingerprint) == 64

"""Training the miniature's parts: killed and resumed equals uninterrupted; what is saved is what is loaded."""

import json
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from v2a_lightning.errors import UsageError
from v2a_lightning.miniature.models import build_vae
from v2a_lightning.miniature.training.classifiers import TaggerTraining, event_shares
from v2a_lightning.miniature.training.data import Sounds
from v2a_lightning.miniature.training.diffusion import spread_out
from v2a_lightning.miniature.training.part import Part, threads, train_part
from v2a_lightning.miniature.training.sound_codec import VocoderTraining
from v2a_lightning.miniature.training.workshop import FOLDERS, changed, claim_folder, halve, read_cards, write_cards
from v2a_lightning.miniature.world.scenes import WORLD_VERSION


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Sounds:
    return Sounds(tmp_path_factory.mktemp("cache"), "train", 28)


class KilledError(RuntimeError):
    """Stands for a kill."""


class Kill(L.Callback):
    def __init__(self, after: int) -> None:
        self.after = after
        self.steps = 0

    def on_train_batch_end(self, *_: object) -> None:
        self.steps += 1
        if self.steps == self.after:
            raise KilledError


def tagger(sounds: Sounds) -> TaggerTraining:
    return TaggerTraining(sounds, steps=5, batch=4)


def vocoder(sounds: Sounds) -> VocoderTraining:
    torch.manual_seed(0)
    return VocoderTraining(sounds, build_vae().eval(), steps=4, batch=2)


@pytest.mark.parametrize("make", [tagger, vocoder])
def test_killed_and_resumed_equals_uninterrupted(make: object, sounds: Sounds, tmp_path: Path) -> None:
    assert callable(make)
    whole: Part = make(sounds)
    train_part(whole, tmp_path / "whole", checkpoint_every=1)
    killed: Part = make(sounds)
    with pytest.raises(KilledError):
        train_part(killed, tmp_path / "killed", callbacks=[Kill(after=3)], checkpoint_every=1)
    resumed: Part = make(sounds)
    train_part(resumed, tmp_path / "killed", checkpoint_every=1)
    expected, got = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    start = make(sounds).state_dict()
    assert any(not torch.equal(start[name], got[name]) for name in start)


def test_the_machine_s_threads_change_nothing(sounds: Sounds, tmp_path: Path) -> None:
    trained = []
    for count in (1, 2):
        with threads(count):
            part = tagger(sounds)
            train_part(part, tmp_path / str(count))
            assert torch.get_num_threads() == count
        trained.append(part.state_dict())
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_what_is_subtle_in_a_condition_is_told_from_the_start() -> None:
    torch.manual_seed(0)
    kind, pitch = torch.randn(2000, 20), torch.rand(2000, 1) - 0.5
    rows = torch.cat([kind, 0.05 * pitch, 0.001 * torch.randn(2000, 43)], 1) + 0.3
    drawn, spread = torch.nn.Linear(64, 32), torch.nn.Linear(64, 32)
    spread_out(spread, rows)
    told = spread(rows).detach()
    assert told.mean().abs() < 1e-4
    assert told.std() == pytest.approx(0.6, rel=1e-3)

    def share_of_pitch(layer: torch.nn.Linear) -> float:
        weight = layer.weight.detach()
        return float(weight[:, 20].norm() / weight[:, :20].norm(dim=0).mean())

    assert share_of_pitch(spread) > 3 * share_of_pitch(drawn)


def test_waves_are_made_once_and_are_those_of_the_world(sounds: Sounds) -> None:
    from v2a_lightning.miniature.world.sounds import synthesise

    assert sounds.waveforms.shape == (28, 40_960)
    expected = torch.from_numpy(synthesise(sounds.clips[5]).mean(0))
    assert torch.allclose(sounds.batch(np.array([5]))[0], expected, atol=1e-4)
    assert len(list(sounds.folder.glob("waves-*.npy"))) == 1


def test_a_clip_of_two_scenes_has_two_events(sounds: Sounds) -> None:
    shares = event_shares(sounds)
    assert torch.allclose(shares.sum(1), torch.ones(28))
    for row, clip in enumerate(sounds.clips):
        assert int((shares[row] > 0).sum()) == len({scene.event for scene in clip.scenes})


def test_halved_weights_keep_statistics_at_full_precision(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"weight": torch.full((3, 2), 1 / 3), "running_var": torch.full((3,), 1e6)}, file)
    halve(file)
    tensors = load_file(file)
    assert tensors["weight"].dtype == torch.float16
    assert tensors["running_var"].dtype == torch.float32
    assert tensors["running_var"][0] == 1e6


def test_figures_stay_on_the_cards_of_the_weights_they_were_measured_with(tmp_path: Path) -> None:
    trained = {part: tmp_path / f"{part}.safetensors" for parts in FOLDERS.values() for part in parts}
    for file in trained.values():
        save_file({"weight": torch.ones(2, 3)}, file, metadata={"steps": "5"})
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        save_file({"weight": torch.ones(2, 3)}, tmp_path / folder / "model.safetensors")
    write_cards(tmp_path, trained)
    first = read_cards(tmp_path)
    assert set(first) == set(FOLDERS)
    assert first["clip"]["recipe"] == {"clip": {"steps": 5.0}}
    assert first["clip"]["parameters"] == 6
    for folder, card in first.items():
        (tmp_path / folder / "card.json").write_text(json.dumps(card | {"figures": {"pitch": 0.7}}))

    write_cards(tmp_path, trained)
    assert not changed(first, read_cards(tmp_path))
    assert all(card["figures"] == {"pitch": 0.7} for card in read_cards(tmp_path).values())

    save_file({"weight": torch.zeros(2, 3)}, tmp_path / "clap" / "model.safetensors")
    write_cards(tmp_path, trained)
    assert changed(first, read_cards(tmp_path)) == ["clap"]
    assert not any("figures" in card for card in read_cards(tmp_path).values())


def test_a_training_does_not_mix_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim_folder(tmp_path / "work")
    claim_folder(tmp_path / "work")
    monkeypatch.setattr("v2a_lightning.miniature.training.workshop.WORLD_VERSION", WORLD_VERSION + 1)
    with pytest.raises(UsageError, match=f"holds version {WORLD_VERSION} of the world, not {WORLD_VERSION + 1}"):
        claim_folder(tmp_path / "work")

"""The direct baseline: its UNet makes the sound, its latents are kept, its evaluation leaves it trainable."""

from pathlib import Path

import numpy as np
import torch

from v2a_lightning.generators import AudioLDM
from v2a_lightning.mapper import AverageFrames
from v2a_lightning.specs import AudioSpec
from v2a_lightning.studies.analyses.direct_baseline import DirectBaseline, LatentTable, LentAudioLDM, latent_table


class Sounds:
    """The part of a data module that latents are made from."""

    audio = AudioSpec(16_000, 0.64)
    read = 0

    def reference_waveform(self, clip_id: str) -> np.ndarray:
        self.read += 1
        return np.random.default_rng(int(clip_id)).normal(0, 0.1, self.audio.samples).astype(np.float32)


def baseline(weights: Path) -> DirectBaseline:
    torch.manual_seed(0)
    return DirectBaseline(AudioLDM(str(weights / "audioldm")), AverageFrames(), seed=0)


def test_the_lent_unet_makes_the_sound_and_stays_trainable(random_weights: Path) -> None:
    module = baseline(random_weights).eval()
    audioldm = LentAudioLDM(str(random_weights / "audioldm"), steps=1, guidance=2.0)
    embedding = torch.nn.functional.normalize(torch.ones(1, 512), dim=1)
    before = audioldm.generate(embedding, seconds=0.64, seeds=[0])
    audioldm.lend(module.unet, module.unconditional)
    lent = audioldm.to("cpu").generate(embedding, seconds=0.64, seeds=[0])
    assert not torch.equal(before, lent)
    with torch.no_grad():
        module.unet.conv_out.weight.mul_(2)
    assert not torch.equal(lent, audioldm.generate(embedding, seconds=0.64, seeds=[0]))
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert audioldm.fingerprint != AudioLDM(str(random_weights / "audioldm")).fingerprint


def test_neither_autoencoder_nor_vocoder_is_saved_or_trained(random_weights: Path) -> None:
    module = baseline(random_weights)
    assert {name.split(".")[0] for name in module.state_dict()} == {"unet", "unconditional"}


def test_latents_are_encoded_once(random_weights: Path, tmp_path: Path) -> None:
    audioldm, sounds = AudioLDM(str(random_weights / "audioldm")), Sounds()
    clips = [str(number) for number in range(3)]
    table = latent_table(tmp_path, audioldm, sounds, clips)
    assert sounds.read == 3
    again = latent_table(tmp_path, audioldm, sounds, clips[::-1])
    assert sounds.read == 3
    latents = audioldm.encode(torch.from_numpy(sounds.reference_waveform("1"))[None])
    assert torch.allclose(table.rows(["1"]), latents, atol=2e-3 * float(latents.abs().max()))
    assert torch.equal(table.rows(["2", "0"]), again.rows(["2", "0"]))
    assert table.rows(["2", "0"]).shape == (2, *latents.shape[1:])


def test_the_loss_falls_on_one_batch(random_weights: Path, tmp_path: Path) -> None:
    module = baseline(random_weights)
    latents = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0)).numpy()
    np.save(tmp_path / "latents.npy", latents.astype(np.float16))
    module._latents = LatentTable(tmp_path / "latents.npy", ["a", "b"])
    batch = {
        "clip_id": ["a", "b"],
        "frames": torch.nn.functional.normalize(torch.randn(2, 3, 512), dim=-1),
        "frame_mask": torch.ones(2, 3, dtype=torch.bool),
    }
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = module._loss(batch, torch.Generator().manual_seed(1), 0.1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]

"""The mapper's rival: AudioLDM's UNet conditioned on CLIP embeddings and trained from nothing, without CLAP."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from v2a_lightning.files import atomic_write
from v2a_lightning.generators import AudioLDM
from v2a_lightning.mapper import WarmupCosine
from v2a_lightning.mapper.base import Aggregator, uniform
from v2a_lightning.randomness import Generators, clip_seed, generators, randn

Batch = dict[str, Any]
ENCODED_AT_ONCE = 16


class LentAudioLDM(AudioLDM):
    """An AudioLDM whose UNet is lent to it by the module that trains it; autoencoder and vocoder are the folder's."""

    _lent: dict[str, Any]

    def lend(self, unet: nn.Module, unconditional: Tensor) -> None:
        """Use this UNet and this embedding for no condition (512,)."""
        self._lent = {"unet": unet, "unconditional": unconditional}

    def settings(self) -> dict[str, Any]:
        """Cards tell it from the model in the folder."""
        return {**super().settings(), "unet": "trained on CLIP embeddings"}

    def _part(self, name: str) -> Any:
        lent = self.__dict__.get("_lent", {})
        return lent[name] if name in lent else super()._part(name)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_lent": {}}


class DirectBaseline(LightningModule):
    """Trains a UNet of AudioLDM's own shape to denoise the latents of a clip's sound, given its CLIP embedding.

    The evaluation's generator has to be a LentAudioLDM of the same checkpoint; it generates with the UNet in training.
    A step's loss is the mean square of the predicted noise (or velocity, as the checkpoint's scheduler says).

    Args:
        audioldm: names the shape of the UNet, the noise schedule and the autoencoder of the latents.
        aggregator: one CLIP embedding from a clip's frames.
        optimizer: built from the trainable parameters.
        lr_scheduler: stepped after every optimiser step.
        condition_dropout: share of training samples without condition, for guidance.
        latents: folder in which the latents of all clips are kept between runs.
        seed: of all that is drawn; the one given to `seed_everything` when not given here.
    """

    def __init__(
        self,
        audioldm: AudioLDM,
        aggregator: Aggregator,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=3e-4),
        lr_scheduler: LRSchedulerCallable | None = None,
        condition_dropout: float = 0.1,
        latents: str = "data/latents",
        seed: int | None = None,
    ) -> None:
        super().__init__()
        from diffusers import DDPMScheduler, UNet2DConditionModel

        self.aggregator = aggregator
        self.condition_dropout = condition_dropout
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed
        self.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(audioldm.path / "unet", local_files_only=True)
        )
        width = int(self.unet.config.projection_class_embeddings_input_dim)
        self.unconditional = nn.Parameter(torch.zeros(width))
        self.schedule = DDPMScheduler.from_config(
            DDPMScheduler.load_config(audioldm.path / "scheduler", local_files_only=True)
        )
        self._audioldm = [audioldm]  # in a list, so that it is neither moved nor saved with the module
        self._folder = Path(latents)
        self._latents: LatentTable | None = None
        self._make_optimizer = optimizer
        self._make_lr_scheduler = lr_scheduler

    def setup(self, stage: str) -> None:
        """Lend the UNet to whatever makes sound."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            audioldm = getattr(callback, "generator", None)
            if isinstance(audioldm, LentAudioLDM):
                audioldm.lend(self.unet, self.unconditional)

    def on_fit_start(self) -> None:
        """Encode the sound of all clips, unless that was done by an earlier run."""
        if self.trainer.is_global_zero:
            self._table()
        self.trainer.strategy.barrier()

    def on_train_start(self) -> None:
        """Set the length of the run in the schedule of the learning rate."""
        for scheduler in (config.scheduler for config in self.trainer.lr_scheduler_configs):
            if isinstance(scheduler, WarmupCosine) and scheduler.total_steps is None:
                scheduler.total_steps = int(self.trainer.estimated_stepping_batches)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss of a batch."""
        seed = clip_seed(self.seed, f"step {self.global_step} batch {batch_idx}", self.global_rank)
        generator = torch.Generator(self.device).manual_seed(seed)
        loss = self._loss(batch, generator, self.condition_dropout).mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["clip_id"]), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> Batch:
        """`{"clip_id", "embedding"}`, the embedding being what the UNet is conditioned on."""
        return self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Batch:
        """As `validation_step`."""
        return self._evaluate(batch, "test")

    def configure_optimizers(self) -> Any:
        """The optimiser and, if there is one, the schedule of its learning rate."""
        optimizer = self._make_optimizer(self.parameters())
        if self._make_lr_scheduler is None:
            return optimizer
        schedule = {"scheduler": self._make_lr_scheduler(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _evaluate(self, batch: Batch, stage: str) -> Batch:
        own = generators([clip_seed(self.seed, clip_id) for clip_id in batch["clip_id"]])
        loss = self._loss(batch, own, 0.0).mean()
        self.log(f"{stage}/loss", loss, on_epoch=True, batch_size=len(batch["clip_id"]), sync_dist=True)
        return {"clip_id": batch["clip_id"], "embedding": self.aggregator(batch["frames"], batch["frame_mask"], own)}

    def _loss(self, batch: Batch, generator: Generators, dropout: float) -> Tensor:
        """(B,) loss of each clip."""
        latents = self._table().rows(batch["clip_id"]).to(self.device)
        condition = self.aggregator(batch["frames"], batch["frame_mask"], generator)
        steps = self.schedule.config.num_train_timesteps
        time = (uniform(len(latents), generator, self.device) * steps).long()
        dropped = uniform(len(latents), generator, self.device) < dropout
        condition = torch.where(dropped[:, None], self.unconditional.expand_as(condition), condition)
        noise = randn(latents.shape, generator, self.device, latents.dtype)
        noisy = self.schedule.add_noise(latents, noise, time)
        predicted = self.unet(noisy, time, encoder_hidden_states=None, class_labels=condition).sample
        velocity = self.schedule.config.prediction_type == "v_prediction"
        target = self.schedule.get_velocity(latents, noise, time) if velocity else noise
        return F.mse_loss(predicted.float(), target, reduction="none").flatten(1).mean(1)

    def _table(self) -> "LatentTable":
        if self._latents is None:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            clips = [clip.clip_id for clip in data.usable_clips]
            self._latents = latent_table(self._folder, self._audioldm[0], data, clips)
        return self._latents


class LatentTable:
    """Latents of clips' sounds: a .npy of (N, C, T / factor, bins / factor) float16, read as far as it is needed."""

    def __init__(self, path: Path, clip_ids: Sequence[str]) -> None:
        self._values = np.load(path, mmap_mode="r")
        self._rows = {clip_id: row for row, clip_id in enumerate(clip_ids)}

    def rows(self, clip_ids: Sequence[str]) -> Tensor:
        """(B, C, T / factor, bins / factor) float32."""
        values = [self._values[self._rows[clip_id]] for clip_id in clip_ids]
        return torch.from_numpy(np.stack(values).astype(np.float32))


@torch.no_grad()
def latent_table(folder: Path, audioldm: AudioLDM, data: Any, clip_ids: Sequence[str]) -> LatentTable:
    """Latents of clips' `data.reference_waveform`: from a file that an earlier run wrote, or encoded now."""
    clip_ids = sorted(clip_ids)
    identity = json.dumps([audioldm.fingerprint, data.audio.key, clip_ids])
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"
    if path.is_file():
        return LatentTable(path, clip_ids)
    rank_zero_info(f"encoding the sound of {len(clip_ids)} clips into {path}")
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        for start in range(0, len(clip_ids), ENCODED_AT_ONCE):
            some = clip_ids[start : start + ENCODED_AT_ONCE]
            waveforms = torch.stack([torch.from_numpy(data.reference_waveform(clip_id)) for clip_id in some])
            latents = audioldm.encode(waveforms).cpu().numpy().astype(np.float16, order="C")
            if start == 0:
                header = np.lib.format.header_data_from_array_1_0(latents)
                np.lib.format.write_array_header_1_0(file, {**header, "shape": (len(clip_ids), *latents.shape[1:])})
            # Not through a map of the file, which a full disk ends with a signal.
            file.write(latents.tobytes())
    return LatentTable(path, clip_ids)

"""V2AMapper: aggregator, network, objective and optimiser as one LightningModule, and nothing else."""

import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from v2a_lightning.embedding_scores import EmbeddingScores
from v2a_lightning.epoch_mean import EpochMean
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import Aggregator, Network, Objective
from v2a_lightning.mapper.closed_form import ClosedForm
from v2a_lightning.mapper.gathering import gather_clips
from v2a_lightning.mapper.learning_rate import WarmupCosine
from v2a_lightning.mapper.optimizer import adamw
from v2a_lightning.not_finite import StepGuard, refuse_not_finite
from v2a_lightning.randomness import Generators, clip_seed, generators, random_stream
from v2a_lightning.saved_mapper import OnTheHub, load_pretrained, refuse_other_mapper, save_pretrained

Batch = dict[str, Any]
Outputs = dict[str, Any]


class V2AMapper(LightningModule, OnTheHub):
    """Maps a clip's CLIP frame embeddings to a CLAP audio embedding.

    Batches are `{"clip_id": list[str], "frames": (B, T, dim), "frame_mask": (B, T) bool, "audio": (B, dim)}`; without
    "audio" a clip can be mapped, and neither trained on nor scored. Validation and test log, over all clips and exactly
    under DDP, the loss and how sampled embeddings compare with true ones (`v2a_lightning.evaluation.embeddings`).

    What a training step draws follows from (seed, step, process) alone, and what validation draws from (seed, clip). So
    a resumed run continues exactly, and validation neither changes from epoch to epoch nor disturbs training.

    `save_pretrained(folder)` writes weights, config and a card; `push_to_hub("owner/name")` puts them on the Hub.

    Args:
        network: what predicts.
        objective: noise, loss and sampling.
        aggregator: one condition from a clip's frames.
        optimizer: made of the trainable parameters; those with fewer than two dimensions get no weight decay.
        lr_scheduler: stepped after every optimiser step. A ReduceLROnPlateau is stepped each epoch on val/loss.
        inference_aggregator: replaces the aggregator outside training.
        sampling_steps: how many times the network is asked for one embedding.
        guidance: scale of classifier-free guidance; 1 is the plain conditional model.
        seed: of all that is drawn; the one given to `seed_everything` when not given here.
        skip_not_finite: share of the run's steps that may be left out because their loss or gradients are not finite; 0
            stops the run at the first, naming its clips. What a loss scaler (16-mixed) leaves out does not count.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        aggregator: Aggregator,
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        inference_aggregator: Aggregator | None = None,
        sampling_steps: int = 50,
        guidance: float = 1.0,
        seed: int | None = None,
        skip_not_finite: float = 0.0,
    ) -> None:
        super().__init__()
        if inference_aggregator is not None and list(inference_aggregator.parameters()):
            name = type(inference_aggregator).__name__
            raise UsageError(f"inference_aggregator: {name} has weights, so it has to be trained as the aggregator")
        if not 0 <= skip_not_finite <= 1:
            raise UsageError(f"model.skip_not_finite is a share, 0 to 1, not {skip_not_finite}")
        self.network = network
        self.objective = objective
        self.aggregator = aggregator
        self.inference_aggregator = inference_aggregator
        self.sampling_steps = sampling_steps
        self.guidance = guidance
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed
        self._make_optimizer = optimizer
        self._make_lr_scheduler = lr_scheduler
        self._scores = EmbeddingScores(network.dim)
        self._loss_of_epoch = EpochMean()
        self._guard = StepGuard(skip_not_finite)
        self.save_hyperparameters(self.describe())

    def describe(self) -> dict[str, Any]:
        """How to make this mapper again, but for its optimiser: plain values, as in a YAML."""
        parts = {
            "network": self.network,
            "objective": self.objective,
            "aggregator": self.aggregator,
            "inference_aggregator": self.inference_aggregator,
        }
        return {
            **{name: part.describe() if part is not None else None for name, part in parts.items()},
            "sampling_steps": self.sampling_steps,
            "guidance": self.guidance,
            "seed": self.seed,
        }

    @torch.no_grad()
    def sample(
        self,
        frames: Tensor,
        frame_mask: Tensor | None = None,
        *,
        generator: Generators,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Draw one CLAP embedding for each clip.

        Args:
            frames: (B, T, dim) frame embeddings, L2-normalised.
            frame_mask: (B, T), true where a frame is real; all are when not given.
            generator: one for the batch, or one for each clip; with the latter a clip never depends on its neighbours.
            steps: instead of `sampling_steps`.
            guidance: instead of `guidance`.

        Returns:
            (B, dim) float32, L2-normalised.
        """
        if frame_mask is None:
            frame_mask = torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)
        return self.objective.sample(
            self.network,
            self._condition(self.inference_aggregator or self.aggregator, frames, frame_mask, generator),
            self.sampling_steps if steps is None else steps,
            self.guidance if guidance is None else guidance,
            generator,
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss of a batch."""
        seed = clip_seed(self.seed, f"step {self.global_step} batch {batch_idx}", self.global_rank)
        with random_stream(seed, self.device) as generator:
            condition = self._condition(self.aggregator, batch["frames"], batch["frame_mask"], generator)
            losses = self.objective.loss(self.network, condition, batch["audio"], generator)
        loss = self._guard.watch(batch["clip_id"], losses)
        count = len(batch["clip_id"])
        self.log("train/loss_step", loss, batch_size=count)
        self._loss_of_epoch.update(self.current_epoch, loss, count)
        return loss

    def on_train_epoch_start(self) -> None:
        """Begin the mean of `train/loss` anew; an epoch that a resumed run is in the middle of does not start."""
        self._loss_of_epoch.forget()

    def on_train_epoch_end(self) -> None:
        """Log `train/loss`, the mean over the epoch's clips."""
        self._loss_of_epoch.log(self, "train/loss")

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Log the gradient's norm, at the steps that are logged, see that it is finite, and clip.

        Lightning would not clip for a fused optimiser, although nothing but a loss scaler stands in the way, whose
        factor is taken off here.

        Raises:
            RunFailure: when loss or gradients are not finite, unless such steps are left out or the loss is scaled.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        norm = self._guard.clip(self, optimizer, gradient_clip_val or 0.0, gradient_clip_algorithm, scaler)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/gradient_norm", norm)
        if self._guard.left_out:
            self.log("train/steps_left_out", float(self._guard.left_out))

    def validation_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """`{"clip_id", "embedding"}`: one sampled embedding for each clip, for callbacks to make sound of."""
        return self._evaluate(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """As `validation_step`."""
        return self._evaluate(batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """As `validation_step`, without scores."""
        own = generators([clip_seed(self.seed, clip_id) for clip_id in batch["clip_id"]])
        embedding = self.sample(batch["frames"], batch["frame_mask"], generator=own)
        refuse_not_finite(batch["clip_id"], embedding, "the sampled embedding")
        return {"clip_id": batch["clip_id"], "embedding": embedding}

    def on_validation_epoch_end(self) -> None:
        """Log `val/loss` and the embedding-space metrics."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log `test/loss` and the embedding-space metrics."""
        self._log_scores("test")

    def on_fit_start(self) -> None:
        """Solve a mapper that has a closed form."""
        if isinstance(self.network, ClosedForm) and not self.network.solved:
            self.network.solve(*(table.to(self.device) for table in self._training_pairs()))
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, WeightAveraging):
                    # Its average was copied from the unsolved mapper.
                    callback.setup(self.trainer, self, "fit")

    def on_train_start(self) -> None:
        """Tell the schedule how long the run is; asking earlier would start the data before a resumed position."""
        steps = self.trainer.estimated_stepping_batches
        for scheduler in (config.scheduler for config in self.trainer.lr_scheduler_configs):
            if isinstance(scheduler, WarmupCosine) and scheduler.total_steps is None and steps != float("inf"):
                scheduler.total_steps = int(steps)

    def configure_optimizers(self) -> Any:
        """The optimiser and, if there is one, the schedule of its learning rate."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
        vectors = [parameter for parameter in trainable if parameter.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = self._make_optimizer([group for group in groups if group["params"]])
        if self._make_lr_scheduler is None:
            return optimizer
        scheduler = self._make_lr_scheduler(optimizer)
        interval = "epoch" if isinstance(scheduler, ReduceLROnPlateau) else "step"
        schedule = {"scheduler": scheduler, "interval": interval, "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the weights of another mapper.

        Raises:
            UsageError: naming the first difference.
        """
        refuse_other_mapper(self, checkpoint["state_dict"], checkpoint.get("hyper_parameters", {}))
        self._guard.left_out = checkpoint.get("steps_left_out", 0)
        self._loss_of_epoch.load_state_dict(checkpoint.get("loss_of_epoch", {}), self.global_rank)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how many steps were left out, and the loss of the epoch so far."""
        checkpoint["steps_left_out"] = self._guard.left_out
        checkpoint["loss_of_epoch"] = self._loss_of_epoch.state_dict(self)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write `model.safetensors`, `config.json` and a card, README.md, into a folder."""
        save_pretrained(self, save_directory)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "V2AMapper":  # type: ignore[override]
        """A mapper ready to sample from: of a checkpoint file, a folder of `save_pretrained`, or a Hugging Face name.

        Raises:
            UsageError: when there is no mapper there.
        """
        return load_pretrained(cls, source)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, map_location: Any = "cpu") -> "V2AMapper":  # type: ignore[override]
        """As `from_pretrained`, then moved to a device: Lightning's own would import any class the file names."""
        return load_pretrained(cls, checkpoint_path).to(map_location)

    def _condition(self, aggregator: Aggregator, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        if frames.shape[-1] != self.network.dim:
            raise UsageError(f"frame embeddings have width {frames.shape[-1]} and the network {self.network.dim}")
        return aggregator(frames, mask, generator)

    def _evaluate(self, batch: Batch) -> Outputs:
        outputs = self.predict_step(batch, 0)
        if "audio" in batch:
            own = generators([clip_seed(self.seed, f"loss {clip_id}") for clip_id in batch["clip_id"]])
            aggregator = self.inference_aggregator or self.aggregator
            condition = self._condition(aggregator, batch["frames"], batch["frame_mask"], own)
            losses = self.objective.loss(self.network, condition, batch["audio"], own)
            refuse_not_finite(batch["clip_id"], batch["audio"], "the true embedding")
            refuse_not_finite(batch["clip_id"], losses, "the loss")
            self._scores.add(batch["clip_id"], losses, outputs["embedding"], batch["audio"])
        return outputs

    def _log_scores(self, stage: str) -> None:
        if self.trainer.sanity_checking:
            self._scores.forget()
            return
        for name, value in self._scores.compute(stage).items():
            self.log(f"{stage}/{name}", value, sync_dist=True, prog_bar=name == "cosine")

    def _training_pairs(self) -> tuple[Tensor, Tensor]:
        """Conditions and targets of the whole training set, (N, dim) each."""
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        if datamodule is None:
            name = type(self.network).__name__
            raise UsageError(f"{name} is solved from the whole training set: give the Trainer a datamodule")
        # A loader of its own: the Trainer's is not there yet, and has a position to keep.
        names: list[str] = []
        pairs: list[tuple[Tensor, Tensor]] = []
        generator = torch.Generator(self.device).manual_seed(self.seed)
        for batch in datamodule.train_dataloader():
            batch = self.trainer.strategy.batch_to_device(batch, self.device)
            condition = self._condition(self.aggregator, batch["frames"], batch["frame_mask"], generator)
            names.extend(batch["clip_id"])
            pairs.append((condition.detach().cpu(), batch["audio"].cpu()))
        conditions, targets = (torch.cat(column) for column in zip(*pairs, strict=True))
        return gather_clips(names, conditions, F.normalize(targets, dim=-1))  # type: ignore[return-value]

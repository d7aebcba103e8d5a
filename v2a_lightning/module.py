"""V2AMapper: how a mapper is trained and evaluated, as a LightningModule."""

import os
from pathlib import Path
from typing import Any, Self

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.closed_form_fit import SolveClosedForm
from v2a_lightning.embedding_scores import EmbeddingScores
from v2a_lightning.epoch_mean import EpochMean
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import Aggregator, Network, Objective
from v2a_lightning.mapper.compiled_network import CompiledNetwork
from v2a_lightning.mapper.optimization import WarmupCosine, adamw, parameter_groups
from v2a_lightning.not_finite import StepGuard, refuse_not_finite
from v2a_lightning.randomness import clip_seed, generators, random_stream
from v2a_lightning.saved_mapper import read_mapper, refuse_other_mapper

Batch = dict[str, Any]
Outputs = dict[str, Any]


class V2AMapper(Mapper, LightningModule):
    """Maps a clip's frame embeddings to what a generator is conditioned on, such as a CLAP audio embedding.

    Batches are `{"clip_id": list[str], "frames": (B, T, D_v), "frame_mask": (B, T) bool, "target": (B, N, D)}`, with a
    dict of frames by encoder where there are several; without "target" a clip can be mapped, and neither trained on nor
    scored. Validation and test log, over all clips and exactly under DDP, the loss and how sampled embeddings compare
    with true ones (`v2a_lightning.distances`).

    What a training step draws follows from (seed, step, process) alone, and what validation draws from (seed, clip). So
    a resumed run continues exactly, and validation neither changes from epoch to epoch nor disturbs training.

    Args:
        network: what predicts.
        objective: noise, loss and sampling.
        aggregator: one condition from a clip's frames.
        optimizer: made of the trainable parameters; those with fewer than two dimensions get no weight decay.
        lr_scheduler: stepped after every optimiser step. A ReduceLROnPlateau is stepped each epoch on val/loss.
        inference_aggregator: replaces the aggregator outside training.
        sampling_steps: network evaluations for one target.
        guidance: scale of classifier-free guidance; 1 is the plain conditional model.
        seed: of all that is drawn; the one given to `seed_everything` when not given here.
        skip_not_finite: share of the run's steps that may be left out because their loss or gradients are not finite; 0
            stops the run at the first, naming its clips. What a loss scaler (16-mixed) leaves out does not count.
        compile_network: on a GPU, compile the network and train it as one CUDA graph, which takes a minute at the start
            and a C compiler.
        init_from: a checkpoint, a folder of `save_pretrained` or a Hugging Face name, whose weights training begins
            with: the averaged ones where there is an average.
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
        compile_network: bool = False,
        init_from: str | None = None,
    ) -> None:
        if not 0 <= skip_not_finite <= 1:
            raise UsageError(f"model.skip_not_finite is a share, 0 to 1, not {skip_not_finite}")
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed
        super().__init__(network, objective, aggregator, inference_aggregator, sampling_steps, guidance, seed)
        if init_from is not None:
            read_mapper(init_from).load_into(self)
            self.init_from = init_from
        self._make_optimizer = optimizer
        self._make_lr_scheduler = lr_scheduler
        self._scores = EmbeddingScores(network.target_shape)
        self._loss_of_epoch = EpochMean()
        self._guard = StepGuard(skip_not_finite)
        self._compile = compile_network
        self._compiled: CompiledNetwork | None = None
        self.save_hyperparameters(self.describe())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss of a batch."""
        seed = clip_seed(self.seed, f"step {self.global_step} batch {batch_idx}", self.global_rank)
        count = len(batch["clip_id"])
        network = self._compiled.of(count) if self._compiled else self.network
        with random_stream(seed, self.device) as generator:
            condition = self.condition(self.aggregator, batch["frames"], batch["frame_mask"], generator)
            losses = self.objective.loss(network, condition, self._target(batch), generator)
        loss = self._guard.watch(batch["clip_id"], losses)
        if self._logs:
            self.log("train/loss_step", loss, batch_size=count)
        self._loss_of_epoch.update(self.current_epoch, loss, count)
        return loss

    def on_train_epoch_start(self) -> None:
        self._loss_of_epoch.forget()

    def on_train_epoch_end(self) -> None:
        self._guard.settle(self)
        self._loss_of_epoch.log(self, "train/loss")

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Log the gradient's norm at the steps that are logged, refuse one that is not finite, and clip.

        Lightning would not clip for a fused optimiser, whose loss scaler's factor is taken off here.

        Raises:
            RunFailure: when loss or gradients are not finite, unless such steps are left out or the loss is scaled.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        norm = self._guard.clip(self, optimizer, gradient_clip_val or 0.0, gradient_clip_algorithm, scaler)
        if self._logs:
            self._guard.settle(self)
            self.log("train/gradient_norm", norm)
        if self._guard.left_out:
            self.log("train/steps_left_out", float(self._guard.left_out))

    def validation_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """`{"clip_id", "embedding" (B, N, D)}`: one sampled target for each clip, for callbacks to generate from."""
        return self._evaluate(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Outputs:
        return self._evaluate(batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """As `validation_step`, without scores."""
        own = generators([clip_seed(self.seed, clip_id) for clip_id in batch["clip_id"]])
        embedding = self.sample(batch["frames"], batch["frame_mask"], generator=own)
        refuse_not_finite(batch["clip_id"], embedding, "the sampled embedding")
        return {"clip_id": batch["clip_id"], "embedding": embedding}

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_callbacks(self) -> list[Callback]:
        """A network in closed form is solved when a fit begins."""
        return [] if self.network.solved else [SolveClosedForm()]

    def on_fit_start(self) -> None:
        if self._compile and self.device.type == "cuda":
            self._compiled = CompiledNetwork(self.network, self.trainer.accumulate_grad_batches > 1)

    def on_train_start(self) -> None:
        """Tell the schedule how long the run is; asking earlier would start the data before a resumed position."""
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, WarmupCosine):
                config.scheduler.set_run_length(self.trainer.estimated_stepping_batches)

    def configure_optimizers(self) -> Any:
        optimizer = self._make_optimizer(parameter_groups(list(self.parameters())))
        if self._make_lr_scheduler is None:
            return optimizer
        scheduler = self._make_lr_scheduler(optimizer)
        interval = "epoch" if isinstance(scheduler, ReduceLROnPlateau) else "step"
        schedule = {"scheduler": scheduler, "interval": interval, "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the weights of another mapper: UsageError, naming the first difference."""
        refuse_other_mapper(self, checkpoint["state_dict"], checkpoint.get("hyper_parameters", {}))
        self._guard.left_out = checkpoint.get("steps_left_out", 0)
        self._loss_of_epoch.load_state_dict(checkpoint.get("loss_of_epoch", {}), self.global_rank)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._guard.settle(self)
        checkpoint["steps_left_out"] = self._guard.left_out
        checkpoint["loss_of_epoch"] = self._loss_of_epoch.state_dict(self)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, map_location: Any = "cpu") -> Self:  # type: ignore[override]
        """As `from_pretrained`, then moved to a device: Lightning's own would import any class the file names."""
        return cls.from_pretrained(checkpoint_path).to(map_location)

    @property
    def _logs(self) -> bool:
        """Whether this optimiser step is logged. Logging others takes time, and nobody reads it."""
        every: int = getattr(self._trainer, "log_every_n_steps", 0)
        return every > 0 and (self.global_step + 1) % every == 0

    def _target(self, batch: Batch) -> Tensor:
        """The batch's targets (B, N, D); UsageError when the network's have another shape."""
        target: Tensor = batch["target"]
        if target.shape[1:] != self.network.target_shape:
            found, (tokens, width) = "x".join(map(str, target.shape[1:])), self.network.target_shape
            raise UsageError(
                f"the data's targets are {found} numbers and the network's {tokens}x{width}: set its tokens and "
                "target_dim"
            )
        return target

    def _evaluate(self, batch: Batch) -> Outputs:
        outputs = self.predict_step(batch, 0)
        if "target" in batch:
            target = self._target(batch)
            own = generators([clip_seed(self.seed, f"loss {clip_id}") for clip_id in batch["clip_id"]])
            aggregator = self.inference_aggregator or self.aggregator
            condition = self.condition(aggregator, batch["frames"], batch["frame_mask"], own)
            losses = self.objective.loss(self.network, condition, target, own)
            refuse_not_finite(batch["clip_id"], target, "the true embedding")
            refuse_not_finite(batch["clip_id"], losses, "the loss")
            self._scores.add(batch["clip_id"], losses, outputs["embedding"], target)
        return outputs

    def _log_scores(self, stage: str) -> None:
        if self.trainer.sanity_checking:
            self._scores.forget()
            return
        for name, value in self._scores.compute(stage).items():
            self.log(f"{stage}/{name}", value, sync_dist=True, prog_bar=name == "embedding_fd")

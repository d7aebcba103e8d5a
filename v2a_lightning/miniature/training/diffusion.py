"""AudioLDM's UNet on the miniature's latents, conditioned on CLAP's embedding of the sound itself."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.generators.diffusion_folder import build_scheduler
from v2a_lightning.miniature.models import build_unet
from v2a_lightning.miniature.training.part import Part

CONDITION_DROPOUT = 0.1
CONDITION_NOISE = 0.15
"""Length, at most, of the noise added to a unit-length embedding: a mapper's are near the true ones, not on them."""
SNR_CAP = 5.0
CONDITION_DEVIATION = 0.6
"""Standard deviation, at first, of what the UNet is given of a sound, beside the time's embedding of unit size."""


def miniature_scheduler() -> Any:
    """The published noise schedule, with velocity as the network's target, which a small network learns sooner."""
    return build_scheduler(prediction_type="v_prediction", timestep_spacing="trailing", steps_offset=0)


class DiffusionTraining(Part):
    """Velocity prediction with the min-SNR weighting of Hang et al. (2303.09556), section 3.4.

    Two threads, since one takes nearly twice as long.

    Args:
        moments: (count, 16, T, bins) float16, mean and deviation of each clip's latents.
        scaling_factor: the VAE's.
        embeddings: (count, 512) CLAP embeddings of the same clips.
        unconditional: (512,) what stands for no condition.
    """

    def __init__(
        self, moments: NDArray[np.float16], scaling_factor: float, embeddings: Tensor, unconditional: Tensor,
        steps: int = 6000, batch: int = 32, seed: int = 3,
    ) -> None:  # fmt: skip
        super().__init__(steps, batch, 1e-3, seed, threads=2)
        self.moments = moments
        self.scaling_factor = scaling_factor
        self.embeddings = embeddings
        self.unconditional = unconditional
        # Any, since diffusers' classes are resolved lazily and a type checker sees nothing in them.
        unet: Any = build_unet()
        spread_out(unet.class_embedding, embeddings)
        self.unet = unet
        self.scheduler = miniature_scheduler()

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, len(self.moments), self.batch)
        mean, deviation = torch.from_numpy(self.moments[chosen].astype(np.float32)).chunk(2, dim=1)
        latents = (mean + deviation * torch.randn_like(mean)) * self.scaling_factor
        condition = self._condition(self.embeddings[torch.from_numpy(chosen)])
        noise = torch.randn_like(latents)
        times = torch.randint(0, int(self.scheduler.config.num_train_timesteps), (self.batch,))
        noisy = self.scheduler.add_noise(latents, noise, times)
        target = self.scheduler.get_velocity(latents, noise, times)
        predicted = self.unet(noisy, times, encoder_hidden_states=None, class_labels=condition).sample
        alpha = self.scheduler.alphas_cumprod[times]
        ratio = alpha / (1 - alpha)
        weight = ratio.clamp(max=SNR_CAP) / (ratio + 1)
        # The weighted velocity loss is small near both ends; its mean weight is brought back to about one.
        squares = F.mse_loss(predicted, target, reduction="none").mean(dim=(1, 2, 3))
        loss: Tensor = (weight * squares).mean() / 0.5
        return loss

    def _condition(self, embeddings: Tensor) -> Tensor:
        amount = CONDITION_NOISE * torch.rand(len(embeddings), 1)
        disturbed = embeddings + amount * F.normalize(torch.randn_like(embeddings), dim=-1)
        dropped = torch.rand(len(embeddings), 1) < CONDITION_DROPOUT
        return torch.where(dropped, self.unconditional, F.normalize(disturbed, dim=-1))


@torch.no_grad()
def spread_out(layer: Any, embeddings: Tensor) -> None:
    """Begin a linear layer, from D to at most D features, so that it tells embeddings (count, D) apart by what is
    subtle in them too.

    What kind of sound it is makes the most of the variance of CLAP's embeddings; a layer drawn at random passes this
    on. Here the layer begins as half a whitening: the principal components, each divided by the fourth root of its
    variance, then turned at random.
    """
    rows = embeddings.double()
    mean = rows.mean(0)
    variance, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    kept = layer.out_features
    variance, axes = variance.flip(0)[:kept], axes.flip(1)[:, :kept]
    # No finer than the noise that is added to each element.
    floor = CONDITION_NOISE**2 / 3 / rows.shape[1]
    turn = torch.linalg.qr(torch.randn(kept, kept, dtype=torch.float64)).Q
    weight = turn @ torch.diag((variance + floor).pow(-0.25)) @ axes.T
    weight *= CONDITION_DEVIATION / ((rows - mean) @ weight.T).std()
    layer.weight.copy_(weight)
    layer.bias.copy_(-weight @ mean)

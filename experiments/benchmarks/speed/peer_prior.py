"""DALLE2-pytorch's diffusion prior as it trains and samples: runs in the peers' environment.

Its network has the settings of its train_prior_config.example.json at width 512, whose parameters are the 48.83 M that
the paper states. As it comes, it drags 77 learned null tokens for a text through every layer; nulls=0 leaves them out.
"""

import argparse
import functools

import torch
from dalle2_pytorch.dalle2_pytorch import DiffusionPrior, DiffusionPriorNetwork
from dalle2_pytorch.trainer import DiffusionPriorTrainer

from experiments.benchmarks.speed.worker import serve

WIDTH = 512


@functools.cache
def trainer(nulls: int, depth: int = 12) -> DiffusionPriorTrainer:
    """Its own trainer: AdamW, clipping, moving average."""
    torch.manual_seed(0)
    network = DiffusionPriorNetwork(
        dim=WIDTH, depth=depth, num_timesteps=1000, max_text_len=nulls, dim_head=64, heads=12, ff_mult=4,
        normformer=True,
    )  # fmt: skip
    prior = DiffusionPrior(
        network, image_embed_dim=WIDTH, timesteps=1000, cond_drop_prob=0.1, condition_on_text_encodings=False
    )
    return DiffusionPriorTrainer(
        prior, lr=1.1e-4, wd=6.02e-2, max_grad_norm=0.5, use_ema=True, ema_beta=0.99, accelerator_cpu=True
    )


def parameters(nulls: int, depth: int = 12) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in trainer(nulls, depth).diffusion_prior.parameters())


def train(nulls: int, batch: int, depth: int = 12, steps: int = 1) -> None:
    """Training steps on unit vectors."""
    embeddings = torch.nn.functional.normalize(torch.randn(2, batch, WIDTH), dim=-1)
    for _ in range(steps):
        # It scales what it is given in place.
        trainer(nulls, depth)(text_embed=embeddings[0], image_embed=embeddings[1].clone())
        trainer(nulls, depth).update()


def sample(nulls: int, batch: int, timesteps: int, depth: int = 12) -> None:
    """Embeddings of a batch in so many steps of its DDIM."""
    prior = trainer(nulls, depth).diffusion_prior.eval()
    condition = {"text_embed": torch.nn.functional.normalize(torch.randn(batch, WIDTH), dim=-1)}
    with torch.no_grad():
        prior.p_sample_loop((batch, WIDTH), text_cond=condition, timesteps=timesteps)
    prior.train()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, nargs=4, metavar=("NULLS", "BATCH", "DEPTH", "STEPS"))
    if (given := parser.parse_args().train) is not None:
        train(*given)
    else:
        serve({"parameters": parameters, "train": train, "sample": sample})

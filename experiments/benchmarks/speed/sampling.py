"""Sampling to equal quality: in the fewest steps whose embedding FD is within 2 % of 1000-step DDPM's, which is really
run. The number of steps is found with a mapper that is trained here on the miniature's embeddings, as quickstart.yaml
trains it, for half as long; the time is of the paper's size, 48.8 M, without guidance. The peer, DALLE2-pytorch's prior
of that size without null tokens, takes the 64 steps of DDIM that are its own default."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from experiments.benchmarks.speed.measuring import PROJECT, Row, alternate, times_faster
from experiments.benchmarks.speed.peers import Peer, peers_python
from experiments.benchmarks.speed.steps import Batch, TrainingSteps
from v2a_lightning.app.config_objects import ConfigReader
from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.distances import frechet_distance

PRIOR = "experiments.benchmarks.speed.peer_prior"
CANDIDATES = (3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50)
WORSE = 1.02
TRAINING_STEPS = 800
DRAWS = 4
"""Samples of each held out clip."""


def rows(quick: bool) -> Iterator[Row]:
    """The topic's rows."""
    reference, depth, batch = (20, 2, 2) if quick else (1000, 12, 16)
    mapper, held_out = _untrained() if quick else _trained()
    steps, row = equal_quality(mapper, held_out, reference)
    yield row
    ours = TrainingSteps("v2a_mapper.yaml", f"--model.network.init_args.depth={depth}")
    frames, mask, _ = ours.batch(batch)
    sample = partial(ours.mapper.eval().sample, frames, mask)
    with Peer(PRIOR, peers_python(), {"TQDM_DISABLE": "1"}) as peer:
        variants = {
            "few": partial(sample, steps=steps),
            "ddpm": partial(sample, steps=reference),
            "prior": partial(peer, "sample", nulls=0, batch=batch, timesteps=min(64, reference), depth=depth),
        }
        for warm in ("few", "prior"):
            variants[warm]()
        timings = alternate(variants, rounds=1 if quick else 2, warmup=0)
    what, note = f"sampling to equal quality, batch {batch}", f"in {steps} steps"
    yield times_faster(what, f"{reference}-step DDPM", timings["few"], timings["ddpm"], 90.0, note)
    yield times_faster(what, "DALLE2-pytorch's 64-step DDIM", timings["few"], timings["prior"], 15.0, note)


def equal_quality(mapper: Mapper, held_out: Batch, reference: int) -> tuple[int, Row]:
    """The fewest steps whose distance to the true embeddings is at most 2 % above DDPM's, and the row that says so."""
    target = held_out[2][:, 0]
    wanted = frechet_distance(_samples(mapper, held_out, reference), target)
    found = {}
    for steps in CANDIDATES:
        found[steps] = frechet_distance(_samples(mapper, held_out, steps), target) / wanted
        if found[steps] <= WORSE:
            break
    steps, share = list(found.items())[-1]
    tried = ", ".join(f"{value:.3f} in {count}" for count, value in found.items())
    note = f"in {steps} steps; tried: {tried}; DDPM's is {wanted:.4f}"
    return steps, Row(
        "embedding FD to equal quality", f"{reference}-step DDPM", share, "x", WORSE, "lower", 1, (share, share), note
    )


def _samples(mapper: Mapper, held_out: Batch, steps: int) -> Tensor:
    """(DRAWS * B, D), with the same first noise for every number of steps; with an eta of 1, all steps are DDPM."""
    frames, mask, _ = (part.repeat(DRAWS, *[1] * (part.ndim - 1)) for part in held_out)
    generator = torch.Generator().manual_seed(0)
    return mapper.sample(frames, mask, generator=generator, steps=steps, guidance=1.0)[:, 0]


def _untrained() -> tuple[Mapper, Batch]:
    ours = TrainingSteps("quickstart.yaml")
    return ours.mapper.eval(), ours.batch(4)


def _trained() -> tuple[Mapper, Batch]:
    """A mapper trained on the miniature, which is rendered and embedded unless it is there, and its held out clips."""
    ours = TrainingSteps("quickstart.yaml")
    ours.schedule.set_run_length(TRAINING_STEPS)
    root = PROJECT / "data" / "miniature"
    data = ConfigReader(
        [f"--config={PROJECT / 'experiments' / 'quickstart.yaml'}", f"--data.init_args.root={root}"]
    ).make("data").data
    data.prepare_data()
    data.setup("fit")
    done = 0
    while done < TRAINING_STEPS:
        for batch in data.train_dataloader():
            ours.step(_tensors([batch]))
            done += 1
    mapper = ours.average.module.eval()
    return mapper, _tensors(list(data.val_dataloader()))


def _tensors(batches: Sequence[dict[str, Tensor]]) -> Batch:
    parts = ("frames", "frame_mask", "target")
    frames, mask, target = (torch.cat([batch[name] for batch in batches]) for name in parts)
    return frames, mask, target

"""Random numbers that belong to a clip, not to the batch or the process it happens to be in."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from v2a_lightning.devices import send

Generators = torch.Generator | Sequence[torch.Generator]


def clip_seed(seed: int, clip_id: str, sample: int = 0) -> int:
    """A 63-bit seed from a run's seed, a clip and a sample's number: the same on every machine and in every process."""
    digest = hashlib.sha256(f"{seed}/{clip_id}/{sample}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per seed. CPU generators, since CUDA's give other numbers for the same seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def randn(
    shape: Sequence[int], generator: Generators, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal (B, ...), all from one generator, or row i from generator i alone; or ValueError."""
    if isinstance(generator, torch.Generator):
        return send(torch.randn(tuple(shape), generator=generator, device=generator.device), device, dtype)
    if len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators for a batch of {shape[0]} rows; give one per row")
    rows = [torch.randn(tuple(shape[1:]), generator=one, device=one.device) for one in generator]
    return send(torch.stack(rows), device, dtype) if rows else torch.empty(tuple(shape), device=device, dtype=dtype)


@contextmanager
def random_stream(seed: int, device: torch.device) -> Iterator[torch.Generator]:
    """A generator for what is drawn, and for dropout a global stream set aside and given back."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        # Not torch.manual_seed, which takes milliseconds where PyTorch was built for GPUs and there is none.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield torch.Generator(device).manual_seed(seed)

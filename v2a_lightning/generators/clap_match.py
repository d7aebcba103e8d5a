"""Whether a CLAP is the one a generator was trained with: by its text tower, or by its embedding of a fixed waveform.

Embeddings of another CLAP have the same width and look alike, and what is generated from them is noise that no error
announces.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.checkpoints.frozen_model import quiet_libraries
from v2a_lightning.encoders.clap import ClapEncoder, TransformersClap
from v2a_lightning.generators.base import Agreement
from v2a_lightning.generators.diffusion_folder import (
    UNCONDITIONAL_FILE,
    read_embedding,
    read_text_tower,
    save_tensors,
)

SELF_TEST_FILE = "clap_self_test.safetensors"
SAMPLE_RATE = 16_000
SAME_COSINE = 0.999
"""Precisions and versions of libraries keep the cosine above it; another training of the same CLAP is far below."""


def self_test_waveform() -> NDArray[np.float32]:
    """(1, 163840) float32 at 16 kHz: a rising tone, then noise of falling loudness. The same everywhere, for ever."""
    samples = round(10.24 * SAMPLE_RATE)
    time = np.arange(samples) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * (100 * time + 190 * time**2))
    noise = np.random.RandomState(0).standard_normal(samples) * np.exp(-time)
    waveform: NDArray[np.float32] = (0.3 * tone + 0.2 * noise).astype(np.float32)[None]
    return waveform


def write_self_test(folder: Path | str, clap: ClapEncoder) -> None:
    """Leave a CLAP's embedding of the fixed waveform beside the generator that was trained with it."""
    embedding = clap.encode_audio(self_test_waveform(), SAMPLE_RATE)[0]
    save_tensors({"embedding": embedding}, Path(folder) / SELF_TEST_FILE)


def compare(clap: ClapEncoder, folder: Path) -> Agreement:
    if (folder / SELF_TEST_FILE).is_file():
        found = clap.encode_audio(self_test_waveform(), SAMPLE_RATE)[0]
        return _agreement(found, folder / SELF_TEST_FILE, "of a fixed waveform")
    if (folder / "text_encoder").is_dir():
        return _by_text_tower(clap, folder / "text_encoder")
    if (folder / UNCONDITIONAL_FILE).is_file() and clap.has_tokenizer:
        return _agreement(clap.encode_text([""])[0], folder / UNCONDITIONAL_FILE, "of the empty text")
    return Agreement(None, f"{folder} has neither {SELF_TEST_FILE} nor a text_encoder to compare with")


def _agreement(found: Tensor, file: Path, of_what: str) -> Agreement:
    expected = read_embedding(file)
    if found.shape != expected.shape:
        return Agreement(False, f"their embeddings have {len(found)} and {len(expected)} numbers")
    cosine = float(torch.nn.functional.cosine_similarity(expected, found.cpu(), dim=0))
    return Agreement(cosine > SAME_COSINE, f"cosine {cosine:.4f} between their embeddings {of_what}")


def _by_text_tower(clap: ClapEncoder, folder: Path) -> Agreement:
    with quiet_libraries(), torch.random.fork_rng():
        tower = read_text_tower(folder)
        model: Any = TransformersClap(clap.path).clap
    found = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("text_")}
    different = [name for name, tensor in tower.named_parameters() if not _equal(tensor, found.get(name))]
    count = sum(1 for _ in tower.parameters())
    return Agreement(not different, f"{count - len(different)} of {count} tensors of the text towers are equal")


def _equal(tensor: Tensor, other: Tensor | None) -> bool:
    return other is not None and tensor.shape == other.shape and torch.equal(tensor.float(), other.float())

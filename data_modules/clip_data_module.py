"""What all data modules share: splits, rejected clips, batches, and where a clip came from."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from v2a_lightning.data_modules.clips import (
    TEST,
    TRAIN,
    VALIDATION,
    Clip,
    Reject,
    Splits,
    hold_out,
    ids_hash,
    subset,
    unused_splits,
)
from v2a_lightning.data_modules.device_table import move_tables, moved_batch
from v2a_lightning.data_modules.loaders import evaluation_loader, training_loader
from v2a_lightning.data_modules.media_files import fetched
from v2a_lightning.data_modules.table import Batch
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.media import read_audio
from v2a_lightning.specs import AudioSpec


class ClipDataModule(LightningDataModule):
    """Clips in splits. A batch of any subclass, in any mode, is

        {"clip_id": B ids, "label": B labels, "frames": (B, T, D) float32,
         "frame_mask": (B, T) bool, True where there is a frame, "target": (B, N, D) float32}

    without "target" where there is no sound. Training batches are shuffled by `seed` and epoch; evaluation shows every
    clip once, however many processes share it.

    Args:
        audio: which sound of a clip is the true one; None for clips without sound.
        batch_size: clips in a batch, over all devices and nodes.
        seed: of the order of training.
        splits: which clips train, which are held out and which are tested.
    """

    def __init__(self, audio: AudioSpec | None, batch_size: int, seed: int, splits: Splits) -> None:
        super().__init__()
        if batch_size < 1:
            raise UsageError(f"data.batch_size is at least 1, not {batch_size}")
        self.audio = audio
        self.batch_size = batch_size
        self.seed = seed
        self.splits = splits
        # With several machines the first one prepares; the store is on a disk they share, or behind a URL.
        self.prepare_data_per_node = False
        # Processes that load batches; none are needed to gather from memory.
        self.loading_processes = 0
        self._datasets: dict[str, Dataset[Batch]] = {}

    @abstractmethod
    def find_clips(self) -> list[Clip]:
        """Every clip the data set names, with its file if there is one."""

    @cached_property
    @abstractmethod
    def unusable(self) -> dict[str, Reject]:
        """Clips that have a file which cannot be used."""

    @abstractmethod
    def datasets(self, splits: Mapping[str, Sequence[Clip]]) -> dict[str, Dataset[Batch]]:
        """A dataset for each split's usable clips."""

    @property
    def has_audio(self) -> bool:
        """Whether the clips have a true sound."""
        return self.audio is not None

    @cached_property
    def named_clips(self) -> list[Clip]:
        """Every clip the data set names."""
        return self.find_clips()

    @property
    def candidates(self) -> list[Clip]:
        """The clips that have a file, each once, at most `max_clips` of a split."""
        present = [clip for clip in self.named_clips if clip.has_file and not clip.duplicate]
        return subset(present, self.splits.max_clips)

    @property
    def rejects(self) -> list[Reject]:
        """The clips that are not used, each with its reason."""
        absent = [clip for clip in self.named_clips if not clip.has_file and not clip.duplicate]
        repeated = [clip for clip in self.named_clips if clip.duplicate]
        return [
            *(Reject(clip.clip_id, "", "missing", "no file of this name") for clip in absent),
            *(Reject(clip.clip_id, str(clip.path or ""), "duplicate", "named before") for clip in repeated),
            *self.unusable.values(),
        ]

    @cached_property
    def usable_clips(self) -> list[Clip]:
        """The clips that are used, the held out ones in the validation split."""
        usable = [clip for clip in self.candidates if clip.clip_id not in self.unusable]
        fraction, count = self.splits.validation_fraction, self.splits.validation_clips
        return hold_out(usable, fraction, count) if self.splits.holds_out else usable

    def invalidate_usable_clips(self) -> None:
        """Find out anew which clips can be used, the next time that is needed."""
        for name in ("unusable", "usable_clips"):
            self.__dict__.pop(name, None)

    def clip_ids(self, split: str) -> list[str]:
        """Ids of the usable clips of a split."""
        return [clip.clip_id for clip in self.usable_clips if clip.split == split]

    def ids_hash(self, split: str = TEST) -> str:
        """Hash of the ids of a split's usable clips; results with the same one were measured on the same clips."""
        return ids_hash(self.clip_ids(split))

    def used_clips(self, stage: str) -> dict[str, dict[str, Any]]:
        """For each split that a stage uses: the number of its usable clips, and the hash of their ids."""
        return {
            split: {"clips": len(self.clip_ids(split)), "ids_sha256": self.ids_hash(split)}
            for split in self._splits(stage)
        }

    def source(self, clip_id: str) -> Path:
        """A clip's media file, fetched when it is behind a URL or in a tar; UsageError when there is none."""
        path = self._with_files[clip_id].path if clip_id in self._with_files else None
        if path is None:
            raise UsageError(f"{clip_id}: there is no media file of this clip")
        return fetched(path)

    @cached_property
    def _with_files(self) -> dict[str, Clip]:
        return {clip.clip_id: clip for clip in self.named_clips if clip.has_file}

    def reference_waveform(self, clip_id: str) -> NDArray[np.float32]:
        """A clip's true sound (audio.samples,), mono, at `audio.sample_rate`; MediaError when it cannot be read."""
        if self.audio is None:
            raise UsageError(f"{type(self).__name__} has no true sound")
        return read_audio(self.source(clip_id), self.audio)

    def setup(self, stage: str) -> None:
        """Make the datasets a stage needs; RunFailure when no clip is left for one of them."""
        new = [split for split in self._splits(stage) if split not in self._datasets]
        clips = {split: [clip for clip in self.usable_clips if clip.split == split] for split in new}
        for split, some in clips.items():
            if not some:
                raise RunFailure(self._nothing_left(split))
        self._datasets.update(self.datasets(clips))
        if self.trainer is not None:
            move_tables(self._datasets.values(), self.trainer.strategy.root_device)
        rank_zero_info(self._report(stage))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the batch's tensors."""
        return moved_batch(batch, device)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training batches."""
        options = (*self._rank_and_ranks(), self.loading_processes, self.splits.passes)
        return training_loader(self._datasets[TRAIN], self.batch_size, self.seed, *options)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """Batches of the held out clips; nothing when none are."""
        return self._evaluation(VALIDATION) if self._validates else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split."""
        return self._evaluation(self.splits.test_split)

    predict_dataloader = test_dataloader

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        dataset = self._datasets[split]
        return evaluation_loader(dataset, self.batch_size, *self._rank_and_ranks(), self.loading_processes)

    def _rank_and_ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    @property
    def _validates(self) -> bool:
        return self.splits.holds_out or VALIDATION in self._datasets

    def _splits(self, stage: str) -> list[str]:
        if stage == "fit":
            return [TRAIN, VALIDATION] if self._validates else [TRAIN]
        return [VALIDATION] if stage == "validate" else [self.splits.test_split]

    def _nothing_left(self, split: str) -> str:
        splits = _counted(clip.split for clip in self.named_clips)
        reasons = _counted(reject.reason for reject in self.rejects) or "none rejected"
        return f"no clip left for {split}: the data names {len(self.named_clips)} clips ({splits}), of which {reasons}"

    @property
    def unused_splits(self) -> str:
        """One line on the splits that the data names and nothing uses, such as `Test`; empty when there are none."""
        return unused_splits(self.named_clips, {TRAIN, VALIDATION, TEST, self.splits.test_split})

    def _report(self, stage: str) -> str:
        used = ", ".join(f"{one['clips']} {split}" for split, one in self.used_clips(stage).items())
        rejected = _counted(reject.reason for reject in self.rejects)
        lines = [f"clips: {used}" + (f"; not used: {rejected}" if rejected else ""), self.unused_splits]
        return "\n".join(line for line in lines if line)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())

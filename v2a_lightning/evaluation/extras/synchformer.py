"""DeSync: how many seconds Synchformer takes a film and its sound to be apart.

Source: the protocol of av-benchmark (H. K. Cheng et al., "MMAudio", CVPR 2025): segments of 0.64 s every 0.32 s, the
absolute offset predicted from the first fourteen of them and from the last fourteen, mean of the two.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.extras import fetched, module_sha256
from v2a_lightning.evaluation.sounds import Crop, Wave
from v2a_lightning.specs import FrameSpec

FRAMES_PER_SECOND, SIZE = 25, 224
FRAME_SEGMENT, FRAME_STEP = 16, 8
SOUND_SEGMENT, SOUND_STEP = 10_240, 5_120
SEGMENTS = 14
SHORTEST_SECONDS = (FRAME_SEGMENT + (SEGMENTS - 1) * FRAME_STEP) / FRAMES_PER_SECOND
MEL_FRAMES, MEL_MEAN, MEL_DEVIATION = 66, -4.2677393, 4.5689974
WEIGHTS_VARIABLE = "V2A_SYNCHFORMER"


class SynchformerOnlooker:
    """Compares sound and film of at least 4.8 s; its weights file is named by the environment's V2A_SYNCHFORMER.

    Args:
        device: where the network runs.
    """

    name, label, sample_rate = "synchformer:24-01-04T16-39-21", "", 16_000
    crop = "all of the sound and film, its first and last 4.8 s"

    def __init__(self, device: str) -> None:
        self.device = device

    @cached_property
    def _model(self) -> Any:
        from av_bench.synchformer.synchformer import Synchformer

        path = os.environ.get(WEIGHTS_VARIABLE, "")
        if not Path(path).is_file():
            raise UsageError(f"--extras desync: set {WEIGHTS_VARIABLE} to the file synchformer_state_dict.pth")

        def build() -> Any:
            return load_strictly(Synchformer(), read_weights(Path(path)), Path(path))

        return fetched("Synchformer", build, self.device)

    @cached_property
    def weights_sha256(self) -> str:
        """Of the network's tensors."""
        return module_sha256(self._model)

    @property
    def fingerprint(self) -> str:
        """Of the network's tensors."""
        return self.weights_sha256

    @torch.no_grad()
    def compare(self, wave: Wave, rate: int, media: Path) -> dict[str, float]:
        """{"desync": seconds} of one clip."""
        from av_bench.synchformer.synchformer import make_class_grid

        seconds = len(wave) / rate
        seen, heard = self._see(media, seconds), self._hear(wave, rate)
        count = min(seen.shape[1], heard.shape[1])
        if count < SEGMENTS:
            raise RunFailure(f"{media}: {seconds:.2f} s are too few for DeSync, which needs {SHORTEST_SECONDS:g} s")
        grid = make_class_grid(-2, 2, 21)
        parts = (slice(0, SEGMENTS), slice(count - SEGMENTS, count))
        guesses = [self._model.compare_v_a(seen[:, part], heard[:, part]).argmax(-1) for part in parts]
        return {"desync": float(np.mean([abs(float(grid[int(guess)])) for guess in guesses]))}

    def _see(self, media: Path, seconds: float) -> Tensor:
        from torchvision.transforms import v2

        from v2a_lightning.media import read_frames

        frames = torch.from_numpy(read_frames(media, FrameSpec(FRAMES_PER_SECOND, seconds))).movedim(-1, 1)
        steps = [v2.Resize(SIZE, v2.InterpolationMode.BICUBIC), v2.CenterCrop(SIZE)]
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
        pieces = segments(v2.Compose(steps)(frames), FRAME_SEGMENT, FRAME_STEP).to(self.device)
        features = self._model.extract_vfeats(pieces[:, None])
        return features.flatten(0, 1)[None]

    def _hear(self, wave: Wave, rate: int) -> Tensor:
        from torchaudio.transforms import MelSpectrogram

        mel = MelSpectrogram(self.sample_rate, n_fft=1024, win_length=400, hop_length=160, n_mels=128)
        prepared = torch.from_numpy(Crop().prepare(wave, rate, self.sample_rate))
        logs = torch.log(mel(segments(prepared, SOUND_SEGMENT, SOUND_STEP)) + 1e-6)
        logs = torch.nn.functional.pad(logs, (0, max(0, MEL_FRAMES - logs.shape[-1])))[..., :MEL_FRAMES]
        pictures = ((logs - MEL_MEAN) / (2 * MEL_DEVIATION)).to(self.device)
        return self._model.extract_afeats(pictures[None, :, None])


def segments(sequence: Tensor, length: int, step: int) -> Tensor:
    """(T, ...) to (S, length, ...): every whole piece of `length`, each `step` after the one before."""
    count = max(0, (len(sequence) - length) // step + 1)
    starts = range(0, count * step, step)
    return torch.stack([sequence[start : start + length] for start in starts]) if count else sequence[:0]

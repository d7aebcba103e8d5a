"""DeSync: how many seconds Synchformer takes a video and its sound to be apart.

Source: the protocol of av-benchmark (H. K. Cheng et al., "MMAudio", CVPR 2025): segments of 0.64 s every 0.32 s, the
absolute offset predicted from the first fourteen of them and from the last fourteen, mean of the two.
"""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.extractors.packages import PackageExtractor
from v2a_lightning.evaluation.features import Crop, Features, Waveform
from v2a_lightning.media import read_frames
from v2a_lightning.specs import FrameSpec

FRAMES_PER_SECOND, SIZE = 25, 224
FRAME_SEGMENT, FRAME_STEP = 16, 8
SOUND_SEGMENT, SOUND_STEP = 10_240, 5_120
SEGMENTS = 14
SHORTEST_SECONDS = (FRAME_SEGMENT + (SEGMENTS - 1) * FRAME_STEP) / FRAMES_PER_SECOND
MEL_FRAMES, MEL_MEAN, MEL_DEVIATION = 66, -4.2677393, 4.5689974
WEIGHTS_VARIABLE = "V2A_SYNCHFORMER"


class SynchformerFeatures(PackageExtractor):
    """{"seconds": absolute offset} of a sound and its video of at least 4.8 s.

    The weights file is named by V2A_SYNCHFORMER in the environment.
    """

    name, title, sample_rate = "synchformer:24-01-04T16-39-21", "DeSync", 16_000
    modules, install = ("av_bench", "torchaudio"), "install github.com/hkchengrex/av-benchmark"
    crop = "all of the sound and video, its first and last 4.8 s"
    needs_video, cached = True, False

    def build(self) -> nn.Module:
        """The package's network with the named weights."""
        from av_bench.synchformer.synchformer import Synchformer

        path = Path(os.environ.get(WEIGHTS_VARIABLE, ""))
        if not path.is_file():
            raise UsageError(f"metrics: desync needs {WEIGHTS_VARIABLE} set to the file synchformer_state_dict.pth")
        network: nn.Module = load_strictly(Synchformer(), read_weights(path), path)
        return network

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` and its video to {"seconds": ()}."""
        from av_bench.synchformer.synchformer import make_class_grid

        assert video is not None
        seconds = len(waveform) / rate
        frames, audio = self._video_features(video, seconds), self._audio_features(waveform, rate)
        count = min(frames.shape[1], audio.shape[1])
        if count < SEGMENTS:
            raise RunFailure(f"{video}: {seconds:.2f} s are too few for DeSync, which needs {SHORTEST_SECONDS:g} s")
        grid = make_class_grid(-2, 2, 21)
        parts = (slice(0, SEGMENTS), slice(count - SEGMENTS, count))
        guesses = [self.model.compare_v_a(frames[:, part], audio[:, part]).argmax(-1) for part in parts]
        return {"seconds": torch.tensor(np.mean([abs(float(grid[int(guess)])) for guess in guesses]))}

    def _video_features(self, video: Path, seconds: float) -> Tensor:
        from torchvision.transforms import v2

        frames = torch.from_numpy(read_frames(video, FrameSpec(FRAMES_PER_SECOND, seconds))).movedim(-1, 1)
        steps = [v2.Resize(SIZE, v2.InterpolationMode.BICUBIC), v2.CenterCrop(SIZE)]
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
        pieces = segments(v2.Compose(steps)(frames), FRAME_SEGMENT, FRAME_STEP).to(self.device)
        features: Tensor = self.model.extract_vfeats(pieces[:, None])
        return features.flatten(0, 1)[None]

    def _audio_features(self, waveform: Waveform, rate: int) -> Tensor:
        from torchaudio.transforms import MelSpectrogram

        mel = MelSpectrogram(self.sample_rate, n_fft=1024, win_length=400, hop_length=160, n_mels=128)
        prepared = torch.from_numpy(Crop().prepare(waveform, rate, self.sample_rate))
        logs = torch.log(mel(segments(prepared, SOUND_SEGMENT, SOUND_STEP)) + 1e-6)
        logs = torch.nn.functional.pad(logs, (0, max(0, MEL_FRAMES - logs.shape[-1])))[..., :MEL_FRAMES]
        pictures = ((logs - MEL_MEAN) / (2 * MEL_DEVIATION)).to(self.device)
        features: Tensor = self.model.extract_afeats(pictures[None, :, None])
        return features


def segments(sequence: Tensor, length: int, step: int) -> Tensor:
    """(T, ...) to (S, length, ...): every whole piece of `length`, each `step` after the one before."""
    count = max(0, (len(sequence) - length) // step + 1)
    starts = range(0, count * step, step)
    return torch.stack([sequence[start : start + length] for start in starts]) if count else sequence[:0]

"""The three extractors once more, as plainly as can be: one function each over the published tensors by name.

Nothing is shared with the library. Front ends are torchlibrosa's where the original used it, NumPy loops elsewhere.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]


def norm(x: torch.Tensor, state: State, name: str) -> torch.Tensor:
    """Batch norm from its definition, on the running statistics."""
    shape = (1, -1, 1, 1)
    mean, variance = state[f"{name}.running_mean"].view(shape), state[f"{name}.running_var"].view(shape)
    weight, bias = state[f"{name}.weight"].view(shape), state[f"{name}.bias"].view(shape)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def cnn14(
    waveform: torch.Tensor, state: State, rate: int, window: int, hop: int, high: int
) -> tuple[torch.Tensor, ...]:
    from torchlibrosa.stft import LogmelFilterBank, Spectrogram

    spectrogram = Spectrogram(n_fft=window, hop_length=hop, win_length=window)(waveform[None])
    x = LogmelFilterBank(sr=rate, n_fft=window, n_mels=64, fmin=50, fmax=high, amin=1e-10, top_db=None)(spectrogram)
    x = norm(x.permute(0, 3, 2, 1), state, "bn0").permute(0, 3, 2, 1)
    for block in range(1, 7):
        for layer in (1, 2):
            x = F.conv2d(x, state[f"conv_block{block}.conv{layer}.weight"], padding=1)
            x = torch.relu(norm(x, state, f"conv_block{block}.bn{layer}"))
        if block < 6:
            x = F.avg_pool2d(x, (2, 2))
    x = x.mean(3)
    pooled = x.max(2)[0] + x.mean(2)
    embedding = torch.relu(pooled @ state["fc1.weight"].T + state["fc1.bias"])
    return (embedding @ state["fc_audioset.weight"].T + state["fc_audioset.bias"])[0], embedding[0]


def vggish_examples(waveform: np.ndarray) -> np.ndarray:
    """(examples, 96, 64), the mel filters one by one as the definition says."""
    window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)])
    frames = [waveform[start : start + 400] * window for start in range(0, len(waveform) - 399, 160)]
    magnitudes = np.abs(np.fft.rfft(np.array(frames), 512))

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1.0 + hertz / 700.0)

    edges = [mel(125.0) + (mel(7500.0) - mel(125.0)) * i / 65 for i in range(66)]
    filters = np.zeros((257, 64))
    for band in range(64):
        low, centre, high = edges[band : band + 3]
        for frequency in range(1, 257):
            m = mel(frequency * 8000.0 / 256)
            filters[frequency, band] = max(0.0, min((m - low) / (centre - low), (high - m) / (high - centre)))
    logs = np.log(magnitudes @ filters + 0.01)
    return np.array([logs[start : start + 96] for start in range(0, len(logs) - 95, 96)])


def vggish(waveform: np.ndarray, state: State) -> torch.Tensor:
    x = torch.tensor(vggish_examples(waveform), dtype=torch.float32)[:, None]
    for layer, pool in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        x = torch.relu(F.conv2d(x, state[f"features.{layer}.weight"], state[f"features.{layer}.bias"], padding=1))
        if pool:
            x = F.max_pool2d(x, 2)
    x = x.transpose(1, 3).transpose(1, 2).reshape(len(x), -1)
    for layer in (0, 2, 4):
        x = x @ state[f"embeddings.{layer}.weight"].T + state[f"embeddings.{layer}.bias"]
        x = torch.relu(x) if layer < 4 else x
    return x


def wav2clip(waveform: np.ndarray, state: State) -> torch.Tensor:
    padded = np.pad(waveform.astype(np.float64), 256, mode="reflect")
    window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / 512) for n in range(512)])
    frames = [padded[start : start + 512] * window for start in range(0, len(padded) - 511, 353)]
    logs = np.log(np.abs(np.fft.rfft(np.array(frames), 512)) ** 2 + 1e-7).T
    picture = (logs - logs.mean()) / (logs.std(ddof=1) + 1e-9)
    x = torch.tensor(picture, dtype=torch.float32)[None, None]
    x = F.conv2d(x, state["audio_encoder.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(torch.relu(norm(x, state, "audio_encoder.bn1")), 3, 2, 1)
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            name = f"audio_encoder.layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(torch.relu(norm(y, state, f"{name}.bn1")), state[f"{name}.conv2.weight"], padding=1)
            if f"{name}.downsample.0.weight" in state:
                x = norm(
                    F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride), state, f"{name}.downsample.1"
                )
            x = torch.relu(norm(y, state, f"{name}.bn2") + x)
    x = x.mean((2, 3))
    x = torch.relu(x @ state["audio_transform.sequential.0.weight"].T + state["audio_transform.sequential.0.bias"])
    return (x @ state["audio_transform.sequential.3.weight"].T + state["audio_transform.sequential.3.bias"])[0]


# The published key layouts, written out by hand, and random tensors for them.


def published_cnn14(width: int, classes: int, window: int, rate: int, high: int, random: torch.Generator) -> State:
    import librosa

    mel = librosa.filters.mel(sr=rate, n_fft=window, n_mels=64, fmin=50, fmax=high).T
    state = {
        "spectrogram_extractor.stft.conv_real.weight": torch.zeros(window // 2 + 1, 1, window),
        "spectrogram_extractor.stft.conv_imag.weight": torch.zeros(window // 2 + 1, 1, window),
        "logmel_extractor.melW": torch.tensor(mel),
        **_norm("bn0", 64, random),
    }
    incoming = 1
    for block in range(1, 7):
        outgoing = width * 2 ** (block - 1)
        state[f"conv_block{block}.conv1.weight"] = _weight((outgoing, incoming, 3, 3), random)
        state[f"conv_block{block}.conv2.weight"] = _weight((outgoing, outgoing, 3, 3), random)
        state |= _norm(f"conv_block{block}.bn1", outgoing, random) | _norm(f"conv_block{block}.bn2", outgoing, random)
        incoming = outgoing
    return state | _linear("fc1", incoming, incoming, random) | _linear("fc_audioset", incoming, classes, random)


def published_vggish(width: int, hidden: int, random: torch.Generator) -> State:
    state: State = {}
    incoming = 1
    for layer, units in ((0, 1), (3, 2), (6, 4), (8, 4), (11, 8), (13, 8)):
        state[f"features.{layer}.weight"] = _weight((units * width, incoming, 3, 3), random)
        state[f"features.{layer}.bias"] = 0.1 * torch.randn(units * width, generator=random)
        incoming = units * width
    state |= _linear("embeddings.0", incoming * 24, hidden, random) | _linear("embeddings.2", hidden, hidden, random)
    return state | _linear("embeddings.4", hidden, 128, random)


def published_wav2clip(width: int, random: torch.Generator) -> State:
    state = {
        "clip_model.logit_scale": torch.tensor(1.0),
        "audio_encoder.spectrogram.window": torch.hann_window(512),
        "audio_encoder.conv1.weight": _weight((width, 1, 7, 7), random),
        **_norm("audio_encoder.bn1", width, random),
    }
    incoming = width
    for stage in (1, 2, 3, 4):
        outgoing = width * 2 ** (stage - 1)
        for block in (0, 1):
            name = f"audio_encoder.layer{stage}.{block}"
            state[f"{name}.conv1.weight"] = _weight((outgoing, incoming, 3, 3), random)
            state[f"{name}.conv2.weight"] = _weight((outgoing, outgoing, 3, 3), random)
            state |= _norm(f"{name}.bn1", outgoing, random) | _norm(f"{name}.bn2", outgoing, random)
            if stage > 1 and block == 0:
                state[f"{name}.downsample.0.weight"] = _weight((outgoing, incoming, 1, 1), random)
                state |= _norm(f"{name}.downsample.1", outgoing, random)
            incoming = outgoing
    state |= _linear("audio_encoder.fc", incoming, 1000, random)
    state |= _linear("audio_transform.sequential.0", incoming, 512, random)
    return state | _linear("audio_transform.sequential.3", 512, 512, random)


def _weight(shape: tuple[int, ...], random: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=random) * math.sqrt(2.0 / math.prod(shape[1:]))


def _linear(name: str, incoming: int, outgoing: int, random: torch.Generator) -> State:
    bias = 0.1 * torch.randn(outgoing, generator=random)
    return {f"{name}.weight": _weight((outgoing, incoming), random), f"{name}.bias": bias}


def _norm(name: str, width: int, random: torch.Generator) -> State:
    return {
        f"{name}.weight": 1.0 + 0.2 * torch.randn(width, generator=random),
        f"{name}.bias": 0.2 * torch.randn(width, generator=random),
        f"{name}.running_mean": 0.2 * torch.randn(width, generator=random),
        f"{name}.running_var": 1.0 + 0.3 * torch.rand(width, generator=random),
        f"{name}.num_batches_tracked": torch.tensor(3),
    }

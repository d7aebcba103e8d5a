"""Pictures and sounds as data URIs, so that a page is one file that opens anywhere."""

import base64
import io
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from v2a_lightning.evaluation.extractors.frontends import power_spectrogram, slaney_mel_matrix

Wave = NDArray[np.float32]

# A spectrogram shows this many decibels below the loudest point of the sounds it is compared with.
RANGE_DB = 70.0
MEL_BANDS = 96
WINDOW = 1024
LOWEST_HERTZ = 40.0


def data_uri(content: bytes, kind: str) -> str:
    """`content` inlined as a URI of a MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def sound_uri(wave: Wave, sample_rate: int) -> str:
    """A wave (N,) as a player's source: FLAC, which loses nothing and takes about half the space."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(wave, -1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
    return data_uri(buffer.getvalue(), "audio/flac")


def log_mel(wave: Wave, sample_rate: int) -> NDArray[np.float32]:
    """Log-mel spectrogram in decibels (MEL_BANDS, columns), about 400 columns; a short wave is filled with silence."""
    hop = max(64, len(wave) // 400)
    filled = np.pad(wave, (0, max(0, WINDOW - len(wave))))
    power = power_spectrogram(torch.from_numpy(np.ascontiguousarray(filled, np.float32))[None], WINDOW, hop)[0]
    mel = power @ torch.from_numpy(_mel_matrix(sample_rate))
    return np.asarray(10.0 * torch.log10(mel.clamp_min(1e-10)).T)


@lru_cache(maxsize=4)
def _mel_matrix(sample_rate: int) -> NDArray[np.float32]:
    return slaney_mel_matrix(sample_rate, WINDOW, MEL_BANDS, LOWEST_HERTZ, sample_rate / 2)


def spectrogram_uri(decibels: NDArray[np.float32], loudest: float) -> str:
    """A log-mel (bands, columns) as a PNG, low tones at the bottom, from RANGE_DB below `loudest` up to it."""
    from matplotlib import colormaps

    shade = np.clip((decibels[::-1] - loudest + RANGE_DB) / RANGE_DB, 0.0, 1.0)
    return picture_uri((colormaps["magma"](shade)[..., :3] * 255).astype(np.uint8), "PNG")


def spectrogram_pair(first: Wave, second: Wave, sample_rate: int) -> tuple[str, str]:
    """Two sounds' spectrograms on one scale, so that a quieter one looks quieter."""
    pictures = log_mel(first, sample_rate), log_mel(second, sample_rate)
    loudest = float(max(picture.max() for picture in pictures))
    return spectrogram_uri(pictures[0], loudest), spectrogram_uri(pictures[1], loudest)


def picture_uri(pixels: NDArray[np.uint8], kind: str = "JPEG") -> str:
    """RGB pixels (H, W, 3) as a PNG or JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 82} if kind == "JPEG" else {"optimize": True}))
    return data_uri(buffer.getvalue(), f"image/{kind.lower()}")


def strip_uris(frames: NDArray[np.uint8], count: int = 6, height: int = 144) -> list[str]:
    """`count` frames spread over a clip (T, H, W, 3), at most `height` pixels high."""
    from PIL import Image

    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    pictures = []
    for index in chosen:
        image = Image.fromarray(frames[index])
        if image.height > height:
            image = image.resize((max(1, round(image.width * height / image.height)), height))
        pictures.append(picture_uri(np.asarray(image)))
    return pictures

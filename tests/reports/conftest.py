"""A run's folder as a run leaves it, small and made without one."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from v2a_lightning.evaluation.cards import MetricCard
from v2a_lightning.media import write_clip, write_waveform

RATE, SECONDS = 16_000, 2.0
CLIPS = {"glide_000010": "slide whistle", "pulse_000000": "telephone ringing", "still_000003": "sea waves"}


def tone(start: float, end: float, loudness: float = 0.4) -> np.ndarray:
    """A gliding tone of SECONDS."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    phase = 2 * np.pi * (start * time + (end - start) * time**2 / (2 * SECONDS))
    return (loudness * np.sin(phase) * np.minimum(1, 20 * time)).astype(np.float32)


def moving_square(hue: int) -> np.ndarray:
    """Frames (16, 64, 64, 3) of a square that crosses the picture."""
    frames = np.full((16, 64, 64, 3), 30, np.uint8)
    for index, frame in enumerate(frames):
        frame[20:44, index * 3 : index * 3 + 14] = (240, 60 + hue, 255 - hue)
    return frames


def card(metric: str) -> dict:
    """A metric card of the miniature."""
    return MetricCard(
        metric=metric,
        formula=f"the formula of {metric}",
        extractor="Cnn14" if metric != "fad" else "VGGish",
        weights_sha256="ab" * 32 if metric != "fad" else "cd" * 32,
        fingerprint="ef" * 32,
        label="miniature",
        sample_rate=16_000,
        channels="mean",
        resampler="soxr HQ",
        crop="first 2 s",
        n_generated=3,
        n_reference=3,
        clips_sha256="12" * 32,
        generation={"steps": 10, "guidance": 2.5},
    ).to_dict()


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A finished run of four epochs with three clips made into sound."""
    run = tmp_path / "runs" / "glide" / "20260101-120000-abcd"
    epoch = run / "audio" / "epoch_003"
    clips = []
    for index, (clip_id, label) in enumerate(CLIPS.items()):
        source, waveform = tmp_path / "media" / f"{clip_id}.mp4", tone(300 + 200 * index, 3000 - 500 * index)
        write_clip(source, moving_square(80 * index), 8, waveform, RATE)
        write_waveform(epoch / f"{clip_id}.wav", 0.5 * tone(310 + 200 * index, 2500), RATE)
        clips.append(
            {
                "clip_id": clip_id,
                "label": label,
                "source": str(source),
                "seed": index,
                "wave": str((epoch / f"{clip_id}.wav").relative_to(run)),
            }
        )
    evaluation = {
        "stage": "val",
        "epoch": 3,
        "step": 40,
        "seconds": SECONDS,
        "sample_rate": RATE,
        "has_audio": True,
        "metrics": {"fd": 9.5},
        "cards": {name: card(name) for name in ("fd", "fad", "kl", "is", "cs")},
        "clips": clips,
        "failures": [],
    }
    (epoch / "evaluation.json").write_text(json.dumps(evaluation))
    (run / "config.yaml").write_text("seed_everything: 0\nmodel: <not a tag> & so on\n")
    _write_metrics(run / "metrics.csv")
    return run


def _write_metrics(path: Path) -> None:
    columns = [
        "epoch",
        "step",
        "train/loss",
        "val/fd",
        "val/fad",
        "val/kl",
        "val/is",
        "val/cs",
        "val/cosine",
        "val/cosine_unrelated",
        "val/loss",
        "val/recall@1",
        "val/embedding_fd",
        "val/embedding_fd_floor",
    ]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for epoch in range(4):
            step = 10 * (epoch + 1)
            writer.writerow({"epoch": epoch, "step": step - 5, "train/loss": 0.9 / step})
            writer.writerow(
                {
                    "epoch": epoch,
                    "step": step,
                    "val/fd": 40 / (epoch + 1) + (2 if epoch == 3 else 0),
                    "val/fad": 8 - epoch,
                    "val/kl": 2.5 - 0.3 * epoch,
                    "val/is": 2 + epoch,
                    "val/cs": 9 + epoch * 0.4,
                    "val/cosine": 0.2 + 0.1 * epoch,
                    "val/cosine_unrelated": 0.05,
                    "val/loss": 0.8 - 0.1 * epoch,
                    "val/recall@1": 0.1 * epoch,
                    "val/embedding_fd": 0.5 - 0.1 * epoch,
                    "val/embedding_fd_floor": 0.15,
                }
            )

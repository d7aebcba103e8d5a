"""Sounds from their files into an evaluation: the one way by which the command and the training callback go."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from v2a_lightning.evaluation.suite import EvaluationSuite


def hear_files(
    suite: "EvaluationSuite",
    clip_id: str,
    generated: Path,
    reference: Path | None = None,
    frames: Tensor | None = None,
    text: str | None = None,
    media: Path | None = None,
) -> None:
    """Hear one clip's sounds: whole files at their own rates, of which the suite takes its part.

    Args:
        suite: what hears.
        clip_id: the clip.
        generated: file of the generated sound.
        reference: file of the clip's own sound, a film for instance.
        frames: CLIP embeddings (T, D) of the clip's frames.
        text: what the clip is labelled.
        media: the clip's film or picture.

    Raises:
        MediaError: when a sound cannot be read.
    """
    from v2a_lightning.media import read_wave

    wave, rate = read_wave(generated)
    own, own_rate = read_wave(reference) if reference is not None else (None, None)
    suite.update([clip_id], [wave], rate, [own], [frames], [text], own_rate, [media])

"""The models page: `python -m experiments.benchmarks.models` writes docs/models.md from the catalogue of checkpoints."""

from pathlib import Path

import pandas as pd

from v2a_lightning import encoders, generators
from v2a_lightning.checkpoints.known import CHECKPOINTS, Checkpoint, licence_of

PROJECT = Path(__file__).parents[2]
DOCUMENT = PROJECT / "docs" / "models.md"
# The part of a run that reads a kind of checkpoint, and the tests that run it.
KINDS = {
    "clip": ("encoder: `ClipEncoder`", "tests/full/test_full_size.py"),
    "clap": ("target: `ClapEncoder`", "tests/full/test_full_size.py"),
    "audioldm": ("generator: `AudioLDM`", "tests/full/test_full_size.py"),
    "musicldm": ("generator: `MusicLDM`", "tests/full/test_musicldm.py"),
    "cnn14": ("metrics: FD, KAD, KL, IS", "tests/evaluation/test_extractors.py"),
    "vggish": ("metrics: FAD", "tests/evaluation/test_extractors.py"),
    "wav2clip": ("metrics: CLIP-score", "tests/evaluation/test_extractors.py"),
}
SIZES = {"tests/full": "full size, random weights", "tests": "published layout, random weights"}
TEXT = """# Models and licences

Written by `python -m experiments.benchmarks.models` from the project's catalogue. No weights of others could be had where
this project is built: what is said to be tested was run with random weights in the published layout, and against the
publisher's code where a package of it is kept. The shipped miniature is tested throughout, in the same formats.

## Published weights by name

A config takes any of these names for `checkpoint`. `doctor --fetch true` fetches what is missing and holds it to the size
and digest its publisher states.

{checkpoints}

A licence or size marked with * was on no page of its publisher that we saw.

## Any encoder with any generator

The mapper stands between, so every encoder goes with every generator. Widths are taken from the data.

{combinations}

The licences of a family's weights are on their publishers' pages.
"""
# Families that are opened by architecture rather than by a name of the catalogue.
FAMILIES = (
    ("ClipEncoder", "any architecture of open_clip", "CLIP, SigLIP, EVA, PE-Core, ...", "as published", "512 to 1,536"),
    ("TransformersEncoder", "vision models of transformers", "SigLIP 2, DINOv2, ...", "as published", "any"),
)
GENERATORS = {"AudioLDM": "audioldm-s-full-v2", "MusicLDM": "ucsd-reach/musicldm"}


def checkpoints() -> str:
    """The table of the catalogue."""
    rows = [row for entry in CHECKPOINTS.values() for row in _rows(entry)]
    return pd.DataFrame(rows).to_markdown(index=False)


def _rows(entry: Checkpoint) -> list[dict[str, str]]:
    size = f"{entry.megabytes:,} MB{' *' if 'megabytes' in entry.unverified else ''}"
    licence = entry.licence + (" *" if "licence" in entry.unverified else "")
    rows = []
    for kind in entry.kinds:
        used, test = KINDS[kind]
        if not (PROJECT / test).is_file():
            raise FileNotFoundError(f"{kind} is said to be tested in {test}, which is missing")
        tested = next(text for folder, text in SIZES.items() if test.startswith(folder))
        rows.append({"name": f"`{entry.name}`", "used for": used, "size": size, "licence": licence, "tested": tested})
    return rows


def combinations() -> str:
    """The table of encoders and generators, and what was run together."""
    rows = []
    for name, what, examples, licence, width in FAMILIES:
        for generator, checkpoint in GENERATORS.items():
            rows.append(
                {
                    "encoder": f"`{getattr(encoders, name).__name__}`: {what} ({examples})",
                    "its licence": licence,
                    "width": width,
                    "generator": f"`{getattr(generators, generator).__name__}`",
                    "its licence ": licence_of(checkpoint),
                    "its size": f"{CHECKPOINTS[checkpoint].megabytes:,} MB",
                }
            )
    return pd.DataFrame(rows).to_markdown(index=False)


def page() -> str:
    """The whole page."""
    return TEXT.format(checkpoints=checkpoints(), combinations=combinations())


if __name__ == "__main__":
    DOCUMENT.write_text(page())

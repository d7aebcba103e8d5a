"""Training the miniature's foundation models from scratch, on the world's own train split: `make miniature`."""

import json
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.miniature.training.part import threads
from v2a_lightning.miniature.world.scenes import WORLD_VERSION


def train(work: Path, output: Path | None = None) -> None:
    """Train every part that `work` does not hold yet, write the finished models to `output`, and say which of them are
    the shipped ones to the last bit.

    Args:
        work: folder for synthesised data and checkpoints; a training that was killed goes on there.
        output: folder for the weights; the package's own when None.

    Raises:
        UsageError: when `work` holds what was made of another version of the world.
    """
    from v2a_lightning.miniature.training.cards import FOLDERS, changed, read_cards
    from v2a_lightning.miniature.training.parts import PARTS, Workshop

    shipped = Path(__file__).parent.parent / "weights"
    before = read_cards(shipped)
    claim_folder(Path(work))
    workshop = Workshop(Path(work), Path(output) if output else shipped)
    # What is worked out between trainings hangs on the number of threads too; a training sets its own.
    with threads(1):
        for name, make in PARTS.items():
            if not workshop.finished(name):
                print(f"training the miniature's {name}", flush=True)
                make(workshop)
        workshop.write_folders()
    others = changed(before, read_cards(workshop.output))
    for folder in FOLDERS:
        told = "other weights than" if folder in others else "the same to the last bit as"
        print(f"{workshop.output / folder}: {told} those that were shipped", flush=True)
    if others and workshop.output == shipped:
        print("measure them: python -m v2a_lightning miniature check --update_cards true", flush=True)


def claim_folder(work: Path) -> None:
    """Note in a folder which version of the world its pictures and sounds are of.

    Raises:
        UsageError: when they are of another version.
    """
    marker = work / "world.json"
    if marker.is_file():
        version = json.loads(marker.read_text())["version"]
        if version != WORLD_VERSION:
            raise UsageError(f"{work} holds version {version} of the world, not {WORLD_VERSION}; give another --work")
        return
    with atomic_write(marker) as path:
        path.write_text(json.dumps({"version": WORLD_VERSION}) + "\n")

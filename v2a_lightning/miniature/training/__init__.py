"""Training the miniature's foundation models from scratch, on the world's own train split: `make miniature`."""

from pathlib import Path

from v2a_lightning.miniature.training.part import threads


def train(work: Path, output: Path | None = None) -> None:
    """Train every part that `work` does not hold yet, and write the finished models to `output`.

    Args:
        work: folder for synthesised data and checkpoints; a training that was killed goes on there.
        output: folder for the weights; the package's own when None.
    """
    from v2a_lightning.miniature.training.parts import PARTS, Workshop

    workshop = Workshop(Path(work), Path(output) if output else Path(__file__).parent.parent / "weights")
    # What is worked out between trainings hangs on the number of threads too; a training sets its own.
    with threads(1):
        for name, make in PARTS.items():
            if not workshop.finished(name):
                print(f"training the miniature's {name}", flush=True)
                make(workshop)
        workshop.write_folders()

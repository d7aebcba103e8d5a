"""`miniature`: the small world and its small foundation models."""

import json
from dataclasses import asdict
from pathlib import Path

from v2a_lightning.json_files import write_json


def render(clips: int = 2000, seed: int = 0, output: Path = Path("data/miniature"), workers: int | None = None) -> None:
    """Render the miniature world: moving pictures and their sounds, in VGGSound's form.

    A call that was stopped goes on where it stopped. Nothing is rendered twice.

    Args:
        clips: train and test clips; a tenth as many more are drawn in another style, for tests out of domain.
        seed: of the world; the same one gives the same frames and waveforms, and with one version of PyAV on the same
            kind of processor the same files.
        output: the folder to write.
        workers: processes; by default one for each core.
    """
    from v2a_lightning.miniature.world.render import render_world

    world = render_world(output, clips, seed, workers)
    print(f"{world.output}: {world.clips} clips, {world.rendered} of them rendered now in {world.seconds:.0f} s")


def check(
    mapper: Path | None = None,
    output: Path = Path("runs/miniature-check"),
    per_event: int = 12,
    seed: int = 0,
    update_cards: bool = False,
) -> int:
    """Measure the shipped miniature models on held-out clips; exits 1 when a figure misses its goal.

    Args:
        mapper: checkpoint of a mapper that experiments/quickstart.yaml trained; when not given, the newest under
            runs/quickstart as its last epoch left it, whose sounds are those of the report. Where there is none it is
            trained first.
        output: folder for check.json.
        per_event: held-out clips of each of the 28 events.
        seed: of generation.
        update_cards: write the figures into the cards of the shipped weights and into README.md.
    """
    from v2a_lightning.miniature.check import markdown, measure
    from v2a_lightning.miniature.referee import WEIGHTS
    from v2a_lightning.module import V2AMapper
    from v2a_lightning.reports.tables import write_section
    from v2a_lightning.runs import RunSettings, find_checkpoint

    settings = RunSettings(experiment="quickstart")
    mapper = mapper or find_checkpoint(settings, "last")
    if mapper is None:
        from v2a_lightning.app.lightning_cli import run

        run("fit", ["--config", "experiments/quickstart.yaml"])
        mapper = find_checkpoint(settings, "last")
        assert mapper is not None
    figures = measure(V2AMapper.from_pretrained(mapper), per_event, seed)
    rows = [{**asdict(figure), "reached": figure.reached} for figure in figures]
    write_json(output / "check.json", {"clips": 28 * per_event, "seed": seed, "figures": rows}, indent=2)
    table = markdown(figures, 28 * per_event)
    if update_cards:
        # Every card bears all figures: each of them hangs on more than one model.
        for card in sorted(WEIGHTS.glob("*/card.json")):
            content = json.loads(card.read_text())
            content["figures"] = {figure.name: round(figure.value, 4) for figure in figures}
            write_json(card, content, indent=2)
        write_section("miniature", table, Path("README.md"))
    print(table)
    return 0 if all(figure.reached for figure in figures) else 1


def train(work: Path = Path("runs/miniature-training"), output: Path | None = None) -> None:
    """Train the miniature's foundation models from scratch; hours on two cores. A killed training goes on.

    Args:
        work: folder for rendered sounds and checkpoints.
        output: folder for the finished weights; by default those the package ships are replaced.
    """
    from v2a_lightning.app.messages import quiet_lightning
    from v2a_lightning.miniature.training.workshop import train as train_all

    quiet_lightning()
    train_all(work, output)


def mapper(checkpoint: Path, output: Path | None = None) -> None:
    """Make a trained mapper the one that comes with the package as `miniature`: its averaged weights, in float16.

    Args:
        checkpoint: that experiments/quickstart.yaml trained.
        output: the folder to write; by default that of the package.
    """
    from v2a_lightning.checkpoints.registry import MINIATURE_WEIGHTS
    from v2a_lightning.pipeline import V2APipeline

    pipeline = V2APipeline.from_pretrained(checkpoint)
    pipeline.mapper.half()
    folder = output or MINIATURE_WEIGHTS / "mapper"
    pipeline.save_pretrained(folder)
    print(folder)


def contact_sheet(output: Path = Path("docs/figures/miniature_classes.png")) -> None:
    """Draw all classes of the miniature world on one sheet.

    Args:
        output: the picture to write.
    """
    from v2a_lightning.miniature.world.contact_sheet import write_contact_sheet

    write_contact_sheet(output)
    print(output)


miniature = {"render": render, "check": check, "train": train, "mapper": mapper, "contact-sheet": contact_sheet}

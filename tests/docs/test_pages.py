"""The pages for users, typed from top to bottom in a folder of somebody's, with the miniature's weights."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.docs.blocks import ROOT, Block, blocks_of, program_arguments
from v2a_lightning.app.cli import main
from v2a_lightning.media import write_clip, write_waveform

DOCS = ROOT / "docs"
# What makes a command small, and its weights the miniature's.
MINIATURE = ["data.encoder.checkpoint=miniature", "data.clap.checkpoint=miniature", "data.decoding.num_workers=1"]
SHORT = ["data.audio.duration=2.56"]
EVALUATION = ["generator.checkpoint=miniature", "generator.steps=1", "clips=2"]
EXTRACTORS = ["tagger=miniature", "vggish=miniature", "wav2clip=miniature"]
TRAINER = ["max_epochs=1", "enable_progress_bar=false", "accelerator=cpu", "devices=1"]
FIT = [
    *(f"--{key}" for key in MINIATURE),
    *(f"--evaluation.{key}" for key in EVALUATION),
    *(f"--evaluation.suite.{key}" for key in EXTRACTORS),
    *(f"--trainer.{key}" for key in TRAINER),
    "--run.wandb=disabled",
]
VIDEOS = [*(f"--{key}" for key in SHORT), "--data.splits.validation_clips=2", "--data.batch_size=2"]
SMALL = {
    ("your-videos.md", "fit"): [*FIT, *VIDEOS],
    ("your-videos.md", "manifest"): ["--set", "data.media=videos", *SHORT],
    ("your-videos.md", "doctor"): [
        *("--set", "data.media=videos", *MINIATURE, *SHORT),
        *(f"evaluation.{key}" for key in EVALUATION),
        *(f"evaluation.suite.{key}" for key in EXTRACTORS),
    ],
    ("data-sets.md", "fit"): [*FIT, *VIDEOS],
    ("imagehear.md", "test"): [
        *("--data.encoder.checkpoint=miniature", "--evaluation.generator.checkpoint=miniature"),
        *("--evaluation.generator.steps=1", "--evaluation.suite.wav2clip=miniature", "--evaluation.seconds=2.56"),
        *("--model.network.depth=1", "--model.network.heads=2", "--model.sampling_steps=2"),
        *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--run.wandb=disabled"),
    ],
}
GENERATE = ["--steps", "1"]
# Of these pages only the Python is run: their commands install, train at full length, or start a server.
PYTHON_ONLY = ("README.md",)
PAGES = (
    *PYTHON_ONLY,
    *("data-sets.md", "your-videos.md", "imagehear.md", "evaluating.md", "listening.md", "steering.md", "api.md"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages say one has: videos and clips by label, pictures, and another system's sounds."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for number in range(12):
        label, index = ("bell" if number % 2 else "dog"), number // 2 + 1
        frames = random.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2).repeat(26, 0)
        frames[13:, :32] //= 2
        sound = (0.1 * random.standard_normal(41_600)).astype(np.float32)
        for path in (Path("videos", label, f"{number}.mp4"), Path("clips", f"{label}_{index}.mp4")):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, frames, 10, sound)
        for system in ("theirs", "ours"):
            write_waveform(Path(system, f"{label}_{index}.wav"), sound, 16_000)
    for label in ("dog", "bell"):
        picture = DOCS / "figures" / "miniature_classes.png"
        Path("pictures", label).mkdir(parents=True)
        shutil.copy(picture, Path("pictures", label, "1.png"))
    shutil.copy(picture, Path("pictures", "dog.jpg"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_from_top_to_bottom(page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if page in ("imagehear.md", "steering.md", "api.md", "README.md"):
        trained("v2a_mapper" if page == "imagehear.md" else "quickstart")
    names = {"__name__": page}
    for block in blocks_of(ROOT / page if page in PYTHON_ONLY else DOCS / page):
        if block.needs or (page in PYTHON_ONLY and block.language != "python"):
            continue
        if block.language == "python":
            exec(compile(placed(block.text), f"{page}", "exec"), names)
        if block.language == "sh":
            typed(block, capsys)
    checks = {"your-videos.md": check_videos, "evaluating.md": check_scores, "listening.md": check_listening}
    checks.get(page, lambda: None)()


def typed(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of a block ends well."""
    for words in block.commands:
        arguments = program_arguments([placed(word) for word in words])
        assert arguments is not None, f"{block.page.name}: {words} is no command of the program"
        name = arguments[0]
        if "--ckpt_path" in arguments and "last" in arguments:
            arguments = [one for one in arguments if "max_epochs" not in one]
        small = GENERATE if name == "generate" else SMALL.get((block.page.name, name), [])
        code = main([*with_sets(arguments, small)])
        said = capsys.readouterr()
        # The doctor warns of a machine without a GPU.
        assert code in ((0, 3) if name == "doctor" else (0,)), f"{arguments}\n{said.out}\n{said.err}"


def with_sets(arguments: list[str], small: list[str]) -> list[str]:
    """The arguments made small; a second `--set` would take the place of the first."""
    if "--set" not in arguments or not small:
        return [*arguments, *small]
    start = arguments.index("--set")
    behind = next((at for at in range(start + 1, len(arguments)) if arguments[at].startswith("--")), len(arguments))
    return [*arguments[:start], *small, *arguments[behind:]]


def placed(text: str) -> str:
    """The text with the run that is there for RUN."""
    runs = sorted(Path("runs").glob("*/*/checkpoints"))
    return text.replace("/RUN/", f"/{runs[-1].parent.name}/") if runs else text


def trained(experiment: str) -> None:
    """A checkpoint of an experiment, such as a fit leaves behind."""
    transformer = ["--config", "mappers/diffusion_transformer", "--model.network.depth=1", "--model.network.heads=2"]
    options = [*VIDEOS, *FIT, "--model.sampling_steps=2", f"--run.experiment={experiment}"]
    assert main(["fit", "--config", "videos", *transformer, "--data.media=videos", *options]) == 0


def check_videos() -> None:
    """The sounds of the folder's dogs, beside copies of their videos."""
    assert {path.stem for path in Path("sounds").glob("*.wav")} == {"0", "2", "4", "6", "8", "10"}
    assert Path("videos.md").is_file()
    # Two trainings: the second begins with the first one's weights.
    assert len(list(Path("runs", "videos").iterdir())) == 2


def check_scores() -> None:
    """The clips' sounds, but for how their videos keep them."""
    assert yaml.safe_load(Path("ours.json").read_text())["metrics"]["fd"]["value"] == pytest.approx(0, abs=0.5)


def check_listening() -> None:
    """A page, and a key that does not lie beside it."""
    assert (Path("listening") / "index.html").is_file()
    assert Path("listening.key.json").is_file()

"""Every example of docs/EXTENDING.md: trained, saved, opened in another process, scored and compared, from a wheel."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.installation import v2a
from v2a_lightning.app.cli import main
from v2a_lightning.media import write_clip

PAGE = Path(__file__).parents[1] / "docs" / "EXTENDING.md"
PARTS = [
    "--data=my_parts.ByFolder",
    "--data.media=videos",
    "--data.batch_size=2",
    "--data.splits.validation_clips=2",
    "--data.encoder=my_parts.ColourGrid",
    "--model.aggregator=my_parts.GeneralizedMean",
    "--model.aggregator.power=2",
    "--model.objective=my_parts.CosineRegression",
    "--evaluation.generator=my_parts.Tone",
    "--evaluation.clips=2",
    "--evaluation.every_n_epochs=1",
    "--evaluation.suite.metrics=[cs,my_parts.Loudness]",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
    "--run.name=own",
]


def code(page: Path) -> str:
    """The examples, one behind the other, as the page says to have them."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def folder(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`my_parts.py`, and ten videos in folders named after what is heard."""
    (somewhere / "my_parts.py").write_text(code(PAGE))
    monkeypatch.setenv("V2A_TRUST", "my_parts")
    random = np.random.default_rng(0)
    for number in range(10):
        path = somewhere / "videos" / ("bell" if number % 2 else "dog") / f"clip{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = random.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2).repeat(26, 0)
        frames[13:, :32] //= 2
        write_clip(path, frames, 10, (0.1 * random.standard_normal(41_600)).astype(np.float32))
    return somewhere


def test_parts_of_ones_own_go_the_whole_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = v2a("fit", "--config", "quickstart", *PARTS)
    assert done.returncode == 0, done.stderr
    run = folder / "runs" / "quickstart" / "own"
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    assert {"val/loudness", "val/cs"} <= set(header.split(","))
    assert rows
    checkpoint = run / "checkpoints" / "last.ckpt"

    generate = ("generate", "videos/bell/clip1.mp4", "videos/dog/clip0.mp4", "--checkpoint", str(checkpoint))
    done = v2a(*generate, "--output", "sounds")
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "sounds" / "generation.json").read_text())
    assert record["generator"] == {"class_path": "my_parts.Tone", "init_args": {"loudness": 0.3}}
    assert (folder / "sounds" / "clip1.wav").is_file()

    own = ("--metrics", "my_parts.Loudness", "--output", "scores.json")
    done = v2a("evaluate", "--generated", "sounds", "--reference", "videos", *own)
    assert done.returncode == 0, done.stderr
    # A sine of amplitude 0.3 for the window's 2.56 s, faded out, and silence to the video's 2.6 s.
    scores = json.loads((folder / "scores.json").read_text())
    expected = 20 * np.log10(0.3 / 2**0.5) + 10 * np.log10(2.56 / 2.6)
    assert scores["metrics"]["loudness"]["value"] == pytest.approx(expected, abs=0.02)
    assert main(["compare", "scores.json", "scores.json"]) == 0
    assert "Loudness (dB)" in capsys.readouterr().out

    # Nor has this process seen these parts.
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    monkeypatch.delenv("V2A_TRUST")
    assert main([*generate, "--output", "others"]) == 2
    refused = capsys.readouterr().err
    assert refused.startswith(f"error: {checkpoint}")
    assert "names the class my_parts." in refused
    assert "V2A_TRUST=my_parts" in refused
    monkeypatch.setenv("V2A_TRUST", "my_parts")
    (folder / "my_parts.py").unlink()
    assert main([*generate, "--output", "others"]) == 2
    missing = capsys.readouterr().err
    assert missing.startswith(f"error: {checkpoint}")
    assert "my_parts." in missing
    assert len(missing.splitlines()) == 1
    assert not (folder / "others").exists()


def test_the_page_shows_every_part_in_about_fifteen_lines() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    assert max(block.count("\n") for block in blocks) <= 22

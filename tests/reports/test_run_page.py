"""The page of a run."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.reports.conftest import CLIPS
from v2a_lightning.errors import UsageError
from v2a_lightning.reports.run_files import latest_evaluation
from v2a_lightning.reports.run_page import shown_clips, write_report


def test_page_holds_every_clip_inlined(run_folder: Path) -> None:
    page = write_report(run_folder).read_text()
    assert all(label in page for label in CLIPS.values())
    assert page.count("data:audio/flac;base64,") == 6  # true and generated
    assert page.count("data:image/png;base64,") == 6  # their spectrograms
    assert page.count("data:image/jpeg;base64,") == 18  # six frames each
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page), "the page needs a file beside it"
    assert "&lt;not a tag&gt; &amp; so on" in page


def tiles(page: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Whose scores the page's head shows, and for each metric its value and what it says of it."""
    (whose,) = re.findall(r"Scores of (.*?)\.</p>", page)
    pattern = r'class="name">([^<]+)<.*?class="value">([^<]+)<.*?class="from">([^<]*)<'
    return whose, {name: (value, beside) for name, value, beside in re.findall(pattern, page, re.DOTALL)}


def test_page_tells_the_scores_of_one_checkpoint(run_folder: Path) -> None:
    whose, found = tiles(write_report(run_folder).read_text())
    assert whose == "the sounds shown, epoch 3"
    assert found["FD"] == ("12.0", "from 40.0")
    # The score that chooses best.ckpt stands first, with the distance between two halves of the true embeddings.
    assert next(iter(found.items())) == ("Embedding FD", ("0.200", "from 0.500, floor 0.150"))
    (run_folder / "checkpoints").mkdir()
    torch.save({"epoch": 3}, run_folder / "checkpoints" / "last.ckpt")
    assert tiles(write_report(run_folder).read_text())[0] == "last.ckpt and the sounds shown, epoch 3"
    torch.save({"epoch": 1}, run_folder / "checkpoints" / "best.ckpt")
    page = write_report(run_folder).read_text()
    whose, found = tiles(page)
    assert whose == "best.ckpt, epoch 1"
    assert {name: value for name, (value, _) in found.items()} == {
        "Embedding FD": "0.400", "FD": "20.0", "FAD": "7.00", "KL": "2.20", "IS": "3.00", "CS": "9.40"
    }  # fmt: skip
    assert page.count('<svg class="chart"') == 9
    assert "miniature world" in page
    (run_folder / "checkpoints" / "best.ckpt").write_bytes(b"torn")
    assert tiles(write_report(run_folder).read_text())[0] == "last.ckpt and the sounds shown, epoch 3"


def test_page_tells_the_scores_of_a_test(run_folder: Path) -> None:
    (run_folder / "metrics.csv").write_text("epoch,step,test/fd,test/fd_floor,test/is\n0,0,31.5,12.25,3\n")
    whose, found = tiles(write_report(run_folder).read_text())
    assert whose == "the test clips"
    assert found == {"FD": ("31.5", "floor 12.2"), "IS": ("3.00", "")}


def test_fewer_clips_when_asked(run_folder: Path) -> None:
    assert write_report(run_folder, clips=1).read_text().count("data:audio/flac") == 2


def test_a_source_that_has_gone_is_told(run_folder: Path) -> None:
    shutil.rmtree(run_folder.parents[2] / "media")
    page = write_report(run_folder).read_text()
    assert page.count("glide_000010.mp4: missing") == 1
    assert page.count("data:audio/flac") == 3


def test_a_folder_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no metrics\.csv"):
        write_report(tmp_path)


def test_latest_evaluation_is_of_the_last_step(run_folder: Path) -> None:
    assert latest_evaluation(run_folder)["epoch"] == 3
    assert latest_evaluation(run_folder / "audio") == {}


def test_every_label_is_shown_before_any_twice() -> None:
    clips = [{"clip_id": index, "label": label} for index, label in enumerate("aabac")]
    assert [clip["clip_id"] for clip in shown_clips(clips, 4)] == [0, 2, 4, 1]


def test_the_domain_gap_is_shown_at_first_and_at_last(run_folder: Path) -> None:
    (run_folder / "domain_gap").mkdir()
    for epoch, distance in ((0, 4.0), (9, 2.0), (19, 0.5)):
        points = {"CLIP": [[0, 0], [0, 1]], "CLAP": [[5, 0], [5, 1]], "mapped": [[5 - distance, 0], [5 - distance, 1]]}
        gap = {"centroid": distance, "separability": 0.75, "frechet": distance**2}
        content = json.dumps({"epoch": epoch, "gap": gap, "points": points})
        (run_folder / "domain_gap" / f"epoch_{epoch:03d}.json").write_text(content)
    page = write_report(run_folder).read_text()
    assert "After epoch 0<" in page
    assert "After epoch 9<" not in page
    assert "After epoch 19<" in page
    assert "separability 75% · centroids 0.500" in page
    mapped = [re.findall(r'<use [^>]*x="([\d.]+)"', part)[0] for part in page.split('<g id="mapped">')[1:]]
    assert len(mapped) == 2
    assert float(mapped[0]) < float(mapped[1]), "both pictures have one scale"

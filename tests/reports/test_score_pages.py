"""The pages of evaluate, compare and generate."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.reports.conftest import CLIPS, RATE, card, moving_square, tone
from v2a_lightning.app.commands.report import report
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import MetricCard
from v2a_lightning.evaluation.score_files import Score, ScoreFile, Scores, read_score_file
from v2a_lightning.generation import GenerationRecord
from v2a_lightning.media import write_clip, write_waveform
from v2a_lightning.reports.generation_page import write_generation_page
from v2a_lightning.reports.score_pages import page_beside, write_comparison_page, write_scores_page
from v2a_lightning.reports.score_tables import card_tables, class_tables

KL = dict(zip(CLIPS, (0.5, 3.0, 0.25), strict=True))


class Page(HTMLParser):
    """A page's elements with their attributes and texts, and its tables by caption."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open[-1:] == ["caption"]:
            self.tables[data] = self._rows
        elif self._open[-1:] and self._open[-1] in ("td", "th", "strong") and "table" in self._open:
            self._rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for one, attributes in self.elements if one == tag]

    def check_reachable(self) -> None:
        """Alternatives, captions, names and a language for those who hear or type; nothing from elsewhere."""
        assert self.all("html") == [{"lang": "en"}]
        assert all("alt" in one and one["src"].startswith("data:") for one in self.all("img"))
        assert all("controls" in one and one["src"].startswith("data:") for one in self.all("audio"))
        assert len(self.all("caption")) == len(self.all("table")) > 0
        scrolled = [one for one in self.all("div") if one.get("class") == "table-wrap"]
        assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolled)
        assert not self.all("link") + [one for one in self.all("script") if "src" in one]
        labels = [one["aria-label"] for one in self.all("audio")]
        assert len(labels) == len(set(labels))


def score_file(folder: Path, name: str, values: dict[str, float], fd: float = 9.5) -> ScoreFile:
    """Scores of sounds, which are written, with twenty resamples."""
    for index, clip_id in enumerate(CLIPS):
        write_waveform(folder / name / f"{clip_id}.wav", 0.5 * tone(310 + 200 * index, 2500), RATE)
        if not (folder / "media" / f"{clip_id}.mp4").exists():
            write_clip(folder / "media" / f"{clip_id}.mp4", moving_square(80 * index), 8, tone(300, 900), RATE)
    per_clip = torch.tensor(list(values.values()), dtype=torch.float64)
    replicates = per_clip.mean() + torch.linspace(-0.2, 0.2, 20, dtype=torch.float64)
    found = {"fd": Score(fd, list(CLIPS)), "kl": Score(float(per_clip.mean()), list(CLIPS), replicates, per_clip)}
    cards = {
        metric: MetricCard.from_dict(card(metric) | {"title": metric.upper(), "better": "lower", "headline": True})
        for metric in found
    }
    return ScoreFile(
        name,
        Scores(found, {"clap_text": "no CLAP was named"}),
        cards,
        resamples=20,
        seed=0,
        notes=["WARNING: 1 of 3 generated sounds are silent", "3 of 3 clips have a label"],
        sources={"generated": str(folder / name), **dict.fromkeys(("reference", "media"), str(folder / "media"))},
        left_out={"torn": "torn.wav: <undecodable>"},
        floors={"fd": 12.25},
        labels={clip_id: "bell" if clip_id != "pulse_000000" else "phone" for clip_id in CLIPS},
    )


def test_a_page_of_scores(tmp_path: Path) -> None:
    file = score_file(tmp_path, "ours", KL)
    file.write(tmp_path / "scores.json")
    read = read_score_file(tmp_path / "scores.json")
    assert (read.floors, read.labels) == (file.floors, file.labels)
    page = Page(write_scores_page(tmp_path / "scores.html", read))
    page.check_reachable()
    assert page.tables["All scores"] == [
        ["metric", "value [95 % interval]", "floor", "clips", "extractor"],
        ["FD ↓", "9.50", "12.2", "3", "Cnn14"],
        ["KL ↓", "1.25 [1.06, 1.44]", "–", "3", "Cnn14"],
    ]
    assert page.tables["Scores by class, the worst KL first"] == [
        ["class", "clips", "KL ↓"], ["phone", "1", "3.00"], ["bell", "2", "0.375"]
    ]  # fmt: skip
    assert page.tables["Notes"][1:] == [
        ["ours", file.notes[0]], ["ours", file.notes[1]], ["ours", "no clap_text: no CLAP was named"],
        ["ours", "torn is left out: torn.wav: <undecodable>"],
    ]  # fmt: skip
    # A worst and a best clip, with their true sounds and pictures.
    clips = [one["aria-label"] for one in page.all("article")]
    assert clips == ["phone", "bell"]
    assert len(page.all("audio")) == 4
    assert page.text.index("pulse_000000") < page.text.index("KL 3.00") < page.text.index("still_000003")
    assert len([one for one in page.all("img") if ", frame" in one["alt"]]) == 12
    remarks = [one for one in page.all("p") if one.get("class") == "soft remark"]
    assert len(remarks) == 1
    assert report(str(tmp_path / "scores.json")) == 0
    assert (tmp_path / "scores.html").stat().st_size > 10_000


def test_sounds_that_have_gone_are_not_shown(tmp_path: Path) -> None:
    file = score_file(tmp_path, "ours", KL)
    file.sources["generated"] = str(tmp_path / "nowhere")
    (tmp_path / "media" / "pulse_000000.mp4").write_bytes(b"torn")
    page = Page(write_scores_page(tmp_path / "scores.html", file))
    assert [one["aria-label"] for one in page.all("audio")] == ["True sound of bell, still_000003"]
    assert "pulse_000000.mp4: undecodable" in page.text


def test_systems_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    better = dict(zip(CLIPS, (0.5, 0.5, 0.5), strict=True))
    files = [score_file(tmp_path, "theirs", KL), score_file(tmp_path, "ours", better)]
    page = Page(write_comparison_page(tmp_path / "differences.html", files))
    page.check_reachable()
    assert page.tables["Systems side by side, the best in bold; 95 % intervals"] == [
        ["metric", "theirs", "ours"], ["FD ↓", "9.50", "9.50"], ["KL ↓", "1.25 [1.06, 1.44]", "0.50 [0.31, 0.69]"]
    ]  # fmt: skip
    assert "<strong>0.50 [0.31, 0.69]</strong>" in (tmp_path / "differences.html").read_text()
    assert len(page.all("strong")) == 1, "equal numbers have no best"
    assert page.tables["Differences by paired bootstrap"][1] == ["ours", "KL ↓", "−0.750 [−0.750, −0.750]", "0.095"]
    # The clip on which they differ most comes first; each has the true sound and those of both.
    assert [one["aria-label"] for one in page.all("audio")][:3] == [
        f"{sound} of phone, pulse_000000" for sound in ("True sound", "theirs", "ours")
    ]
    assert len(page.all("audio")) == 9
    assert "theirs: KL 3.00 · ours: KL 0.500" in page.text
    for file in files:
        file.write(tmp_path / f"{file.name}.json")
    (tmp_path / "differences.html").unlink()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "differences.json").write_text(json.dumps({"scores": ["theirs.json", "ours.json"], "systems": []}))
    assert report("differences.json") == 0
    assert page.text == Page(tmp_path / "differences.html").text
    (tmp_path / "differences.json").write_text(json.dumps({"systems": []}))
    with pytest.raises(UsageError, match="lacks 'scores'"):
        report("differences.json")


def test_what_generate_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "dog.png")
    settings = {"seed": 3, "generator": "audioldm:miniature", "steering": {"text": "<rain>", "strength": 0.6}}
    record = GenerationRecord(tmp_path / "made", settings)
    record.begin()
    for name in ("dog_0", "dog_1"):
        write_waveform(tmp_path / "made" / f"{name}.wav", tone(200, 900), RATE)
        record.add({name: {"source": str(tmp_path / "dog.png"), "seed": 3}}, {})
    record.add({}, {"torn": {"source": "torn.mp4", "reason": "torn.mp4: undecodable"}})
    record.finish()
    assert report(str(tmp_path / "made")) == 0
    assert "made/report.html" in capsys.readouterr().out
    page = Page(tmp_path / "made" / "report.html")
    page.check_reachable()
    assert "“<rain>”" in page.text
    assert "miniature world" in page.text
    assert "2 sounds of 1 pictures and clips." in page.text
    assert [one["aria-label"] for one in page.all("audio")] == ["Sample 1 of dog.png", "Sample 2 of dog.png"]
    assert [one["alt"] for one in page.all("img")] == ["dog.png, frame 1", "", ""]
    assert page.tables["Inputs that were left out"][1:] == [["torn.mp4", "torn.mp4: undecodable"]]
    assert ["steering.strength", "0.6"] in page.tables["How they were made"]
    # The same sounds give the same page.
    before = (tmp_path / "made" / "report.html").read_bytes()
    assert write_generation_page(tmp_path / "made").read_bytes() == before


def test_classes_as_many_as_clips_have_no_table() -> None:
    assert class_tables({"kl": KL}, {clip_id: clip_id for clip_id in CLIPS}, {}) == []
    assert class_tables({"kl": KL}, {}, {}) == []
    (table,) = class_tables({"cs": KL, "kl": {"still_000003": 1.0}}, dict(zip(CLIPS, "aba", strict=True)), {})
    assert table.rows == [["a", "2", "0.375", "1.00"], ["b", "1", "3.00", None]], "the lowest CS is the worst"


def test_card_tables_part_what_is_shared_from_what_differs() -> None:
    first = {"metric": "fd", "extractor": "Cnn14", "sample_rate": 16000, "generation": {"steps": 10}}
    own, shared = card_tables({"fd": first, "fad": first | {"metric": "fad", "extractor": "VGGish"}})
    assert shared.rows == [("sample rate", "16000"), ("generation", "steps 10")]
    assert own.columns == ["metric", "extractor"]
    assert own.rows == [["fd", "Cnn14"], ["fad", "VGGish"]]
    assert card_tables({}) == []


def test_a_page_never_takes_the_place_of_its_file() -> None:
    names = ["scores.json", "scores", "scores.html"]
    assert [page_beside(Path(name)).name for name in names] == ["scores.html", "scores.html", "scores.html.html"]

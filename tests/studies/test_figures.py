"""What a study's figure puts beside one another."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from tests.studies.test_study_tables import RECORDS, STUDY, record
from v2a_lightning.studies.records import Record
from v2a_lightning.studies.tables import draw_study


def size(records: list[Record], path: Path) -> tuple[int, int]:
    assert draw_study(STUDY, records, path)
    with Image.open(path) as image:
        return image.size


def test_metrics_of_the_same_rows_stand_beside_one_another(tmp_path: Path) -> None:
    beside = size([one for one in RECORDS if one.row != "broken"], tmp_path / "both.png")
    silent = replace(record("broken", 0, 1.0), metrics={"cosine": 0.4})
    below = size([*RECORDS[:6], silent], tmp_path / "less.png")
    # Sound was not scored in one row, so its panel has two rows and stands above the other with three.
    assert below[0] < beside[0]
    assert below[1] > 1.5 * beside[1]


def test_nothing_to_draw_is_no_figure(tmp_path: Path) -> None:
    assert not draw_study(STUDY, [record("average", 0, None)], tmp_path / "figure.png")
    assert not (tmp_path / "figure.png").exists()

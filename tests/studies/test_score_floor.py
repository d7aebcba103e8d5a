"""The floor goes below every table of distances, and into no table of differences."""

from dataclasses import replace
from pathlib import Path

from v2a_lightning.json_files import write_json
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.analyses.score_floor import ROW, floor_table, read_floor, with_floor
from v2a_lightning.studies.plan import Options
from v2a_lightning.studies.statistics import summarise

FLOOR = {"fd": summarise([100.0, 120.0]), "embedding_fd": summarise([0.1, 0.2])}
TABLE = Table("table", "Mean over seeds.", ["", "FD ↓", "CS ↑", "Seeds"], [["average", "60", "40", "5"]], ["a note"])


def test_a_row_for_each_table_of_distances() -> None:
    written = with_floor(TABLE, FLOOR)
    assert written.rows == [*TABLE.rows, [ROW, FLOOR["fd"], None, None]]
    assert f"| {ROW} | 110 ± 14 [−17, 237] | – | – |\n\n- a note\n" in written.markdown()
    assert written.csv().splitlines()[-1].startswith(f"{ROW},110.0,14.14213562373")


def test_no_row_for_differences_or_without_a_distance() -> None:
    differences = replace(TABLE, name="differences")
    cosines = Table("table", "Mean.", ["", "Cosine ↑"], [["average", "0.5"]])
    assert with_floor(differences, FLOOR) == differences
    assert with_floor(cosines, FLOOR) == cosines
    assert with_floor(TABLE, {}) == TABLE


def test_the_floor_is_read_from_where_its_target_wrote_it(tmp_path: Path) -> None:
    options = Options(output=tmp_path)
    assert read_floor(options) == {}
    write_json(tmp_path / "floor" / "floor.json", {name: one.points for name, one in FLOOR.items()})
    assert read_floor(options) == FLOOR
    assert read_floor(replace(options, size="tiny")) == {}


def test_its_own_table_says_how_many_are_on_either_side() -> None:
    table = floor_table(FLOOR, 48, 96).markdown()
    assert "48 against 48; of embeddings: 96 against 96" in table
    assert "2 draws of training clips" in table

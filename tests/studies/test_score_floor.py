"""The floor goes into every table of distances, and into no table of differences."""

from v2a_lightning.studies.analyses.score_floor import ROW, floor_table, with_floor
from v2a_lightning.studies.statistics import summarise

FLOOR = {"fd": summarise([100.0, 120.0]), "embedding_fd": summarise([0.1, 0.2])}
TEXT = """# Title

<!-- begin one -->
Mean over seeds. Scores of sound: of 48 sounds in each run.

|  | FD ↓ | CS ↑ | Seeds |
| --- | ---: | ---: | ---: |
| average | 60 | 40 | 5 |

Difference from “average”, paired by seed.

|  | FD ↓ |
| --- | ---: |
| random | +3 |

|  | Cosine ↑ |
| --- | ---: |
| average | 0.5 |
<!-- end one -->
"""


def test_a_row_for_each_table_of_distances() -> None:
    written = with_floor(TEXT, FLOOR)
    row = f"| {ROW} | 110 ± 14 [−17, 237] | – | – |"
    assert written == TEXT.replace("| average | 60 | 40 | 5 |", f"| average | 60 | 40 | 5 |\n{row}")


def test_written_again_it_takes_its_own_place() -> None:
    lower = {"fd": summarise([50.0, 52.0])}
    assert with_floor(with_floor(TEXT, FLOOR), lower) == with_floor(TEXT, lower)


def test_its_own_table_is_left_alone() -> None:
    table = floor_table(FLOOR, 48, 96).markdown()
    assert with_floor(table, FLOOR) == table
    assert "48 against 48; of embeddings: 96 against 96" in table

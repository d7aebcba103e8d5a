"""The cells of the notebook for Colab, in a kernel, with the smallest settings."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.installation import ROOT

NOTEBOOK = ROOT / "docs" / "first_sound.ipynb"
SMALL = (
    "--data.clips=28 --data.batch_size=8 --data.splits.validation_clips=4 --data.frames.frames_per_second=1 "
    "--trainer.max_epochs=1 --evaluation.clips=4 --evaluation.generator.steps=2 --trainer.enable_progress_bar=false"
)


@pytest.fixture
def program(tmp_path: Path, quick_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`v2a` on the path, whatever is installed here."""
    file = tmp_path / "bin" / "v2a"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec {quick_python} -m v2a_lightning "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(file.parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("program")
def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    by_tag = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", ())}
    assert by_tag["install"].source == "%pip install --quiet v2a-lightning"
    by_tag["install"].source = ""
    by_tag["parameters"].source = f'options = "{SMALL}"\npicture = ""'
    folder = tmp_path / "work"
    folder.mkdir()
    NotebookClient(notebook, timeout=1000, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("audio" in data.get("text/html", "") for data in shown) == 3
    assert sum("image/png" in data for data in shown) == 1
    # As long as the clip's picture, 2.5 s.
    assert "(torch.Size([2, 40000]), 16000)" in [data.get("text/plain") for data in shown]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)

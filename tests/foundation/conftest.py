"""Small foundation models with random weights, written once per test session."""

from pathlib import Path

import pytest

from v2a_lightning.miniature.architectures import write_random


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random(tmp_path_factory.mktemp("weights"))

"""How many cases a reader is tried on: few and always the same ones, or as many as V2A_FUZZ_EXAMPLES says."""

import os

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("V2A_FUZZ_EXAMPLES", "50"))
settings.register_profile(
    "v2a",
    max_examples=EXAMPLES,
    deadline=None,
    # The same cases at every run, and no folder of failures left behind.
    derandomize=EXAMPLES <= 50,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True, scope="session")
def profile() -> None:
    """Only the tests in this folder use hypothesis."""


settings.load_profile("v2a")

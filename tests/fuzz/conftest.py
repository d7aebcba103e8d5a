"""How many cases a reader is tried on: few and always the same ones, or as many as V2A_FUZZ_EXAMPLES says."""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

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
# What it works out of Python and of the code beforehand is kept outside the project.
set_hypothesis_home_dir(Path(tempfile.gettempdir(), "hypothesis-of-v2a"))
settings.load_profile("v2a")

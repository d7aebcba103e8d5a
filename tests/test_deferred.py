"""Lightning without the packages it hardly needs, which are whole for whoever does."""

import subprocess
import sys

HEAVY = ("torchmetrics.functional", "torch._dynamo.utils", "transformers", "torchvision", "scipy.signal", "sympy")


def python(code: str) -> list[str]:
    """What a process prints in which they are deferred, as in a command."""
    command = [sys.executable, "-c", f"import sys\nfrom v2a_lightning.deferred import install\ninstall()\n{code}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_they_are_there_when_they_are_used() -> None:
    lines = python(
        f"""
import inspect
import lightning.pytorch, torch, torchmetrics
from lightning.fabric.wrappers import OptimizedModule, _unwrap_compiled
from lightning.pytorch.core.module import Metric

plain = torch.nn.Linear(1, 1)
assert not isinstance(plain, OptimizedModule) and not hasattr(torchmetrics, "__wrapped__")
print([name for name in {HEAVY} if name in sys.modules])

from torchmetrics.classification import MulticlassAccuracy
print(torchmetrics.Metric is torchmetrics.metric.Metric is Metric, issubclass(MulticlassAccuracy, Metric))
print(float(torchmetrics.functional.mean_squared_error(torch.zeros(2), torch.ones(2))))
print("MeanMetric" in inspect.getsource(torchmetrics), torchmetrics.__version__ == torchmetrics.__about__.__version__)

from torch._dynamo.utils import is_compile_supported
compiler = sys.modules["torch._dynamo"]
print(compiler.utils.is_compile_supported is is_compile_supported, compiler.utils.__spec__.origin[-8:])
compiled = torch.compile(plain, backend="eager")
print(isinstance(compiled, OptimizedModule), isinstance(plain, OptimizedModule), _unwrap_compiled(compiled)[0] is plain)
print(torch.compiler.disable(lambda: 3)())
"""
    )
    assert lines == ["[]", "True True", "1.0", "True True", "True utils.py", "True False True", "3"]


def test_a_module_of_theirs_may_come_first() -> None:
    lines = python(
        """
from torchmetrics.metric import Metric
import torch._dynamo.config
import lightning.pytorch
print(torch.compile(lambda x: 2 * x, backend="eager")(3), lightning.pytorch.core.module.Metric is Metric)
"""
    )
    assert lines == ["6 True"]

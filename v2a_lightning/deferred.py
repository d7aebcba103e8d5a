"""Two packages that `import lightning` imports whole, though it needs three classes and a decorator of them.

torchmetrics' `__init__` imports every metric, and with them transformers and torchvision; `torch._dynamo` is torch's
compiler. Together they are most of the time that a command takes to start. Here their `__init__` runs when something
else of them is used; who uses them sees no difference.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from threading import RLock
from types import FunctionType, ModuleType
from typing import Any

TORCHMETRICS, COMPILER = "torchmetrics", "torch._dynamo"


def install() -> None:
    """Defer both packages in this process, unless they are imported already."""
    if not any(isinstance(finder, DeferringFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, DeferringFinder())


class DeferredPackage(ModuleType):
    """A package whose `__init__` has not run yet; it does when a name is missing, or a module of it is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Asked of every module by whoever looks through all of them.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        run(self)
        return getattr(self, name)


def run(package: ModuleType) -> None:
    """Run the package's own `__init__`, once."""
    with _LOCK:
        if isinstance(package, DeferredPackage):
            assert package.__spec__ is not None
            loader: Any = package.__spec__.loader
            package.__class__ = ModuleType  # type: ignore[assignment]
            package.__spec__.loader = package.__loader__ = loader.own
            loader.own.exec_module(package)


_LOCK = RLock()


class DeferringFinder(MetaPathFinder):
    """Finds the two packages where they are, and has their `__init__` wait."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in WITHOUT_INIT:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _DeferringLoader(spec.loader)
            return spec
        package = next((sys.modules.get(one) for one in WITHOUT_INIT if name.startswith(f"{one}.")), None)
        if not isinstance(package, DeferredPackage):
            return None
        # Their modules import each other in circles, which the `__init__` enters at the right place.
        run(package)
        return spec_from_loader(name, _ImportedLoader(sys.modules[name])) if name in sys.modules else None


class _DeferringLoader(Loader):
    def __init__(self, own: Loader) -> None:
        self.own = own

    def exec_module(self, module: ModuleType) -> None:
        WITHOUT_INIT[module.__name__](module)
        module.__class__ = DeferredPackage


class _ImportedLoader(Loader):
    """Of a module that its package's `__init__` has imported meanwhile."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


class _OfCompiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        compiler: Any = sys.modules.get(COMPILER)
        return not isinstance(compiler, DeferredPackage | None) and isinstance(instance, compiler.OptimizedModule)


class CompiledModule(metaclass=_OfCompiled):
    """For `isinstance`, in place of `torch._dynamo.OptimizedModule`: before the compiler has run there is none."""


def _give_metric_classes(torchmetrics: Any) -> None:
    torchmetrics._logger = logging.getLogger(TORCHMETRICS)
    # It and `torchmetrics.metric` import each other, and work in this order alone.
    import_module("torchmetrics.utilities")
    torchmetrics.Metric = import_module("torchmetrics.metric").Metric
    torchmetrics.MetricCollection = import_module("torchmetrics.collections").MetricCollection
    torchmetrics.__version__ = import_module("torchmetrics.__about__").__version__


def _give_what_concerns_compiled(compiler: Any) -> None:
    compiler.OptimizedModule, compiler.disable = CompiledModule, _disable


def _disable(function: Any = None, recursive: bool = True, **options: Any) -> Any:
    """`torch._dynamo.disable`; of a function, torch has a way that needs the compiler with the first call only."""
    torch = import_module("torch")
    if isinstance(function, FunctionType):
        return torch._disable_dynamo(function, recursive)
    run(torch._dynamo)
    return torch._dynamo.disable(function, recursive, **options)


# What Lightning imports of each, given to the package without its `__init__`.
WITHOUT_INIT: Mapping[str, Callable[[Any], None]] = {
    TORCHMETRICS: _give_metric_classes,
    COMPILER: _give_what_concerns_compiled,
}

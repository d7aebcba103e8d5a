"""What a training step would have a GPU do, counted on the CPU: kernels launched, and times the processor waits."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

# Operations that read a value, for which the processor waits until the GPU has come so far.
WAITING = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "_unique2", "item"}
# Operations that allocate or look at memory, and launch nothing.
NO_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "lift_fresh", "is_same_size"}
# ATen/native/cuda/MultiTensorApply.cuh: elements of a block, blocks of a launch, and tensors of a launch by how many
# lists of them an operation has.
CHUNK, BLOCKS, TENSORS = 65_536, 320, {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}


class Launches(TorchDispatchMode):
    """Counts while entered. What runs inside `replayed` counts as the one launch that a recorded graph is."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self._counting = self._replaying = False

    def __enter__(self) -> "Launches":
        self._counting = True
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._counting = False
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if not self._replaying:
            if name in WAITING:
                self.waits[name] += 1
            elif not _is_view(func) and name not in NO_KERNEL:
                self.kernels[name] += _launches(name, args)
        return func(*args, **(kwargs or {}))

    @contextmanager
    def replayed(self, name: str) -> Iterator[None]:
        self.kernels[name] += self._counting and not self._replaying
        before, self._replaying = self._replaying, True
        try:
            yield
        finally:
            self._replaying = before

    def graph_of(self, network: nn.Module) -> Callable[..., Tensor]:
        """A stand-in for the network as CUDA graphs: one launch forward and one backward, and a copy of each input."""
        weights = list(network.parameters())

        class Graph(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Tensor) -> Tensor:
                inputs = [one.detach().clone().requires_grad_(one.requires_grad) for one in tensors[: -len(weights)]]
                with self.replayed("forward graph"), torch.enable_grad():
                    output = network(*inputs)
                ctx.leaves = [*inputs, *weights]
                ctx.output = output
                return output.detach()

            @staticmethod
            def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
                wanted = [leaf for leaf in ctx.leaves if leaf.requires_grad]
                with self.replayed("backward graph"):
                    found = iter(torch.autograd.grad(ctx.output, wanted, gradient.clone(), allow_unused=True))
                return tuple(next(found) if leaf.requires_grad else None for leaf in ctx.leaves)

        return lambda *tensors: Graph.apply(*tensors, *weights)


def _is_view(func: Any) -> bool:
    return any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)


def _launches(name: str, args: Any) -> int:
    """How many kernels an operation is: of one over lists of tensors, as many as its blocks and tensors take."""
    lists = [one for one in args if isinstance(one, list) and one and isinstance(one[0], Tensor)]
    if not lists:
        return 1
    if not name.startswith(("_foreach", "_fused", "_amp_foreach")):
        return 1
    blocks = sum(math.ceil(tensor.numel() / CHUNK) for tensor in lists[0])
    return max(math.ceil(blocks / BLOCKS), math.ceil(len(lists[0]) / TENSORS[min(5, len(lists))]))

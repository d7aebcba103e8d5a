"""Training steps of a shipped config, and the matrix products inside one."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.benchmarks.speed.measuring import PROJECT
from v2a_lightning.app.config_objects import ConfigReader

Batch = tuple[Tensor, Tensor, Tensor]
"""Frames (B, T, D), their mask (B, T), targets (B, N, D)."""
FRAMES = 10
"""Frames of a clip: one a second of ten seconds."""
PRODUCTS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.mm.default: torch.mm,
    torch.ops.aten.addmm.default: torch.addmm,
    torch.ops.aten.bmm.default: torch.bmm,
    torch.ops.aten.baddbmm.default: torch.baddbmm,
}


class TrainingSteps:
    """A config's mapper with its optimiser, clipping, schedule and average of the weights, on a batch in memory.

    Args:
        config: name of a file in experiments/.
        options: further arguments of `fit`.
    """

    def __init__(self, config: str, *options: str) -> None:
        reader = ConfigReader([f"--config={PROJECT / 'experiments' / config}", *options])
        made = reader.make("model", "averaging")
        self.mapper, self.clip = made.model, reader.config.trainer.gradient_clip_val
        configured = self.mapper.configure_optimizers()
        self.optimizer, self.schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
        self.averaging, self.average = made.averaging, AveragedModel(self.mapper)
        self.generator = torch.Generator().manual_seed(0)

    def batch(self, clips: int) -> Batch:
        """Unit vectors."""
        widths = (clips, FRAMES, self.mapper.network.condition_dim), (clips, *self.mapper.network.target_shape)
        frames, target = (torch.nn.functional.normalize(torch.randn(width), dim=-1) for width in widths)
        return frames, torch.ones(frames.shape[:2], dtype=torch.bool), target

    def step(self, batch: Batch, bf16: bool = False) -> None:
        """One of them; in bf16-mixed precision on request."""
        frames, mask, target = batch
        precision: AbstractContextManager[Any] = torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()
        with precision:
            condition = self.mapper.condition(self.mapper.aggregator, frames, mask, self.generator)
            loss = self.mapper.objective.loss(self.mapper.network, condition, target, self.generator).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.mapper.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        self.averaging.update(self.average, self.mapper)


class Products(TorchDispatchMode):
    """Records the matrix products of what runs inside it, for `__call__` to do them and nothing else.

    Operands of one shape, layout and type are one tensor, so that the products have their memory at hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Tensor], list[Tensor], Tensor]] = []
        self.pool: dict[Any, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            operands = [self._operand(one, place) for place, one in enumerate(args)]
            self.calls.append((PRODUCTS[func], operands, self._operand(result, -1)))
        return result

    def __call__(self) -> None:
        with torch.no_grad():
            for product, operands, result in self.calls:
                product(*operands, out=result)

    @property
    def operations(self) -> int:
        """Floating point operations of all products."""
        return sum(2 * operands[-1].shape[-2] * result.numel() for _, operands, result in self.calls)

    def _operand(self, like: Tensor, place: int) -> Tensor:
        key = place, like.shape, like.stride(), like.dtype
        if key not in self.pool:
            self.pool[key] = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype).normal_()
        return self.pool[key]


def has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16 itself: one that does not takes fifty times as long as in fp32."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        square = torch.ones(512, 512, dtype=dtype)
        torch.mm(square, square)
        begin = time.perf_counter()
        torch.mm(square, square)
        seconds.append(time.perf_counter() - begin)
    return seconds[1] < 2 * seconds[0]


def products_of(call: Callable[[], object]) -> Products:
    """The matrix products of a call."""
    with Products() as products:
        call()
    return products

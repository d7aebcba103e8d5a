"""A network that a GPU trains as one graph, rather than kernel by kernel."""

from typing import Any, cast

import torch

from v2a_lightning.mapper.base import Network


class CompiledNetwork:
    """A network compiled for training batches of one size.

    Its kernels are recorded as CUDA graphs, one forward and one backward, so that the processor launches two things
    instead of a thousand small ones. Smaller batches, such as the last of an epoch, go through the network as it is,
    since compiling takes a minute for each size.

    Args:
        network: which keeps its weights and their names.
        accumulates: whether gradients of several batches are summed. The memory of a graph is written anew at each
            replay, so the network is then compiled without one.
    """

    def __init__(self, network: Network, accumulates: bool) -> None:
        self.network = network
        self.compiled = cast(Network, compiled(network, accumulates))
        self._size = 0

    def of(self, batch_size: int) -> Network:
        """What to call for a batch; the compiled network for the largest size so far."""
        self._size = max(self._size, batch_size)
        return self.compiled if batch_size == self._size else self.network


def compiled(network: Network, accumulates: bool) -> Any:
    """`torch.compile` with CUDA graphs, unless gradients are accumulated."""
    return torch.compile(network, mode="default" if accumulates else "reduce-overhead", dynamic=False)

"""A training step is light: few launches on a GPU, and no waiting for it. Counted on the CPU, where both are free."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer

from tests.launches import Launches
from tests.mapper.small import small_transformer, trainer, unit_targets, unit_vectors
from v2a_lightning import devices
from v2a_lightning.callbacks import ExponentialAverage, RunProgressBar
from v2a_lightning.data_modules.loaders import training_loader
from v2a_lightning.data_modules.table import EmbeddingDataset, EmbeddingTable
from v2a_lightning.mapper import AverageFrames, Diffusion, TransformerMapper, WarmupCosine, compiled_network
from v2a_lightning.mapper.compiled_network import CompiledNetwork
from v2a_lightning.module import V2AMapper

BATCH, STEPS, WARM = 4, 3, 1


def table(clips: int) -> EmbeddingTable:
    names = [f"clip_{index:06d}" for index in range(clips)]
    frames, target = F.normalize(torch.randn(clips, 10, 512), dim=-1), F.normalize(torch.randn(clips, 1, 512), dim=-1)
    return EmbeddingTable(names, names, names, names, frames.half(), torch.full((clips,), 10), target.half())


class Counting(Callback):
    """Counts from one step's beginning to a later one's, so that everything between two steps is in it."""

    def __init__(self, launches: Launches) -> None:
        self.launches = launches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module._compiled = CompiledNetwork(pl_module.network, accumulates=False)  # type: ignore[assignment]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM:
            self.launches.__enter__()
        elif batch_idx == STEPS - 1:
            self.launches.__exit__(None, None, None)


def test_a_step_of_the_papers_size_is_light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launches = Launches()
    monkeypatch.setattr(compiled_network, "compiled", lambda network, accumulates: launches.graph_of(network))
    monkeypatch.setattr(devices, "is_remote", lambda tensor: True)
    mapper = V2AMapper(
        TransformerMapper(dropout=0.05), Diffusion(), AverageFrames(), lr_scheduler=lambda one: WarmupCosine(one)
    )
    data = training_loader(EmbeddingDataset(table(BATCH * STEPS), range(BATCH * STEPS)), BATCH, 0, 0, 1)
    run = trainer(
        tmp_path, precision="bf16-mixed", gradient_clip_val=0.5, log_every_n_steps=50, enable_progress_bar=True,
        callbacks=[ExponentialAverage(), RunProgressBar(), Counting(launches)],
    )  # fmt: skip
    run.fit(mapper, data)
    assert launches.kernels["forward graph"] == launches.kernels["backward graph"] == STEPS - 1 - WARM == 1
    assert launches.kernels.total() <= 300, launches.kernels.most_common()
    assert not launches.waits


@pytest.mark.parametrize("batches", [1, 2])
def test_a_compiled_network_is_the_network(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_with = torch.compile
    asked: list[dict[str, Any]] = []

    def compiled(network: Any, **options: Any) -> Any:
        asked.append(options)
        return compile_with(network, backend=backend, dynamic=options["dynamic"])

    monkeypatch.setattr(torch, "compile", compiled)
    network = small_transformer(dropout=0.0)
    fast = CompiledNetwork(network, accumulates=batches > 1)
    assert asked == [{"mode": "default" if batches > 1 else "reduce-overhead", "dynamic": False}]
    for size in (6, 4, 6):
        inputs = unit_targets(size), torch.arange(size) * 100.0, unit_vectors(size, 1)
        found = []
        for one in (fast.of(size), network):
            network.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                output = one(*inputs)
            output.float().square().mean().backward()
            found.append([output, *(parameter.grad for parameter in network.parameters())])
        assert all(map(torch.equal, *found))
    # Nothing of it breaks the graph, and the smaller batch was not compiled for.
    assert len(graphs) == 1
    assert list(network.state_dict()) == list(small_transformer().state_dict())

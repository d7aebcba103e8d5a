"""What of Lightning's options a run cannot have, said in one line before anything is made, and how values are spelt."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateFinder, StochasticWeightAveraging, WeightAveraging

from v2a_lightning.callbacks.averaging import ExponentialAverage
from v2a_lightning.errors import UsageError

SHARDED = ("fsdp", "deepspeed", "model_parallel", "xla")
# Weights stay float32: steps of AdamW are smaller than the last digit of 16 bits, and embeddings are float32.
PRECISIONS = (None, 32, "32", "32-true", 16, "16", "16-mixed", "bf16", "bf16-mixed")
# An item or a value, and not a word of a text.
NONE_WITHIN = re.compile(r"(?<=[\[,:])(\s*)None(?=\s*[,\]}])")


def refuse_unsupported(trainer: Mapping[str, Any], keyed: Sequence[Callback] = ()) -> None:
    """Refuse what this project does not do.

    Args:
        trainer: the config's values for the Trainer.
        keyed: callbacks that have a key of their own in the config.

    Raises:
        UsageError: naming the option and what to do instead.
    """
    if trainer.get("barebones"):
        raise UsageError("trainer.barebones: a run has its metrics and checkpoints; try --trainer.fast_dev_run=true")
    strategy = trainer.get("strategy")
    name = strategy if isinstance(strategy, str) else type(strategy).__name__.lower()
    if any(kind in name.lower() for kind in SHARDED):
        raise UsageError(f"trainer.strategy {name}: a mapper fits every device and is not sharded; give auto or ddp")
    if trainer.get("precision") not in PRECISIONS:
        given = trainer["precision"]
        raise UsageError(f"trainer.precision {given}: weights are float32; give 32-true, bf16-mixed or 16-mixed")
    callbacks = trainer.get("callbacks") or []
    for callback in [*(callbacks if isinstance(callbacks, list) else [callbacks]), *keyed]:
        if isinstance(callback, LearningRateFinder):
            raise UsageError(
                "LearningRateFinder changes an attribute of the model, and the rate is the optimizer's: vary "
                "--model.init_args.optimizer.init_args.lr, as experiments/sweeps/optimizer.yaml does"
            )
        if isinstance(callback, WeightAveraging) and not isinstance(callback, ExponentialAverage):
            raise UsageError(
                f"{type(callback).__name__} scores weights that were never trained until its average begins, and a fit "
                "that is stopped in a validation would save the wrong ones; give "
                "v2a_lightning.callbacks.ExponentialAverage"
            )
        if isinstance(callback, StochasticWeightAveraging):
            raise UsageError("StochasticWeightAveraging: the weights are averaged by the key `averaging`; use that one")


def nulls_spelt_out(arguments: Sequence[str]) -> list[str]:
    """Python's None, as agents of sweeps write it, is YAML's null: as a value, and inside lists and mappings."""
    spelt = []
    for argument in arguments:
        flag, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if equals or not flag:
            value = NONE_WITHIN.sub(r"\1null", value) if value.startswith(("[", "{")) else value
            argument = f"{flag}{equals}{'null' if value == 'None' else value}"
        spelt.append(argument)
    return spelt

"""Widths between frozen models and a mapper: filled into a config where it says none, and compared before a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonargparse import Namespace

from v2a_lightning.errors import UsageError


@dataclass(frozen=True)
class Widths:
    """What data gives a mapper, and wants of it.

    Args:
        frames: name and width of each encoder of frames, by its key in the data; one alone has the key "".
        target_name: what computes targets; None for data without them.
        tokens: N of a target (N, D).
        target_dim: D of a target.
        normalized: whether the tokens of a target are L2-normalised.
    """

    frames: Mapping[str, tuple[str, int]]
    target_name: str | None = None
    tokens: int | None = None
    target_dim: int | None = None
    normalized: bool = True

    @property
    def condition_dim(self) -> int:
        """Width of a condition that joins all encoders."""
        return sum(width for _, width in self.frames.values())

    def fill_in(self, config: Any, condition_dim: int | None = None) -> None:
        """Set `condition_dim`, `target_dim`, `tokens` and `dim` where a model's config leaves them open, at any depth.

        A part under an encoder's key gets that encoder's width; the others `condition_dim`, that of all encoders
        together when not given. `config` is a namespace or dict of arguments, changed in place.
        """
        condition = condition_dim or self.condition_dim
        values = {
            "dim": condition,
            "condition_dim": condition,
            "target_dim": self.target_dim,
            "tokens": self.tokens,
        }
        entries = config if isinstance(config, dict) else vars(config)
        for key, value in entries.items():
            if key in values and value is None:
                entries[key] = values[key]
            elif isinstance(value, dict | Namespace):
                own = self.frames[key][1] if key and key in self.frames else condition
                # An objective goes with its network, whatever the encoder: the latter two are compared later.
                self.fill_in(value, _stated(entries) or own if key == "objective" else own)

    def refuse_others(self, mapper: Any) -> None:
        """UsageError, naming what to change, when a mapper's widths are others."""
        network, objective = mapper.network, mapper.objective
        encoders = " and ".join(f"{name} ({width})" for name, width in self.frames.values())
        if len(self.frames) > 1 and not mapper.aggregator.joins:
            raise UsageError(
                f"data.encoder has several encoders ({', '.join(self.frames)}), and model.aggregator "
                f"{type(mapper.aggregator).__name__} takes one; use v2a_lightning.mapper.JointAggregator"
            )
        if network.condition_dim != self.condition_dim:
            raise UsageError(
                f"data.encoder {encoders} makes embeddings of width {self.condition_dim}, and model.network is made "
                f"for {network.condition_dim}; leave its condition_dim out, or set it to {self.condition_dim}"
            )
        if self.target_name is None:
            return
        if network.target_shape != (self.tokens, self.target_dim):
            tokens, width = network.target_shape
            raise UsageError(
                f"{self.target_name} makes targets of {self.tokens} x {self.target_dim} (tokens x width), and "
                f"model.network predicts {tokens} x {width}; leave its tokens and target_dim out, or set them"
            )
        if not self.normalized and objective.target_scale is None:
            raise UsageError(
                f"the targets of {self.target_name} are not L2-normalised: set model.objective's target_scale to about "
                "1 over the standard deviation of their elements"
            )


def _stated(model: Any) -> int | None:
    network = model.get("network")
    arguments = network.get("init_args") if network is not None else None
    width: int | None = arguments.get("condition_dim") if arguments is not None else None
    return width

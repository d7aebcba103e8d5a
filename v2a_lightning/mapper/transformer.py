"""The transformer mapper: condition, time, noisy target and learned queries, with a key-value cache for sampling."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.mapper.base import WIDTH, Denoiser, Module, Network, TimeEmbedding

KeyValues = Tensor
"""Keys and values of N tokens side by side: (B, N, 2 * dim_head)."""


class TransformerMapper(Network):
    """Tokens of width `dim`: condition, time, noisy target, and learned queries whose outputs are the prediction.

    Pre-LN blocks of multi-query attention (one key and value head) and a SwiGLU feed-forward. The condition and the
    time are context: each attends to itself alone, and the target and the queries attend to all. So in sampling the
    condition runs through the layers once, the times once for all clips, and a step computes the other tokens, two for
    a target of one token.

    The default has 48.77 M parameters; the paper states 48.83 M. With `registers=77` it has the paper's count within
    0.04 %, and drags 77 learned tokens through every layer as the public prior of this shape does.

    Args:
        dim: width of tokens inside, and of conditions and targets where those are not given.
        depth: number of blocks.
        heads: query heads.
        dim_head: width of a head.
        ff_mult: width of the feed-forward in multiples of `dim`.
        registers: learned tokens that carry nothing in. They cost what any token costs; for comparison only.
        dropout: probability of dropping an element of what attention and feed-forward add.
        **widths: see `Network`; where they are not `dim`, a projection leads from one to the other.
    """

    def __init__(
        self, dim: int = WIDTH, depth: int = 12, heads: int = 12, dim_head: int = 64, ff_mult: int = 4,
        registers: int = 0, dropout: float = 0.0, **widths: int | None,
    ) -> None:  # fmt: skip
        super().__init__(dim, **widths)
        count, width = self.target_shape
        self.time = TimeEmbedding(dim)
        self.roles = nn.Parameter(torch.randn(3, dim) * 0.02)
        self.output_token = nn.Parameter(torch.randn(count, dim) * 0.02)
        self.registers = nn.Parameter(torch.randn(registers, dim) * 0.02) if registers else None
        self.trunk = Trunk(dim, depth, heads, dim_head, ff_mult, dropout, self.target_shape)
        self.positions = nn.Parameter(torch.randn(count, dim) * 0.02) if count > 1 else None
        self.condition_in = _resize(self.condition_dim, dim)
        self.target_in = _resize(width, dim)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        context = torch.stack([self._condition_token(condition), self._time_token(t)], dim=1)
        return self.trunk(torch.cat([context, self._target_tokens(x)], dim=1), context=2)

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        """See `Network.denoiser`: keys and values of the condition and of all times are computed once, here."""
        of_conditions = self.trunk.cache(self._condition_token(condition)[:, None])
        of_times = self.trunk.cache(self._time_token(times)[:, None])

        def denoise(x: Tensor, step: int) -> Tensor:
            cache = [
                torch.cat([one, level[step].expand_as(one)], dim=1)
                for one, level in zip(of_conditions, of_times, strict=True)
            ]
            return self.trunk.with_cache(self._target_tokens(x), cache)

        return denoise

    def _condition_token(self, condition: Tensor) -> Tensor:
        # Scaled like the target: the elements of a unit vector are tiny beside the role's embedding.
        result: Tensor = self.condition_in(condition * self.condition_dim**0.5) + self.roles[0]
        return result

    def _time_token(self, t: Tensor) -> Tensor:
        return self.time(t) + self.roles[1]

    def _target_tokens(self, x: Tensor) -> Tensor:
        """The tokens that are computed anew at each step: registers, noisy target (B, N, dim), queries (B, N, dim)."""
        target = self.target_in(x) + self.roles[2]
        tokens = [target if self.positions is None else target + self.positions]
        tokens.append(self.output_token.expand(len(x), -1, -1))
        if self.registers is not None:
            tokens.insert(0, self.registers.expand(len(x), -1, -1))
        return torch.cat(tokens, dim=1)


class TransformerRegressor(Network):
    """The same blocks for regression: a condition token and the learned queries, and neither time nor noise.

    Args:
        dim: width of tokens inside, and of conditions and targets where those are not given.
        depth: number of blocks.
        heads: query heads.
        dim_head: width of a head.
        ff_mult: width of the feed-forward in multiples of `dim`.
        dropout: probability of dropping an element of what attention and feed-forward add.
        **widths: see `Network`; where they are not `dim`, a projection leads from one to the other.
    """

    def __init__(
        self, dim: int = WIDTH, depth: int = 12, heads: int = 12, dim_head: int = 64, ff_mult: int = 4,
        dropout: float = 0.0, **widths: int | None,
    ) -> None:  # fmt: skip
        super().__init__(dim, **widths)
        self.output_token = nn.Parameter(torch.randn(self.target_shape[0], dim) * 0.02)
        self.trunk = Trunk(dim, depth, heads, dim_head, ff_mult, dropout, self.target_shape)
        self.condition_in = _resize(self.condition_dim, dim)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored."""
        token = self.condition_in(condition * self.condition_dim**0.5)[:, None]
        tokens = torch.cat([token, self.output_token.expand(len(condition), -1, -1)], dim=1)
        return self.trunk(tokens, context=1)


class Trunk(Module):
    """The blocks, and the projection of the last N tokens to the prediction, (N, D) being the target's shape.

    Context tokens attend to themselves alone, and the others to all. So the keys and values of context can be computed
    beforehand, and `with_cache` of the other tokens gives what `forward` computes in one go.
    """

    def __init__(
        self, dim: int, depth: int, heads: int, dim_head: int, ff_mult: int, dropout: float, target: tuple[int, int]
    ) -> None:
        super().__init__()
        sizes = {"dim": dim, "depth": depth, "heads": heads, "dim_head": dim_head, "ff_mult": ff_mult}
        if wrong := [f"{name}={size}" for name, size in sizes.items() if size < 1]:
            raise ValueError(f"a transformer's sizes are at least 1, not {', '.join(wrong)}")
        self.queries = target[0]
        self.blocks = nn.ModuleList(Block(dim, heads, dim_head, ff_mult, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, bias=False)
        self.projection = nn.Linear(dim, target[1], bias=False)
        self._initialise(depth)

    def _initialise(self, depth: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for block in self._each():
            # What each block adds shrinks with the number of blocks, so that depth does not set the scale.
            for linear in (block.attention_out, block.feed_forward_out):
                nn.init.normal_(linear.weight, std=(2 * depth * linear.in_features) ** -0.5)
        # The first prediction is about zero, the mean of targets, so that the loss starts at one.
        nn.init.normal_(self.projection.weight, std=0.01 * self.projection.in_features**-0.5)

    def forward(self, tokens: Tensor, context: int) -> Tensor:
        """(B, S, dim) tokens, of which the first `context` are context, to the prediction (B, N, D) of the last N."""
        *blocks, last = self._each()
        for block in blocks:
            tokens, _ = block(tokens, context)
        return self._predict(last.last_tokens(tokens, self.queries))

    def cache(self, context: Tensor) -> list[KeyValues]:
        """Keys and values of context tokens (B, S, dim) in each block: `depth` tensors."""
        *blocks, last = self._each()
        cache = []
        for block in blocks:
            context, key_values = block(context, context.shape[1])
            cache.append(key_values)
        return [*cache, last.key_values(context)]

    def with_cache(self, tokens: Tensor, cache: list[KeyValues]) -> Tensor:
        """Tokens (B, S, dim) that are no context, with the cache of what is, to the prediction (B, N, D)."""
        *blocks, last = self._each()
        for block, cached in zip(blocks, cache[:-1], strict=True):
            tokens, _ = block(tokens, 0, cached)
        return self._predict(last.last_tokens(tokens, self.queries, cache[-1]))

    def _predict(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.projection(self.norm(tokens))
        return result

    def _each(self) -> "list[Block]":
        return cast("list[Block]", list(self.blocks))


class Block(nn.Module):
    """Pre-LN multi-query attention and a SwiGLU feed-forward."""

    def __init__(self, dim: int, heads: int, dim_head: int, ff_mult: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.attention_norm = nn.LayerNorm(dim, bias=False)
        self.query = nn.Linear(dim, heads * dim_head, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim_head, bias=False)
        self.attention_out = nn.Linear(heads * dim_head, dim, bias=False)
        self.feed_forward_norm = nn.LayerNorm(dim, bias=False)
        # Two layers rather than the halves of one, whose gradients would have to be copied together.
        self.feed_forward_gate = nn.Linear(dim, ff_mult * dim, bias=False)
        self.feed_forward_value = nn.Linear(dim, ff_mult * dim, bias=False)
        self.feed_forward_out = nn.Linear(ff_mult * dim, dim, bias=False)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, tokens: Tensor, context: int, cached: KeyValues | None = None) -> tuple[Tensor, KeyValues]:
        """Tokens (B, S, dim) after the block, and their keys and values.

        The first `context` tokens attend to themselves alone. The others attend to all tokens and to the cached ones.
        """
        normed = self.attention_norm(tokens)
        key_values = self.key_value(normed)
        attended = [self._attend_to_itself(key_values[:, :context])] if context else []
        if context < tokens.shape[1]:
            attended.append(self._attend(normed[:, context:], _joined(cached, key_values)))
        tokens = tokens + self.dropout(torch.cat(attended, dim=1) if len(attended) > 1 else attended[0])
        return tokens + self._feed_forward(tokens), key_values

    def key_values(self, tokens: Tensor) -> KeyValues:
        """Keys and values of tokens (B, S, dim)."""
        result: Tensor = self.key_value(self.attention_norm(tokens))
        return result

    def last_tokens(self, tokens: Tensor, count: int, cached: KeyValues | None = None) -> Tensor:
        """The last `count` of the tokens (B, S, dim) after the block, (B, count, dim); no other is computed."""
        normed = self.attention_norm(tokens)
        attended = self._attend(normed[:, -count:], _joined(cached, self.key_value(normed)))
        tokens = tokens[:, -count:] + self.dropout(attended)
        return tokens + self._feed_forward(tokens)

    def _attend_to_itself(self, key_values: KeyValues) -> Tensor:
        # All attention goes to the token's own value, in every head alike: the heads' projections can be summed first.
        weight = self.attention_out.weight.view(-1, self.heads, self.dim_head).sum(1)
        return F.linear(key_values[..., self.dim_head :], weight)

    def _attend(self, normed: Tensor, key_values: KeyValues) -> Tensor:
        key, value = key_values.split(self.dim_head, dim=-1)
        query = self.query(normed).reshape(len(normed), -1, self.dim_head)
        # With one key and value head, query heads are further rows of one attention.
        attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])
        result: Tensor = self.attention_out(attended.reshape(len(normed), normed.shape[1], -1))
        return result

    def _feed_forward(self, tokens: Tensor) -> Tensor:
        normed = self.feed_forward_norm(tokens)
        hidden = F.silu(self.feed_forward_gate(normed)) * self.feed_forward_value(normed)
        result: Tensor = self.dropout(self.feed_forward_out(hidden))
        return result


def _joined(cached: KeyValues | None, key_values: KeyValues) -> KeyValues:
    return key_values if cached is None else torch.cat([cached, key_values], dim=1)


def _resize(width: int, dim: int) -> nn.Module:
    """From one width to another; nothing where they are the same, so that the weights' names are too."""
    if width == dim:
        return nn.Identity()
    linear = nn.Linear(width, dim, bias=False)
    nn.init.normal_(linear.weight, std=width**-0.5)
    return linear

"""The transformer mapper: four tokens, of which two are the same at every sampling step or for every clip."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.mapper.base import Denoiser, Network
from v2a_lightning.mapper.time_embedding import TimeEmbedding


class TransformerMapper(Network):
    """Four tokens of width `dim`: condition, time, noisy target, and a learned one whose output is the prediction.

    Pre-LN blocks of multi-query attention (one key and value head) and a SwiGLU feed-forward. The condition and the
    time are context: each attends to itself alone, and the target and the output attend to all four. So in sampling
    the condition runs through the layers once, the times once for all clips, and a step computes two tokens.

    The default has 48.77 M parameters; the paper states 48.83 M. With `registers=77` it has the paper's count within
    0.04 %, and drags 77 learned tokens through every layer as the public prior of this shape does.

    Args:
        dim: width of tokens and of embeddings.
        depth: number of blocks.
        heads: query heads.
        dim_head: width of a head.
        ff_mult: width of the feed-forward in multiples of `dim`.
        registers: learned tokens that carry nothing in. They cost what any token costs; for comparison only.
        dropout: probability of dropping an element of what attention and feed-forward add.
    """

    def __init__(
        self,
        dim: int = 512,
        depth: int = 12,
        heads: int = 12,
        dim_head: int = 64,
        ff_mult: int = 4,
        registers: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.time = TimeEmbedding(dim)
        self.roles = nn.Parameter(torch.randn(3, dim) * 0.02)
        self.output_token = nn.Parameter(torch.randn(1, dim) * 0.02)
        self.registers = nn.Parameter(torch.randn(registers, dim) * 0.02) if registers else None
        self.trunk = Trunk(dim, depth, heads, dim_head, ff_mult, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`."""
        context = torch.stack([self._condition_token(condition), self._time_token(t)], dim=1)
        return self.trunk(torch.cat([context, self._stream(x)], dim=1), context=2)

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        """See `Network.denoiser`: the condition and all times go through the layers once, here."""
        conditions = self.trunk.read(self._condition_token(condition)[:, None])
        moments = self.trunk.read(self._time_token(times)[:, None])

        def denoise(x: Tensor, step: int) -> Tensor:
            memory = [
                torch.cat([one, moment[step].expand_as(one)], dim=1)
                for one, moment in zip(conditions, moments, strict=True)
            ]
            return self.trunk.answer(self._stream(x), memory)

        return denoise

    def _condition_token(self, condition: Tensor) -> Tensor:
        # Scaled like the target: a unit vector of this width would be a whisper beside the role's embedding.
        return condition * self.dim**0.5 + self.roles[0]

    def _time_token(self, t: Tensor) -> Tensor:
        return self.time(t) + self.roles[1]

    def _stream(self, x: Tensor) -> Tensor:
        tokens = [(x + self.roles[2])[:, None], self.output_token.expand(len(x), 1, -1)]
        if self.registers is not None:
            tokens.insert(0, self.registers.expand(len(x), -1, -1))
        return torch.cat(tokens, dim=1)


class TransformerRegressor(Network):
    """The same blocks for regression: a condition token and the learned output token, and neither time nor noise.

    Args:
        dim: width of tokens and of embeddings.
        depth: number of blocks.
        heads: query heads.
        dim_head: width of a head.
        ff_mult: width of the feed-forward in multiples of `dim`.
        dropout: probability of dropping an element of what attention and feed-forward add.
    """

    def __init__(
        self,
        dim: int = 512,
        depth: int = 12,
        heads: int = 12,
        dim_head: int = 64,
        ff_mult: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.output_token = nn.Parameter(torch.randn(1, dim) * 0.02)
        self.trunk = Trunk(dim, depth, heads, dim_head, ff_mult, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored."""
        tokens = [(condition * self.dim**0.5)[:, None], self.output_token.expand(len(condition), 1, -1)]
        return self.trunk(torch.cat(tokens, dim=1), context=1)


class Trunk(nn.Module):
    """The blocks, and the projection of the last token to the prediction.

    Context tokens see themselves alone, and stream tokens see all. So context can be read beforehand, and streams be
    answered from what it left, which is what `forward` computes in one go.
    """

    def __init__(self, dim: int, depth: int, heads: int, dim_head: int, ff_mult: int, dropout: float) -> None:
        super().__init__()
        sizes = {"dim": dim, "depth": depth, "heads": heads, "dim_head": dim_head, "ff_mult": ff_mult}
        if wrong := [f"{name}={size}" for name, size in sizes.items() if size < 1]:
            raise ValueError(f"a transformer's sizes are at least 1, not {', '.join(wrong)}")
        self.blocks = nn.ModuleList(Block(dim, heads, dim_head, ff_mult, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, bias=False)
        self.projection = nn.Linear(dim, dim, bias=False)
        self._initialise(depth)

    def _initialise(self, depth: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for block in self._each():
            # What each block adds shrinks with the number of blocks, so that depth does not set the scale.
            for linear in (block.attention_out, block.feed_forward_out):
                nn.init.normal_(linear.weight, std=(2 * depth * linear.in_features) ** -0.5)
        # The first answer is about zero, the mean of targets, so that the loss starts at one.
        nn.init.normal_(self.projection.weight, std=0.01 * self.projection.in_features**-0.5)

    def forward(self, tokens: Tensor, context: int) -> Tensor:
        """(B, N, dim) tokens, of which the first `context` are context, to the prediction (B, dim) of the last."""
        *blocks, last = self._each()
        for block in blocks:
            tokens, _ = block(tokens, context)
        return self._predict(last.finish(tokens))

    def read(self, context: Tensor) -> list[Tensor]:
        """Keys and values of context tokens (B, C, dim) for each block: `depth` tensors (B, C, 2 * dim_head)."""
        *blocks, last = self._each()
        memory = []
        for block in blocks:
            context, seen = block(context, context.shape[1])
            memory.append(seen)
        return [*memory, last.remember(context)]

    def answer(self, stream: Tensor, memory: list[Tensor]) -> Tensor:
        """(B, S, dim) stream tokens and what context left, to the prediction (B, dim) of the last token."""
        *blocks, last = self._each()
        for block, seen in zip(blocks, memory[:-1], strict=True):
            stream, _ = block(stream, 0, seen)
        return self._predict(last.finish(stream, memory[-1]))

    def _predict(self, token: Tensor) -> Tensor:
        return self.projection(self.norm(token))

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

    def forward(self, tokens: Tensor, context: int, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, dim) after the block, and their keys and values (B, N, 2 * dim_head).

        The first `context` tokens see themselves alone. The others see all of the tokens, and the memory: keys and
        values of further tokens (B, M, 2 * dim_head).
        """
        normed = self.attention_norm(tokens)
        seen = self.key_value(normed)
        attended = [self._attend_to_itself(seen[:, :context])] if context else []
        if context < tokens.shape[1]:
            attended.append(self._attend(normed[:, context:], _joined(memory, seen)))
        tokens = tokens + self.dropout(torch.cat(attended, dim=1) if len(attended) > 1 else attended[0])
        return tokens + self._feed_forward(tokens), seen

    def remember(self, tokens: Tensor) -> Tensor:
        """Keys and values of tokens (B, N, dim), side by side: (B, N, 2 * dim_head)."""
        return self.key_value(self.attention_norm(tokens))

    def finish(self, tokens: Tensor, memory: Tensor | None = None) -> Tensor:
        """The last of the tokens (B, N, dim) after the block, (B, dim): nobody looks at the others after the last."""
        normed = self.attention_norm(tokens)
        attended = self._attend(normed[:, -1:], _joined(memory, self.key_value(normed)))
        token = tokens[:, -1] + self.dropout(attended[:, 0])
        return token + self._feed_forward(token)

    def _attend_to_itself(self, seen: Tensor) -> Tensor:
        # All attention goes to the token's own value, in every head alike: the heads' projections can be summed first.
        weight = self.attention_out.weight.view(-1, self.heads, self.dim_head).sum(1)
        return F.linear(seen[..., self.dim_head :], weight)

    def _attend(self, normed: Tensor, seen: Tensor) -> Tensor:
        key, value = seen.split(self.dim_head, dim=-1)
        query = self.query(normed).reshape(len(normed), -1, self.dim_head)
        # With one key and value head, query heads are further rows of one attention.
        attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])
        return self.attention_out(attended.reshape(len(normed), normed.shape[1], -1))

    def _feed_forward(self, tokens: Tensor) -> Tensor:
        normed = self.feed_forward_norm(tokens)
        hidden = F.silu(self.feed_forward_gate(normed)) * self.feed_forward_value(normed)
        return self.dropout(self.feed_forward_out(hidden))


def _joined(memory: Tensor | None, seen: Tensor) -> Tensor:
    return seen if memory is None else torch.cat([memory, seen], dim=1)

"""Texts mixed on the sphere and guided away from, in either space."""

import math
from collections.abc import Sequence
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.pipeline.conftest import media, pipeline
from v2a_lightning.app.commands.generate import generate
from v2a_lightning.encoders import ClapEncoder, ClipEncoder, Encoder
from v2a_lightning.errors import UsageError
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.pipeline.steering import NEGATIVE_STRENGTH, STRENGTH, Steering, slerp

__all__ = ["media", "pipeline"]

EAST, NORTH = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def encode(texts: Sequence[str]) -> Tensor:
    """North for every text."""
    return NORTH.expand(len(texts), -1)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_slerp_goes_along_the_circle_evenly(share: float) -> None:
    angle = share * math.pi / 2
    assert torch.allclose(slerp(EAST, NORTH, share), torch.tensor([math.cos(angle), math.sin(angle)]), atol=1e-6)


def test_slerp_of_equal_and_of_opposite_vectors_is_finite() -> None:
    assert torch.allclose(slerp(EAST, EAST, 0.3), EAST)
    assert slerp(EAST, -EAST, 0.3).isfinite().all()


def test_a_negative_text_is_guided_away_from() -> None:
    embedding = normalize(torch.tensor([[[1.0, 1.0]]]), dim=-1)
    steered = Steering(negative="no", negative_strength=0.5).apply(embedding, encode)
    assert torch.allclose(steered, normalize(1.5 * embedding - 0.5 * NORTH, dim=-1))
    assert torch.equal(Steering().apply(embedding, encode), embedding)
    assert torch.allclose(Steering("yes", strength=1.0).apply(embedding, encode), NORTH.expand(1, 1, 2), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strength": 1.5}, "strength is a number from 0 to 1, not 1.5"),
        ({"strength": float("nan")}, "from 0 to 1, not nan"),
        ({"negative_strength": -1.0}, "at least 0, not -1"),
        ({"space": "pixel"}, "space is clip or clap, not 'pixel'"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Steering("a dog", **options)


@pytest.mark.parametrize("space", ["clip", "clap"])
def test_a_text_takes_the_place_of_the_picture(steerable: V2APipeline, media: Any, space: Any) -> None:
    plain, none = (steerable(media / "still.png", **options) for options in ({}, {"prompt": None}))
    assert torch.equal(plain, none)
    whole = {"prompt": "a bell rings", "prompt_space": space, "prompt_strength": 1.0}
    one, other = (steerable(media / name, name="same", seconds=0.64, **whole) for name in ("still.png", "short.mp4"))
    shortest = min(one.shape[1], other.shape[1])
    assert torch.allclose(one[:, :shortest], other[:, :shortest], atol=1e-4), "nothing is left of the picture"
    assert (one - plain).abs().max() > 1e-3
    away = steerable(media / "still.png", negative_prompt="a bell rings", prompt_space=space)
    assert (away - plain).abs().max() > 1e-4


def test_a_model_without_texts_is_named(steerable: V2APipeline, media: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipEncoder, "encode_text", Encoder.encode_text)
    with pytest.raises(UsageError, match=r"reads no texts; mix them in CLAP's space \(--text_space clap\)"):
        steerable(media / "still.png", prompt="a bell", prompt_space="clip")


def test_the_commands_defaults_are_the_pipelines() -> None:
    command, call = signature(generate).parameters, signature(V2APipeline.__call__).parameters
    assert command["text_strength"].default == call["prompt_strength"].default == STRENGTH
    assert command["negative_strength"].default == call["negative_strength"].default == NEGATIVE_STRENGTH
    assert command["text_space"].default == call["prompt_space"].default


@pytest.fixture(scope="module")
def steerable(pipeline: V2APipeline, random_weights: Any) -> V2APipeline:
    """The pipeline with a CLAP that reads texts."""
    pipeline.generator.clap = ClapEncoder(str(random_weights / "clap"))  # type: ignore[attr-defined]
    return pipeline

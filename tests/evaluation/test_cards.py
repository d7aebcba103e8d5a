import dataclasses

import pytest

from v2a_lightning.evaluation import MetricCard, differing_fields
from v2a_lightning.evaluation.cards import clips_sha256, field_value

CARD = MetricCard(
    metric="fd",
    formula="frechet",
    extractor="cnn14",
    weights_sha256="aa",
    fingerprint="bb",
    label="",
    sample_rate=16_000,
    channels="mean",
    resampler="soxr HQ",
    crop="all",
    n_generated=3,
    n_reference=3,
    clips_sha256="cc",
    silent_share=0.1,
    generation={"steps": 10},
)


def test_a_card_survives_a_dictionary() -> None:
    assert MetricCard.from_dict(CARD.to_dict()) == CARD
    with pytest.raises(ValueError, match="'crop'"):
        MetricCard.from_dict({name: value for name, value in CARD.to_dict().items() if name != "crop"})
    with pytest.raises(ValueError, match="'mood'"):
        MetricCard.from_dict(CARD.to_dict() | {"mood": 1})


def test_what_a_system_does_may_differ_and_how_it_is_measured_may_not() -> None:
    assert differing_fields(CARD, dataclasses.replace(CARD, silent_share=0.5, generation={"steps": 99})) == []
    other = dataclasses.replace(CARD, sample_rate=32_000, crop="the first 8 s")
    assert differing_fields(CARD, other) == ["sample_rate", "crop"]


def test_the_length_of_the_generated_sounds_is_compared_where_both_say_it() -> None:
    short, long = (dataclasses.replace(CARD, generation={"seconds": length, "seed": 1}) for length in (2.56, 10.0))
    assert differing_fields(short, long) == ["generation.seconds"]
    assert field_value(long, "generation.seconds") == 10.0
    assert differing_fields(CARD, long) == []


def test_cards_of_earlier_versions_open() -> None:
    shown = ("title", "better", "floor", "headline")
    earlier = {name: value for name, value in CARD.to_dict().items() if name not in shown}
    assert MetricCard.from_dict(earlier) == CARD


def test_one_network_may_have_two_names_and_two_networks_not_one() -> None:
    elsewhere = dataclasses.replace(CARD, extractor="cnn14:a copy", label="miniature")
    assert differing_fields(CARD, elsewhere) == []
    assert differing_fields(CARD, dataclasses.replace(elsewhere, fingerprint="another")) == [
        "extractor", "fingerprint", "label"
    ]  # fmt: skip


def test_clips_have_no_order() -> None:
    assert clips_sha256(["b", "a"]) == clips_sha256(["a", "b"]) != clips_sha256(["ab"])

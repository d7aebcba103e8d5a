"""README.md of a saved mapper or pipeline, as the Hugging Face Hub reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from v2a_lightning.checkpoints.known import licence_of

# The Hub's nearest task; there is none of its own for sound from pictures.
TASK = "text-to-audio"
TAGS = ["video-to-audio", "image-to-audio", "v2a-mapper", "model_hub_mixin"]
CARD = """---
{metadata}
---
# {title}

{summary}

| part | made as |
|---|---|
{rows}
{scores}
```python
{usage}
```
"""
MAPPER_SUMMARY = """Maps embeddings of a clip's frames to the condition from which a frozen generator makes sound,
such as a CLAP audio embedding for AudioLDM."""
MAPPER_USAGE = """from v2a_lightning.module import V2AMapper

mapper = V2AMapper.from_pretrained("this folder, or its name on the Hugging Face Hub")"""
PIPELINE_SUMMARY = """Sound for pictures and videos: a frozen visual encoder, a trained mapper and a frozen generator.
This holds the mapper alone; the weights of the others are fetched from their publishers, under their licences."""
PIPELINE_USAGE = """from v2a_lightning.pipeline import V2APipeline

pipeline = V2APipeline.from_pretrained("this folder, or its name on the Hugging Face Hub")
waveforms = pipeline("dog.jpg", num_waveforms_per_prompt=2)
pipeline.save(waveforms, "dog.wav")"""


@dataclass(frozen=True)
class Training:
    """What is known of the run that a mapper comes from.

    Args:
        data: name of its data.
        epoch: after which the weights were written, from 0.
        scores: of the validation after that epoch, by the names in metrics.csv.
    """

    data: str = ""
    epoch: int = 0
    scores: dict[str, Any] = field(default_factory=dict)


def mapper_card(described: Mapping[str, Any], parameters: int) -> str:
    """The card of a mapper alone."""
    title = f"{_class_name(described['network'])} for video-to-audio"
    metadata = ModelCardData(library_name="v2a-lightning", pipeline_tag=TASK, tags=TAGS, license="other")
    rows = mapper_rows(described, parameters)
    return _card(metadata, title, MAPPER_SUMMARY, rows, "", MAPPER_USAGE)


def pipeline_card(
    described: Mapping[str, Any], parameters: int, others: Mapping[str, tuple[str, str]], training: Training
) -> str:
    """The card of a pipeline.

    Args:
        described: the mapper.
        parameters: of the mapper.
        others: name and checkpoint of each frozen model, by what it is here.
        training: where the mapper comes from.
    """
    network, (generator, _) = _class_name(described["network"]), others["generator"]
    title = f"V2A-Mapper: {network} for {generator}" + (f", trained on {training.data}" if training.data else "")
    licences = {part: licence_of(checkpoint) for part, (_, checkpoint) in others.items()}
    rows = mapper_rows(described, parameters)
    rows += [f"| {part} | `{name}`, licence {licences[part]} |" for part, (name, _) in others.items()]
    licence = _shared_licence(list(licences.values()))
    metadata = ModelCardData(
        library_name="v2a-lightning",
        pipeline_tag=TASK,
        tags=TAGS,
        model_name=title,
        eval_results=_results(training) or None,
        license=licence or "other",
        license_name=None if licence else "licences-of-its-parts",
        license_link=None if licence else "README.md",
    )
    return _card(metadata, title, PIPELINE_SUMMARY, rows, _scores(training), PIPELINE_USAGE)


def in_words(part: Mapping[str, Any]) -> str:
    """A described part as `Class(argument=value)`."""
    arguments = ", ".join(f"{name}={value}" for name, value in part["init_args"].items() if value is not None)
    return f"{_class_name(part)}({arguments})"


def mapper_rows(described: Mapping[str, Any], parameters: int) -> list[str]:
    """A mapper's rows of the table of parts."""
    parts = {key: in_words(value) if isinstance(value, dict) else value for key, value in described.items()}
    return [*(f"| {key} | `{value}` |" for key, value in parts.items()), f"| parameters | {parameters:,} |"]


def _card(metadata: ModelCardData, title: str, summary: str, rows: Sequence[str], scores: str, usage: str) -> str:
    text = {"title": title, "summary": summary, "rows": "\n".join(rows), "scores": scores, "usage": usage}
    return CARD.format(metadata=metadata.to_yaml(), **text)


def _scores(training: Training) -> str:
    if not training.scores:
        return ""
    rows = [f"| {name} | {value:.4g} |" for name, value in sorted(training.scores.items())]
    where = f"Validation on {training.data} after epoch {training.epoch}"
    note = "; figures of the miniature do not compare with those of real data" if "Miniature" in training.data else ""
    return "\n".join(["", f"{where}{note}.", "", "| metric | value |", "|---|---|", *rows, ""])


def _results(training: Training) -> list[EvalResult]:
    return [
        EvalResult(TASK, training.data, training.data, dataset_split="validation", metric_type=name, metric_value=value)
        for name, value in sorted(training.scores.items())
    ]


def _shared_licence(licences: Sequence[str]) -> str | None:
    """The parts' licence, where they share one that is known."""
    first, *others = {one.split()[0] for one in licences}
    return None if others or first == "not" else first.lower()


def _class_name(part: Mapping[str, Any]) -> str:
    return str(part["class_path"]).rpartition(".")[2]

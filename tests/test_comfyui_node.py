"""The ComfyUI node of the docs, called as ComfyUI calls nodes."""

import runpy
from pathlib import Path

import torch

from tests.pipeline.conftest import pipeline
from v2a_lightning.pipeline import V2APipeline

__all__ = ["pipeline"]

NODE = Path(__file__).parents[1] / "docs" / "examples" / "comfyui_node.py"


def test_the_node_makes_audio_of_an_image(pipeline: V2APipeline, tmp_path: Path) -> None:
    module = runpy.run_path(str(NODE))
    assert len(NODE.read_text().splitlines()) < 100
    (node,) = (module["NODE_CLASS_MAPPINGS"][name] for name in module["NODE_DISPLAY_NAME_MAPPINGS"])
    pipeline.save_pretrained(tmp_path / "saved")
    kinds = node.INPUT_TYPES()
    inputs = {name: options["default"] for name, (_, options) in list(kinds["required"].items())[1:]}
    inputs |= {"checkpoint": str(tmp_path / "saved"), "samples": 2, "steps": 1, "guidance": 1.0, "seed": 5}
    image = torch.rand(1, 32, 32, 3)
    outputs = getattr(node(), node.FUNCTION)(images=image, **inputs)
    assert len(outputs) == len(node.RETURN_TYPES) == 1
    audio = outputs[0]
    assert audio["waveform"].shape == (2, 1, 10_240)
    assert audio["sample_rate"] == 16_000
    picture = (image * 255).round().to(torch.uint8)
    assert torch.equal(audio["waveform"][:, 0], pipeline(picture, num_waveforms_per_prompt=2, seed=5))

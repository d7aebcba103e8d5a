"""From a picture to a sound: what the pipeline takes, is made of and gives."""

from v2a_lightning.pipeline.v2a_pipeline import V2APipeline

__all__ = ["V2APipeline"]

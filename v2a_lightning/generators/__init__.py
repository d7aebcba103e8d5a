"""Frozen generators: what makes sound of the embedding that the mapper predicts."""

from v2a_lightning.generators.audioldm import AudioLDM

__all__ = ["AudioLDM"]

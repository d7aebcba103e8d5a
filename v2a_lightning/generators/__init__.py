"""Frozen generators: what makes sound of the condition that the mapper predicts."""

from v2a_lightning.generators.audioldm import AudioLDM
from v2a_lightning.generators.base import Condition, Generator
from v2a_lightning.generators.musicldm import MusicLDM

__all__ = ["AudioLDM", "Condition", "Generator", "MusicLDM"]

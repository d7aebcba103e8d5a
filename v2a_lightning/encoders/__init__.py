"""Frozen encoders: a visual encoder makes an embedding of every frame, CLAP one of a sound.

Constructing any of them is cheap: weights are read on first use. The same class reads the miniature and the full size.
"""

from v2a_lightning.encoders.base import Encoder, EncoderSet
from v2a_lightning.encoders.clap import ClapEncoder
from v2a_lightning.encoders.open_clip import ClipEncoder
from v2a_lightning.encoders.transformers_vision import TransformersEncoder

__all__ = ["ClapEncoder", "ClipEncoder", "Encoder", "EncoderSet", "TransformersEncoder"]

"""The frozen models on either side of the mapper: CLIP, CLAP and AudioLDM, and where their weights come from.

Constructing any of them is cheap: weights are read on first use. The same class reads the miniature and the full size.
"""

from v2a_lightning.foundation.audioldm import AudioLDM
from v2a_lightning.foundation.base import FrozenModel
from v2a_lightning.foundation.clap import ClapEncoder
from v2a_lightning.foundation.clip import ClipEncoder

__all__ = ["AudioLDM", "ClapEncoder", "ClipEncoder", "FrozenModel"]

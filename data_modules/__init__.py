"""LightningDataModules and the embedding store."""

from v2a_lightning.data_modules.base import ClipDataModule
from v2a_lightning.data_modules.embeddings import EmbeddingDataModule
from v2a_lightning.data_modules.encoded import EncodedDataModule
from v2a_lightning.data_modules.imagehear import ImageHearDataModule
from v2a_lightning.data_modules.miniature import MiniatureDataModule
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.table import EmbeddingTable, load_table
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.data_modules.vggsound import VGGSoundDataModule

__all__ = [
    "ClipDataModule",
    "EmbeddingDataModule",
    "EmbeddingStore",
    "EmbeddingTable",
    "EncodedDataModule",
    "ImageHearDataModule",
    "MiniatureDataModule",
    "StoreSpec",
    "Tower",
    "VGGSoundDataModule",
    "load_table",
]

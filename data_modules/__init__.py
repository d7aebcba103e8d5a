"""LightningDataModules and the embedding store."""

from data_modules.base import ClipDataModule
from data_modules.embeddings import EmbeddingDataModule
from data_modules.encoded import EncodedDataModule
from data_modules.imagehear import ImageHearDataModule
from data_modules.miniature import MiniatureDataModule
from data_modules.store import EmbeddingStore
from data_modules.table import EmbeddingTable, load_table
from data_modules.towers import StoreSpec, Tower
from data_modules.vggsound import VGGSoundDataModule

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

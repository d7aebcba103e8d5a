"""LightningDataModules and the embedding store."""

from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.decoding import Decoding
from v2a_lightning.data_modules.embedding_data_module import EmbeddingDataModule
from v2a_lightning.data_modules.imagehear import ImageHearDataModule
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.data_modules.miniature import MiniatureDataModule
from v2a_lightning.data_modules.splits import Splits
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.table import EmbeddingTable, load_table
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.data_modules.vggsound import VGGSoundDataModule

__all__ = [
    "Clip",
    "ClipDataModule",
    "Decoding",
    "EmbeddingDataModule",
    "EmbeddingStore",
    "EmbeddingTable",
    "EncodedDataModule",
    "ImageHearDataModule",
    "MiniatureDataModule",
    "Splits",
    "StoreSpec",
    "Tower",
    "VGGSoundDataModule",
    "load_table",
]

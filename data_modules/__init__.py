"""LightningDataModules and the embedding store."""

from v2a_lightning.data_modules.audiocaps import AudioCapsDataModule
from v2a_lightning.data_modules.audioset import AudioSetDataModule
from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import Clip, Splits
from v2a_lightning.data_modules.embedding_data_module import EmbeddingDataModule
from v2a_lightning.data_modules.extraction import Decoding
from v2a_lightning.data_modules.foleybench import FoleyBenchDataModule
from v2a_lightning.data_modules.greatest_hits import GreatestHitsDataModule
from v2a_lightning.data_modules.imagehear import ImageHearDataModule
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.data_modules.miniature import MiniatureDataModule
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.streamed import StreamedDataModule
from v2a_lightning.data_modules.table import EmbeddingTable, load_table
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.data_modules.vggsound import VGGSoundDataModule
from v2a_lightning.data_modules.video_folder import VideoFolderDataModule

__all__ = [
    "AudioCapsDataModule",
    "AudioSetDataModule",
    "Clip",
    "ClipDataModule",
    "Decoding",
    "EmbeddingDataModule",
    "EmbeddingStore",
    "EmbeddingTable",
    "EncodedDataModule",
    "FoleyBenchDataModule",
    "GreatestHitsDataModule",
    "ImageHearDataModule",
    "MiniatureDataModule",
    "Splits",
    "StoreSpec",
    "StreamedDataModule",
    "Tower",
    "VGGSoundDataModule",
    "VideoFolderDataModule",
    "load_table",
]

"""ImageHear: pictures by class, without sound."""

import re
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import TEST, Clip, by_id
from v2a_lightning.data_modules.extraction import Decoding
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError
from v2a_lightning.media import PICTURE_SUFFIXES, find_media_files
from v2a_lightning.specs import AudioSpec, FrameSpec


class ImageHearDataModule(EncodedDataModule):
    """Pictures in folders by class (`dog/1.jpg`) or named by class and number (`dog1.jpg`). All of them are the test.

    The folders may stand in others, such as `train/dog/1.jpg` and `val/dog/1.jpg`. There is no true sound, so batches
    have no "audio", and of the metrics only the CLIP-score can be computed.

    Args:
        media: folder of the pictures.
        decoding: how pictures are decoded.
        **options: see EncodedDataModule.
    """

    audible = False

    def __init__(
        self,
        media: str,
        decoding: Decoding = Decoding(encoder_batch_size=64),  # noqa: B008
        **options: Any,
    ) -> None:
        # The frames of a picture are one, whatever the spec; the store's key says which spec it is.
        super().__init__(media, clap=None, frames=FrameSpec(), audio=AudioSpec(), decoding=decoding, **options)

    def find_clips(self) -> list[Clip]:
        """The pictures of the folder; ids are their stems, with the folders before it when they stand in folders."""
        root = Path(self.media)
        clips = []
        for path in sorted(find_media_files(root, PICTURE_SUFFIXES, depth=None)):
            # `train/dog/1.jpg` and `val/dog/1.jpg` are two pictures, so every folder is a part of the id.
            clip_id = "_".join(path.relative_to(root).with_suffix("").parts)
            label = re.sub(r"[\s_-]*\d+$", "", path.stem) or path.stem if path.parent == root else path.parent.name
            clips.append(Clip(clip_id, label, TEST, path))
        if not clips:
            raise UsageError(f"data.media {root}: no picture in it; expected <class>/<name>.jpg or <class><number>.jpg")
        by_id((clip.clip_id, clip.path) for clip in clips if clip.path)
        return clips

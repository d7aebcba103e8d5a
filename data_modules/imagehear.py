"""ImageHear: pictures by class, without sound."""

import re
from pathlib import Path

from v2a_lightning.data_modules.base import Mode
from v2a_lightning.data_modules.clips import TEST, Clip, by_id
from v2a_lightning.data_modules.encoded import EncodedDataModule
from v2a_lightning.data_modules.store import Precision
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.media import PICTURE_SUFFIXES
from v2a_lightning.specs import FrameSpec


class ImageHearDataModule(EncodedDataModule):
    """Pictures in folders by class (`dog/1.jpg`) or named by class and number (`dog1.jpg`). All of them are the test.

    The folders may stand in others, such as `train/dog/1.jpg` and `val/dog/1.jpg`.

    There is no true sound, so batches have no "audio", and of the metrics only the CLIP-score can be computed.

    Args:
        media: folder of the pictures.
        store: folder or fsspec URL of the embedding store.
        clip: sees pictures.
        batch_size: pictures in a batch, over all devices and nodes.
        mode: `cached` embeds every picture once into the store; `on_the_fly` runs the encoder on every batch.
        max_clips: at most so many pictures.
        num_workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one picture may take.
        precision: in which embeddings are stored.
        encoder_batch_size: pictures that go through a process's encoder together.
    """

    def __init__(
        self,
        media: str,
        store: str,
        clip: ClipEncoder,
        batch_size: int = 64,
        mode: Mode = "cached",
        max_clips: int | None = None,
        num_workers: int | None = None,
        timeout: float = 60.0,
        precision: Precision = "float16",
        encoder_batch_size: int = 64,
    ) -> None:
        super().__init__(
            store=store,
            clip=clip,
            clap=None,
            # The length of what is looked at means nothing to a picture; the key says which it is.
            frames=FrameSpec(),
            audio=None,
            mode=mode,
            num_workers=num_workers,
            timeout=timeout,
            keep_still=True,
            manifest=None,
            precision=precision,
            encoder_batch_size=encoder_batch_size,
            backend="pyav",
            batch_size=batch_size,
            seed=0,
            validation_fraction=0.0,
            validation_clips=None,
            test_split=TEST,
            max_clips=max_clips,
        )
        self.media = str(media)

    def find_clips(self) -> list[Clip]:
        """The pictures of the folder; ids are their stems, with the folders before it when they stand in folders.

        Raises:
            UsageError: when there is no such folder, no picture in it, or two pictures have one id.
        """
        root = Path(self.media)
        if not root.is_dir():
            raise UsageError(f"data.media {root}: there is no such folder")
        files = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
        clips = [self._clip(root, path) for path in files if not _is_hidden(path.relative_to(root))]
        if not clips:
            raise UsageError(f"data.media {root}: no picture in it; expected <class>/<name>.jpg or <class><number>.jpg")
        by_id((clip.clip_id, clip.path) for clip in clips if clip.path is not None)
        return clips

    @staticmethod
    def _clip(root: Path, path: Path) -> Clip:
        # `train/dog/1.jpg` and `val/dog/1.jpg` are two pictures, so every folder is a part of the id.
        clip_id = "_".join(path.relative_to(root).with_suffix("").parts)
        if path.parent != root:
            return Clip(clip_id, path.parent.name, TEST, path)
        label = re.sub(r"[\s_-]*\d+$", "", path.stem)
        return Clip(clip_id, label or path.stem, TEST, path)


def _is_hidden(path: Path) -> bool:
    """Such as the `._name` files of macOS archives."""
    return any(part.startswith(".") for part in path.parts)

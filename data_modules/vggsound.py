"""VGGSound: the published csv and a folder of clips."""

from dataclasses import replace
from pathlib import Path

from v2a_lightning.data_modules.base import Mode
from v2a_lightning.data_modules.clips import TEST, Clip, find_media, names_beside, read_ids, read_vggsound_csv
from v2a_lightning.data_modules.encoded import EncodedDataModule
from v2a_lightning.data_modules.progress import say
from v2a_lightning.data_modules.store import Precision
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.media import VIDEO_SUFFIXES
from v2a_lightning.media.frames import Backend
from v2a_lightning.specs import AudioSpec, FrameSpec


class VGGSoundDataModule(EncodedDataModule):
    """Clips named `<youtube id>_<start second as 6 digits>.mp4`, in one folder or in folders by split.

    The csv's test split is the test; a part of its train split is held out for validation. Clips that are named but not
    there are counted and listed in the store's `rejects.csv`, and so are those that cannot be used.

    Args:
        csv: the published csv without header: youtube id, start second, label, split.
        media: folder of the clips.
        store: folder or fsspec URL of the embedding store.
        clip: sees frames.
        clap: hears waves.
        frames: which frames are looked at.
        audio: which sound is listened to.
        batch_size: clips in a batch, over all devices and nodes.
        mode: `cached` embeds every clip once into the store; `on_the_fly` runs the encoders on every batch.
        validation_fraction: share of the train clips held out, by a hash of their ids; 0 for no validation.
        validation_clips: hold out that many instead.
        test_ids: text file with the ids of the test clips to use, such as the paper's 15,446; all when not given.
        test_split: the split that is tested and predicted.
        max_clips: at most so many clips of each split.
        num_workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one clip may take.
        keep_still: use clips whose picture never changes.
        manifest: a file that `python -m v2a_lightning manifest` wrote; its rejected clips are not even opened.
        precision: in which embeddings are stored.
        encoder_batch_size: clips that go through a process's encoders together.
        backend: the picture decoder.
        seed: of the order of training.
        passes: how often an epoch goes through the training clips. More than once, a set of a few hundred clips has
            epochs as long as a large one's, each with its validation.
    """

    def __init__(
        self,
        csv: str,
        media: str,
        store: str,
        clip: ClipEncoder,
        clap: ClapEncoder,
        frames: FrameSpec = FrameSpec(),  # noqa: B008
        audio: AudioSpec = AudioSpec(),  # noqa: B008
        batch_size: int = 64,
        mode: Mode = "cached",
        validation_fraction: float = 0.02,
        validation_clips: int | None = None,
        test_ids: str | None = None,
        test_split: str = TEST,
        max_clips: int | None = None,
        num_workers: int | None = None,
        timeout: float = 60.0,
        keep_still: bool = True,
        manifest: str | None = None,
        precision: Precision = "float16",
        encoder_batch_size: int = 16,
        backend: Backend = "pyav",
        seed: int = 0,
        passes: int = 1,
    ) -> None:
        super().__init__(
            store=store,
            clip=clip,
            clap=clap,
            frames=frames,
            audio=audio,
            mode=mode,
            num_workers=num_workers,
            timeout=timeout,
            keep_still=keep_still,
            manifest=manifest,
            precision=precision,
            encoder_batch_size=encoder_batch_size,
            backend=backend,
            batch_size=batch_size,
            seed=seed,
            validation_fraction=validation_fraction,
            validation_clips=validation_clips,
            test_split=test_split,
            max_clips=max_clips,
            passes=passes,
        )
        self.csv = str(csv)
        self.media = str(media)
        self.test_ids = test_ids

    def find_clips(self) -> list[Clip]:
        """The clips of the csv; of its test split, those on the list when one is given.

        Raises:
            UsageError: when the csv, the folder or the list cannot be read, or two files have one clip's name.
        """
        clips = with_files(read_vggsound_csv(self.csv), self.media)
        if self.test_ids is None:
            return clips
        listed = read_ids(self.test_ids)
        return [clip for clip in clips if clip.split != self.test_split or clip.clip_id in listed]


def with_files(clips: list[Clip], media: Path | str) -> list[Clip]:
    """Clips with the videos that a folder has for them. A folder with none of them gets a line that shows why.

    Raises:
        UsageError: when there is no such folder, or two of its files have one stem.
    """
    files = find_media(media, VIDEO_SUFFIXES)
    if line := names_beside(clips, files):
        say(f"media {media}: {line}")
    return [replace(clip, path=files.get(clip.clip_id)) for clip in clips]

"""The miniature world: VGGSound in small, rendered on first use."""

from dataclasses import replace
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info

from v2a_lightning.data_modules.base import Mode
from v2a_lightning.data_modules.clips import TEST, Clip, read_vggsound_csv
from v2a_lightning.data_modules.store import Precision
from v2a_lightning.data_modules.vggsound import VGGSoundDataModule, with_files
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.specs import AudioSpec, FrameSpec

OUT_OF_DOMAIN = "ood"
MINIATURE_FRAMES = FrameSpec(frames_per_second=4.0, duration=2.56)
MINIATURE_AUDIO = AudioSpec(sample_rate=16_000, duration=2.56)


class MiniatureDataModule(VGGSoundDataModule):
    """The miniature world's clips, as VGGSound's: preparing the data renders them into `root` unless they are there.

    Args:
        root: folder of the world: `vggsound.csv`, `clips/` and `attributes.jsonl`.
        clips: how many clips the world has, beside those in another style.
        world_seed: which world. The small foundation models were trained on world 0 and have seen no other, as the
            large ones have never seen VGGSound.
        store: folder of the embedding store; `root/store` when not given.
        clip: sees frames; the miniature's when not given.
        clap: hears waves; the miniature's when not given.
        frames: which frames are looked at.
        audio: which sound is listened to.
        batch_size: clips in a batch, over all devices and nodes.
        mode: `cached` embeds every clip once into the store; `on_the_fly` runs the encoders on every batch.
        validation_fraction: share of the train clips held out.
        validation_clips: hold out that many instead.
        test_split: the split that is tested and predicted; `ood` is drawn in another style.
        max_clips: at most so many clips of each split.
        num_workers: processes that render and decode; by default one for each processor.
        timeout: seconds that decoding one clip may take.
        precision: in which embeddings are stored.
        encoder_batch_size: clips that go through a process's encoders together.
        seed: of the order of training.
        passes: how often an epoch goes through the training clips. More than once, a set of a few hundred clips has
            epochs as long as a large one's, each with its validation.
    """

    def __init__(
        self,
        root: str = "data/miniature",
        clips: int = 2000,
        world_seed: int = 1,
        store: str | None = None,
        clip: ClipEncoder | None = None,
        clap: ClapEncoder | None = None,
        frames: FrameSpec = MINIATURE_FRAMES,
        audio: AudioSpec = MINIATURE_AUDIO,
        batch_size: int = 64,
        mode: Mode = "cached",
        validation_fraction: float = 0.05,
        validation_clips: int | None = None,
        test_split: str = TEST,
        max_clips: int | None = None,
        num_workers: int | None = None,
        timeout: float = 60.0,
        precision: Precision = "float16",
        encoder_batch_size: int = 32,
        seed: int = 0,
        passes: int = 1,
    ) -> None:
        super().__init__(
            csv=str(Path(root, "vggsound.csv")),
            media=str(Path(root, "clips")),
            store=str(Path(root, "store")) if store is None else store,
            clip=ClipEncoder() if clip is None else clip,
            clap=ClapEncoder() if clap is None else clap,
            frames=frames,
            audio=audio,
            batch_size=batch_size,
            mode=mode,
            validation_fraction=validation_fraction,
            validation_clips=validation_clips,
            test_split=test_split,
            max_clips=max_clips,
            num_workers=num_workers,
            timeout=timeout,
            precision=precision,
            encoder_batch_size=encoder_batch_size,
            seed=seed,
            passes=passes,
        )
        self.root = Path(root)
        self.clips = clips
        self.world_seed = world_seed

    def prepare_media(self) -> None:
        """Render the clips into `root` unless they are there, or go on where that was stopped.

        Raises:
            UsageError: when `root` holds another world.
        """
        from v2a_lightning.miniature.world.render import read_marker, render_world
        from v2a_lightning.miniature.world.scenes import WORLD_VERSION

        marker, wanted = (
            self.root / "world.json",
            {"clips": self.clips, "seed": self.world_seed, "version": WORLD_VERSION},
        )
        if marker.is_file():
            there = {key: value for key, value in read_marker(marker).items() if key in wanted}
            if there != wanted:
                raise UsageError(f"data.root {self.root} holds the world {there}, not {wanted}; give another root")
        if not Path(self.csv).is_file():
            rank_zero_info(f"rendering {self.clips} clips of the miniature world into {self.root}")
            render_world(self.root, self.clips, self.world_seed, self.decoding.workers)

    def find_clips(self) -> list[Clip]:
        """The world's clips; those in the other style only when they are the test."""
        clips = super().find_clips()
        if self.test_split != OUT_OF_DOMAIN:
            return clips
        others = with_files(read_vggsound_csv(self.root / "ood.csv"), self.media)
        return clips + [replace(clip, split=OUT_OF_DOMAIN) for clip in others]

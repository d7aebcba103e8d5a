"""The miniature world: VGGSound in small, rendered on first use."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from v2a_lightning.data_modules.clips import Clip, Splits
from v2a_lightning.data_modules.extraction import Decoding
from v2a_lightning.data_modules.vggsound import VGGSoundDataModule, read_vggsound_csv, with_files
from v2a_lightning.errors import UsageError
from v2a_lightning.miniature.world.render import read_marker, render_world
from v2a_lightning.miniature.world.scenes import WORLD_VERSION
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
        frames: which frames are embedded.
        audio: which sound is embedded.
        splits: the test split `ood` is drawn in another style.
        decoding: its processes render, too.
        **options: see EncodedDataModule.
    """

    def __init__(
        self,
        root: str = "data/miniature",
        clips: int = 2000,
        world_seed: int = 1,
        store: str | None = None,
        frames: FrameSpec = MINIATURE_FRAMES,
        audio: AudioSpec = MINIATURE_AUDIO,
        splits: Splits = Splits(validation_fraction=0.05),  # noqa: B008
        decoding: Decoding = Decoding(encoder_batch_size=32),  # noqa: B008
        **options: Any,
    ) -> None:
        super().__init__(
            csv=str(Path(root, "vggsound.csv")),
            media=str(Path(root, "clips")),
            store=str(Path(root, "store")) if store is None else store,
            frames=frames,
            audio=audio,
            splits=splits,
            decoding=decoding,
            manifest=None,
            test_ids=None,
            **options,
        )
        self.root = Path(root)
        self.clips = clips
        self.world_seed = world_seed

    def prepare_media(self) -> None:
        """Render the clips into `root` unless they are there, or go on where that was stopped.

        Raises:
            UsageError: when `root` holds another world.
        """
        wanted = {"clips": self.clips, "seed": self.world_seed, "version": WORLD_VERSION}
        if (marker := self.root / "world.json").is_file():
            there = {key: value for key, value in read_marker(marker).items() if key in wanted}
            if there != wanted:
                raise UsageError(f"data.root {self.root} holds the world {there}, not {wanted}; give another root")
        if not Path(self.csv).is_file():
            rank_zero_info(f"rendering {self.clips} clips of the miniature world into {self.root}")
            render_world(self.root, self.clips, self.world_seed, self.decoding.workers)

    def find_clips(self) -> list[Clip]:
        """The world's clips; those in the other style only when they are the test."""
        clips = super().find_clips()
        if self.splits.test_split != OUT_OF_DOMAIN:
            return clips
        others = with_files(read_vggsound_csv(self.root / "ood.csv"), self.media)
        return clips + [replace(clip, split=OUT_OF_DOMAIN) for clip in others]

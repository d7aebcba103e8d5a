"""Pictures by class: every picture has an id of its own."""

from pathlib import Path

import pytest
from PIL import Image

from v2a_lightning.data_modules import Decoding, ImageHearDataModule
from v2a_lightning.errors import UsageError

from .encoders import SmallClip


def data_of(root: Path, *names: str) -> ImageHearDataModule:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (37 * number, 90, 200 - 37 * number)).save(root / name, format="png")
    return ImageHearDataModule(
        str(root), store=str(root / "store"), encoder=SmallClip(), decoding=Decoding(num_workers=1)
    )


def test_pictures_of_one_name_in_split_folders_are_two(tmp_path: Path) -> None:
    data = data_of(tmp_path, "train/dog/1.png", "val/dog/1.png", "cat/1.png", "cat/._1.png", "bell2.png")
    data.prepare_data()
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert dict(zip(batch["clip_id"], batch["label"], strict=True)) == {
        "bell2": "bell", "cat_1": "cat", "train_dog_1": "dog", "val_dog_1": "dog"
    }  # fmt: skip
    rows = batch["frames"][:, 0]
    assert len({tuple(row.tolist()) for row in rows}) == 4


@pytest.mark.parametrize(
    "names", [("dog/1.png", "dog/1.jpg"), ("dog/a/1.png", "dog_a/1.png"), ("dog/1.png", "dog_1.png")]
)
def test_two_pictures_of_one_id_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"1\.\w+ and .*1\.\w+ bear the same clip id"):
        data_of(tmp_path, *names).find_clips()

"""Shares: every clip in exactly one, whoever deals and however often it is dealt on."""

import pytest

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import UsageError

CLIPS = [Clip(f"{number:03d}", "dog", "train") for number in (5, 3, 1, 0, 2, 4, 6)]


def test_a_share_is_written_from_one() -> None:
    assert Share.parse("1/3") == Share(0, 3)
    assert str(Share.parse("3/3")) == "3/3"
    for wrong in ("0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"):
        with pytest.raises(UsageError, match=f"--shard is a part .* not '{wrong}'"):
            Share.parse(wrong)


def test_a_shard_of_several_processes_is_the_shard_of_one() -> None:
    assert [clip.clip_id for clip in Share.parse("2/3").of(CLIPS)] == ["001", "004"]
    parts = [Share.parse("2/3").part(rank, 2).of(CLIPS) for rank in range(2)]
    assert [[clip.clip_id for clip in part] for part in parts] == [["001"], ["004"]]
    everything = [clip for index in range(3) for rank in range(2) for clip in Share(index, 3).part(rank, 2).of(CLIPS)]
    assert sorted(clip.clip_id for clip in everything) == sorted(clip.clip_id for clip in CLIPS)

"""The fixed subset of clips and its distribution over processes."""

import pytest
import torch

from v2a_lightning.callbacks import clip_selection
from v2a_lightning.callbacks.clip_selection import MappedClip, Selection, mapped_clips, own_batches
from v2a_lightning.ranks import gather_lists, rank_and_count


def clip(number: int) -> MappedClip:
    """A clip with a number for a name."""
    return MappedClip(f"clip_{number:06d}", "", torch.full((4,), float(number)), torch.zeros(2, 4), None)


def ids(selection: Selection) -> list[str]:
    """The ids of the selected clips."""
    return [one.clip_id for one in selection.gather()]


def test_a_selection_does_not_depend_on_order_or_batches() -> None:
    first, second = Selection(5, seed=0), Selection(5, seed=0)
    first.add(map(clip, range(40)))
    for number in reversed(range(40)):
        second.add([clip(number)])
    assert ids(first) == ids(second)
    assert len(set(ids(first))) == 5


def test_another_seed_selects_others() -> None:
    selections = [Selection(5, seed) for seed in (0, 1)]
    for selection in selections:
        selection.add(map(clip, range(40)))
    assert set(ids(selections[0])) != set(ids(selections[1]))


def test_a_selection_grows_by_its_count_alone() -> None:
    small, large = Selection(3, 0), Selection(None, 0)
    for selection in (small, large):
        selection.add(map(clip, range(10)))
    assert len(ids(large)) == 10
    assert ids(small) == ids(large)[:3]


def test_processes_select_together_what_one_selects(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, parts = Selection(5, 0), [Selection(5, 0) for _ in range(3)]
    alone.add(map(clip, range(17)))
    for rank, part in enumerate(parts):
        part.add(map(clip, range(rank, 17, 3)))
    kept = [one for part in parts for one in part._kept.values()]
    monkeypatch.setattr(clip_selection, "gather_lists", lambda _: kept)
    assert ids(parts[0]) == ids(parts[2])
    monkeypatch.undo()
    assert ids(parts[0]) != ids(alone)  # one part alone knows less
    monkeypatch.setattr(clip_selection, "gather_lists", lambda _: kept)
    assert ids(parts[1]) == [one.clip_id for one in alone._kept.values()]


@pytest.mark.parametrize(("count", "lengths"), [(2, [4, 3]), (3, [3, 2, 2]), (8, [1] * 7 + [0])])
def test_shares_differ_by_one_and_leave_none_out(
    count: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = []
    for rank in range(count):
        monkeypatch.setattr(clip_selection, "rank_and_count", lambda rank=rank: (rank, count))
        shares.append([item for batch in own_batches(range(7), 1, lambda _: False) for item in batch])
    assert [len(share) for share in shares] == lengths
    assert sorted(item for share in shares for item in share) == list(range(7))


def test_without_processes_there_is_one() -> None:
    assert rank_and_count() == (0, 1)
    assert gather_lists([1, 2]) == [1, 2]


def test_padding_frames_are_left_out() -> None:
    batch = {
        "frames": torch.arange(12.0).reshape(2, 3, 2),
        "frame_mask": torch.tensor([[True, True, False], [True, True, True]]),
        "target": torch.ones(2, 2),
        "label": ["dog", "rain"],
    }
    outputs = {"clip_id": ["a_000000", "b_000000"], "embedding": torch.zeros(2, 2)}
    first, second = mapped_clips(batch, outputs)
    assert first.frames.tolist() == [[0, 1], [2, 3]]
    assert second.frames.shape == (3, 2)
    assert second.label == "rain"
    del batch["target"], batch["label"]
    assert mapped_clips(batch, outputs)[0].audio is None


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_batches_have_the_same_clips_whatever_is_done(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(range(50))

    def all_batches(done: set[int]) -> list[list[list[int]]]:
        found = []
        for rank in range(count):
            monkeypatch.setattr(clip_selection, "rank_and_count", lambda rank=rank: (rank, count))
            found.append(own_batches(items, 4, done.__contains__))
        return found

    whole = all_batches(set())
    for rank, batches in enumerate(whole):
        share = items[rank::count]
        assert batches == [share[start : start + 4] for start in range(0, len(share), 4)]
    again = all_batches(set(range(0, 40)))
    assert sorted(batch for batches in again for batch in batches) == sorted(batch for part in whole for batch in part)
    left = [sum(any(item >= 40 for item in batch) for batch in batches) for batches in again]
    assert max(left) - min(left) <= 1

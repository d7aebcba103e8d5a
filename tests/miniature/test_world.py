"""What is in the miniature world, before anything is drawn or heard."""

import json
import re
from collections import Counter

import pytest

from v2a_lightning.miniature.world.events import EVENT_NAMES, EVENTS
from v2a_lightning.miniature.world.scenes import (
    BACKGROUNDS,
    COLOURS,
    DISTRACTORS,
    SPLITS,
    TWO_SCENES_SHARE,
    WRONG_LABEL_SHARE,
    ClipDescription,
    captions,
    describe_clip,
)

MANY = 5600


@pytest.fixture(scope="module")
def clips() -> list[ClipDescription]:
    return [describe_clip(0, "train", index) for index in range(MANY)]


def test_there_are_28_events_in_six_families() -> None:
    assert len(EVENT_NAMES) == len(set(EVENT_NAMES)) == 28
    assert Counter(event.family for event in EVENTS) == {
        "animal": 6,
        "vehicle": 5,
        "instrument": 6,
        "weather": 5,
        "tool": 4,
        "alarm": 2,
    }


def test_a_clip_depends_on_seed_split_and_number_alone() -> None:
    first = describe_clip(3, "train", 17)
    assert describe_clip(3, "train", 17) == first
    others = [describe_clip(4, "train", 17), describe_clip(3, "test", 17), describe_clip(3, "train", 18)]
    assert all(other.scenes[0].seed != first.scenes[0].seed for other in others)


def test_ids_have_vggsounds_form_and_never_repeat(clips: list[ClipDescription]) -> None:
    ids = {describe_clip(0, split, index).clip_id for split in SPLITS for index in range(500)}
    assert len(ids) == 3 * 500
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}_\d{6}", clip_id) for clip_id in ids)
    clip = clips[0]
    assert f"{clip.youtube_id}_{clip.start:06d}" == clip.clip_id


def test_classes_are_balanced(clips: list[ClipDescription]) -> None:
    assert set(Counter(clip.event for clip in clips).values()) == {MANY // 28}


def test_one_clip_in_eight_has_two_scenes(clips: list[ClipDescription]) -> None:
    double = [clip for clip in clips if len(clip.scenes) == 2]
    assert len(double) / MANY == pytest.approx(TWO_SCENES_SHARE, abs=0.02)
    assert all(clip.scenes[0].event != clip.scenes[1].event for clip in double)
    assert all(0.55 <= clip.boundary <= 0.7 for clip in double)
    assert all(clip.event == clip.scenes[0].event for clip in double)


def test_a_third_shows_its_object_in_less_than_half_of_the_time(clips: list[ClipDescription]) -> None:
    scenes = [scene for clip in clips for scene in clip.scenes]
    hidden = sum(scene.visible_to - scene.visible_from < 0.5 for scene in scenes)
    assert hidden / len(scenes) == pytest.approx(1 / 3, abs=0.02)
    assert min(scene.visible_to - scene.visible_from for scene in scenes) >= 0.25


def test_a_few_labels_are_wrong_where_a_mapper_learns_and_none_where_it_is_tested(clips: list[ClipDescription]) -> None:
    wrong = sum(clip.label != clip.event for clip in clips)
    assert wrong / MANY == pytest.approx(WRONG_LABEL_SHARE, abs=0.007)
    assert all(clip.label == clip.event for clip in (describe_clip(0, "test", index) for index in range(500)))


def test_only_out_of_domain_clips_are_sketches() -> None:
    styles = {split: {describe_clip(0, split, index).style for index in range(20)} for split in SPLITS}
    assert styles == {"train": {"flat"}, "test": {"flat"}, "ood": {"sketch"}}


def test_everything_varies_and_independently_of_the_class(clips: list[ClipDescription]) -> None:
    for name, choices in (("colour", COLOURS), ("background", BACKGROUNDS), ("distractor", DISTRACTORS)):
        counts = Counter(getattr(clip.scenes[0], name) for clip in clips if clip.event in EVENT_NAMES[:14])
        assert set(counts) == set(choices)
        assert min(counts.values()) > 0.8 * MANY / 2 / len(choices)


def test_only_countable_events_come_in_numbers(clips: list[ClipDescription]) -> None:
    counts = {event.name: {clip.scenes[0].count for clip in clips if clip.event == event.name} for event in EVENTS}
    assert all(counts[event.name] == ({1, 2, 3} if event.countable else {1}) for event in EVENTS)


def test_captions_name_what_happens(clips: list[ClipDescription]) -> None:
    for clip in clips[:280]:
        wordings = captions(clip)
        assert len(wordings) == (4 if len(clip.scenes) == 2 else 3)
        assert all(clip.event in wording for wording in wordings)
        assert clip.scenes[0].background in wordings[2]


def test_the_side_file_tells_everything(clips: list[ClipDescription]) -> None:
    clip = clips[5]
    told = json.loads(json.dumps(clip.as_dict()))
    assert told["event"] == clip.event
    assert told["captions"] == captions(clip)
    assert told["scenes"][0]["size"] == clip.scenes[0].size

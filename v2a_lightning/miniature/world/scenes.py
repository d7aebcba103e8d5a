"""What is in a clip of the miniature world: drawn at random from a seed, before anything is painted or played.

A clip is one scene, or two one after the other. What one sees of a scene tells part of what one hears (size is heard as
pitch, speed as rate, count as density); the rest (timbre, room, onset, level) is hidden, so that one picture has many
right sounds.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from v2a_lightning.miniature.world.events import EVENT_BY_NAME, EVENT_NAMES, Event

WORLD_VERSION = 1
"""Raised whenever the same description gives another picture or sound: folders of two versions must not be mixed, and
the small models are to be trained anew. `tests/miniature/test_version.py` notices."""

DURATION = 2.56  # seconds of every clip
FRAMES_PER_SECOND = 8
PICTURE_SIZE = 96  # pixels on a side
SAMPLE_RATE = 16_000

SPLITS = ("train", "test", "ood")
Style = Literal["flat", "sketch"]
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "grey")
BACKGROUNDS = ("meadow", "street", "room", "night", "beach", "hills")
DISTRACTORS = ("none", "cloud", "tree", "ball", "box", "lamp")

WRONG_LABEL_SHARE = 0.02
TWO_SCENES_SHARE = 1 / 8
MOSTLY_HIDDEN_SHARE = 1 / 3


@dataclass(frozen=True)
class Scene:
    """One event in one place. What is seen is in parts of the picture or of the scene's time; `seed` is that of
    everything smaller (jitter, noise, pebbles)."""

    event: str
    size: float  # 0 (small, high) to 1 (large, low); seen and heard
    speed: float  # 0 (slow) to 1 (fast); seen as motion and as speed lines, heard as rate
    count: int  # 1 to 3; seen, and heard as density
    colour: str
    background: str
    distractor: str
    x: float  # where it stands when it is fully in view
    y: float
    drift: float  # of the camera across the clip, signed
    visible_from: float  # the part of the scene's time in which the object is in view
    visible_to: float
    entrance: Literal["slide", "occluder"]  # from a side, or something stands in front
    timbre: float  # 0 to 1, heard only: brightness or material
    room: float  # 0 (dry) to 1 (a hall), heard only
    onset: float  # 0 to 1, heard only: where in its rhythm the sound begins
    level: float  # decibels relative to full scale (about -20 to -8), heard only
    seed: int

    @property
    def kind(self) -> Event:
        return EVENT_BY_NAME[self.event]


@dataclass(frozen=True)
class ClipDescription:
    """Everything about one clip. `label` is what the csv says, `event` what is true.

    The id has VGGSound's form, an 11-letter id and a start second: `<id>_<start as 6 digits>`. `boundary` is where the
    second scene begins, as a part of the clip; 1 with a single scene.
    """

    clip_id: str
    split: str
    style: Style
    label: str
    scenes: tuple[Scene, ...]
    boundary: float

    @property
    def event(self) -> str:
        """The true event: the one of the longer scene."""
        return self.scenes[0 if self.boundary >= 0.5 else -1].event

    @property
    def youtube_id(self) -> str:
        return self.clip_id.rpartition("_")[0]

    @property
    def start(self) -> int:
        return int(self.clip_id.rpartition("_")[2])

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the side file `attributes.jsonl`."""
        return {**asdict(self), "event": self.event, "captions": captions(self)}


def describe_clip(seed: int, split: str, index: int) -> ClipDescription:
    """The clip number `index` of a split, the same for the same arguments on every machine."""
    digest = hashlib.sha256(f"miniature/{seed}/{split}/{index}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(digest[:16], dtype=np.uint32))
    # Classes take turns, so that every split of any size is balanced.
    event = EVENT_NAMES[index % len(EVENT_NAMES)]
    boundary = 1.0
    events = [event]
    if random.random() < TWO_SCENES_SHARE:
        boundary = float(random.uniform(0.55, 0.7))
        events.append(str(random.choice([name for name in EVENT_NAMES if name != event])))
    scenes = tuple(draw_scene(name, random) for name in events)
    label = event
    if split == "train" and random.random() < WRONG_LABEL_SHARE:
        label = str(random.choice([name for name in EVENT_NAMES if name != event]))
    clip_id = f"{_youtube_id(digest)}_{int(random.integers(0, 300)):06d}"
    return ClipDescription(clip_id, split, "sketch" if split == "ood" else "flat", label, scenes, boundary)


def draw_scene(event: str, random: np.random.Generator) -> Scene:
    """A scene of the named event with everything else drawn at random."""
    visible_from, visible_to = _visible_interval(random)
    kind = EVENT_BY_NAME[event]
    return Scene(
        event=event,
        size=float(random.random()),
        speed=float(random.random()),
        count=int(random.choice([1, 2, 3], p=[0.6, 0.25, 0.15])) if kind.countable else 1,
        colour=str(random.choice(COLOURS)),
        background=str(random.choice(BACKGROUNDS)),
        distractor=str(random.choice(DISTRACTORS)),
        x=float(random.uniform(0.35, 0.65)),
        y=float(random.uniform(0.45, 0.6)),
        drift=float(random.uniform(-0.12, 0.12)),
        visible_from=visible_from,
        visible_to=visible_to,
        entrance="slide" if random.random() < 0.6 else "occluder",
        **draw_hidden(random),
    )


def draw_hidden(random: np.random.Generator) -> dict[str, Any]:
    """What is only heard of a scene, and the seed of its small things, drawn at random."""
    return {
        "timbre": float(random.random()),
        "room": float(random.random()),
        "onset": float(random.random()),
        "level": float(random.uniform(-20, -8)),
        "seed": int(random.integers(0, 2**31)),
    }


def captions(clip: ClipDescription) -> list[str]:
    """What a person would write about a clip: what is seen and heard, in a few wordings."""
    first = clip.scenes[0 if clip.boundary >= 0.5 else -1]
    wordings = [_phrase(first), _phrase(first, plain=True), f"{_phrase(first)} in the {first.background}"]
    if len(clip.scenes) == 2:
        wordings.append(f"{_phrase(clip.scenes[0], plain=True)}, then {_phrase(clip.scenes[1], plain=True)}")
    return wordings


def _third(value: float, words: tuple[str, str, str]) -> str:
    return words[0] if value < 1 / 3 else words[2] if value > 2 / 3 else words[1]


def _phrase(scene: Scene, plain: bool = False) -> str:
    count = {1: "a", 2: "two", 3: "three"}[scene.count]
    noun = scene.event if scene.count == 1 or scene.event == "rain" else f"{scene.event}s"
    if plain:
        return f"{noun} {scene.kind.verb}" if scene.count == 1 else f"{count} {noun} {scene.kind.verb}"
    if scene.event in ("rain", "thunder", "wind", "waves"):
        return f"{('light', 'steady', 'heavy')[min(2, int(scene.size * 3))]} {scene.event} {scene.kind.verb}"
    size = _third(scene.size, ("small", "medium-sized", "large"))
    return f"{count} {size} {noun} {scene.kind.verb} {_third(scene.speed, ('slowly', 'steadily', 'quickly'))}"


def _visible_interval(random: np.random.Generator) -> tuple[float, float]:
    """A third of the scenes show their object in less than half of the time, and never for less than a quarter."""
    if random.random() < MOSTLY_HIDDEN_SHARE:
        share = random.uniform(0.25, 0.45)
    elif random.random() < 0.5:
        return 0.0, 1.0
    else:
        share = random.uniform(0.55, 0.9)
    begin = random.uniform(0, 1 - share)
    return float(begin), float(begin + share)


def _youtube_id(digest: bytes) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(letters[byte % 64] for byte in digest[16:27])

"""What a listening test consists of: which clips, which sounds under which codes, which pairs; drawn from a seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.folders import AUDIO_SUFFIXES, find_clips
from v2a_lightning.listening.key import Sound
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Folders:
    """The files of a test by clip id: of each system, the clips' own sounds, their videos or pictures."""

    systems: dict[str, dict[str, Path]]
    reference: dict[str, Path]
    media: dict[str, Path]

    def shared(self) -> list[str]:
        """Clips that every folder has, sorted."""
        folders = [*self.systems.values(), *filter(None, (self.reference, self.media))]
        return sorted(set.intersection(*(set(folder) for folder in folders)))


@dataclass(frozen=True)
class Plan:
    """The codes of clips and what sounds' codes stand for, in drawn orders; and pairs of codes, see `Key.blocks`."""

    clips: dict[str, str]
    sounds: dict[str, Sound]
    blocks: tuple[tuple[tuple[str, str], ...], ...]


def find_folders(systems: Sequence[str], reference: Path | None, media: Path | None) -> Folders:
    """Find all files, from systems given as NAME=DIR.

    Raises:
        UsageError: when a system is not given so or twice, a folder is missing or empty, or the folders share no clip.
    """
    named: dict[str, Path] = {}
    for text in systems:
        name, equals, folder = text.partition("=")
        if not (name.strip() and equals and folder):
            raise UsageError(f"--system {text}: give each system as NAME=DIR, its name and the folder of its sounds")
        if name in named:
            raise UsageError(f"--system {name} is given twice")
        named[name] = Path(folder)
    if not named:
        raise UsageError("--system: name at least one, as NAME=DIR")
    sounds = AUDIO_SUFFIXES, VIDEO_SUFFIXES
    folders = Folders(
        {name: find_clips(folder, f"--system {name}", "sound", *sounds) for name, folder in named.items()},
        {} if reference is None else find_clips(reference, "--reference", "sound", *sounds),
        {} if media is None else find_clips(media, "--media", "picture", VIDEO_SUFFIXES, PICTURE_SUFFIXES),
    )
    if not folders.shared():
        first = next(iter(folders.systems.values()))
        raise UsageError(f"no clip is in every folder ({next(iter(first))!r}, for instance, is in the first system's)")
    return folders


def make_plan(folders: Folders, clips: int, anchors: int, seed: int) -> Plan:
    """Draw a test.

    Every clip is heard from every system. `anchors` of the clips come once more with their own sound (the high anchor;
    only with a reference) and once with another clip's sound, spoilt (the low anchor). Each block of pairs has one pair
    of systems a clip, and the pairs of systems rotate over clips and blocks, so that raters with other blocks see other
    pairs. Half of the anchors make pairs too.

    Of fewer clips than `clips`, all are taken.

    Raises:
        UsageError: when there are fewer than two clips, since the low anchor is another clip's sound.
    """
    shared = folders.shared()
    if len(shared) < 2 or clips < 2:
        raise UsageError(
            f"a listening test needs at least two clips that every folder has, not {min(clips, len(shared))}"
        )
    draw = random.Random(f"listening test {seed}")
    chosen = draw.sample(shared, min(clips, len(shared)))
    codes = _codes(draw)
    named = folders.systems.items()
    sounds = [Sound(clip, "system", name, str(files[clip])) for name, files in named for clip in chosen]
    sounds += _anchor_sounds(folders, chosen, anchors)
    draw.shuffle(sounds)
    coded = {next(codes): sound for sound in sounds}
    places = {(sound.name, sound.clip_id): code for code, sound in coded.items()}
    blocks = _blocks(places, list(folders.systems), chosen, draw)
    return Plan({clip: next(codes) for clip in chosen}, coded, blocks)


def _codes(draw: random.Random) -> Iterator[str]:
    """Eight hexadecimal digits, never the same twice."""
    seen: set[str] = set()
    while True:
        if (code := f"{draw.getrandbits(32):08x}") not in seen:
            seen.add(code)
            yield code


def _anchor_sounds(folders: Folders, clips: Sequence[str], anchors: int) -> list[Sound]:
    own = folders.reference or next(iter(folders.systems.values()))
    sounds = []
    for place, clip in enumerate(clips[:anchors]):
        other = clips[(place + 1) % len(clips)]
        sounds.append(Sound(clip, "low", "", str(own[other])))
        if folders.reference:
            sounds.append(Sound(clip, "high", "", str(own[clip])))
    return sounds


def _blocks(
    codes: Mapping[tuple[str, str], str], systems: Sequence[str], clips: Sequence[str], draw: random.Random
) -> tuple[tuple[tuple[str, str], ...], ...]:
    kinds = list(combinations(systems, 2))
    draw.shuffle(kinds)
    anchored = [clip for clip in clips if ("high anchor", clip) in codes]
    anchor_pairs = [("high anchor", "low anchor", clip) for clip in anchored[: (len(anchored) + 1) // 2]]
    blocks = []
    for block in range(len(kinds)):
        pairs = [(*kinds[(block + place) % len(kinds)], clip) for place, clip in enumerate(clips)]
        coded = [tuple(sorted((codes[a, clip], codes[b, clip]))) for a, b, clip in [*pairs, *anchor_pairs]]
        draw.shuffle(coded)
        blocks.append(tuple((pair[0], pair[1]) for pair in coded))
    return tuple(blocks)

"""Finding the sounds and pictures that belong together in folders: a file's name without its suffix is its clip id."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES, find_media_files

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".caf", ".w64", ".wma"}
)


def first_few(names: Iterable[str]) -> str:
    """Three of them, for messages."""
    every = list(names)
    return ", ".join(every[:3]) + (", ..." if len(every) > 3 else "")


@dataclass(frozen=True)
class Pairing:
    """Files by clip id.

    Args:
        generated: clips that are scored.
        reference: their own sounds; empty without a reference folder.
        media: their pictures or videos, as far as there are any.
        unpaired: folder's role ("generated", "reference", "media") -> clips that were left out, or are without.
    """

    generated: dict[str, Path]
    reference: dict[str, Path]
    media: dict[str, Path]
    unpaired: dict[str, list[str]]

    def lines(self) -> list[str]:
        """One line for each role with unpaired files."""
        words = {
            "generated": "generated sounds have no reference and are left out",
            "reference": "references have no generated sound and are left out",
            "media": "scored clips have no picture and no CLIP-score",
        }
        found = [(role, clips) for role, clips in self.unpaired.items() if clips]
        return [f"{len(clips)} {words[role]}: {first_few(clips)}" for role, clips in found]


def pair_folders(generated: Path, reference: Path | None, media: Path | None) -> Pairing:
    """Pair the files of the folders by clip id.

    Raises:
        UsageError: when a folder is missing or empty, a clip id stands for two files, or nothing pairs.
    """
    sounds = AUDIO_SUFFIXES, VIDEO_SUFFIXES
    made = find_clips(generated, "--generated", "sound", *sounds)
    pictures = VIDEO_SUFFIXES, PICTURE_SUFFIXES
    own = {} if reference is None else find_clips(reference, "--reference", "sound", *sounds, wanted=made)
    seen = {} if media is None else find_clips(media, "--media", "picture", *pictures, wanted=made)
    scored = made if reference is None else {clip: made[clip] for clip in made if clip in own}
    if not scored:
        names = f"{next(iter(made))!r} there and {next(iter(own))!r} here, for instance"
        raise UsageError(f"no file in {generated} has the name of a file in {reference} ({names}); nothing to compare")
    unpaired = {
        "generated": sorted(made.keys() - scored.keys()),
        "reference": sorted(own.keys() - made.keys()),
        "media": sorted(scored.keys() - seen.keys()) if media is not None else [],
    }
    return Pairing(scored, _only(own, scored), _only(seen, scored), unpaired)


def find_clips(
    folder: Path, flag: str, what: str, *suffixes: frozenset[str], wanted: Collection[str] | None = None
) -> dict[str, Path]:
    """Clip id -> file of all files under a folder, sorted; of a clip's files the first suffix group's is taken.

    Args:
        folder, flag, what: where they are, as the command line names it, and what they are, in a word.
        suffixes: groups of suffixes.
        wanted: clip ids that the files are for. A file `cat/1.jpg` then also stands for a wanted `cat_1`, and only
            wanted ids may not stand for two files.

    Raises:
        UsageError: when the folder is missing, holds no such file, or holds two of a kind for one clip.
    """
    if not folder.is_dir():
        raise UsageError(f"{flag} {folder}: there is no such folder")
    found: dict[str, Path] = {}
    for group in suffixes:
        members: dict[str, Path] = {}
        for path in find_media_files(folder, group, depth=None):
            clip_id = _clip_id(path, wanted)
            if clip_id in members and (wanted is None or clip_id in wanted):
                raise UsageError(f"{flag} {folder}: {members[clip_id]} and {path} bear the same clip id; keep one")
            members[clip_id] = path
        found = members | found
    if not found:
        raise UsageError(f"{flag} {folder}: holds no {what} file")
    return dict(sorted(found.items()))


def _clip_id(path: Path, wanted: Collection[str] | None) -> str:
    with_class = f"{path.parent.name}_{path.stem}"
    return with_class if wanted is not None and path.stem not in wanted and with_class in wanted else path.stem


def _only(files: Mapping[str, Path], clips: Mapping[str, Path]) -> dict[str, Path]:
    return {clip: files[clip] for clip in clips if clip in files}

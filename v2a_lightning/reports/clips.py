"""A clip on a page: its pictures, its true sound and what was generated for it, read from their files."""

from collections.abc import Mapping
from pathlib import Path

from v2a_lightning.media import MediaError, read_frames, read_waveform, resample
from v2a_lightning.reports.pages import TRUE_SOUND, Item, players, strip_uris
from v2a_lightning.specs import FrameSpec

FRAMES, USUAL_SECONDS = 6, 10.0


def clip_item(
    title: str,
    sounds: Mapping[str, Path],
    picture: Path | None = None,
    code: str = "",
    facts: str = "",
    seconds: float | None = None,
) -> Item:
    """What a page shows of a clip; a file that has gone or cannot be read is named there.

    Args:
        title: of the clip.
        sounds: files by their titles, `TRUE_SOUND` among them. All are shown at the highest rate of the others.
        picture: its video or picture.
        code: its id.
        facts: a line of figures.
        seconds: how much is shown; as much as the longest generated sound when None.
    """
    read, missing = {}, []
    for name, path in sounds.items():
        try:
            read[name] = read_waveform(path)
        except MediaError as error:
            missing.append(str(error))
    made = [sound for name, sound in read.items() if name != TRUE_SOUND] or list(read.values())
    seconds = seconds or max((len(waveform) / rate for waveform, rate in made), default=USUAL_SECONDS)
    rate = max((rate for _, rate in made), default=0)
    shown = {name: resample(one[: round(seconds * native)], native, rate) for name, (one, native) in read.items()}
    frames: list[str] = []
    try:
        frames = [] if picture is None else strip_uris(read_frames(picture, FrameSpec(FRAMES / seconds, seconds)))
    except MediaError as error:
        missing.append(str(error))
    return Item(title, players(shown, rate) if shown else (), frames, code, facts, tuple(dict.fromkeys(missing)))

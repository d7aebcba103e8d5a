"""Whether a run's data can be relied on: clips with files that decode, a store that is of this kind and has room."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.app.model_diagnostics import Finding, Level, free_bytes
from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.manifest import read_manifest
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.data_modules.miniature import MiniatureDataModule
from v2a_lightning.errors import V2AError
from v2a_lightning.media import MediaError, read_audio, read_frames
from v2a_lightning.widths import Widths

SAMPLED_CLIPS = 5
GIGABYTE = 1e9


def check_data(data: ClipDataModule, widths: Widths | None) -> Iterator[Finding]:
    """Whether clips are there and can be decoded, and whether their embeddings are there, or fit on the disk.

    Args:
        data: of the config.
        widths: of its embeddings; None when the encoders' weights cannot be read, without which stores cannot be told
            apart.
    """
    if isinstance(data, MiniatureDataModule) and not (data.root / "vggsound.csv").is_file():
        yield Finding("ok", "data", "clips are rendered when the run begins")
        return
    try:
        named, present = data.named_clips, data.candidates
        if isinstance(data, EncodedDataModule) and data.manifest is not None:
            read_manifest(data.manifest)
    except V2AError as error:
        yield Finding("error", "data", str(error), "correct the keys of data, such as data.csv, data.media, data.store")
        return
    yield _check_presence(named, present)
    if data.unused_splits:
        yield Finding("warning", "data", data.unused_splits, "correct the splits' names, or data.splits.test_split")
    if present and isinstance(data, EncodedDataModule):
        yield _check_decoding(data, present)
        if widths and data.mode == "cached":
            yield _check_store(data, present)
            yield _check_disk(data, len(present), widths)


def _check_presence(named: Sequence[Clip], present: Sequence[Clip]) -> Finding:
    """How many of the clips have a file, by split."""
    splits = sorted({clip.split for clip in present})
    counts = ", ".join(f"{sum(clip.split == split for clip in present)} {split}" for split in splits)
    text = f"{len(present)} of {len({clip.clip_id for clip in named})} clips have a file ({counts or 'none'})"
    if not present:
        return Finding("error", "data", text, "data.media names the folder of <youtube id>_<start, 6 digits>.mp4")
    if any(clip.path is None for clip in named):
        remedy = f"`{PROGRAM} download` fetches clips, `{PROGRAM} manifest` lists what is missing"
        return Finding("warning", "data", text, remedy)
    return Finding("ok", "data", text)


def _check_decoding(data: EncodedDataModule, present: Sequence[Clip]) -> Finding:
    """Decode a few clips, spread over the list."""
    chosen: list[Any] = [one.path for one in present[:: max(1, len(present) // SAMPLED_CLIPS)] if one.path]
    chosen, failures = chosen[:SAMPLED_CLIPS], []
    for path in chosen:
        try:
            read_frames(path, data.encoders.frames)
            if data.encoders.audio is not None:
                read_audio(path, data.encoders.audio)
        except MediaError as error:
            failures.append(str(error))
    text = f"{len(chosen) - len(failures)} of {len(chosen)} clips decode"
    if not failures:
        return Finding("ok", "decoding", text)
    level: Level = "error" if len(failures) == len(chosen) else "warning"
    return Finding(level, "decoding", f"{text}; {failures[0]}", f"`{PROGRAM} manifest` lists which clips can be used")


def _check_store(data: EncodedDataModule, present: Sequence[Clip]) -> Finding:
    """Whether the store may take these encoders' embeddings, and how many it has."""
    try:
        spec = data.encoders.spec()
        data.store.refuse_others(spec)
        embedded = set.intersection(*(data.store.clip_ids(tower) for tower in spec.towers))
    except (V2AError, OSError) as error:
        return Finding("error", "store", str(error), "name another data.store, or the encoders it was made with")
    done = sum(clip.clip_id in embedded for clip in present)
    return Finding("ok", "store", f"{data.store.url} has the embeddings of {done} of {len(present)} clips")


def _check_disk(data: EncodedDataModule, clips: int, widths: Widths) -> Finding:
    """Whether the embedding store has room."""
    if "://" in data.store_url:
        return Finding("ok", "disk", f"the store is at {data.store_url}, whose room is not known")
    numbers = data.encoders.frames.count * widths.condition_dim + (widths.tokens or 0) * (widths.target_dim or 0)
    needed, free = clips * numbers * (2 if data.precision == "float16" else 4), free_bytes(Path(data.store_url))
    text = f"embeddings take {needed / GIGABYTE:.2f} GB (computed), {free / GIGABYTE:.1f} GB are free"
    if needed < 0.9 * free:
        return Finding("ok", "disk", text)
    return Finding("error", "disk", text, "make room, or name another data.store")

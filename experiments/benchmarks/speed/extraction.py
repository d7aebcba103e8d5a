"""Decoding is measured in one process, on H.264 with AAC: some frames, and mono sound of 16 kHz.

decord alone is its VideoReader for the same frames and its AudioReader for the same sound; it looks at no timestamp and
scales no picture. The encoders alone are given what was decoded before.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.speed.measuring import Row, alternate, times_faster
from v2a_lightning.data_modules import Clip, Decoding, EmbeddingStore
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.extraction import Extraction, embed_here
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.media import decode_clip, write_clip
from v2a_lightning.media.clip import ClipRequest
from v2a_lightning.specs import AudioSpec, FrameSpec


@dataclass(frozen=True)
class Size:
    """Clips, and what is wanted of them."""

    name: str
    pixels: tuple[int, int]
    rate: int
    sound: int
    frames: FrameSpec
    audio: AudioSpec
    picture: int


FULL = Size("10 s of 320 x 240 at 25 fps", (320, 240), 25, 44_100, FrameSpec(1, 10), AudioSpec(16_000, 10), 224)
MINIATURE = Size("2.56 s of 96 x 96 at 8 fps", (96, 96), 8, 16_000, FrameSpec(4, 2.56), AudioSpec(16_000, 2.56), 64)
SMALL = Size("2 s of 96 x 96 at 8 fps", (96, 96), 8, 16_000, FrameSpec(2, 2), AudioSpec(16_000, 2), 64)


def rows(quick: bool) -> Iterator[Row]:
    """Decoding of each size, and extraction with encoders of full size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (SMALL,) if quick else (FULL, MINIATURE):
            yield _decoding(_clips(folder / size.name, size, 2), size, rounds=1 if quick else 15)
        size = SMALL if quick else FULL
        encoders = _encoders(folder, size, full=not quick)
        count, rounds = (4, 1) if quick else (64, 2)
        yield _extraction(folder, _clips(folder / "extraction", size, 4), encoders, count, rounds)


def _clips(folder: Path, size: Size, count: int) -> list[Path]:
    """Clips of a coarse texture that moves, under a tone and a little noise."""
    from PIL import Image

    random, seconds, (width, height) = np.random.default_rng(0), size.audio.duration, size.pixels
    coarse = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    texture = np.array(coarse.resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        moments = range(round(seconds * size.rate))
        frames = (texture[at % height :, at * (number + 1) % width :] for at in moments)
        pictures = np.stack([frame[:height, :width] for frame in frames])
        time = np.arange(round(seconds * size.sound)) / size.sound
        tone = 0.3 * np.sin(2 * np.pi * 220 * (number + 1) * time) + 0.05 * random.standard_normal(len(time))
        write_clip(path, pictures, size.rate, tone.astype(np.float32), size.sound)
    return paths


def _decoding(paths: Sequence[Path], size: Size, rounds: int) -> Row:
    requests = [ClipRequest(path, size.frames, size.audio, picture_size=size.picture) for path in paths]
    timings = alternate({"ours": lambda: list(map(decode_clip, requests)), "decord": _with_decord(paths, size)}, rounds)
    what = f"decoding with sound: {size.name}"
    note = "ours scales the frames for the encoder, too"
    return times_faster(what, "decord alone", timings["ours"], timings["decord"], 0.95, note)


def _with_decord(paths: Sequence[Path], size: Size) -> Callable[[], object]:
    import decord

    places = [int(time * size.rate) for time in size.frames.times]

    def decode() -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        found = []
        for path in paths:
            frames = decord.VideoReader(str(path), num_threads=1).get_batch(places).asnumpy()
            sound = decord.AudioReader(str(path), sample_rate=size.audio.sample_rate, mono=True)
            found.append((frames, sound[:].asnumpy()))
        return found

    return decode


def _encoders(folder: Path, size: Size, full: bool) -> Encoders:
    """CLIP ViT-B/32 and AudioLDM's CLAP with random weights, or the miniature's."""
    if not full:
        return Encoders(ClipEncoder(), ClapEncoder(), size.frames, size.audio)
    from tests.full import checkpoints
    from v2a_lightning.miniature.models import save_clap, train_tokenizer

    checkpoints.write_clip(folder / "ViT-B-32-random.pt")
    save_clap(checkpoints.lively_clap(), train_tokenizer(["a dog barks"]), folder / "clap")
    return Encoders(
        ClipEncoder(str(folder / "ViT-B-32-random.pt")), ClapEncoder(str(folder / "clap")), size.frames, size.audio
    )


def _extraction(folder: Path, paths: Sequence[Path], encoders: Encoders, count: int, rounds: int) -> Row:
    clips = [Clip(f"clip_{number:03d}", "noise", "train", paths[number % len(paths)]) for number in range(count)]
    stores = iter(range(rounds + 1))
    size = encoders.picture_size()
    decoded = [decode_clip(ClipRequest(path, encoders.frames, encoders.audio, picture_size=size)) for path in paths]
    batch = Decoding().encoder_batch_size

    def alone() -> None:
        for first in range(0, count, batch):
            numbers = range(first, first + batch)
            encoders.embed_frames([decoded[number % len(paths)].frames for number in numbers])
            encoders.embed_waveforms([decoded[number % len(paths)].waveform for number in numbers], ["noise"] * batch)

    def ours() -> None:
        store = EmbeddingStore(folder / f"store-{next(stores)}")
        embed_here(Extraction(store, encoders, clips, Decoding()), Share())

    timings = alternate({"ours": ours, "alone": alone}, rounds, warmup=0)
    note = f"{count} clips, the start of the decoding processes included"
    what = "extraction, CLIP ViT-B/32 and CLAP, from files into the store"
    return times_faster(what, "the encoders alone", timings["ours"], timings["alone"], 0.92, note)

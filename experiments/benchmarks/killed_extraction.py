"""No row is lost or doubled, whoever is killed: synthetic clips are embedded by shards that are killed at random.

    python -m experiments.benchmarks.killed_extraction --clips 100000 --shards 3 --kills 100
    python -m experiments.benchmarks.killed_extraction --clips 20000 --shards 1 --kills 5 --engine ray --seconds 60

The clips are pictures of one colour each, in a tar, and the encoder is their mean colour: decoding, batches, the store
and its locks are those of every extraction. A shard is killed by SIGKILL after at most `--seconds` and started again,
until all are done. Then every clip's row is counted and compared. Writes `killed_extraction.json` beside this file.
"""

import argparse
import io
import json
import os
import random
import signal
import struct
import sys
import tarfile
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.data_modules import Clip, Decoding, EncodedDataModule
from v2a_lightning.data_modules.extraction import embed_here
from v2a_lightning.data_modules.media_files import list_media
from v2a_lightning.data_modules.ray_engine import RayEngine
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.processes import end_with_parent
from v2a_lightning.specs import FrameSpec

RESULT = Path(__file__).with_suffix(".json")
# Every so many clips, one that is no picture.
DAMAGED_EVERY = 997


@dataclass
class Outcome:
    """What became of the clips; `lost`, `doubled` and `wrong` are rows."""

    engine: str
    clips: int
    shards: int
    kills: int
    rows: int = 0
    rejects: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    seconds: float = 0.0


class MeanColour:
    """An encoder whose embeddings one knows without it."""

    name = "mean colour"
    fingerprint = "mean colour"
    embedding_dim = 3
    image_size = None

    def to(self, device: torch.device | str) -> "MeanColour":
        """It has no weights."""
        return self

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Frames uint8 (T, H, W, 3) to (T, 3) float32."""
        return frames.float().mean((1, 2))


class SyntheticClips(EncodedDataModule):
    """The pictures of a tar."""

    audible = False

    def find_clips(self) -> list[Clip]:
        """Each is a clip."""
        return [Clip(path.stem, "synthetic", "train", path) for path in list_media(self.media, {".png"}, None)]


def colour(number: int) -> tuple[int, int, int]:
    """A clip's own."""
    return number & 255, number >> 8 & 255, number >> 16 & 255


def write_clips(path: Path, count: int) -> None:
    """A tar of `clip_0000000.png`, ..."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            content = _png(colour(number)) if number % DAMAGED_EVERY else b"no picture"
            member = tarfile.TarInfo(f"clip_{number:07d}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _png(pixel: tuple[int, int, int]) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    size, pixels = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), zlib.compress(bytes([0, *pixel]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def data_module(folder: Path) -> SyntheticClips:
    """The clips and their store."""
    encoder: Any = MeanColour()
    decoding = Decoding(num_workers=1, encoder_batch_size=64)
    tar, store = str(folder / "clips.tar"), str(folder / "store")
    return SyntheticClips(tar, store, encoder, frames=FrameSpec(1, 1), precision="float32", decoding=decoding)


def embed_shard(folder: Path, shard: Share, engine: str) -> None:
    """What is killed."""
    end_with_parent(os.getppid())
    torch.set_num_threads(1)
    part = shard if shard.count > 1 else None
    data_module(folder).embed(shard=part, engine=RayEngine() if engine == "ray" else embed_here)


def kill_and_restart(folder: Path, shards: int, kills: int, seconds: float, engine: str, seed: int = 0) -> int:
    """Start every shard, kill one at a time and start it again; so many kills, then until all are done."""
    fork, draw, done = get_context("fork"), random.Random(seed), 0
    running: dict[Share, BaseProcess] = {}
    waiting = [Share(index, shards) for index in range(shards)]
    while waiting or running:
        for shard in waiting:
            running[shard] = fork.Process(target=embed_shard, args=(folder, shard, engine))
            running[shard].start()
        waiting = []
        victim = draw.choice(list(running))
        running[victim].join(draw.uniform(0, seconds) if done < kills else None)
        if running[victim].is_alive():
            os.kill(running[victim].pid or 0, signal.SIGKILL)
            running[victim].join()
            done += 1
            print(f"{done} killed, the last one shard {victim}", file=sys.stderr, flush=True)
        if (code := running.pop(victim).exitcode) == -signal.SIGKILL:
            waiting = [victim]
        elif code:
            raise SystemExit(f"shard {victim} ended with {code}")
    return done


def judged(folder: Path, outcome: Outcome) -> Outcome:
    """Count and compare every row."""
    data = data_module(folder)
    (tower,) = data.encoders.spec().towers
    seen: Counter[str] = Counter()
    for shard in data.store.shards(tower, ["clip_id", "frames"], whole=True):
        ids = shard.table["clip_id"].to_pylist()
        seen.update(ids)
        true = [colour(int(clip_id.removeprefix("clip_"))) for clip_id in ids]
        outcome.wrong += int((np.array(shard.table["frames"].to_pylist()) != true).any(1).sum())
    rejects = data.store.rejects(data.encoders.spec())
    names = [f"clip_{number:07d}" for number in range(outcome.clips)]
    outcome.lost = sum((name in rejects) + seen[name] == 0 for name in names)
    outcome.wrong += sum((name in rejects) != (number % DAMAGED_EVERY == 0) for number, name in enumerate(names))
    outcome.rows, outcome.doubled, outcome.rejects = seen.total(), seen.total() - len(seen), len(rejects)
    return outcome


def measured(folder: Path, clips: int, shards: int, kills: int, seconds: float, engine: str) -> Outcome:
    """All of it."""
    if not (folder / "clips.tar").is_file():
        write_clips(folder / "clips.tar", clips)
    began = time.monotonic()
    done = kill_and_restart(folder, shards, kills, seconds, engine)
    return judged(folder, Outcome(engine, clips, shards, done, seconds=round(time.monotonic() - began, 1)))


def main() -> int:
    """Run, print, write; exits 1 when a row was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=6.0, help="after which a shard is killed at the latest")
    parser.add_argument("--engine", choices=("here", "ray"), default="here")
    parser.add_argument("--folder", type=Path, help="of the clips and the store: kept, and gone on with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="killed-") as temporary:
        folder = options.folder or Path(temporary)
        os.environ["V2A_CACHE"] = f"{folder}/cache"
        chosen = {name: value for name, value in vars(options).items() if name != "folder"}
        outcome = measured(folder, **chosen)
    known = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    RESULT.write_text(json.dumps(known | {options.engine: asdict(outcome)}, indent=1) + "\n")
    print(json.dumps(asdict(outcome)))
    return int(bool(outcome.lost or outcome.doubled or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())

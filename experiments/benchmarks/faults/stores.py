"""An embedding store that is damaged, and two commands that write to one place at once."""

import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import LIMIT_SECONDS, Command, run
from results import Row
from subjects import Bench, log_of

FLIPS, CUTS = 150, 40


def shards(bench: Bench) -> list[Row]:
    """Shards that are flipped, cut, empty, missing or strangers, read as a training without media reads them."""
    place = bench.place(bench.subjects["embed"], "shards")
    # In two goes, so that each part has two shards.
    for further in (("--set", "data.splits.max_clips=3"), ()):
        run([*bench.subjects["embed"].arguments, *further], place, log_of(place))
    store, draw = place / "world/store", random.Random(0)
    whole = _in_a_fork(lambda: _values(store))
    if isinstance(whole, str):
        return [Row("damaged shards", 1, 0, {f"the whole store cannot be read: {whole}": 1})]
    paths = sorted(store.glob("[fa]*-*/*.parquet"))

    def damaged(name: str, damage: Callable[[Path], None], times: int, note: str) -> Row:
        row = Row(name, note=note)
        for _ in range(times):
            path = draw.choice(paths)
            content = path.read_bytes()
            damage(path)
            row.add(_judged(_in_a_fork(lambda: _values(store)), whole))
            path.write_bytes(content)
        return row

    note = "one declared line that names the file, or the very values"
    rows = [
        damaged("one bit of a shard flipped", lambda path: _flip(path, draw), FLIPS, note),
        damaged("a shard cut short", lambda path: _cut(path, draw), CUTS, note),
        damaged("a shard empty", lambda path: path.write_bytes(b""), 4, note),
        damaged("a shard missing", Path.unlink, 8, "noticed by whoever has the store alone"),
        damaged("a shard of noise", lambda path: path.write_bytes(draw.randbytes(5000)), 4, note),
    ]
    shutil.rmtree(place)
    return rows


def _values(store: Path) -> dict[str, bytes]:
    """What a training sees of every clip."""
    from v2a_lightning.data_modules import EmbeddingDataModule, Splits

    data = EmbeddingDataModule(str(store), splits=Splits(validation_clips=4))
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    seen = {}
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            for row, clip_id in enumerate(batch["clip_id"]):
                parts = [batch[key][row].numpy().tobytes() for key in ("frames", "frame_mask", "audio")]
                seen[clip_id] = b"".join([batch["label"][row].encode(), *parts])
    return seen


def _in_a_fork(function: Callable[[], Any]) -> Any:
    """What a function gives, or what went wrong with it: damage may take the process along."""
    from v2a_lightning.errors import V2AError

    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(write, "wb") as pipe:
            try:
                pickle.dump(function(), pipe)
            except V2AError as error:
                pickle.dump(f"declared {error}", pipe)
            except BaseException as error:
                pickle.dump(f"undeclared {type(error).__name__}: {str(error)[:60]}", pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return pickle.loads(content) if content else f"undeclared: the process ended with {status}"


def _judged(found: Any, whole: dict[str, bytes]) -> str:
    if isinstance(found, str):
        if not found.startswith("declared "):
            return found
        return "" if ".parquet" in found or "store" in found else f"names no file: {found[:80]}"
    return "" if found == whole else f"read on with {'other' if found.keys() == whole.keys() else 'fewer'} values"


def _flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, draw: random.Random) -> None:
    os.truncate(path, draw.randrange(path.stat().st_size))


def two_writers(bench: Bench, name: str, times: int = 2) -> Row:
    """The same command twice at once, in one folder."""
    subject = bench.subjects[name]
    row = Row(f"two of {name} at once", note=f"each ends with 0 or one line; then: {subject.compared}")
    for number in range(times):
        place = bench.place(subject, f"twice-{name}-{number}")
        first = bench.start(subject, place)
        second = bench.start(subject, place, log=log_of(place).with_suffix(".second"))
        problem = next((one for one in map(_ended_well, (first, second)) if one), "")
        # One that says it is done is taken at its word.
        done = 0 in (first.code, second.code)
        row.add(problem or (bench.compare(subject, place) if done else bench.finish(subject, place)))
        shutil.rmtree(place)
    return row


def _ended_well(command: Command) -> str:
    if command.wait(LIMIT_SECONDS) is None:
        command.send(9)
        command.wait()
        return "hangs"
    return "" if command.code == 0 else command.complaint()

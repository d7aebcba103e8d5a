"""Media that is not what it says, and decoders that hang or are killed."""

import csv
import gzip
import io
import os
import pickle
import random
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from processes import command_line, in_session, run
from results import Result, Row, difference
from subjects import Bench, Subject, log_of

DIRTY = 300
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"


def dirty(bench: Bench) -> list[Row]:
    """Dirty files among the good ones: what is said of the good ones is what is said of them alone."""
    rows = []
    for name in ("manifest", "embed"):
        subject = bench.subjects[name]
        place = bench.place(subject, f"dirty-{name}")
        kinds = _soil(place / "world", random.Random(0))
        row = Row(f"dirty files before {name}", tried=DIRTY, note=f"{len(kinds)} kinds; good ones bit by bit as alone")
        command = run([*subject.arguments, *_patience(subject, 10)], place, log_of(place))
        left = command.left_running()
        if not command.went_on():
            problem = f"exit code {command.code}: {(command.errors() or ['no line'])[-1][:100]}"
        else:
            good = _of_the_good(bench.whole[name])
            found = {key: value for key, value in _of_the_good(subject.result(place)).items() if "/d-" not in key
                     and "row d-" not in key}  # fmt: skip
            problem = difference(good, found) or (f"left running: {left[0][:60]}" if left else "")
        row.survived, row.lost = (0, {problem: DIRTY}) if problem else (DIRTY, {})
        rows.append(row)
        shutil.rmtree(place)
    return rows


def _of_the_good(result: Result) -> Result:
    """What is said of single clips; pages count all of them."""
    return {key: value for key, value in result.items() if key.startswith(("row ", "frames-", "audio-"))}


def _patience(subject: Subject, seconds: int) -> list[str]:
    return ["--set", f"data.decoding.timeout={seconds}"] if subject.name == "embed" else ["--timeout", str(seconds)]


def _soil(world: Path, draw: random.Random) -> list[str]:
    """Put dirty clips among the good ones, in the folder and in the csv."""
    good = sorted((world / "clips").glob("*.mp4"))
    kinds = _kinds(draw)
    lines = list(csv.reader((world / "vggsound.csv").read_text().splitlines()))
    for number in range(DIRTY):
        name = f"d-{number:09d}"
        path = world / "clips" / f"{name}_000000.mp4"
        list(kinds.values())[number % len(kinds)](path, draw.choice(good).read_bytes())
        lines.insert(draw.randrange(len(lines)), [name, "0", "dog barking", "test"])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    (world / "vggsound.csv").write_text(text.getvalue())
    return list(kinds)


def _kinds(draw: random.Random) -> dict[str, Callable[[Path, bytes], object]]:
    """Twenty ways of not being a video, from a path and the bytes of a good one."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.mp4", b"a")
    return {
        "empty": lambda path, good: path.write_bytes(b""),
        "one byte": lambda path, good: path.write_bytes(b"\0"),
        "noise": lambda path, good: path.write_bytes(draw.randbytes(4000)),
        "zeros": lambda path, good: path.write_bytes(bytes(4000)),
        "text": lambda path, good: path.write_text("not a video\n" * 50),
        "a web page": lambda path, good: path.write_text("<!doctype html><title>404</title>" * 20),
        "a playlist": lambda path, good: path.write_text(PLAYLIST),
        "an archive": lambda path, good: path.write_bytes(archive.getvalue()),
        "compressed": lambda path, good: path.write_bytes(gzip.compress(good)),
        "a pickle": lambda path, good: path.write_bytes(pickle.dumps({"a": [1, 2]})),
        "a picture": _picture,
        "a sound": _sound,
        "a folder": lambda path, good: path.mkdir(),
        "a link to nothing": lambda path, good: path.symlink_to("nowhere.mp4"),
        "a link to itself": lambda path, good: path.symlink_to(path.name),
        "its first bytes": lambda path, good: path.write_bytes(good[: draw.randrange(8, 2000)]),
        "its last bytes": lambda path, good: path.write_bytes(good[-draw.randrange(8, 2000) :]),
        "its halves exchanged": lambda path, good: path.write_bytes(good[len(good) // 2 :] + good[: len(good) // 2]),
        "its index overwritten": lambda path, good: path.write_bytes(_noise_behind(good, b"moov", draw)),
        "huge and hollow": _hollow,
    }


def _picture(path: Path, good: bytes) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(path, format="PNG")


def _sound(path: Path, good: bytes) -> None:
    import numpy as np
    import soundfile

    soundfile.write(path, np.zeros(16000, np.float32), 16000, format="WAV")


def _hollow(path: Path, good: bytes) -> None:
    path.write_bytes(good[:32])
    os.truncate(path, 50 * 2**30)


def _noise_behind(good: bytes, mark: bytes, draw: random.Random) -> bytes:
    place = good.find(mark) + len(mark)
    return good[:place] + draw.randbytes(600) + good[place + 600 :]


def decoders(bench: Bench) -> list[Row]:
    """Decoding processes that hang (they are stopped by a signal) or are killed from outside, as for want of memory."""
    return [
        _decoder(bench, name, number, what)
        for name in ("manifest", "embed")
        for number, what in ((signal.SIGSTOP, "hangs"), (signal.SIGKILL, "is killed"))
    ]


def _decoder(bench: Bench, name: str, number: signal.Signals, what: str) -> Row:
    subject = bench.subjects[name]
    row = Row(f"a decoder of {name} {what}", note=f"it ends, and a second time: {subject.compared}")
    for attempt in range(3):
        place = bench.place(subject, f"decoder-{name}-{number.name}-{attempt}")
        longer = _patience(subject, 4)
        command = bench.start(type(subject)(**{**vars(subject), "arguments": (*subject.arguments, *longer)}), place)
        hit = _hit_decoder(command.pid, number)
        code = command.wait(120.0)
        problem = "hangs" if code is None else "" if command.went_on() else command.complaint()
        command.send(signal.SIGKILL)
        command.wait()
        if left := command.left_running():
            problem = problem or f"left running: {left[0][:60]}"
        row.add(("" if hit else "no decoder was met") or problem or bench.finish(subject, place))
        shutil.rmtree(place)
    return row


def _hit_decoder(session: int, number: signal.Signals) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until and in_session(session):
        for pid in in_session(session):
            if "workers import serve" in command_line(pid) and _reads_a_clip(pid):
                os.kill(pid, number)
                return True
        time.sleep(0.002)
    return False


def _reads_a_clip(pid: int) -> bool:
    try:
        return any("/world/clips/" in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False

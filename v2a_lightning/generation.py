"""How a folder of generated sounds was made: `generation.json` beside the sounds, and in the cards of their scores."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import refusals
from v2a_lightning.json_files import check, one_line, read_json, write_json

if TYPE_CHECKING:
    from v2a_lightning.assembled_mapper import Mapper
    from v2a_lightning.generators import Generator

GENERATION_FILE = "generation.json"
JOURNAL_FILE = "generation.{}.jsonl"
LOCK_FILE = ".generation.{}.lock"
# What of the file belongs to single sounds and stays out of the cards.
SOUNDS, LEFT_OUT = "sounds", "left_out"
TABLES = {SOUNDS: {str: dict}, LEFT_OUT: {str: dict}}


def describe_generator(model: "Generator", steps: int | None = None, guidance: float | None = None) -> dict[str, Any]:
    """What the sounds depend on in a generator: its own description, and the steps and guidance that are taken."""
    return {
        "generator": model.describe(),
        "generator_fingerprint": model.fingerprint,
        **model.sampling(steps, guidance),
    }


def describe_mapper(mapper: "Mapper") -> dict[str, Any]:
    """What the embeddings depend on in the mapper: its own description, its weights and how it is sampled."""
    return {
        "mapper": mapper.describe(),
        "mapper_weights_sha256": weights_sha256(mapper),
        "mapper_steps": mapper.sampling_steps,
        "mapper_guidance": mapper.guidance,
    }


def weights_sha256(mapper: "Mapper") -> str:
    """Of the mapper's tensors by name: the same in a run, its checkpoint, and a folder of `save_pretrained`."""
    digest = hashlib.sha256()
    for name, tensor in sorted(mapper.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass
class _Content:
    settings: dict[str, Any] = field(default_factory=dict)
    sounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    names_sounds: bool = False

    def merge(self, line: Mapping[str, Mapping[str, Any]]) -> None:
        """Take outcomes over; what is known already of the same names is replaced."""
        for name, sound in line[SOUNDS].items():
            self.sounds[name] = dict(sound)
            self.left_out.pop(name, None)
        for name, outcome in line[LEFT_OUT].items():
            self.left_out[name] = dict(outcome)
            self.sounds.pop(name, None)


class GenerationRecord(_Content):
    """What was generated in a folder and how, recorded sound by sound; a call started again does what is missing.

    `generation.json` holds the settings and what earlier calls generated. What this one generates is a line of a
    journal beside it, on the disk as soon as the sound is; `finish` moves the lines into `generation.json`. After a
    kill they are read from the journal.

    Args:
        folder: of the sounds.
        settings: how all of them are generated. What is there of other settings is forgotten.
        process: of the processes that share the work; each has a journal of its own.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], process: int = 0) -> None:
        plain = _plain(settings)
        earlier = _read(folder)
        same = earlier.settings == plain
        super().__init__(plain, earlier.sounds if same else {}, earlier.left_out if same else {})
        self.folder = folder
        self.journal = folder / JOURNAL_FILE.format(process)
        self._lock = FileLock(folder / LOCK_FILE.format(process), timeout=0)
        self._lines: IO[str] | None = None

    def begin(self) -> None:
        """Write `generation.json` before the first sound. One of the processes does.

        Raises:
            RunFailure: when another call is generating in the folder, or it cannot be written to.
        """
        lines = self._lines or self._open()
        self._write()
        for journal in set(_journals(self.folder)) - {self.journal}:
            journal.unlink()
        lines.truncate(0)

    def add(self, sounds: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, Mapping[str, Any]]) -> None:
        """Record some outcomes.

        Args:
            sounds: name -> what is special about a sound that was generated, such as its seed.
            left_out: name -> what could not be generated, and the reason.
        """
        lines, outcomes = self._lines or self._open(), {SOUNDS: sounds, LEFT_OUT: left_out}
        with refusals(self.journal):
            lines.write(json.dumps(outcomes) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        self.merge(outcomes)

    def finish(self) -> None:
        """Write everything that is known into `generation.json`, and remove the journals."""
        self._write()
        for path in (*_journals(self.folder), Path(self._lock.lock_file)):
            path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the journal to the next call."""
        lines, self._lines = self._lines, None
        try:
            if lines is not None:
                # What could not be written before is tried again.
                with refusals(self.journal):
                    lines.close()
        finally:
            self._lock.release()

    def _write(self) -> None:
        content = {**self.settings, SOUNDS: dict(sorted(self.sounds.items()))}
        if self.left_out:
            content[LEFT_OUT] = dict(sorted(self.left_out.items()))
        write_json(self.folder / GENERATION_FILE, content)

    def _open(self) -> IO[str]:
        try:
            with refusals(self.journal):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
        except Timeout as error:
            raise RunFailure(f"{self.folder}: another call is making sounds there; wait for it") from error
        except NotImplementedError:
            # A file system without locks.
            pass
        with refusals(self.journal):
            self._lines = open(self.journal, "a")  # noqa: SIM115 (it stays open from sound to sound)
        return self._lines


def refuse_other_settings(folder: Path, settings: Mapping[str, Any], option: str) -> None:
    """Refuse to mix sounds that were generated in two ways.

    Args:
        folder: of the sounds.
        settings: how they are to be generated.
        option: what the user gives another value, such as `--output`.

    Raises:
        UsageError: naming what was different for the sounds that are there.
    """
    earlier, wanted = _read(folder), _plain(settings)
    if not earlier.sounds or earlier.settings == wanted:
        return
    key, was, now = _first_difference(earlier.settings, wanted)
    raise UsageError(f"{folder} holds sounds that were made with {key} {was}, not {now}; give another {option}")


def _first_difference(was: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> tuple[str, str, str]:
    """The key, inner ones with dots, and its two values."""
    key = next(key for key in {**now, **was} if was.get(key) != now.get(key))
    old, new = was.get(key, "nothing"), now.get(key, "nothing")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _first_difference(old, new, f"{place}{key}.")
    return f"{place}{key}", str(old)[:60], str(new)[:60]


def read_generation(folder: Path) -> tuple[dict[str, Any], set[str] | None]:
    """How the sounds of a folder were generated, where that was recorded: ({}, None) where not.

    Returns:
        the settings of all sounds, and the clip ids that were generated with them, None when the file names none.

    Raises:
        UsageError: when the file holds something else.
    """
    content = _read(folder)
    return content.settings, set(content.sounds) if content.names_sounds else None


def _read(folder: Path) -> _Content:
    """`generation.json` and the journals beside it."""
    path = folder / GENERATION_FILE
    if not path.is_file():
        return _Content()
    settings = read_json(path, dict, "file of settings of generated sounds")
    try:
        check({key: settings.get(key, {}) for key in TABLES}, TABLES)
    except ValueError as error:
        raise UsageError(f"{path}: {one_line(error)}") from error
    names_sounds = SOUNDS in settings
    sounds, left_out = settings.pop(SOUNDS, {}), settings.pop(LEFT_OUT, {})
    content = _Content(settings, sounds, left_out, names_sounds)
    for journal in _journals(folder):
        # The last line may have been written in part.
        for line in journal.read_bytes().split(b"\n")[:-1]:
            try:
                outcome = json.loads(line)
                check(outcome, TABLES)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{journal}: a line of it cannot be read ({one_line(error)}); remove it") from error
            content.merge(outcome)
    return content


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(JOURNAL_FILE.format("*")))


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has them: a tuple comes back as a list."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain

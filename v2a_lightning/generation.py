"""How a folder of generated sounds was made: `generation.json` beside the sounds, and in the cards of their scores."""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write, refusals
from v2a_lightning.json_files import check, one_line, read_json

if TYPE_CHECKING:
    from v2a_lightning.generators import AudioLDM
    from v2a_lightning.module import V2AMapper

GENERATION_FILE = "generation.json"
JOURNAL_FILE = "generation.{}.jsonl"
# What of the file belongs to single sounds and stays out of the cards.
SOUNDS, LEFT_OUT = "sounds", "left_out"
TABLES = {SOUNDS: {str: dict}, LEFT_OUT: {str: dict}}


def describe_audioldm(model: "AudioLDM", steps: int | None = None, guidance: float | None = None) -> dict[str, Any]:
    """What the sounds depend on in AudioLDM.

    Args:
        model: the model.
        steps: asked for in place of its own.
        guidance: asked for in place of its own.
    """
    steps, guidance = model.sampling(steps, guidance)
    return {
        "audioldm": model.name,
        "audioldm_fingerprint": model.fingerprint,
        "sampler": model.sampler,
        "eta": model.eta,
        "steps": steps,
        "guidance": guidance,
    }


def describe_mapper(mapper: "V2AMapper") -> dict[str, Any]:
    """What the embeddings depend on in the mapper."""
    aggregator = mapper.inference_aggregator or mapper.aggregator
    parts = (mapper.network, mapper.objective, aggregator)
    return {
        "mapper": ", ".join(type(part).__name__ for part in parts),
        "mapper_weights_sha256": weights_sha256(mapper),
        "mapper_steps": mapper.sampling_steps,
        "mapper_guidance": mapper.guidance,
    }


def weights_sha256(mapper: "V2AMapper") -> str:
    """Of the mapper's tensors by name: the same in a run, its checkpoint, and a folder of `save_pretrained`."""
    digest = hashlib.sha256()
    for name, tensor in sorted(mapper.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class GenerationRecord:
    """What was made in a folder and how, written down sound by sound; a call started again does what is missing.

    `generation.json` holds the settings and what earlier calls made. What this one makes is a line of a journal beside
    it, on the disk as soon as the sound is; `finish` moves the lines into `generation.json`. After a kill they are read
    from the journal.

    Args:
        folder: of the sounds.
        settings: how all of them are made. What is there of other settings is forgotten.
        process: of the processes that share the work; each has a journal of its own.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], process: int = 0) -> None:
        self.folder = folder
        # As JSON has them: a tuple comes back as a list.
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.journal = folder / JOURNAL_FILE.format(process)
        self._lines: IO[str] | None = None
        earlier = _read(folder)
        same = earlier.settings == self.settings
        self.sounds = earlier.sounds if same else {}
        self.left_out = earlier.left_out if same else {}

    def begin(self) -> None:
        """Write `generation.json` before the first sound. One of the processes does.

        Raises:
            RunFailure: when another call is making sounds in the folder, or it cannot be written to.
        """
        lines = self._lines or self._open()
        self._write()
        for journal in set(_journals(self.folder)) - {self.journal}:
            journal.unlink()
        lines.truncate(0)

    def add(self, sounds: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down some outcomes.

        Args:
            sounds: name -> what is special about a sound that was made, such as its seed.
            left_out: name -> what could not be made, and the reason.
        """
        lines = self._lines or self._open()
        with refusals(self.journal):
            lines.write(json.dumps({SOUNDS: sounds, LEFT_OUT: left_out}) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        _merge(self, {SOUNDS: sounds, LEFT_OUT: left_out})

    def finish(self) -> None:
        """Write everything that is known into `generation.json`, and remove the journals."""
        self._write()
        for journal in _journals(self.folder):
            journal.unlink()
        self.close()

    def close(self) -> None:
        """Leave the journal to the next call."""
        lines, self._lines = self._lines, None
        if lines is not None:
            # What could not be written before is tried again.
            with refusals(self.journal):
                lines.close()

    def _write(self) -> None:
        content = {**self.settings, SOUNDS: dict(sorted(self.sounds.items()))}
        if self.left_out:
            content[LEFT_OUT] = dict(sorted(self.left_out.items()))
        with atomic_write(self.folder / GENERATION_FILE) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")

    def _open(self) -> IO[str]:
        with refusals(self.journal):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lines = open(self.journal, "a")  # noqa: SIM115 (it stays open from sound to sound)
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFailure(f"{self.folder}: another call is making sounds there; wait for it") from error
        except OSError:
            # A file system without locks.
            pass
        return self._lines


def refuse_other_settings(folder: Path, settings: Mapping[str, Any], option: str) -> None:
    """Refuse to mix sounds that were made in two ways.

    Args:
        folder: of the sounds.
        settings: how they are to be made.
        option: what the user gives another value, such as `--output`.

    Raises:
        UsageError: naming what was different for the sounds that are there.
    """
    earlier, wanted = _read(folder), json.loads(json.dumps(settings))
    if not earlier.sounds or earlier.settings == wanted:
        return
    key = next(key for key in {**wanted, **earlier.settings} if wanted.get(key) != earlier.settings.get(key))
    was, now = (str(one.get(key, "nothing"))[:60] for one in (earlier.settings, wanted))
    raise UsageError(f"{folder} holds sounds that were made with {key} {was}, not {now}; give another {option}")


def read_generation(folder: Path) -> tuple[dict[str, Any], set[str] | None]:
    """How the sounds of a folder were made, where their maker wrote it down: ({}, None) where not.

    Returns:
        the settings of all sounds, and the clip ids that were made with them, None when the file does not say.

    Raises:
        UsageError: when the file holds something else.
    """
    content = _read(folder)
    return content.settings, set(content.sounds) if content.tells_sounds else None


@dataclass
class _Content:
    settings: dict[str, Any] = field(default_factory=dict)
    sounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    tells_sounds: bool = False


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
    content = _Content(tells_sounds=SOUNDS in settings)
    content.sounds, content.left_out = settings.pop(SOUNDS, {}), settings.pop(LEFT_OUT, {})
    content.settings = settings
    for journal in _journals(folder):
        # The last line may have been written in part.
        for line in journal.read_bytes().split(b"\n")[:-1]:
            try:
                outcome = json.loads(line)
                check(outcome, TABLES)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{journal}: a line of it cannot be read ({one_line(error)}); remove it") from error
            _merge(content, outcome)
    return content


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(JOURNAL_FILE.format("*")))


def _merge(content: "_Content | GenerationRecord", line: Mapping[str, Mapping[str, Any]]) -> None:
    """Take outcomes over; what is known already of the same names is replaced."""
    for name, sound in line[SOUNDS].items():
        content.sounds[name] = dict(sound)
        content.left_out.pop(name, None)
    for name, outcome in line[LEFT_OUT].items():
        content.left_out[name] = dict(outcome)
        content.sounds.pop(name, None)

"""From what a config calls a checkpoint to the file or folder on this machine, fetched when it has to be.

A name may be `miniature`, one of `CHECKPOINTS`, a local path, a URL (with `#sha256=` and the digest to have it checked)
or a Hugging Face id (`owner/name`, or `owner/name@revision`). Environment variables:

    V2A_MIRROR        a folder with files or Hub folders by their names, looked at before any network
    V2A_CACHE         where fetched and converted files are kept (default ~/.cache/v2a_lightning)
    HF_ENDPOINT       another Hub, for ids and for those of `CHECKPOINTS` that are single files on the Hub
    HF_HUB_OFFLINE    1: nothing is fetched, from wherever
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from v2a_lightning.checkpoints.fetch import download, file_name, masked, refuse_without_room
from v2a_lightning.checkpoints.known import CHECKPOINTS, HUB
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write, sha256_file

MINIATURE = "miniature"
MINIATURE_WEIGHTS = Path(__file__).resolve().parent.parent / "miniature" / "weights"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
FOLDER_MARKS = ("model_index.json", "open_clip_config.json", "config.json")
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
CONFIG_SUFFIXES = (".json", ".txt")
# How the Hub's folders mark weights at half precision: they are taken where there are no others.
HALF = re.compile(r"\.(fp16|bf16)(?=\.)")


def resolve(checkpoint: str, kind: str) -> Path:
    """The file or folder that a checkpoint's name stands for.

    Args:
        checkpoint: see above.
        kind: what is read from it, as `Checkpoint.kinds` names it; a folder of the miniature's weights has its name.

    Raises:
        UsageError: when the name stands for nothing, or nothing is there and nothing may be fetched.
        RunFailure: when fetching it fails.
    """
    return find(checkpoint, kind) or _fetch(checkpoint, kind)


def find(checkpoint: str, kind: str) -> Path | None:
    """As `resolve`, but without fetching: None when it is not on this machine yet.

    Raises:
        UsageError: when the name stands for nothing at all.
    """
    if checkpoint == MINIATURE:
        path = MINIATURE_WEIGHTS / kind
        if not path.exists():
            raise UsageError(f"{kind} checkpoint {checkpoint!r} is not there: {path} does not exist")
        return path
    entry = CHECKPOINTS.get(checkpoint)
    if entry is not None and kind not in entry.kinds:
        raise UsageError(f"checkpoint {entry.name!r} is for {' and '.join(entry.kinds)}, not for {kind}")
    source = entry.source if entry else checkpoint
    if is_url(source):
        target = _fetched_file(checkpoint)
        return _first_existing(*_mirrored(target.name), target)
    if entry is None and (path := Path(checkpoint).expanduser()).exists():
        return path
    if HUB_ID.fullmatch(source):
        repository, _, revision = source.partition("@")
        return _first_existing(*_mirrored(repository)) or _hub_cached(repository, revision or None)
    known = ", ".join(name for name, entry in CHECKPOINTS.items() if kind in entry.kinds)
    missing = f"{kind} checkpoint {masked(checkpoint)!r}: there is no such file or folder"
    raise UsageError(f"{missing}; known names are {known}" if known else missing)


def cache_folder() -> Path:
    """Where fetched and converted checkpoints are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("V2A_CACHE") or f"{base}/v2a_lightning").expanduser()


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids fetching."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def is_url(checkpoint: str) -> bool:
    return checkpoint.startswith(("http://", "https://"))


def mirror_name(checkpoint: str) -> str:
    """What has to be in the folder V2A_MIRROR names for a checkpoint to be found there."""
    entry = CHECKPOINTS.get(checkpoint)
    source = entry.source if entry else checkpoint
    return file_name(source) if is_url(source) else f"the Hub's folder {source.partition('@')[0]}"


def needed_files(names: list[str]) -> list[str]:
    """The files of a Hub folder to read a model from: safetensors before pickles, open_clip's where there are any."""
    weights = [name for name in names if name.endswith(WEIGHT_SUFFIXES)]
    weights = [name for name in weights if Path(name).name.startswith("open_clip")] or weights
    safe = {str(Path(name).parent) for name in weights if name.endswith(".safetensors")}
    needed = {name for name in weights if name.endswith(".safetensors") or str(Path(name).parent) not in safe}
    needed -= {name for name in needed if HALF.sub("", name) != name and HALF.sub("", name) in needed}
    return [name for name in names if name.endswith(CONFIG_SUFFIXES) or name in needed]


def _fetch(checkpoint: str, kind: str) -> Path:
    if is_offline():
        raise UsageError(
            f"{kind} checkpoint {masked(checkpoint)!r} is not on this machine and HF_HUB_OFFLINE forbids fetching it; "
            f"put {mirror_name(checkpoint)} into a folder and name the folder in V2A_MIRROR"
        )
    entry, locks = CHECKPOINTS.get(checkpoint), cache_folder() / "locks"
    source, digests = (entry.source, entry.digests) if entry else (checkpoint, {})
    locks.mkdir(parents=True, exist_ok=True)
    # One process of a machine fetches; the others wait and find it there.
    with FileLock(locks / f"{_short_hash(checkpoint)}.lock"):
        if is_url(source):
            url, _, digest = source.partition("#sha256=")
            target = _fetched_file(checkpoint)
            size, digest = digests.get(target.name, (None, digest))
            url = url.replace(HUB, _endpoint() or HUB) if entry else url
            return download(url, target, size=size, sha256=digest)
        repository, _, revision = source.partition("@")
        return _hub_fetch(repository, revision or None, {name: digest for name, (_, digest) in digests.items()})


def _endpoint() -> str | None:
    """The Hub to ask, when it is not the usual one."""
    return (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None


def _hub_cached(repository: str, revision: str | None) -> Path | None:
    """A Hub folder that was fetched whole; offline, whatever the Hub's own cache has of it."""
    from huggingface_hub import try_to_load_from_cache

    record = _hub_record(repository, revision)
    if record.is_file():
        folder, *names = record.read_text().splitlines()
        return Path(folder) if all((Path(folder) / name).exists() for name in names) else None
    if not is_offline():
        return None
    found = (try_to_load_from_cache(repository, name, revision=revision) for name in FOLDER_MARKS)
    return next((Path(path).parent for path in found if isinstance(path, str)), None)


def _hub_fetch(repository: str, revision: str | None, published: Mapping[str, str]) -> Path:
    """A Hub folder's configs and weights; each weight is verified."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    endpoint, cache = _endpoint(), Path(constants.HF_HUB_CACHE)
    try:
        info = HfApi(endpoint=endpoint).model_info(repository, revision=revision, files_metadata=True)
        files = {file.rfilename: file for file in info.siblings or []}
        wanted = needed_files(list(files))
        _refuse_outside(repository, wanted)
        cache.mkdir(parents=True, exist_ok=True)
        refuse_without_room(repository, sum(files[name].size or 0 for name in wanted), cache)
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted, endpoint=endpoint))
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunFailure(f"{repository} cannot be fetched from the Hugging Face Hub: {reason}") from error
    stated = {name: file.lfs.sha256 for name, file in files.items() if file.lfs is not None}
    for name, expected in {**stated, **published}.items():
        if name in wanted:
            _verify(repository, folder / name, expected)
    with atomic_write(_hub_record(repository, revision)) as temporary:
        temporary.write_text("\n".join([str(folder), *wanted]))
    return folder


def _refuse_outside(repository: str, names: list[str]) -> None:
    for name in names:
        if "\\" in name or Path(name).is_absolute() or not set(Path(name).parts).isdisjoint(("..", "~")):
            raise RunFailure(f"{repository} lists the file {name!r}, which is none inside its folder")


def _verify(repository: str, path: Path, expected: str) -> None:
    """Refuse a file that is not the published one, and remove it, so that it is fetched anew the next time."""
    if (digest := sha256_file(path)) != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise RunFailure(
            f"{path.name} of {repository} has the sha256 {digest}, the published file {expected}; it was removed"
        )


def _hub_record(repository: str, revision: str | None) -> Path:
    """The record of a Hub folder that was fetched whole."""
    return cache_folder() / "hub" / f"{repository}@{revision or 'main'}".replace("/", "--")


def _mirrored(name: str) -> list[Path]:
    """Where V2A_MIRROR may have a file or a Hub folder."""
    mirror = os.environ.get("V2A_MIRROR")
    return [Path(mirror).expanduser() / one for one in (name, Path(name).name)] if mirror else []


def _fetched_file(checkpoint: str) -> Path:
    """Where the file of a URL is kept: each in a place of its own, since many of them end in the same name."""
    if (entry := CHECKPOINTS.get(checkpoint)) is not None:
        return cache_folder() / "files" / file_name(entry.source)
    url = checkpoint.partition("#")[0]
    return cache_folder() / "urls" / _short_hash(url) / file_name(url)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _first_existing(*paths: Path) -> Path | None:
    return next((path for path in paths if path.exists()), None)

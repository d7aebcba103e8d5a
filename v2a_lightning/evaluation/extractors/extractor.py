"""What every feature extractor shares: a configuration, a folder or published file it comes from, a fingerprint."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from safetensors.torch import save_file
from torch import Tensor, nn

from v2a_lightning.checkpoints.known import CHECKPOINTS
from v2a_lightning.checkpoints.weights import load_strictly, read_weights, without_values
from v2a_lightning.components import REFUSALS, construct, parsed
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write, sha256_file

Config = TypeVar("Config")

PUBLISHED_SHA256 = {
    name: digest
    for entry in CHECKPOINTS.values()
    if {"cnn14", "vggish", "wav2clip"} & set(entry.kinds)
    for name, (_, digest) in entry.digests.items()
}


class Extractor(nn.Module, ABC, Generic[Config]):
    """A network from waveforms at `sample_rate` to features.

    Subclasses are built from their configuration dataclass alone: a reduced network and the published one are the same
    class. `load_extractor` returns frozen ones.
    """

    kind: ClassVar[str]
    config_class: ClassVar[type]
    sample_rate: int
    minimum_samples: int

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.weights_sha256: str | None = None

    @classmethod
    @abstractmethod
    def published_config(cls, tensors: Mapping[str, Tensor]) -> Any:
        """The configuration that a published file has the shapes of; KeyError names a tensor that does not fit."""

    @classmethod
    def published_tensors(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of a published file that this class has."""
        return dict(tensors)

    @abstractmethod
    def extract(self, waveform: Tensor) -> dict[str, Tensor]:
        """One sound (N,) at `sample_rate` to its named features, without a batch dimension."""

    @property
    def fingerprint(self) -> str:
        """Stands for the weights and the configuration; RuntimeError when the extractor was not loaded from files."""
        if self.weights_sha256 is None:
            raise RuntimeError(f"this {self.kind} was not loaded from files: it has no fingerprint")
        return hashlib.sha256(f"{self._described()}/{self.weights_sha256}".encode()).hexdigest()

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        folder = Path(folder)
        with atomic_write(folder / "config.json") as path:
            path.write_text(self._described() + "\n")
        with atomic_write(folder / "model.safetensors") as path:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}, path)

    @classmethod
    def from_pretrained(cls, path: Path | str) -> Self:
        """Load from a folder that `save_pretrained` wrote, or from the file the authors published (.pth, .pt).

        Raises:
            UsageError: when the path is missing or holds something else.
        """
        path = Path(path)
        if path.is_dir():
            config, tensors, weights = cls._read_folder(path)
        elif path.is_file():
            config, tensors, weights = *cls._read_published(path), path
        else:
            raise UsageError(f"{path}: no such {cls.kind} checkpoint; name a folder or the published file")
        try:
            with without_values():
                extractor = cls(config)
        except REFUSALS as error:
            raise UsageError(f"{path}: no {cls.kind} can be made of its config: {error}") from error
        load_strictly(extractor, tensors, weights)
        extractor.weights_sha256 = sha256_file(weights)
        return extractor

    @classmethod
    def _read_folder(cls, folder: Path) -> tuple[Any, dict[str, Tensor], Path]:
        settings_path, weights = folder / "config.json", folder / "model.safetensors"
        needs = f"a {cls.kind} checkpoint folder holds config.json and model.safetensors"
        for path in (settings_path, weights):
            if not path.is_file():
                raise UsageError(f"{path}: missing; {needs}")
        settings = dict(parsed(json.loads, settings_path.read_bytes(), settings_path))
        if settings.get("kind") != cls.kind:
            raise UsageError(f"{settings_path}: holds a {settings.get('kind')!r}, not a {cls.kind!r}")
        del settings["kind"]
        known = {field.name for field in dataclasses.fields(cls.config_class)}
        if unknown := sorted(settings.keys() - known):
            raise UsageError(f"{settings_path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        return construct(cls.config_class, settings, settings_path), read_weights(weights), weights

    @classmethod
    def _read_published(cls, path: Path) -> tuple[Any, dict[str, Tensor]]:
        tensors = read_published(path)
        try:
            return cls.published_config(tensors), cls.published_tensors(tensors)
        except KeyError as error:
            raise UsageError(f"{path}: not a published {cls.kind} file (no {error.args[0]!r} that fits)") from error

    def _described(self) -> str:
        settings = dataclasses.asdict(self.config)  # type: ignore[call-overload]
        return json.dumps({"kind": self.kind, **settings}, indent=2, sort_keys=True)


def frozen(extractor: Extractor[Any]) -> Extractor[Any]:
    """The extractor in evaluation mode, its parameters without gradients."""
    return extractor.eval().requires_grad_(False)


def check_waveforms(waveforms: Tensor, minimum: int, kind: str) -> None:
    """Raise ValueError unless waveforms are (B, N >= minimum)."""
    if waveforms.ndim != 2 or waveforms.shape[1] < minimum:
        raise ValueError(f"{kind} takes waveforms (B, N >= {minimum}), not {tuple(waveforms.shape)}")


def read_published(path: Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, by their published names.

    Raises:
        UsageError: when a file that bears a published name has other content than the published one.
        RunFailure: when it cannot be read or holds no tensors.
    """
    digest, expected = sha256_file(path), PUBLISHED_SHA256.get(path.name)
    if expected not in (None, digest):
        raise UsageError(f"{path}: sha256 is {digest[:16]}..., that of the published file begins with {expected[:16]}")
    return read_weights(path)

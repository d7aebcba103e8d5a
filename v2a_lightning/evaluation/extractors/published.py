"""Reading the files the authors published, whose sha256 is known for some."""

from pathlib import Path

from torch import Tensor

from v2a_lightning.checkpoints.weights import read_weights
from v2a_lightning.errors import UsageError
from v2a_lightning.files import sha256_file

PUBLISHED_SHA256: dict[str, dict[str, str]] = {
    "cnn14": {
        "Cnn14_mAP=0.431.pth": "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        "Cnn14_16k_mAP=0.438.pth": "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
    },
    "vggish": {"vggish-10086976.pth": "10086976"},  # the release names a file by the first digits
    "wav2clip": {},
}
"""Kind -> published file name -> sha256, or as many of its first digits as are known."""


def read_published(path: Path, kind: str) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, by their published names.

    Raises:
        UsageError: when a file that bears a published name has other content than the published one.
        RunFailure: when it cannot be read or holds no tensors.
    """
    digest = sha256_file(path)
    expected = PUBLISHED_SHA256[kind].get(path.name)
    if expected is not None and not digest.startswith(expected):
        raise UsageError(f"{path}: sha256 is {digest[:16]}..., that of the published file begins with {expected[:16]}")
    return read_weights(path)

"""How clips are decoded on their way to the encoders."""

from dataclasses import dataclass

from v2a_lightning.errors import UsageError
from v2a_lightning.media.frames import Backend
from v2a_lightning.processes import cores


@dataclass(frozen=True)
class Decoding:
    """How clips are decoded.

    Args:
        num_workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one clip may take before its process is killed and the clip rejected.
        encoder_batch_size: clips that go through a process's encoders together.
        keep_still: use clips whose picture never changes.
        backend: the picture decoder.
    """

    num_workers: int | None = None
    timeout: float = 60.0
    encoder_batch_size: int = 16
    keep_still: bool = True
    backend: Backend = "pyav"

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.encoder_batch_size < 1:
            raise UsageError(f"data.decoding: timeout and encoder_batch_size are above 0, not {self}")

    @property
    def workers(self) -> int:
        """Number of decoding processes."""
        return cores() if self.num_workers is None else max(1, self.num_workers)

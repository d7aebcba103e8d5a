"""The stage that decodes: clips in, what is wanted of them out, in the order in which they were requested."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from v2a_lightning.media.clip import ClipRequest
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.remote import ArchiveReader, is_packed
from v2a_lightning.media.workers import WorkerPool

Result = TypeVar("Result")


class Decoder(Generic[Result]):
    """Runs `decode_clip` or `inspect_clip` in processes that can be killed: see WorkerPool.

    They fetch what is behind a URL, or in a tar, themselves. Members of compressed tars are unpacked here, ahead of
    them and one after the other: requests for these come in the order of their places.

    Args:
        function: of one request.
        workers: decoding processes.
        timeout: seconds that one clip may take.
    """

    def __init__(self, function: Callable[[ClipRequest], Result], workers: int, timeout: float) -> None:
        self._pool: WorkerPool[ClipRequest, Result] = WorkerPool(function, workers, timeout)

    def __enter__(self) -> "Decoder[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; may be called from another thread."""
        self._pool.close()

    def map(self, requests: Iterable[ClipRequest]) -> Iterator[Result | MediaError]:
        """An outcome for each clip, or why it cannot be used."""
        used: deque[Path | None] = deque()
        with tempfile.TemporaryDirectory(prefix="v2a-media-") as folder, ArchiveReader() as archive:

            def local() -> Iterator[ClipRequest]:
                for number, request in enumerate(requests):
                    copy = None
                    if is_packed(request.path):
                        copy = Path(folder, f"{number}{request.path.suffix}")
                        copy.write_bytes(archive.read(request.path))
                        request = replace(request, path=copy)
                    used.append(copy)
                    yield request

            for outcome in self._pool.map(local()):
                if (copy := used.popleft()) is not None:
                    copy.unlink()
                yield outcome

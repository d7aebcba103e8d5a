"""The stage that decodes, for engines that hand over Arrow tables; it reads of a clip only what is requested of it."""

import pickle
from collections.abc import Iterator

import pyarrow as pa

from v2a_lightning.media.clip import decode_clip
from v2a_lightning.media.decoder import Decoder


class DecodeTables:
    """Decodes tables of `clip` (as it is) and `request` (pickled ClipRequest) into tables of `clip` and `outcome`.

    Args:
        timeout: seconds that decoding one clip may take.
    """

    def __init__(self, timeout: float) -> None:
        # One process that can be killed: how many of these there are is the engine's.
        self._decoder = Decoder(decode_clip, 1, timeout)

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        """A table for each clip, so that what is decoded goes on at once."""
        requests = (pickle.loads(request) for request in table["request"].to_pylist())
        for clip, outcome in zip(table["clip"].to_pylist(), self._decoder.map(requests), strict=True):
            yield pa.table({"clip": pa.array([clip]), "outcome": pa.array([pickle.dumps(outcome, 5)])})

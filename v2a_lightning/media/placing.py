"""Putting decoded pieces of sound where their timestamps say, without a click for every rounded timestamp."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
# When a piece is due, in samples from the beginning (None when the file does not say), and its samples (N, ...).
Piece = tuple[float | None, Wave]

# Containers round timestamps to a millisecond, and recorders write them with a jitter: pieces follow one another
# without a seam until the median clock of a piece and SETTLING_PIECES on either side is this far off, in seconds.
DRIFT_SECONDS = 0.002
SETTLING_PIECES = 4
# A clock that is set back by more than this, in seconds, was started anew: the sound goes on where it is.
RESTART_SECONDS = 0.5


def placed(pieces: Sequence[Piece], rate: int, samples: int | None) -> Wave:
    """One waveform of all pieces from time zero on: gaps are silence, and of what overlaps the later is cut.

    Args:
        pieces: in the order in which they were decoded; those from before time zero are cut.
        rate: Hz.
        samples: how many are wanted at most; None for all.

    Returns:
        float32 (N,), or (N, channels) as the pieces are.
    """
    parts: list[Wave] = []
    length = 0
    for position, piece in _positions(pieces, rate):
        if samples is not None and position >= samples:
            break
        piece = piece[max(0, length - position) :]
        gap = max(0, position - length)
        if not len(piece):
            continue
        parts += [np.zeros((gap, *piece.shape[1:]), np.float32), piece] if gap else [piece]
        length += gap + len(piece)
    waveform = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return waveform if samples is None else waveform[:samples]


def _positions(pieces: Sequence[Piece], rate: int) -> Iterator[tuple[int, Wave]]:
    """Where each piece begins, in samples: behind the one before it, unless the timestamps stay away from there."""
    lengths = np.cumsum([0, *(len(piece) for _, piece in pieces)])
    # How far each timestamp is from where the piece would be if all pieces followed one another from time zero.
    offsets = np.array([np.nan if due is None else due - at for (due, _), at in zip(pieces, lengths, strict=False)])
    current = 0.0 if not len(offsets) or np.isnan(offsets[0]) else float(offsets[0])
    restarts, bound = 0.0, DRIFT_SECONDS * rate
    for index, (_, piece) in enumerate(pieces):
        # Medians take longer than all the rest: only a piece that is off asks for its neighbours.
        if not abs(offsets[index] + restarts - current) <= bound:
            settled = _median_around(offsets, index) + restarts
            if settled < current - RESTART_SECONDS * rate:
                restarts += current - settled
            elif abs(settled - current) > bound:
                current = settled
        yield round(lengths[index] + current), piece


def _median_around(offsets: NDArray[np.float64], index: int) -> float:
    """The median of an offset and as many neighbours on either side, which keeps steps; NaN when unknown."""
    reach = min(SETTLING_PIECES, index, len(offsets) - 1 - index)
    around = offsets[index - reach : index + reach + 1]
    known = around[~np.isnan(around)]
    return float(np.median(known)) if len(known) else float("nan")

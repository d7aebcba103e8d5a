"""What a drawing needs to know about its moment."""

import math
from dataclasses import dataclass

from v2a_lightning.miniature.world.pictures.canvas import Colour


@dataclass(frozen=True)
class Pose:
    """One object at one moment.

    Args:
        colour: of its body.
        size: 0 to 1; only what is not simply larger (rain's density) needs it, the pen is scaled already.
        speed: 0 to 1.
        turns: how often its motion has repeated so far.
        seed: of its small irregularities.
        count: of objects in the scene; rain is one object however much of it there is.
    """

    colour: Colour
    size: float
    speed: float
    turns: float
    seed: int
    count: int = 1

    @property
    def swing(self) -> float:
        """-1 to 1 and back, once in a turn."""
        return math.sin(2 * math.pi * self.turns)

    @property
    def pulse(self) -> float:
        """0 to 1 and back, once in a turn."""
        return 0.5 - 0.5 * math.cos(2 * math.pi * self.turns)

    @property
    def strike(self) -> float:
        """1 at the moment of a blow, falling back to 0 and rising slowly: for what hits."""
        part = self.turns % 1.0
        return 1 - part / 0.35 if part < 0.35 else (part - 0.35) / 0.65

    def jitter(self, number: int) -> float:
        """A fixed pseudo-random number from 0 to 1 for each `number`."""
        value = math.sin((self.seed % 1000) * 12.9898 + number * 78.233) * 43758.5453
        return value - math.floor(value)

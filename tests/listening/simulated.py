"""Simulated raters: programs with an opinion of each system, and with noise. They say nothing of people."""

import random
from dataclasses import dataclass
from typing import Any

from v2a_lightning.listening.key import Key

# What the simulated raters think, by fidelity and relevance.
OPINIONS = {
    "high anchor": (4.7, 4.8),
    "quartz": (3.9, 4.1),
    "basalt": (3.0, 3.1),
    "pumice": (2.1, 1.8),
    "low anchor": (1.2, 1.1),
}


@dataclass(frozen=True)
class SimulatedRater:
    """A rater whose answers scatter around OPINIONS.

    Args:
        number: of the rater; its code is "simulated-<number>".
        scatter: standard deviation of an answer, in points.
        careless: answers at random, whatever the sound.
    """

    number: int
    scatter: float = 0.6
    careless: bool = False

    @property
    def code(self) -> str:
        """As the rater would type it."""
        return f"simulated-{self.number}"

    def answers(self, key: Key) -> dict[str, Any]:
        """What the page would have saved."""
        draw = random.Random(f"simulated rater {self.number}")
        trials = [self._rating(key, code, draw) for code in key.sounds]
        trials += [self._choice(key, pair, draw) for pair in key.blocks[self.number % len(key.blocks)]]
        return {
            "format": 1,
            "test": key.test,
            "rater": self.code,
            "simulated": True,
            "started": "2026-01-01T10:00:00Z",
            "saved": "2026-01-01T10:20:00Z",
            "complete": True,
            "trials": len(trials),
            "browser": "none: a simulated rater",
            "remark": "",
            "answers": trials,
        }

    def _point(self, opinion: float, draw: random.Random) -> int:
        if self.careless:
            return draw.randint(1, 5)
        return min(5, max(1, round(draw.gauss(opinion, self.scatter))))

    def _rating(self, key: Key, code: str, draw: random.Random) -> dict[str, Any]:
        opinion = OPINIONS[key.sounds[code].name]
        points = {scale: self._point(value, draw) for scale, value in zip(key.asks, opinion, strict=False)}
        return {"kind": "rating", "sounds": [code], "place": 0, "plays": 1, "milliseconds": 4000, **points}

    def _choice(self, key: Key, pair: tuple[str, str], draw: random.Random) -> dict[str, Any]:
        liking = {code: sum(OPINIONS[key.sounds[code].name]) + draw.gauss(0, 2 * self.scatter) for code in pair}
        chosen = draw.choice(pair) if self.careless else max(pair, key=lambda code: liking[code])
        return {"kind": "pair", "sounds": list(pair), "place": 0, "plays": 2, "milliseconds": 6000, "chosen": chosen}

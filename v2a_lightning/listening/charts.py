"""Numbers with intervals as inline SVG, in the page's colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from v2a_lightning.listening.opinion import Estimate

WIDTH, ROW = 560, 38
LEFT, RIGHT, TOP, BOTTOM = 168, 62, 8, 30
MEAN_LETTER = 7.2


@dataclass(frozen=True)
class Bar:
    """One row of a chart; `quiet` rows are drawn in the second colour."""

    label: str
    estimate: Estimate
    quiet: bool = False


@dataclass(frozen=True)
class Axis:
    """What a chart's rows are measured along; `middle` is marked."""

    low: float
    high: float
    ticks: Sequence[float]
    digits: int = 2
    percent: bool = False
    middle: float | None = None

    def text(self, value: float) -> str:
        """A value as it is written."""
        return f"{100 * value:.0f} %" if self.percent else f"{value:.{self.digits}f}"

    def x(self, value: float) -> float:
        """Where a value stands, in the picture's coordinates."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def interval_chart(bars: Sequence[Bar], axis: Axis) -> str:
    """A row for each bar: a dot at its value, a line over its interval, the value in figures."""
    height = TOP + ROW * len(bars) + BOTTOM
    described = "; ".join(f"{bar.label}: {_words(bar.estimate, axis)}" for bar in bars)
    parts = [_grid(axis, height)]
    parts += [_row(bar, axis, TOP + ROW * (place + 0.5)) for place, bar in enumerate(bars)]
    return (
        f'<svg class="intervals" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(described)}">'
        + "".join(parts)
        + "</svg>"
    )


def _grid(axis: Axis, height: int) -> str:
    lines = []
    for tick in axis.ticks:
        kind = "grid middle" if tick == axis.middle else "grid"
        x, bottom = axis.x(tick), height - BOTTOM
        text = f"{100 * tick:.0f} %" if axis.percent else f"{tick:g}"
        lines.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        lines.append(f'<text class="tick" x="{x:.1f}" y="{height - 10}" text-anchor="middle">{text}</text>')
    return "".join(lines)


def _row(bar: Bar, axis: Axis, y: float) -> str:
    name = _fitted(bar.label)
    parts = [f'<text class="name" x="{LEFT - 14}" y="{y + 4.5:.1f}" text-anchor="end">{escape(name)}</text>']
    found = bar.estimate
    if np.isfinite(found.value):
        colour = "quiet" if bar.quiet else "loud"
        if np.isfinite(found.low):
            ends = f'x1="{axis.x(found.low):.1f}" x2="{axis.x(found.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
            parts.append(f'<line class="reach {colour}" {ends}/>')
        parts.append(f'<circle class="dot {colour}" cx="{axis.x(found.value):.1f}" cy="{y:.1f}" r="5.5"/>')
    figures = axis.text(found.value) if np.isfinite(found.value) else "–"
    parts.append(f'<text class="figures" x="{WIDTH}" y="{y + 4.5:.1f}" text-anchor="end">{figures}</text>')
    return f"<g><title>{escape(f'{bar.label}: {_words(found, axis)}')}</title>{''.join(parts)}</g>"


def _words(found: Estimate, axis: Axis) -> str:
    if not np.isfinite(found.value):
        return "not defined"
    if not np.isfinite(found.low):
        return axis.text(found.value)
    return f"{axis.text(found.value)}, from {axis.text(found.low)} to {axis.text(found.high)}"


def _fitted(label: str) -> str:
    """A label that does not run out of the picture; the whole one is in the row's title."""
    most = int((LEFT - 18) / MEAN_LETTER)
    return label if len(label) <= most else f"{label[: most - 1]}…"

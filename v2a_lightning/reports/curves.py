"""Learning curves as inline SVG: they take the page's colours, in light and in dark."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

WIDTH, HEIGHT = 320, 168
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Series:
    """One line of a chart: its name and its (epoch, value) points."""

    name: str
    points: tuple[tuple[float, float], ...]


def read_metrics(path: Path) -> dict[str, Series]:
    """Every column of a metrics.csv as a series over epochs; of several values in an epoch the last counts."""
    columns: dict[str, dict[float, float]] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            epoch = float(row["epoch"]) if row.get("epoch") else 0.0
            for name, text in row.items():
                if name not in ("epoch", "step") and text not in ("", None) and math.isfinite(float(text)):
                    columns.setdefault(name, {})[epoch] = float(text)
    return {name: Series(name, tuple(sorted(points.items()))) for name, points in columns.items()}


def best_point(series: Series, better: Better) -> tuple[float, float]:
    """The (epoch, value) with the best value; the earlier one of two equal."""
    sign = 1 if better == "lower" else -1
    return min(series.points, key=lambda point: (sign * point[1], point[0]))


def number(value: float) -> str:
    """A number with as many digits as a reader can use."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 5)}f}"


def line_chart(series: Sequence[Series], better: Better | None = None) -> str:
    """A small chart of one or more series over epochs; with `better`, the first series' best point is marked."""
    epochs = [x for one in series for x, _ in one.points]
    ticks = nice_ticks([y for one in series for _, y in one.points])
    frame = _Frame(min(epochs), max(epochs), ticks[0], ticks[-1])
    parts = [_grid(frame, ticks), _epoch_axis(frame, epochs)]
    parts += [_line(frame, one, index) for index, one in enumerate(series)]
    if better:
        parts.append(_mark(frame, best_point(series[0], better)))
    described = escape("; ".join(_described(one) for one in series))
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{described}">'
        + "".join(parts)
        + "</svg>"
    )


def nice_ticks(values: Sequence[float], wanted: int = 4) -> list[float]:
    """Round numbers that enclose all values, about `wanted` of them."""
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    rough = spread / max(1, wanted - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Frame:
    """From data to the picture's coordinates."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        share = (epoch - self.first) / (self.last - self.first) if self.last > self.first else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def _grid(frame: _Frame, ticks: Sequence[float]) -> str:
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.y(tick):.1f}" y2="{frame.y(tick):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{frame.y(tick) + 3.5:.1f}" text-anchor="end">{tick:.6g}</text>'
        for tick in ticks
    ]
    return "".join(lines)


def _epoch_axis(frame: _Frame, epochs: Sequence[float]) -> str:
    shown = sorted({min(epochs), max(epochs)})
    labels = [
        f'<text class="tick" x="{frame.x(epoch):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">epoch {epoch:g}</text>'
        for epoch, anchor in zip(shown, ("start", "end") if len(shown) > 1 else ("middle",), strict=True)
    ]
    return "".join(labels)


def _line(frame: _Frame, series: Series, index: int) -> str:
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in series.points)
    dots = "".join(
        f'<circle class="hover" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="9">'
        f"<title>{escape(series.name)}, epoch {x:g}: {number(y)}</title></circle>"
        for x, y in series.points
    )
    x, y = series.points[0]
    single = f'<circle class="dot s{index}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>'
    return f'<polyline class="line s{index}" points="{path}"/>' + (single if len(series.points) == 1 else "") + dots


def _mark(frame: _Frame, point: tuple[float, float]) -> str:
    return f'<circle class="best" cx="{frame.x(point[0]):.1f}" cy="{frame.y(point[1]):.1f}" r="4.5"/>'


def _described(series: Series) -> str:
    (first, start), (last, end) = series.points[0], series.points[-1]
    return f"{series.name}: {number(start)} at epoch {first:g}, {number(end)} at epoch {last:g}"

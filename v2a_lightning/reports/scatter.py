"""Sets of points as inline SVG, in the page's colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 420, 320, 14
# More points than this of a set hide one another.
SHOWN = 400

Points = Mapping[str, Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Bounds:
    """The part of the plane that a picture shows, with equal units on both axes."""

    left: float
    bottom: float
    unit: float

    @classmethod
    def around(cls, pictures: Sequence[Points]) -> "Bounds":
        """What holds all points of all pictures, so that the pictures compare."""
        every = [point for points in pictures for spots in points.values() for point in spots]
        columns, rows = [point[0] for point in every], [point[1] for point in every]
        width, height = max(columns) - min(columns) or 1.0, max(rows) - min(rows) or 1.0
        unit = min((WIDTH - 2 * MARGIN) / width, (HEIGHT - 2 * MARGIN) / height)
        spare = WIDTH / unit - width, HEIGHT / unit - height
        return cls(min(columns) - spare[0] / 2, min(rows) - spare[1] / 2, unit)


def scatter_chart(points: Points, bounds: Bounds) -> str:
    """A picture of named sets of (x, y) points; the first of each set when there are very many."""
    circles = "".join(
        f'<circle class="spot p{index}" cx="{(x - bounds.left) * bounds.unit:.1f}" '
        f'cy="{HEIGHT - (y - bounds.bottom) * bounds.unit:.1f}" r="3.2"/>'
        for index, spots in enumerate(points.values())
        for x, y in spots[:SHOWN]
    )
    described = escape(", ".join(f"{len(spots)} points of {name}" for name, spots in points.items()))
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{described}">{circles}</svg>'

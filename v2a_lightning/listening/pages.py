"""The pages of a listening test, in the style all pages of this project share."""

from pathlib import Path
from typing import Any


def render(name: str, **values: Any) -> str:
    """A page of this room's `page` folder, with everything it needs inside it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    package = Path(__file__).parents[1]
    loader = FileSystemLoader([package / "listening" / "page", package / "reports" / "templates"])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(name).render(**values)

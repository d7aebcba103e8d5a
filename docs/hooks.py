"""Pages and links that stand in the repository: what lies in docs/ there lies beside them on the site."""

from pathlib import Path
from typing import Any

FINDINGS = Path(__file__).parents[1] / "experiments" / "README.md"
REPOSITORY_TO_SITE = {"](../docs/": "](", "](../../experiments/README.md)": "](../findings.md)"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show the page of experiments/, and turn links that go by the repository's folders into the site's."""
    if page.file.src_uri == "findings.md":
        markdown = FINDINGS.read_text()
    for repository, site in REPOSITORY_TO_SITE.items():
        markdown = markdown.replace(repository, site)
    return markdown

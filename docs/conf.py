"""The documentation site: `sphinx-build -W -n docs build/site`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads wait for each other where others compute

from docs import figures, reference_pages
from symdiff.version import VERSION

project = "symdiff"
author = "The symdiff developers"
copyright = "the symdiff developers"
version = release = VERSION

extensions = ["myst_parser"]
exclude_patterns = ["_*"]
nitpicky = True
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # pages that start a section with a third-level heading
highlight_language = "python"

html_theme = "furo"
html_title = "symdiff"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e4f", "color-brand-content": "#0b6e4f"},
    "dark_css_variables": {"color-brand-primary": "#58c9a0", "color-brand-content": "#58c9a0"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

ELSEWHERE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+examples/?(?:[\w-]+/?)?)\)")
"""Links to folders of the repository, which the site does not have."""

MINUTE = re.compile(r"(?s)<!-- first minute -->\n#(.*)<!-- end of the first minute -->")


def first_minute() -> str:
    """README's section of this name as a page of its own."""
    found = MINUTE.search((HERE.parent / "README.md").read_text(encoding="utf-8"))
    assert found
    text = found[1].lstrip("#").replace("](docs/", "](../").replace("](examples/", "](../../examples/")
    return f"# {text.strip()}\n"


FIGURE = re.compile(r"!\[([^\]]*)\]\(([^)]*_figures/[\w-]+)\.svg\)")
"""A picture that is there in two colours."""


def prepare(app: Any, name: str, source: list[str]) -> None:
    """README's section comes in; folders of the repository are named, and not linked to."""
    text = first_minute() if name == "start/first-minute" else source[0]
    text = re.sub(r"\n\n```\n", "\n```\n", text)  # doctest wants an empty line after the last answer, readers do not
    text = FIGURE.sub(r"![\1](\2.svg){.only-light}\n![\1](\2-dark.svg){.only-dark}", text)
    source[0] = ELSEWHERE.sub(r"\1", text)


def write_reference(app: Any) -> None:
    """The pages that come from docstrings, records and examples."""
    reference_pages.write(HERE / "reference" / "generated")
    figures.write_figures(HERE / "_figures")
    figures.write_gallery(HERE / "gallery" / "generated", HERE / "_figures")


def setup(app: Any) -> None:
    """What Sphinx calls."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", prepare)

"""How Sphinx makes the site from the pages and from the docstrings of the package: `make docs`.

The sources are those of the whole tree, so that the links between its pages are the same on the site as in the tree.
"""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import cascade

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Cascade"
author = project_copyright = "The Cascade authors"
version = release = cascade.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "stub_types"]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "benchmarks/README.md"]
exclude_patterns = [".*", "build", "cascade", "dist", "examples", "tests", "CONTRIBUTING.md"]

html_theme = "furo"
html_title = f"Cascade {release}"
html_show_sourcelink = False
html_copy_source = False
html_additional_pages = {"index": "front.html"}
templates_path = ["templates"]
pygments_dark_style = "monokai"

# Anchors of headings as code hosts make them.
myst_heading_anchors = 6

# `name` in a docstring is a link, if there is such a name, and code in any case.
smartquotes_action = "D"  # dashes alone: "thread" is a str
highlight_language = "text"
default_role = "py:obj"
autodoc_default_options = {"members": True, "inherited-members": "BaseException,OSError,BaseEventLoop,object"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signatures of structs have the types


# The sections of the navigation and their pages, in order. The build fails if a page is in none of them.
def folder(name: str) -> list[str]:
    """The pages of a folder, by name."""
    return sorted(f"{name}/{page.stem}" for page in (HERE / name).glob("*.md"))


def guide(names: str) -> list[str]:
    """Pages of the guide."""
    return [f"guide/{name}" for name in names.split()]


SECTIONS = {
    "Tutorial": folder("tutorial"),
    "How to": folder("howto"),
    "Guide: expressions": guide("semantics failures routing conditions order mapping inside inputs types structure"),
    "Guide: what goes with a call": guide("retries timeouts caching resources limits"),
    "Guide: many runs, and time": guide("channels clock bounds populations threads"),
    "Guide: observability": guide("events debugging tools notebooks templates warm-starts command-line"),
    "Guide: extending and testing": guide("protocols pickling testing fireflies pythons"),
    "Reference": ["reference/index"],
    "Internals": folder("internals"),
    "Project": [
        "Read me </README>",
        "/CHANGELOG",
        "/benchmarks/README",
        "contributing",
        "/RELEASING",
        "/SECURITY",
        "/CODE_OF_CONDUCT",
    ],
}


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the sections to the front page, where they would disturb those who read it in the tree."""
    if page == root_doc:
        for caption, pages in SECTIONS.items():
            if pages:
                entries = "\n".join(pages)
                source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_navigation)
    app.add_lexer("mermaid", TextLexer)  # the site shows diagrams as they are written: it loads nothing from elsewhere

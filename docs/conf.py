"""How Sphinx builds the site: `make docs`, which ends in build/docs/index.html."""

from typing import Any

import fastrnn

project = "fastrnn"
author = "The fastrnn developers"
copyright = "The fastrnn developers"
release = version = fastrnn.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax"]
exclude_patterns = ["_templates"]
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # links such as data.md#text, as forges have them
suppress_warnings = ["misc.highlighting_failure"]  # output with an ellipsis

autosummary_generate = True
# Another name for a file whose own would be that of `score` where case does not count.
autosummary_filename_map = {"fastrnn.detector.Score": "fastrnn.detector.Score_class"}
autodoc_typehints = "none"  # the docstrings say what arguments are, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists them
default_role = "py:obj"
# In docstrings single backticks are for parameters too, which have no page of their own.
nitpick_ignore_regex = [("py:obj", r"(?!fastrnn).*")]

html_theme = "furo"
html_title = f"fastrnn {release}"
html_copy_source = False


def _skip(_app: Any, _what: str, _name: str, member: Any, skip: bool, _options: Any) -> bool | None:
    """Leave out the fields of named tuples, which are described under Attributes."""
    return True if type(member).__name__ == "_tuplegetter" else skip or None


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-skip-member", _skip)

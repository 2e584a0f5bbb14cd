"""How Sphinx builds the site: `make docs`, which ends in build/docs/index.html."""

from typing import Any

from sphinx.util.nodes import make_refnode

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

autosummary_generate = True
# Other names for files whose own would be those of `score` and `backtest` where case does not count.
autosummary_filename_map = {
    f"fastrnn.{name}": f"fastrnn.{name}_class" for name in ("detector.Score", "forecasting.Backtest")
}
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
    """Leave out fields of named tuples, which are described under Attributes, and what others' classes hand down."""
    theirs = (getattr(member, "__module__", None) or "").partition(".")[0] in ("sklearn", "torch")
    return True if theirs or type(member).__name__ == "_tuplegetter" else skip or None


def _resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Find a class that a docstring names without its package, such as `Recurrent` in that of fastrnn.LSTM."""
    target = node.get("reftarget", "")
    if node.get("reftype") != "obj" or not target[:1].isupper():
        return None
    domain = env.get_domain("py")
    found = sorted((name for name in domain.objects if name.endswith(f".{target}")), key=lambda name: name.count("."))
    if not found:
        return None
    entry = domain.objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, found[0])


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-skip-member", _skip)

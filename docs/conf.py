"""Configuration of the documentation; build it with ``sphinx-build -W -b html docs docs/_build``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import render_pages  # noqa: E402

import lowrank_la  # noqa: E402

project = "lowrank_la"
author = "lowrank_la developers"
copyright = f"2026, {author}"
version = release = lowrank_la.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_generated", "gallery"]
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),
    "thumbnail_size": (720, 240),
}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"
smartquotes = False  # quotes stand in code and in options, which are copied
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {page: [] for page in ("index", "api", "backends", "benchmarks", "papers", "contributing")}
html_title = "lowrank_la"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}


def setup(app):
    """Write the generated pages before Sphinx reads the sources, and spell out the sources that docstrings name."""
    render_pages.write_all(HERE / "_generated")
    app.connect("autodoc-process-docstring", spell_out_references, priority=1)


def spell_out_references(app, what, name, obj, options, lines):
    """Replace the key in ``.. [1] key`` by authors, title and place."""
    lines[:] = [render_pages.spelled_out(line) for line in lines]

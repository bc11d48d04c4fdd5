"""Sphinx: python -m sphinx -W docs docs/_build, without network."""

import os
import sys
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]
os.environ.setdefault("MPLBACKEND", "agg")

import refkan  # noqa: E402

project = "refkan"
copyright = "the refkan developers"
version = release = refkan.__version__
assert int(installed("sphinx").partition(".")[0]) >= 7

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "command_help",
    "plain_docstrings",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "examples", "gallery/**/*.ipynb", "gallery/**/*.py", "**/sg_execution_times.rst"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
default_role = None

html_theme = "pydata_sphinx_theme"
html_title = "refkan"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
}
# What lies side by side is in the head of each page; only gallery and reference have pages below them.
html_sidebars = {"*": [], "gallery/**": ["sidebar-nav-bs"], "reference/*": ["sidebar-nav-bs"]}
html_show_sourcelink = False
html_copy_source = False

# What needs PyTorch, which the extra "docs" does not bring, is shown without its results where that is missing.
SHOWN_ALONE = "" if find_spec("torch") else "(?!.*plot_hybrid)"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "subsection_order": [f"examples/{name}" for name in ("data", "knots", "equations", "spectra", "proofs", "layers")],
    "filename_pattern": rf"^{SHOWN_ALONE}.*\.py",
    "image_scrapers": ("figures.scrape",),
    "reset_modules": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "show_signature": False,
    "plot_gallery": True,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "capture_repr": (),
}
suppress_warnings = ["config.cache"]


def setup(app):
    """Leave out what estimators have from scikit-learn, whose pages these names lead to."""

    def skips(app, what, name, member, skip, options):
        return skip or str(getattr(member, "__module__", "")).startswith("sklearn")

    app.connect("autodoc-skip-member", skips)

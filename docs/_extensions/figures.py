"""For the gallery: figures are those that an example names or returns, without pyplot."""

from __future__ import annotations

from typing import Any


def scrape(block: Any, block_vars: Any, gallery_conf: Any) -> str:
    """Save the figures that a block of an example has made, and return the lines that show them."""
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    seen: set[int] = block_vars.setdefault("seen figures", set())
    paths = []
    for value in block_vars["example_globals"].values():
        if isinstance(value, Figure) and id(value) not in seen:
            seen.add(id(value))
            paths.append(next(block_vars["image_path_iterator"]))
            value.savefig(paths[-1], format="png", dpi=110, facecolor="white")
    return figure_rst(paths, gallery_conf["src_dir"])

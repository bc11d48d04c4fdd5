"""Mathematics as MathML, which browsers draw by themselves: pages need no script and no network."""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert


def mathml(latex: str, display: str) -> str:
    """Return a formula as MathML; blank lines and labels, which belong to LaTeX, are left out."""
    return convert(re.sub(r"\n\s*\n", "\n", latex).strip(), display=display)


def inline(translator: Any, node: Any) -> None:
    """Write a formula of a line."""
    from docutils.nodes import SkipNode

    translator.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def block(translator: Any, node: Any) -> None:
    """Write a formula that stands by itself."""
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Offer the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

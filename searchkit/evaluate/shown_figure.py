"""A figure that a notebook shows by itself."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

_DPI = 96  # as notebooks draw others


class ShownFigure(Figure):
    """Without pyplot, which alone would tell a notebook how to show a figure of matplotlib."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=_DPI)
        return content.getvalue()

"""The look of the charts: colours, shapes, dashes and sizes, for light and dark pages.

Marks have no colours of their own. They come from the configuration, so that one chart can be drawn
for both schemes. A series also has a shape or a dash, because colours are not enough for everybody.
"""

from __future__ import annotations

from typing import Any, Literal

Scheme = Literal["light", "dark"]

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# After Okabe and Ito (2008), darker on light pages and lighter on dark ones, so that each has a
# contrast of at least 3 with the page.
COLOURS: dict[Scheme, list[str]] = {
    "light": [
        *("#0072b2", "#d55e00", "#00855f", "#b5508a"),
        *("#1a1a1a", "#2f8fc7", "#9a6b00", "#767676"),
    ],
    "dark": [
        *("#56b4e9", "#f08a4b", "#2fc79a", "#e29cc6"),
        *("#f2f2f2", "#3b93cf", "#e6b040", "#a3a3a3"),
    ],
}
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke", "arrow"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3], [4, 4], [1, 3], [10, 2, 2, 2, 2, 2]]
# More series cannot be distinguished by colour.
MOST_SERIES = len(SHAPES)
# The names of styles: a line to compare with, its label, series without a
# colour of their own, and marks in the colour of the text
# or of the page.
REFERENCE, NOTE, REST, INK, PAPER = "reference", "note", "rest", "ink", "paper"

_INKS: dict[Scheme, tuple[str, str, str, str]] = {
    # text, secondary text and lines, grid, the page that it is drawn for
    "light": ("#1a1a1a", "#595959", "#dedede", "#ffffff"),
    "dark": ("#f2f2f2", "#b8b8b8", "#454545", "#17191c"),
}
_RAMPS: dict[Scheme, list[str]] = {
    "light": ["#e8f1f8", "#9cc6e0", "#4a97c4", "#0072b2", "#004a75"],
    "dark": ["#1f2d38", "#23506e", "#2b7cab", "#56b4e9", "#bfe3f8"],
}


def page(scheme: Scheme) -> str:
    """Return the colour of a page that fits the scheme."""
    return _INKS[scheme][3]


def ink(scheme: Scheme) -> str:
    """Return the colour of the text."""
    return _INKS[scheme][0]


def config(scheme: Scheme) -> dict[str, Any]:
    """Return the configuration of Vega-Lite. The background is transparent."""
    text, second, grid, paper = _INKS[scheme]
    return {
        "background": "transparent",
        "font": FONT,
        "padding": 8,
        "facet": {"spacing": 40},
        "view": {"stroke": None, "continuousWidth": 460, "continuousHeight": 320},
        "axis": {
            "labelColor": text,
            "titleColor": text,
            "gridColor": grid,
            "domainColor": second,
            "tickColor": second,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 0,
            "titleLimit": 0,
            "titlePadding": 8,
            "labelPadding": 4,
            "labelFlush": False,
            "labelOverlap": "greedy",
            "labelSeparation": 4,
        },
        "legend": {
            "labelColor": text,
            "titleColor": text,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "labelLimit": 0,
            "titleLimit": 0,
            "symbolStrokeWidth": 2,
            "symbolSize": 70,
            "symbolOpacity": 1,
            "symbolBaseFillColor": second,
            "symbolBaseStrokeColor": second,
        },
        "header": {
            "labelColor": text,
            "titleColor": text,
            "labelFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 0,
        },
        "title": {
            "color": text,
            "subtitleColor": second,
            "anchor": "start",
            "frame": "bounds",
            "fontSize": 15,
            "fontWeight": "bold",
            "subtitleFontSize": 11,
            "subtitlePadding": 5,
            "offset": 14,
            "limit": 0,
        },
        "mark": {"color": COLOURS[scheme][0]},
        "rule": {"color": COLOURS[scheme][0]},
        "text": {"color": text, "fontSize": 11},
        "range": {
            "category": COLOURS[scheme],
            "symbol": SHAPES,
            "ramp": _RAMPS[scheme],
            "heatmap": _RAMPS[scheme],
        },
        "style": {
            REFERENCE: {"stroke": second, "color": second},
            NOTE: {"fill": second, "color": second},
            INK: {"fill": text, "color": text, "stroke": text},
            PAPER: {"fill": paper, "color": paper},
            REST: {"color": COLOURS[scheme][-1], "stroke": COLOURS[scheme][-1]},
        },
    }

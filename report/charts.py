"""The charts: one function each, from rows to an Altair chart that the caller can change.

A chart has no title, no caption and no colours of its own: see drawing.py and theme.py. `models` in
the rows are whole names; the charts show them shortened, and whole in tooltips. Shares are between
0 and 1 in the data, and axes show them as percentages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from . import theme
from .names import shortened

if TYPE_CHECKING:
    import pyarrow as pa

_Row = dict[str, Any]
# A share as 83 %, a share as 82.96 % in a tooltip.
_PERCENT, _FINE = "~%", ".2%"
# The width of a character of the text in a chart, in pixels, and the height of a line.
_CHARACTER, _LINE = 6.2, 13
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_POINT_SIZE = 70
_WIDTH = 460
# More panels make a picture that nobody reads.
MOST_PANELS = 12


def accuracy(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the accuracy by the original labels against the one that judges, a point a model.

    Rows of a background have a `source`, and are small points.
    """
    found = _rows(rows)
    models = [row for row in found if row["source"] is None]
    background = [row for row in found if row["source"] is not None]
    names = _shown(models)
    domain = _domain(
        value
        for row in found
        for value in (
            row["original_accuracy"],
            row["real_accuracy"],
            row["real_accuracy_low"],
            row["real_accuracy_high"],
        )
    )
    width = height = 400
    x = alt.X("original_accuracy:Q", title="Original accuracy (%)", **_percent(domain))
    y = alt.Y("real_accuracy:Q", title=f"{measure} (%)", **_percent(domain))
    layers = [
        alt.Chart(_data([{"value": value} for value in domain]))
        .mark_line(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1)
        .encode(x=alt.X("value:Q"), y=alt.Y("value:Q"))
    ]
    if background:
        layers.append(
            alt.Chart(_data(background))
            .mark_point(style=theme.REST, filled=True, size=14, opacity=0.6)
            .encode(x, y, tooltip=_tooltip("model", "source", "original_accuracy", "real_accuracy"))
        )
    base = alt.Chart(_data(models)).encode(x)
    tooltip = _tooltip("model", "original_accuracy", "real_accuracy", "scored_images")
    layers.append(
        base.mark_rule(strokeWidth=1.2).encode(
            alt.Y("real_accuracy_low:Q", title=f"{measure} (%)", **_percent(domain)),
            alt.Y2("real_accuracy_high:Q"),
            *_colour(names),
        )
    )
    layers.append(
        base.mark_point(filled=True, size=_POINT_SIZE, opacity=1).encode(
            y, *_colour(names), *_shape(names), tooltip=tooltip
        )
    )
    if len(names) > theme.MOST_SERIES:
        places = {
            row["model"]: (
                _pixel(row["original_accuracy"], domain, width),
                height - _pixel(row["real_accuracy"], domain, height),
            )
            for row in models
        }
        layers += [
            alt.Chart(_data([row for row in models if row["model"] in there]))
            .mark_text(**how)
            .encode(x, y, text="shown:N")
            for there, how in _labelled(places, names, width, height)
        ]
    return alt.layer(*layers).properties(width=width, height=height)


def thresholds(
    rows: pa.Table, *, marked: Sequence[tuple[float, str]] = ((0.8, "published: 0.8"),)
) -> Any:
    """Return the accuracy of each model by the threshold of the labels, above the scored images.

    `marked` are thresholds to mark, and their notes.
    """
    found = [row for row in _rows(rows) if row["real_accuracy"] is not None]
    names = _shown(found)
    x = alt.X(
        "threshold:Q",
        title="Threshold: the lowest score that makes a label",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=[each / 10 for each in range(11)], format=".1f"),
    )
    panels = []
    for column, title, height, y in (
        (
            "real_accuracy",
            "Accuracy by the labels (%)",
            280,
            _percent(_domain(row["real_accuracy"] for row in found)),
        ),
        (
            "scored_images",
            "Images with a label",
            90,
            {"scale": alt.Scale(zero=False), "axis": alt.Axis(format=",d", tickCount=4)},
        ),
    ):
        is_first = column == "real_accuracy"
        layers = _lines(
            found,
            names,
            x,
            alt.Y(f"{column}:Q", title=title, **y),
            _tooltip("model", "threshold", "real_accuracy", "scored_images"),
        )
        layers += _marked(marked, has_notes=is_first)
        panels.append(alt.layer(*layers).properties(width=_WIDTH, height=height))
    return alt.vconcat(*panels).resolve_scale(x="shared")


def _marked(marked: Sequence[tuple[float, str]], *, has_notes: bool) -> list[Any]:
    """Return vertical lines at values of x, with their notes at the top."""
    base = alt.Chart(_data([{"value": value, "note": note} for value, note in marked]))
    layers = [
        base.mark_rule(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1.5).encode(
            alt.X("value:Q")
        )
    ]
    if has_notes:
        layers.append(
            base.mark_text(style=theme.NOTE, align="right", dx=-5, baseline="bottom", dy=-3).encode(
                alt.X("value:Q"), y=alt.value(0), text="note:N"
            )
        )
    return layers


def precision_recall(rows: pa.Table) -> Any:
    """Return the precision and recall of the scores on the golden questions, with their points.

    The rows are those of the view `precision_recall`, with `point`: what a point is, or None.
    """
    found = _rows(rows)
    titles = {"published": "published scores", "majority": "share of yes votes"}
    for row in found:
        row["shown"] = titles.get(row["method"], row["method"])
    curves = [row for row in found if row["method"] in titles]
    points = [row for row in found if row["point"] is not None]
    names = [name for name in titles.values() if any(row["shown"] == name for row in curves)]
    x = alt.X(
        "recall:Q",
        title="Recall (% of the valid golden questions that are kept)",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=_PERCENT),
    )
    y = alt.Y(
        "precision:Q",
        title="Precision (% of the kept questions that are valid)",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=_PERCENT),
    )
    tooltip = _tooltip("method", "threshold", "precision", "recall", "kept_questions")
    kinds = list(dict.fromkeys(row["point"] for row in points))
    layers = _lines(curves, names, x, y, tooltip, title="Curve", order="threshold")
    layers.append(
        alt.Chart(_data(points))
        .mark_point(filled=True, size=130, opacity=1, style=theme.INK)
        .encode(
            x,
            y,
            alt.Shape(
                "point:N",
                scale=alt.Scale(domain=kinds, range=["diamond", "square", "triangle-up"]),
                legend=alt.Legend(title="Point"),
            ),
            tooltip=_tooltip("point", "threshold", "precision", "recall", "kept_questions"),
        )
    )
    return alt.layer(*layers).properties(width=400, height=400)


def reliability(rows: pa.Table, *, labels: str = "ReaL labels") -> Any:
    """Return how often models are right at each level of confidence, by both label sets.

    The rows are those of the view `calibration`, with the models in order. A panel is a model, up
    to MOST_PANELS of them.
    """
    found = _rows(rows)
    names = _shown(found, most=24)[:MOST_PANELS]
    sets = {"real": labels, "original": "original labels"}
    for row in found:
        row["panel"], row["shown"] = row["shown"], sets[row["label_set"]]
    found = [row for row in found if row["panel"] in names]
    present = [name for key, name in sets.items() if any(row["shown"] == name for row in found)]
    side = 300 if len(names) == 1 else 200
    share = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format=_PERCENT, tickCount=5)}
    x = alt.X("mean_confidence:Q", title="Mean confidence (%)", **share)
    y = alt.Y("accuracy:Q", title="Right first choices (%)", **share)
    ends = [{"x": 0, "y": 0, "panel": name} for name in names]
    ends += [{"x": 1, "y": 1, "panel": name} for name in names]
    # One set of rows, because the panels of a facet share it.
    base = alt.Chart()
    layered = alt.layer(
        base.mark_line(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1)
        .transform_filter("isValid(datum.x)")
        .encode(alt.X("x:Q"), alt.Y("y:Q")),
        base.mark_line(strokeWidth=1.5)
        .transform_filter("isValid(datum.accuracy)")
        .encode(x, y, *_colour(present, "Judged by")),
        base.mark_point(filled=True, opacity=1)
        .transform_filter("isValid(datum.accuracy)")
        .encode(
            x,
            y,
            *_colour(present, "Judged by"),
            *_shape(present, "Judged by"),
            alt.Size(
                "images:Q",
                scale=alt.Scale(range=[12, 160]),
                legend=alt.Legend(title="Images in the bin", symbolType="circle", format=",d"),
            ),
            tooltip=_tooltip("model", "shown", "mean_confidence", "accuracy", "images"),
        ),
        data=_data([*ends, *found]),
    ).properties(width=side, height=side)
    columns = 1 if len(names) == 1 else 2 if len(names) < 5 else 4
    return layered.facet(
        alt.Facet("panel:N", title=None, sort=names, header=alt.Header(labelFontWeight="bold")),
        columns=columns,
    )


def _lines(
    rows: Sequence[_Row],
    names: Sequence[str],
    x: Any,
    y: Any,
    tooltip: list[Any],
    *,
    title: str = "Model",
    order: str | None = None,
) -> list[Any]:
    """Return a line for each series. Those that no colour is left for are thin and grey."""
    coloured = list(names[: theme.MOST_SERIES])
    rest = [row for row in rows if row["shown"] not in coloured]
    along = [alt.Order(f"{order}:Q")] if order else []
    layers = []
    if rest:
        layers.append(
            alt.Chart(_data(rest))
            .mark_line(style=theme.REST, strokeWidth=0.8, opacity=0.6)
            .encode(x, y, *along, detail="shown:N", tooltip=tooltip)
        )
    # The symbols are long enough to show the dashes.
    legend = alt.Legend(title=title, symbolSize=500) if len(coloured) > 1 else None
    dash = alt.Scale(domain=coloured, range=theme.DASHES[: len(coloured)])
    layers.append(
        alt.Chart(_data([row for row in rows if row["shown"] in coloured]))
        .mark_line(strokeWidth=2)
        .encode(
            x,
            y,
            *along,
            alt.Color("shown:N", scale=alt.Scale(domain=coloured), legend=legend),
            alt.StrokeDash("shown:N", scale=dash, legend=legend),
            tooltip=tooltip,
        )
    )
    return layers


def _rows(rows: pa.Table) -> list[_Row]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows.to_pylist()]


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: DuckDB's sums are decimals, and JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else int(value)


def _data(rows: Sequence[_Row]) -> Any:
    return alt.InlineData(values=list(rows))


def _shown(rows: Sequence[_Row], column: str = "model", most: int = 28) -> list[str]:
    """Add the column `shown` to the rows, the short form of a name; return all forms in order."""
    forms = shortened((row[column] for row in rows), most)
    for row in rows:
        row["shown"] = forms[row[column]]
    return list(forms.values())


def _domain(values: Iterable[float | None], *, at_least: float = 0.02) -> tuple[float, float]:
    """Return the range of shares that an axis shows, with room at both ends."""
    there = [value for value in values if value is not None]
    low, high = min(there), max(there)
    room = max((high - low) * 0.06, (at_least - (high - low)) / 2)
    return round(max(low - room, 0), 6), round(min(high + room, 1), 6)


def _percent(domain: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return the scale and axis of a share."""
    scale = (
        alt.Scale(domain=list(domain), nice=False, zero=False) if domain else alt.Scale(zero=False)
    )
    return {"scale": scale, "axis": alt.Axis(format=_PERCENT, tickCount=6)}


def _colour(names: Sequence[str], title: str | None = "Model") -> list[Any]:
    """Return the colour of each series; none if there are more than can be distinguished."""
    if len(names) > theme.MOST_SERIES:
        return []
    shown = alt.Legend(title=title) if len(names) > 1 else None
    return [alt.Color("shown:N", scale=alt.Scale(domain=list(names)), legend=shown)]


def _shape(names: Sequence[str], title: str | None = "Model") -> list[Any]:
    """Return the shape of each series, which goes with its colour."""
    if len(names) > theme.MOST_SERIES:
        return []
    shown = alt.Legend(title=title) if len(names) > 1 else None
    scale = alt.Scale(domain=list(names), range=theme.SHAPES[: len(names)])
    return [alt.Shape("shown:N", scale=scale, legend=shown)]


def _tooltip(*columns: str) -> list[Any]:
    """Return tooltips: the name of the column in words, and its value."""
    shares = ("accuracy", "share", "precision", "recall", "sensitivity", "specificity")
    found = []
    for column in columns:
        title = column.replace("_", " ")
        if any(part in column for part in shares):
            found.append(alt.Tooltip(f"{column}:Q", title=title, format=_FINE))
        elif column.endswith(("images", "votes", "questions", "answers")):
            found.append(alt.Tooltip(f"{column}:Q", title=title, format=",d"))
        else:
            found.append(alt.Tooltip(f"{column}:N", title=title))
    return found


def _pixel(value: float, domain: tuple[float, float], length: int) -> float:
    return (value - domain[0]) / (domain[1] - domain[0]) * length


def _labelled(
    points: dict[str, tuple[float, float]], names: Sequence[str], width: int, height: int
) -> list[tuple[set[str], dict[str, Any]]]:
    """Return labels of points that cover no other label or point: the names, and how to draw them.

    `points` are places in pixels. A name is left out where there is no room for it.
    """
    sides: list[tuple[dict[str, Any], float, float]] = [
        ({"align": "left", "dx": 7}, 7, -_LINE / 2),
        ({"align": "right", "dx": -7}, -7, -_LINE / 2),
        ({"align": "center", "dy": -11}, 0, -11 - _LINE / 2),
        ({"align": "center", "dy": 11}, 0, 11 - _LINE / 2),
    ]
    shift = {"left": 0.0, "right": 1.0, "center": 0.5}
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in points.values()]
    found: list[tuple[set[str], dict[str, Any]]] = [(set(), how) for how, _, _ in sides]
    for (name, (x, y)), text in zip(points.items(), names, strict=True):
        size = len(text) * _CHARACTER
        for (there, how), (_, dx, dy) in zip(found, sides, strict=True):
            left = x + dx - size * shift[how["align"]]
            box = (left, y + dy, left + size, y + dy + _LINE)
            is_inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
            if is_inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                there.add(name)
                break
    return [(there, how) for there, how in found if there]


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def probability(log10: float) -> str:
    """Return a p value from its logarithm, which does not underflow: 0.013, 5.7e-10 as a power."""
    if log10 >= -3:
        return f"{10**log10:.2g}"
    power = math.floor(log10)
    digits = round(10 ** (log10 - power), 1)
    if digits >= 10:
        digits, power = 1.0, power + 1
    return f"{digits:.1f}\u00d710{str(power).translate(_SUPERSCRIPTS)}"

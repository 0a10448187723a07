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
from .names import short, shortened

if TYPE_CHECKING:
    import pyarrow as pa

_Row = dict[str, Any]
# A share as 83 %, a share as 82.96 % in a tooltip.
_PERCENT, _FINE = "~%", ".2%"
# The width of a character of the text in a chart, in pixels, and the height of a line.
_CHARACTER, _LINE = 6.2, 13
_POINT_SIZE = 70
_WIDTH = 460
# An axis of differences of shares, in percentage points.
_POINTS = alt.Axis(
    tickCount=8, labelExpr="datum.value == 0 ? '0' : format(datum.value * 100, '+~r')"
)
_RATIOS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100)
_JUDGED_BY = alt.Legend(title="Judged by")
_STEPS = ("distinguished", "not distinguished", "no model before")


def accuracy(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the accuracy by the original labels against the one that judges, a point a model.

    Rows of a background have a `source`, and are small points.
    """
    found = _rows(rows)
    models = [row for row in found if row["source"] is None]
    background = [row for row in found if row["source"] is not None]
    names = _shown(models)
    ends = ("real_accuracy", "real_accuracy_low", "real_accuracy_high")
    originals = [row["original_accuracy"] for row in found]
    judged = [row[end] for row in found for end in ends]
    is_labelled = len(names) > theme.MOST_SERIES
    if not is_labelled:
        # Few points leave room for the line on which both accuracies are equal.
        originals = judged = [*originals, *judged]
    across, up = _domain(originals), _domain(judged)
    width = height = 400
    x = alt.X("original_accuracy:Q", title="Original accuracy (%)", **_percent(across))
    y = alt.Y("real_accuracy:Q", title=f"{measure} (%)", **_percent(up))
    layers = []
    if not is_labelled:
        layers.append(
            alt.Chart(_data([{"value": value} for value in across]))
            .mark_line(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1)
            .encode(x=alt.X("value:Q"), y=alt.Y("value:Q"))
        )
    if background:
        layers.append(
            alt.Chart(_data(background))
            .mark_point(style=theme.REST, filled=True, size=14, opacity=0.6)
            .encode(x, y, tooltip=_tooltip("model", "source", "original_accuracy", "real_accuracy"))
        )
    base = alt.Chart(_data(models)).encode(x)
    tooltip = _tooltip("model", "original_accuracy", "real_accuracy", "scored_images")
    if not is_labelled:
        layers.append(
            base.mark_rule(strokeWidth=1.2).encode(
                alt.Y("real_accuracy_low:Q", title=f"{measure} (%)", **_percent(up)),
                alt.Y2("real_accuracy_high:Q"),
                *_colour(names),
            )
        )
    layers.append(
        base.mark_point(filled=True, size=_POINT_SIZE, opacity=1).encode(
            y, *_colour(names), *_shape(names), tooltip=tooltip
        )
    )
    if is_labelled:
        places = {
            row["model"]: (
                _pixel(row["original_accuracy"], across, width),
                height - _pixel(row["real_accuracy"], up, height),
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
    found = _rows(rows)
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
    # Of two notes the right one is on the right of its line: they do not overlap.
    for place, (value, note) in enumerate(sorted(marked) if has_notes else []):
        side: dict[str, Any] = {"align": "left", "dx": 5} if place else {"align": "right", "dx": -5}
        layers.append(
            alt.Chart(_data([{"value": value, "note": note}]))
            .mark_text(style=theme.NOTE, baseline="bottom", dy=-3, **side)
            .encode(alt.X("value:Q"), y=alt.value(0), text="note:N")
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

    The rows are those of the view `calibration`, with the models in order. A panel is a model.
    """
    found = _rows(rows)
    names = _shown(found, most=24)
    sets = {"real": labels, "original": "original labels"}
    for row in found:
        row["panel"], row["shown"] = row["shown"], sets[row["label_set"]]
    present = [name for key, name in sets.items() if any(row["shown"] == name for row in found)]
    side = 300 if len(names) == 1 else 200
    share: dict[str, Any] = {
        "scale": alt.Scale(domain=[0, 1]),
        "axis": alt.Axis(format=_PERCENT, tickCount=5),
    }
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


def pairs(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the difference of each pair of models with its interval, and its p value."""
    found = _rows(rows)
    forms = shortened([row[side] for row in found for side in ("model_a", "model_b")], 22)
    for row in found:
        row["shown"] = f"{forms[row['model_a']]} \u2212 {forms[row['model_b']]}"
    return _differences(found, f"Difference in {_lower(measure)} (percentage points)", 26)


def class_differences(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the difference of two models in each class with its interval, and its p value."""
    found = _rows(rows)
    _shown(found, "class")
    a, b = (short(found[0][side], 22) for side in ("model_a", "model_b"))
    title = [f"Difference in {_lower(measure)} (percentage points)", f"{a} \u2212 {b}"]
    return _differences(found, title, 22)


def _differences(found: list[_Row], title: str | list[str], step: int) -> Any:
    """Return a row for each difference: its interval, its point and its p value."""
    kinds = {True: "below 0.05", False: "0.05 or more"}
    for row in found:
        row["p"] = probability(row["log10_holm_p"])
        row["kind"] = kinds[row["log10_holm_p"] < math.log10(0.05)]
    order = [row["shown"] for row in found]
    y = alt.Y("shown:N", sort=order, title=None)
    base = alt.Chart(_data(found)).encode(y)
    scale = alt.Scale(domain=list(kinds.values()))
    # The p values are on the right.
    legend = alt.Legend(title="p (Holm)", orient="bottom")
    kind = [
        alt.Color("kind:N", scale=scale, legend=legend),
        alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=list(kinds.values()), range=["circle", "diamond"]),
            legend=legend,
        ),
    ]
    x = alt.X("difference:Q", title=title, axis=_POINTS)
    tooltip = [
        alt.Tooltip(f"{name}:N", title=name.replace("_", " "))
        for name in ("model_a", "model_b", "name", "label")
        if name in found[0]
    ]
    tooltip += [
        alt.Tooltip(f"{name}:Q", title=name.replace("_", " "), format="+.4f")
        for name in ("difference", "difference_low", "difference_high")
    ]
    tooltip += [alt.Tooltip("p:N", title="p (Holm)"), alt.Tooltip("images:Q", format=",d")]
    layers = [
        _zero(),
        base.mark_rule(strokeWidth=2).encode(
            alt.X("difference_low:Q", title=title, axis=_POINTS),
            alt.X2("difference_high:Q"),
            kind[0],
        ),
        base.mark_point(filled=True, size=_POINT_SIZE, opacity=1).encode(x, *kind, tooltip=tooltip),
        base.mark_text(align="left", dx=10).encode(x=alt.value(_WIDTH), text="p:N"),
        alt.Chart(_data([{"text": "p (Holm)"}]))
        .mark_text(style=theme.NOTE, align="left", dx=10, dy=-10)
        .encode(x=alt.value(_WIDTH), y=alt.value(0), text="text:N"),
    ]
    return alt.layer(*layers).properties(width=_WIDTH, height=alt.Step(step))


def _zero(value: float = 0) -> Any:
    return (
        alt.Chart(_data([{"value": value}]))
        .mark_rule(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(alt.X("value:Q"))
    )


def ranks(rows: pa.Table, *, labels: str = "ReaL labels") -> Any:
    """Return the rank of each model and the ranks that the tests allow, by both label sets."""
    found = _rows(rows)
    names = _shown(found)
    sets = {"real": labels, "original": "original labels"}
    for row in found:
        row["judged_by"] = sets[row["label_set"]]
    present = [name for key, name in sets.items() if any(r["label_set"] == key for r in found)]
    most = max(row["compared_models"] for row in found)
    axis = alt.Axis(format="d", tickMinStep=1, tickCount=min(most, 12))
    scale = alt.Scale(domain=[0.5, most + 0.5], nice=False, zero=False)
    title = "Rank (1 is the most accurate)"
    base = alt.Chart(_data(found)).encode(
        alt.Y("shown:N", sort=names, title=None, axis=alt.Axis(grid=True, tickBand="extent")),
        alt.YOffset("judged_by:N", sort=present),
        alt.Color("judged_by:N", scale=alt.Scale(domain=present), legend=_JUDGED_BY),
    )
    return (
        base.mark_rule(strokeWidth=5, strokeCap="round", opacity=0.6).encode(
            alt.X("rank_low:Q", title=title, scale=scale, axis=axis), alt.X2("rank_high:Q")
        )
        + base.mark_point(filled=True, size=_POINT_SIZE, opacity=1).encode(
            alt.X("rank:Q", title=title, scale=scale, axis=axis),
            alt.Shape(
                "judged_by:N",
                scale=alt.Scale(domain=present, range=theme.SHAPES[: len(present)]),
                legend=_JUDGED_BY,
            ),
            tooltip=_tooltip("model", "judged_by", "rank", "rank_low", "rank_high", "accuracy"),
        )
    ).properties(width=_WIDTH, height=alt.Step(11, **{"for": "offset"}))


def class_changes(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the original accuracy of each class, and the one that judges, joined by a line."""
    found = _rows(rows)
    order = _shown(found, "class")
    kinds = ["Original accuracy", measure]
    for row in found:
        row["points"] = f"{100 * row['accuracy_change']:+.1f}".replace("-", "\u2212")
    ends = [
        {**row, "kind": kind, "value": row[column]}
        for row in found
        for kind, column in zip(kinds, ("original_accuracy", "real_accuracy"), strict=True)
    ]
    domain = _domain(row["value"] for row in ends)
    title = "Accuracy (%)"
    y = alt.Y("shown:N", sort=order, title=None)
    # The changes are on the right.
    legend = alt.Legend(title="Judged by", orient="bottom")
    tooltip = _tooltip("name", "original_accuracy", "real_accuracy", "scored_images")
    tooltip += _tooltip("gained_images", "lost_images")
    rest = alt.Chart(_data(found)).encode(y)
    return alt.layer(
        rest.mark_rule(style=theme.REFERENCE, strokeWidth=1.5).encode(
            alt.X("original_accuracy:Q", title=title, **_percent(domain)),
            alt.X2("real_accuracy:Q"),
        ),
        alt.Chart(_data(ends))
        .mark_point(filled=True, size=_POINT_SIZE, opacity=1)
        .encode(
            alt.X("value:Q", title=title, **_percent(domain)),
            y,
            alt.Color("kind:N", scale=alt.Scale(domain=kinds), legend=legend),
            alt.Shape(
                "kind:N", scale=alt.Scale(domain=kinds, range=theme.SHAPES[:2]), legend=legend
            ),
            tooltip=tooltip,
        ),
        rest.mark_text(align="left", dx=10).encode(x=alt.value(_WIDTH), text="points:N"),
        alt.Chart(_data([{"text": "change (points)"}]))
        .mark_text(style=theme.NOTE, align="left", dx=10, dy=-10)
        .encode(x=alt.value(_WIDTH), y=alt.value(0), text="text:N"),
    ).properties(width=_WIDTH, height=alt.Step(20))


def groups(rows: pa.Table, *, measure: str = "ReaL accuracy", group: str = "Images") -> Any:
    """Return the accuracy of each model in each group, with its interval."""
    found = _rows(rows)
    domain = _domain(
        row[name] for row in found for name in ("real_accuracy_low", "real_accuracy_high")
    )
    return _dots(
        found,
        group,
        ("real_accuracy", "real_accuracy_low", "real_accuracy_high"),
        {"title": f"{measure} (%)", **_percent(domain)},
        _tooltip("model", "group", "real_accuracy", "original_accuracy", "scored_images"),
    ).properties(width=_WIDTH)


def factors(rows: pa.Table, *, group: str = "factor") -> Any:
    """Return the error ratio of each model in each group, with its interval."""
    found = _rows(rows)
    ends = ("error_ratio", "error_ratio_low", "error_ratio_high")
    values = [row[name] for row in found for name in ends if (row[name] or 0) > 0]
    low, high = min([*values, 0.9]), max([*values, 1.1])
    scale = alt.Scale(type="log", domain=[low * 0.95, high * 1.05], nice=False)
    axis = alt.Axis(format="~g", values=[each for each in _RATIOS if low <= each <= high])
    tooltip = [
        *_tooltip("model", "group"),
        alt.Tooltip("error_ratio:Q", title="error ratio", format=".3f"),
        *_tooltip("real_accuracy", "grouping_accuracy", "scored_images"),
    ]
    title = "Error ratio (error rate in the group / on all images of the grouping, log scale)"
    dots = _dots(found, group, ends, {"title": title, "scale": scale, "axis": axis}, tooltip)
    return alt.layer(_zero(1), dots).properties(width=_WIDTH)


def _dots(
    found: list[_Row],
    title: str,
    columns: tuple[str, str, str],
    x: dict[str, Any],
    tooltip: list[Any],
) -> Any:
    """Return a point with an interval for each group and series: value, low and high end."""
    names = _shown(found)
    forms = shortened((row["group_name"] for row in found), 30)
    for row in found:
        row["group"] = forms[row["group_name"]]
    value, low, high = columns
    base = alt.Chart(_data(found)).encode(
        alt.Y("group:N", sort=list(forms.values()), title=title, axis=alt.Axis(tickBand="extent")),
        alt.YOffset("shown:N", sort=names),
        *_colour(names),
    )
    return (
        base.mark_rule(strokeWidth=1.5).encode(alt.X(f"{low}:Q", **x), alt.X2(f"{high}:Q"))
        + base.mark_point(filled=True, size=50, opacity=1).encode(
            alt.X(f"{value}:Q", **x), *_shape(names), tooltip=tooltip
        )
    ).properties(height=alt.Step(_step(len(names)), **{"for": "offset"}))


def _step(series: int) -> int:
    """Return the height of a line of a series within a group, in pixels."""
    return 20 if series == 1 else 12 if series <= 4 else 9


def label_sets(rows: pa.Table, *, real: str = "real") -> Any:
    """Return the rank of each model by each label set, as lines, with names at both ends."""
    found = _rows(rows)
    names = _shown(sorted(found, key=lambda row: (row["label_set"] != "real", 0)))
    sets = shortened([row["label_set"] for row in found], 20)
    if "real" in sets:
        sets["real"] = real
    coloured = names[: theme.MOST_SERIES]
    kinds = {True: "rank by ReaL excluded", None: "not tested or the same", False: "possible"}
    for row in found:
        row["set"] = sets[row["label_set"]]
        row["kind"] = kinds[row["is_change_supported"]]
    # Equal ranks have the same point, and their names are below each other.
    last = list(sets)[-1]
    ends = [row for row in found if row["label_set"] == last]
    ends.sort(key=lambda row: row["label_set_rank"])
    ends = [
        {**row, "line": place, "text": f"{row['label_set_rank']} {row['shown']}"}
        for place, row in enumerate(ends, 1)
    ]
    most = max(max(row["label_set_rank"] for row in found), len(ends))
    scale = alt.Scale(domain=[0.5, most + 0.5], reverse=True, nice=False, zero=False)
    step = 1 if most <= 25 else 5
    ticks = [1, *(each for each in range(step, most + 1, step) if each > 1)]
    # Without grid, which would cross the names.
    axis = alt.Axis(format="d", values=ticks, grid=False)
    x = alt.X(
        "set:N",
        sort=list(sets.values()),
        title="Label set",
        axis=alt.Axis(labelAngle=-30 if len(sets) > 4 else 0, grid=True),
    )
    y = alt.Y("label_set_rank:Q", title="Rank (1 is the most accurate)", scale=scale, axis=axis)
    layers = []
    tooltip = _tooltip("model", "label_set", "label_set_rank", "rank_low", "rank_high", "accuracy")
    tooltip += _tooltip("scored_images", "kind")
    rest = [row for row in found if row["shown"] not in coloured]
    if rest:
        layers.append(
            alt.Chart(_data(rest))
            .mark_line(style=theme.REST, strokeWidth=0.8, opacity=0.6)
            .encode(x, y, detail="shown:N", tooltip=tooltip)
        )
    base = alt.Chart(_data([row for row in found if row["shown"] in coloured])).encode(
        x, y, alt.Color("shown:N", scale=alt.Scale(domain=coloured), legend=None)
    )
    dash = alt.Scale(domain=coloured, range=theme.DASHES[: len(coloured)])
    layers += [
        base.mark_line(strokeWidth=2).encode(alt.StrokeDash("shown:N", scale=dash, legend=None)),
        base.mark_point(filled=True, size=_POINT_SIZE, opacity=1, strokeWidth=2).encode(
            alt.Shape(
                "shown:N",
                scale=alt.Scale(domain=coloured, range=theme.SHAPES[: len(coloured)]),
                legend=None,
            ),
            tooltip=tooltip,
        ),
        alt.Chart(_data(ends))
        .mark_text(align="left", dx=10)
        .encode(
            x,
            alt.Y("line:Q", scale=scale, axis=axis, title="Rank (1 is the most accurate)"),
            text="text:N",
        ),
    ]
    return alt.layer(*layers).properties(
        width=max(110 * len(sets), 220), height=min(max(most * 22, 170), 900)
    )


def checkpoints(rows: pa.Table, *, measure: str = "ReaL accuracy") -> Any:
    """Return the accuracy of the models in order, by both label sets."""
    found = _rows(rows)
    names = _shown(found, most=22)
    kinds = [measure, "Original accuracy"]
    for row in found:
        is_apart = row["log10_holm_p"] is not None and row["log10_holm_p"] < math.log10(0.05)
        is_first = row["previous_model"] is None
        row["step"] = _STEPS[2] if is_first else _STEPS[0] if is_apart else _STEPS[1]
        row["kind"] = measure
        row["value"] = row["real_accuracy"]
    originals = [
        {**row, "kind": kinds[1], "value": row["original_accuracy"]}
        for row in found
        if row["original_accuracy"] is not None
    ]
    kinds = kinds if originals else kinds[:1]
    both = [*found, *originals]
    domain = _domain(
        [
            *(row["value"] for row in both),
            *(row[end] for row in found for end in ("real_accuracy_low", "real_accuracy_high")),
        ]
    )
    width = min(max(_WIDTH, 22 * len(names)), 1000)
    x = alt.X(
        "shown:N",
        sort=names,
        title="Model, in order",
        scale=alt.Scale(type="point", padding=0.5),
        # Names are left out only where they would overlap.
        axis=alt.Axis(labelAngle=-40, labelOverlap=width < 22 * len(names)),
    )
    y = alt.Y("value:Q", title="Accuracy (%)", **_percent(domain))
    legend = alt.Legend(title="Judged by", symbolSize=300, symbolType="stroke")
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds), legend=legend)
    dash = alt.Scale(domain=kinds, range=theme.DASHES[: len(kinds)])
    tooltip = _tooltip("model", "real_accuracy", "original_accuracy", "scored_images", "step")
    tooltip.append(alt.Tooltip("difference:Q", format="+.4f"))
    base = alt.Chart(_data(found))
    layers = [
        alt.Chart(_data(both))
        .mark_line(strokeWidth=1.5)
        .encode(x, y, colour, alt.StrokeDash("kind:N", scale=dash, legend=legend)),
        base.mark_rule(strokeWidth=1.5).encode(
            x,
            alt.Y("real_accuracy_low:Q", title="Accuracy (%)", **_percent(domain)),
            alt.Y2("real_accuracy_high:Q"),
            colour,
        ),
        base.mark_point(size=_POINT_SIZE, opacity=1, strokeWidth=1.5, filled=True).encode(
            x,
            y,
            alt.Shape(
                "step:N",
                scale=alt.Scale(domain=list(_STEPS), range=["circle", "cross", "diamond"]),
                legend=alt.Legend(title="From the one before"),
            ),
            colour,
            tooltip=tooltip,
        ),
    ]
    return alt.layer(*layers).properties(width=width, height=300)


def raters(rows: pa.Table) -> Any:
    """Return the sensitivity against the specificity of the raters, sized by their votes."""
    found = _rows(rows)
    domains = [
        _domain((row[name] for row in found), at_least=0.1)
        for name in ("specificity", "sensitivity")
    ]
    return (
        alt.Chart(_data(found))
        .mark_point(filled=True, opacity=0.55)
        .encode(
            alt.X(
                "specificity:Q",
                title="Specificity (% of the invalid questions with the answer no)",
                **_percent(domains[0]),
            ),
            alt.Y(
                "sensitivity:Q",
                title="Sensitivity (% of the valid questions with the answer yes)",
                **_percent(domains[1]),
            ),
            alt.Size(
                "votes:Q",
                scale=alt.Scale(range=[15, 350]),
                legend=alt.Legend(title="Votes of the rater", format=",d", symbolType="circle"),
            ),
            tooltip=_tooltip("rater_id", "sensitivity", "specificity", "votes", "golden_answers"),
        )
        .properties(width=400, height=400)
    )


def scores(rows: pa.Table, *, threshold: float = 0.8) -> Any:
    """Return the distribution of the scores for each verdict of a label set, a panel each."""
    found = _rows(rows)
    panels = {}
    for row in found:
        count = row["verdict_questions"]
        panels[row["verdict"]] = f"{row['verdict']} ({count:,} label{'s' if count != 1 else ''})"
        row["panel"] = panels[row["verdict"]]
        row["threshold"] = threshold
    x = alt.X(
        "score_from:Q",
        bin="binned",
        title="Published score",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=[each / 10 for each in range(11)], format=".1f"),
    )
    base = alt.Chart()
    bars = base.mark_bar(binSpacing=1, orient="vertical").encode(
        x,
        alt.X2("score_to:Q"),
        alt.Y("verdict_share:Q", title="Share (%)", axis=alt.Axis(format=_PERCENT, tickCount=4)),
        tooltip=[
            *_tooltip("verdict", "score_from", "score_to", "questions"),
            alt.Tooltip("verdict_share:Q", title="share of the verdict", format=_FINE),
        ],
    )
    line = base.mark_rule(style=theme.REFERENCE, strokeDash=[4, 4], strokeWidth=1.5).encode(
        alt.X("threshold:Q")
    )
    return (
        alt.layer(bars, line, data=_data(found))
        .properties(width=_WIDTH, height=110)
        .facet(
            alt.Facet(
                "panel:N",
                title=None,
                sort=list(panels.values()),
                header=alt.Header(labelAnchor="start"),
            ),
            columns=1,
        )
        .resolve_scale(y="independent")
    )


def confusions(rows: pa.Table, *, labels: str = "ReaL labels") -> Any:
    """Return how often each class is predicted instead of another, a panel a model."""
    found = _rows(rows)
    names = _shown(found, most=40)
    forms = shortened((row["class"] for row in found), 24)
    most = max(max(row["images"] for row in found), 1)
    for row in found:
        row["panel"] = row["shown"]
        row["row"], row["column"] = forms[row["class"]], forms[row["predicted_class"]]
        row["text"] = f"{row['images']:,}" if row["images"] else ""
    order = list(forms.values())
    bare: dict[str, Any] = {"domain": False, "ticks": False, "labelOverlap": False}
    x = alt.X(
        "column:N",
        sort=order,
        title="Predicted class",
        axis=alt.Axis(labelAngle=-45, **bare),
    )
    y = alt.Y("row:N", sort=order, title=f"Class of the image ({labels})", axis=alt.Axis(**bare))
    base = alt.Chart()
    layered = alt.layer(
        base.mark_rect().encode(
            x,
            y,
            alt.Color(
                "images:Q",
                scale=alt.Scale(domain=[0, most]),
                legend=alt.Legend(title="Images", format=",d", tickMinStep=1),
            ),
            tooltip=_tooltip("model", "class", "predicted_class", "images"),
        ),
        base.mark_text(style=theme.INK, stroke=None)
        .transform_filter(f"datum.images < {0.62 * most}")
        .encode(x, y, text="text:N"),
        base.mark_text(style=theme.PAPER, stroke=None)
        .transform_filter(f"datum.images >= {0.62 * most}")
        .encode(x, y, text="text:N"),
        data=_data(found),
    ).properties(width=alt.Step(30), height=alt.Step(24))
    if len(names) == 1:
        return layered
    return layered.facet(
        alt.Facet("panel:N", title=None, sort=names, header=alt.Header(labelFontWeight="bold")),
        columns=2,
    )


def _lower(measure: str) -> str:
    """Return the name of an accuracy within a title: only `Accuracy` begins with a capital."""
    return measure[0].lower() + measure[1:] if measure.startswith("Accuracy") else measure


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
    legend = alt.Legend(title=title, symbolSize=500)
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
    """Return a value that JSON can hold: DuckDB's sums are decimals, and JSON has no NaN.

    Means of many values differ in their last digits from run to run, because threads add them in
    another order. Nine digits are the same, and so the files are.
    """
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
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
    legend = alt.Legend(title=title)
    return [alt.Color("shown:N", scale=alt.Scale(domain=list(names)), legend=legend)]


def _shape(names: Sequence[str], title: str | None = "Model") -> list[Any]:
    """Return the shape of each series, which goes with its colour."""
    if len(names) > theme.MOST_SERIES:
        return []
    scale = alt.Scale(domain=list(names), range=theme.SHAPES[: len(names)])
    return [alt.Shape("shown:N", scale=scale, legend=alt.Legend(title=title))]


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
    """Return a p value from its logarithm, which does not underflow: 0.013, 5.7e-10, 3.1e-3200."""
    if log10 >= -3:
        return f"{10**log10:.2g}"
    power = math.floor(log10)
    digits = round(10 ** (log10 - power), 1)
    if digits >= 10:
        digits, power = 1.0, power + 1
    return f"{digits:.1f}e{power}"

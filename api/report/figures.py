"""The charts of a report, each with its caption and the table of its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...report import cells
from ...report.page import Column, Figure, Listing, Paragraph, Part, Table
from .. import charts
from ..chart_rows import NoChartError
from .found import Found, name

if TYPE_CHECKING:
    import pyarrow as pa

# Models are no series unless the user says so.
_NOT_SHOWN = ("checkpoints",)
# The rows of a chart's data that the page shows.
MOST_ROWS = 60


def figures(found: Found, *, has_svg: bool) -> Iterator[Part]:
    """Yield the charts that the predictions, the store and the rules allow.

    With `has_svg` each is drawn now, as an image; otherwise the page draws it.
    """
    from ...report import drawing

    missing = []
    models = [row["model"] for row in found.models]
    # With the ReaL and the original labels alone, it shows the ranks of another chart.
    has_others = bool(found.session.con.sql("from stored_label_sets limit 1").fetchall())
    for chart, info in charts.CHARTS.items():
        if chart in _NOT_SHOWN or (chart == "label_sets" and not has_others):
            continue
        try:
            drawn = charts.of_session(found.session, chart, models=models)
        except NoChartError as error:
            missing.append(name(f"{info.title}: {error.message}."))
            continue
        light = drawing.specification(drawn.chart, "light")
        dark = drawing.specification(drawn.chart, "dark")
        yield Figure(
            name=chart.replace("_", "-"),
            title=drawn.title,
            caption=name(drawn.caption),
            table=_table(info, drawn),
            # The schemes differ in the configuration alone.
            configurations={"light": light.pop("config"), "dark": dark.pop("config")},
            specification=light,
            svg=drawing.content(drawn.chart, "svg").decode() if has_svg else "",
        )
    if missing:
        yield Paragraph(text="Charts that are left out:")
        yield Listing(items=missing)


def bundle() -> str:
    """Return the script that draws the charts."""
    from ...report import drawing

    return drawing.script_bundle()


def _table(info: charts.ChartInfo, drawn: charts.Drawn) -> Table:
    """Return the table of a chart's data. The caption has the rule."""
    rows = drawn.rows
    if "rule" in rows.column_names:
        rows = rows.drop_columns("rule")
    note = None
    if rows.num_rows > MOST_ROWS:
        chart = drawn.name.replace("_", "-")
        words = ["realdb plot", chart, *(["FILE…"] if info.models else [])]
        options = ", with the options of this report" if info.models else ""
        note = (
            f"The first {MOST_ROWS:,} of {rows.num_rows:,} rows are shown. All of them: "
            f"{' '.join(words)} --csv{options}."
        )
    return Table(
        name=name(f"Data of the chart: {drawn.title}"),
        columns=[Column(title=column, kind=_kind(rows, column)) for column in rows.column_names],
        rows=[
            [
                name(value) if isinstance(value, str) else cells.plain(value)
                for value in row.values()
            ]
            for row in rows.slice(0, MOST_ROWS).to_pylist()
        ],
        note=note,
    )


def _kind(rows: pa.Table, column: str) -> str:
    import pyarrow as pa

    kind = rows.schema.field(column).type
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"

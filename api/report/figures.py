"""The charts of a report, each with its caption and the table of its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...report import cells
from ...report.page import Column, Figure, Listing, Paragraph, Part, Table
from .. import charts
from ..chart_rows import NoChartError
from .found import Found, name

if TYPE_CHECKING:
    import pyarrow as pa

# The rows of a chart's data that the page shows.
MOST_ROWS = 100


def figures(found: Found, *, has_svg: bool) -> Iterator[Part]:
    """Yield the charts that the predictions, the store and the rules allow.

    With `has_svg` each is drawn now, as an image; otherwise the page draws it.
    """
    from ...report import drawing

    missing = []
    models = [row["model"] for row in found.models]
    for chart, info in charts.CHARTS.items():
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
            table=_table(chart, drawn.title, drawn.rows),
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


def _table(chart: str, title: str, rows: pa.Table) -> Table:
    shown: list[dict[str, Any]] = rows.slice(0, MOST_ROWS).to_pylist()
    note = None
    if rows.num_rows > MOST_ROWS:
        note = (
            f"The first {MOST_ROWS:,} of {rows.num_rows:,} rows are shown. All of them: realdb "
            f"plot {chart.replace('_', '-')} FILE… --csv."
        )
    return Table(
        name=name(f"Data of the chart: {title}"),
        columns=[Column(title=each, kind=_kind(rows, each)) for each in rows.column_names],
        rows=[
            [
                name(value) if isinstance(value, str) else cells.plain(value)
                for value in row.values()
            ]
            for row in shown
        ],
        note=note,
    )


def _kind(rows: pa.Table, column: str) -> str:
    import pyarrow as pa

    kind = rows.schema.field(column).type
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"

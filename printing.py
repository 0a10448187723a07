"""Rows on stdout, in the format asked for. A table for people, the rest for programs."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import QueryError, UsageError

if TYPE_CHECKING:
    import duckdb
    from rich.table import Table

    from .api.explain import Explanation

# For a person's eye the beginning of a checksum is enough; the other formats have it whole.
_CHECKSUM = re.compile("[0-9a-f]{64}")
# A table is for the eye, which has seen enough by then.
_MOST_ROWS = 1000
_SHORT_TEXT = 24


def emit(relation: duckdb.DuckDBPyRelation, form: str | None) -> None:
    """Print `relation` as table, json, csv, markdown or parquet; by default a table on a terminal.

    Raises QueryError where the query fails as it runs, UsageError where Parquet would go to a
    terminal.
    """
    import duckdb

    form = form or ("table" if sys.stdout.isatty() else "csv")
    try:
        FORMATS[form](relation)
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


def _table(relation: duckdb.DuckDBPyRelation) -> None:
    from rich.console import Console

    # What stands in a cell is data: `[/x]` is no markup there, and `:x:` no emoji.
    console = Console(markup=False, emoji=False)
    found = relation.fetchall()
    rows = [[_short(value) for value in row] for row in found[:_MOST_ROWS]]
    is_number = [str(kind) not in ("VARCHAR", "BOOLEAN") for kind in relation.types]
    table = _grid(relation.columns, rows, is_number)
    wide = console.options.update(width=10_000)
    if rows and console.measure(table, options=wide).maximum > console.width:
        # Few wide rows read better from top to bottom.
        header, *lines = zip(relation.columns, *rows, strict=True)
        turned = _grid(header, lines, [False] * len(header))
        if console.measure(turned, options=wide).maximum <= console.width:
            table = turned
    # Too wide all the same: a line that the terminal breaks is better than a number that we break.
    console.width = max(console.width, console.measure(table, options=wide).minimum)
    console.print(table)
    if len(found) > len(rows):
        print(
            f"realdb: {len(found) - len(rows):,} more rows; --format csv prints all",
            file=sys.stderr,
        )


def emit_explanation(explanation: Explanation, form: str | None) -> None:
    """Print all that is known of an image: tables for people, nested in JSON, or a row a vote."""
    from .api.explain import vote_table

    form = form or ("table" if sys.stdout.isatty() else "csv")
    if form == "table":
        _explain(explanation)
    elif form == "json":
        import json

        json.dump(explanation.as_dict(), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        emit(vote_table(explanation), form)
        if not explanation.questions:
            print(f"realdb: {_why_no_questions(explanation)}", file=sys.stderr)


def _why_no_questions(explanation: Explanation) -> str:
    if explanation.is_rated is False:
        return "No rater was asked about this image: it keeps its original label."
    return "This store has no votes on it: they come from raters.npz."


def _explain(explanation: Explanation) -> None:
    from rich.console import Console

    console = Console(markup=False, emoji=False)

    def named(label: int | None, name: str | None) -> str:
        return f"{label} {name}" if name else str(label)

    e = explanation
    names = {q.label: q.name for q in e.questions} | {e.original_label: e.original_name}
    real = ", ".join(named(label, names.get(label)) for label in e.labels) or "none"
    console.print(
        f"image {e.image_id}, {e.file_name}\noriginal label: "
        f"{named(e.original_label, e.original_name)}\nReaL labels: {real}"
    )
    if e.questions:
        console.print(
            "\nThe evidence is in nats; its sum s gives the score 1 / (1 + exp(-s)). Labels with a "
            f"score of at least {e.threshold:g} are ReaL labels."
        )
        header = ["label", "rater: answer, evidence", "raters", "original", "prior", "sum", "score"]
        rows = []
        for q in e.questions:
            parts = (q.raters_evidence, q.original_evidence, q.prior_evidence)
            votes = [
                f"{v.rater_id}: {v.answer} {_signed(v.evidence)}{'*' if v.is_average else ''}"
                for v in q.votes
            ]
            total = None if None in parts else sum(part or 0 for part in parts)
            score = q.published_score if q.recomputed_score is None else q.recomputed_score
            marks = [
                *(["ReaL label"] if q.is_real else []),
                *(["original label"] if q.is_original else []),
                *([f"experts: {q.yes_experts} yes"] if q.yes_experts is not None else []),
            ]
            rows.append(
                [
                    "\n".join([named(q.label, q.name), *marks]),
                    "\n".join([*votes, ""]),
                    *map(_signed, (*parts, total)),
                    "" if score is None else f"{score:.6f}",
                ]
            )
        console.print(_grid(header, rows, [False, False, *[True] * 5]))
        if any(v.is_average for q in e.questions for v in q.votes):
            console.print("* answered no golden question: weighs as the others do on average\n")
    else:
        console.print(f"\n{_why_no_questions(e)}")
    if e.models:
        said = [
            [
                *(c.model, named(c.label, c.name), _short(c.confidence)),
                *(_short(c.is_real_correct), _short(c.is_original_correct)),
            ]
            for c in e.models
        ]
        header = ["model", "first choice", "confidence", "is_real_correct", "is_original_correct"]
        console.print(_grid(header, said, [False, False, True, False, False]))


def _signed(nats: float | None) -> str:
    return "" if nats is None else f"{nats:+.3f}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], is_number: list[bool]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, (name, right) in enumerate(zip(header, is_number, strict=True)):
        # Sentences and paths may be folded, numbers and names may not.
        is_short = all(len(row[place]) <= _SHORT_TEXT for row in rows)
        table.add_column(
            name,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=is_short,
            min_width=min(_SHORT_TEXT, len(name)),
        )
    for row in rows:
        table.add_row(*row)
    return table


def _csv(relation: duckdb.DuckDBPyRelation) -> None:
    import csv

    rows = relation.fetchall()  # first: a query that fails as it runs prints nothing
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    writer.writerows(rows)


def _json(relation: duckdb.DuckDBPyRelation) -> None:
    import json

    _require_names(relation)
    rows = [
        {name: _finite(value) for name, value in zip(relation.columns, row, strict=True)}
        for row in relation.fetchall()
    ]
    json.dump(rows, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def _markdown(relation: duckdb.DuckDBPyRelation) -> None:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rows = relation.fetchall()
    sys.stdout.write(line(relation.columns))
    sys.stdout.write(line(["---"] * len(relation.columns)))
    for row in rows:
        sys.stdout.write(line([_short(value).replace("\n", " ") for value in row]))


def _parquet(relation: duckdb.DuckDBPyRelation) -> None:
    if sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: send it to a file with > out.parquet")
    import io

    import pyarrow.parquet as pq

    _require_names(relation)

    # A Parquet file is written back and forth; a pipe only goes forth.
    buffer = io.BytesIO()
    pq.write_table(relation.to_arrow_table(), buffer, compression="zstd")
    sys.stdout.buffer.write(buffer.getbuffer())


def _require_names(relation: duckdb.DuckDBPyRelation) -> None:
    """Raise QueryError where two columns have one name: one of them would be lost."""
    twice = sorted({name for name in relation.columns if relation.columns.count(name) > 1})
    if twice:
        raise QueryError(
            f"two columns are called {', '.join(twice)}, which this format cannot hold: name one "
            "of them with `as`"
        )


def _finite(value: Any) -> Any:
    """Return `value`, or None for NaN and the infinities, which JSON has no word for."""
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _CHECKSUM.fullmatch(value):
        return value[:12] + "…"
    if isinstance(value, float) and (value == 0 or 1e-4 <= abs(value) < 1e9):
        return f"{value:.6f}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


FORMATS = {
    "table": _table,
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
    "parquet": _parquet,
}

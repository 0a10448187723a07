"""The display of results: text in a terminal, HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from ..errors import counted
from ..exports.lines import visible, visible_cell

# The number of rows of a relation to show.
_MOST_ROWS = 5


class _Rows(NamedTuple):
    """A part of a result that is a table. `has_more` means that there are more rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    has_more: bool = False


class Shown:
    """A dataclass that is shown with one field in a line. Several rows are shown as a table."""

    def __repr__(self) -> str:
        return "\n".join([type(self).__name__, *_lines(_parts(self), "  ")])

    def _repr_html_(self) -> str:
        return _html_of_parts(type(self).__name__, _parts(self))


class ShownList(list[Any]):
    """A list of dataclasses that is shown as a table."""

    def __repr__(self) -> str:
        return "\n".join(_lines_of(_rows(self), "")) if self else "[]"

    def _repr_html_(self) -> str:
        return _html_of(_rows(self))


class ShownReport:
    """A result that is shown as its text, `str()`."""

    def __repr__(self) -> str:
        return visible(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{_escaped(str(self))}</pre>"


def _parts(result: Any) -> list[tuple[str, object]]:
    return [(field.name, _part(getattr(result, field.name))) for field in fields(result)]


def _part(value: Any) -> object:
    """Return a field's value as a table if it has rows, else unchanged."""
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return _rows(value)
    if is_dataclass(value):
        return _rows([value])
    if hasattr(value, "fetchall"):
        try:
            rows = value.limit(_MOST_ROWS + 1).fetchall()
        except Exception as error:  # such as a closed connection: a repr must not fail
            return str(error).partition("\n")[0]
        return _Rows(value.columns, rows[:_MOST_ROWS], len(rows) > _MOST_ROWS)
    return value


def _rows(results: Iterable[Any]) -> _Rows:
    rows = [[getattr(each, field.name) for field in fields(each)] for each in results]
    return _Rows([field.name for field in fields(next(iter(results)))] if rows else [], rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}" if value == 0 or 1e-4 <= abs(value) < 1e9 else f"{value:.6g}"
    if isinstance(value, tuple | list):
        if value and is_dataclass(value[0]):
            return counted(len(value), "row")
        return ", ".join(map(_cell, value)) or "none"
    return visible_cell(str(value))


def _lines(parts: list[tuple[str, object]], indent: str) -> list[str]:
    width = max((len(name) for name, value in parts if not isinstance(value, _Rows)), default=0)
    lines = []
    for name, value in parts:
        if isinstance(value, _Rows):
            lines += [f"{indent}{name}", *_lines_of(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:{width}}  {_cell(value)}")
    return lines


def _lines_of(table: _Rows, indent: str) -> list[str]:
    cells = [[*table.header], *([_cell(value) for value in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        indent + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return [line.rstrip() for line in lines] + ([f"{indent}…"] if table.has_more else [])


def _html_of_parts(title: str, parts: list[tuple[str, object]]) -> str:
    rows = "".join(
        f'<tr><th style="text-align: left">{_escaped(name)}</th>'
        f'<td style="text-align: left">{_html_of(value)}</td></tr>'
        for name, value in parts
    )
    return f"<table><caption>{_escaped(title)}</caption>{rows}</table>"


def _html_of(value: object) -> str:
    if not isinstance(value, _Rows):
        return _escaped(_cell(value))
    head = "".join(f"<th>{_escaped(name)}</th>" for name in value.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_escaped(_cell(each))}</td>' for each in row)}</tr>"
        for row in value.rows
    )
    more = f'<tr><td colspan="{len(value.header)}">…</td></tr>' if value.has_more else ""
    return f"<table><tr>{head}</tr>{rows}{more}</table>"


def _escaped(text: str) -> str:
    import html

    return html.escape(text)

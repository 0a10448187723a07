"""Each view's folder has given rows and expected rows, worked out by hand.

`given_<name>.csv` has the rows of a table that the view reads, directly or through other views. It
can also have the rows of a view that it reads, and then replaces that view. `expected.csv` has the
rows of the view. If the view has parameters, their values are in the file name, separated by
commas: `expected_threshold=0.5.csv`. A missing parameter is NULL, and so is an empty cell. A line
that begins with # is a remark: the reason for the rows below it.
"""

from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from connections import database

from realdb.queries import catalog

FOLDER = Path(__file__).parent
EXPECTED = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.glob("*/expected*.csv"))]
# What stands between two parameters; a comma within a list has no name behind it.
_PARAMETER = re.compile(r",(?=[a-z_]+=)")


def read(path: Path) -> list[dict[str, str | None]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [{column: value or None for column, value in row.items()} for row in rows]


@pytest.mark.parametrize("name", catalog.views())
def test_every_view_has_expected_rows(name: str) -> None:
    folder = FOLDER / name
    expected = [read(path) for path in folder.glob("expected*.csv")]
    assert any(expected), f"tests/views/{name}/ has no expected rows"
    given = {path.stem.removeprefix("given_") for path in folder.glob("given_*.csv")}
    reads = set(catalog.find(name).about.reads)
    assert given in (reads, catalog.tables_of(name)), f"tests/views/{name}/ has other given rows"


def test_every_folder_is_a_view() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == set(catalog.views())


@pytest.mark.parametrize("file", EXPECTED)
def test_view(file: str) -> None:
    path = FOLDER / file
    view = catalog.find(path.parent.name)
    named = path.stem.removeprefix("expected").removeprefix("_")
    parameters = dict(part.split("=") for part in _PARAMETER.split(named)) if named else {}
    assert set(parameters) <= set(view.about.parameters)
    arguments = ", ".join(f"{parameter} := '{value}'" for parameter, value in parameters.items())
    source = f"{view.name}({arguments})" if parameters else view.name
    # In reverse order, because no view may depend on the order of the rows that it reads.
    given = {
        given.stem.removeprefix("given_"): read(given)[::-1]
        for given in path.parent.glob("given_*.csv")
    }
    with database(given, [view.name]) as con:
        con.execute(f"create table expected as select * from {source} limit 0")
        con.register("rows", pa.Table.from_pylist(read(path)))
        con.execute("insert into expected by name select * from rows")
        expected = by_key(con.table("expected"), view)
        found = by_key(con.sql(f"select * from {source}"), view)
        assert found == {key: pytest.approx(row, abs=1e-6) for key, row in expected.items()}
        bound = {parameter: parameters.get(parameter) for parameter in view.about.parameters}
        assert by_key(con.sql(view.select, params=bound or None), view) == found


def by_key(relation: duckdb.DuckDBPyRelation, view: catalog.View) -> dict[Any, dict[str, Any]]:
    rows = [
        {
            # approx compares numbers with a tolerance, text as it is, and takes no lists or times.
            column: str(value) if isinstance(value, list | datetime) else value
            for column, value in zip(relation.columns, row, strict=True)
        }
        for row in relation.fetchall()
    ]
    found = {tuple(row[column] for column in view.about.key): row for row in rows}
    assert len(found) == len(rows), "a key stands twice"
    return found

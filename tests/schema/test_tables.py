from __future__ import annotations

import duckdb
import pytest

from realdb.schema.tables import TABLES, create_table, header_of, sql_path, with_constraints


@pytest.mark.parametrize("table", TABLES)
def test_references_point_to_the_key_of_a_table(con: duckdb.DuckDBPyConnection, table: str) -> None:
    for name in TABLES:
        create_table(con, name)

    def types(name: str, columns: tuple[str, ...]) -> list[object]:
        return list(con.table(name).select(*columns).types)

    for columns, other in header_of(table).references:
        assert types(table, columns) == types(other, header_of(other).key)


@pytest.mark.parametrize("table", TABLES)
def test_constraints_are_added(con: duckdb.DuckDBPyConnection, table: str) -> None:
    (column, *_) = header_of(table).columns
    create_table(con, table)
    before = con.table(table)
    columns, types = before.columns, before.types
    con.execute(f"drop table {table}")
    text = sql_path(table).read_text(encoding="utf-8")
    con.execute(with_constraints(text, [f"unique ({column})"]))
    assert (con.table(table).columns, con.table(table).types) == (columns, types)
    assert con.execute(
        "select constraint_column_names from duckdb_constraints() where constraint_type = 'UNIQUE'"
    ).fetchall() == [([column],)]
    assert with_constraints(text, []).strip() == text.strip()

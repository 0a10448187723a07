from __future__ import annotations

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realdb.schema import quoting

# Text that UTF-8 can encode, as DuckDB requires; SQL text ends at a NUL.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@given(text=TEXTS)
@example("it's '' \\' $1 ; -- /* \n")
def test_literal_is_the_text(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert con.execute(f"select {quoting.literal(text)}").fetchall() == [(text,)]


@given(name=TEXTS.filter(bool))
@example('a "quoted" ""; drop table x; -- name')
@example("select")
def test_identifier_is_the_name(con: duckdb.DuckDBPyConnection, name: str) -> None:
    quoted = quoting.identifier(name)
    relation = con.sql(f"select {quoted} from (select 1 as {quoted})")
    assert relation.columns == [name]
    assert relation.fetchall() == [(1,)]

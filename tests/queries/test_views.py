"""Every table and view file: the header is compared with the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from needs import needs
from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.schema.header import Header
from realdb.schema.tables import LABEL_SET_TABLES, TABLES, create_table, header_of, sql_path
from realdb.stats import paired
from realdb.store.store import Store

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SQL_FILES = [
    path.relative_to(CHECKOUT).as_posix()
    for folder in ("schema", "ingest", "queries")
    for path in sorted((CHECKOUT / folder).rglob("*.sql"))
]
VIEWS = list(catalog.views())
# Values for the parameters of views, if any value is right.
ARGUMENTS: dict[str, object] = {
    "threshold": 0.5,
    "first_set": "real",
    "second_set": "original",
    "empty": "wrong",
    "golden_majority": 2,
    "original_majority": 3,
    "smoothing": 0.5,
    "original_label_for": "all",
    "maybe_as": "yes",
    "left_out_raters": [1],
    "label_sets": ["real", "original"],
    "votes": 2,
    "judges": 2,
    "needs_labels": True,
    "unclear": "right",
    "problematic": "skip",
    "grouping": "metaclass",
    "k": 2,
}

each_view = pytest.mark.parametrize("name", VIEWS)
each_table_and_view = pytest.mark.parametrize("name", [*TABLES, *VIEWS])


def path_of(name: str) -> Path:
    return sql_path(name) if name in TABLES else catalog.find(name).path


def about(name: str) -> Header:
    return header_of(name) if name in TABLES else catalog.find(name).about


def source_of(name: str) -> str:
    """Return what a query names after `from`."""
    arguments = ", ".join(repr(ARGUMENTS[parameter]) for parameter in about(name).parameters)
    return f"{name}({arguments})" if arguments else name


def statements_of(name: str) -> list[duckdb.Statement]:
    return duckdb.extract_statements(path_of(name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def empty() -> duckdb.DuckDBPyConnection:
    """Return a database of every table and view, without a row."""
    con = duckdb.connect()
    for table in TABLES:
        create_table(con, table)
    catalog.install(con, TABLES)
    return con


@pytest.fixture(scope="module", params=["real", "synthetic"])
def judged(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a store's tables and views, with the predictions of two models."""
    opened: Store = request.getfixturevalue(f"{request.param}_store")
    files: Path = request.getfixturevalue("real_data" if request.param == "real" else "synthetic")
    con = opened.connect()
    models = [predictions.add(con, path) for path in sorted((files / "predictions").glob("*.csv"))]
    assert len(models) == 2
    catalog.install(con, opened.names)
    # Many views read these.
    for name in ("scored_choices", "scored_predictions", "recomputed_scores"):
        catalog.keep(con, name)
    paired.show_tests(con)
    yield con
    con.close()


# The header.


@each_table_and_view
def test_header_has_all_entries(name: str) -> None:
    said = about(name)
    assert said.summary.endswith((".", "?"))
    assert said.grain
    assert bool(said.key) == (said.grain != "one row" or name in TABLES)
    assert said.source
    assert set(said.key) <= set(said.columns)
    if name in VIEWS:
        assert said.rule
        assert said.reads or name == catalog.RULES, "only constants are read nowhere"
    else:
        assert not said.reads
        assert not said.parameters


@each_view
def test_header_lists_what_the_statement_reads(con: duckdb.DuckDBPyConnection, name: str) -> None:
    said = about(name)
    # Without a value for its parameters DuckDB binds no statement.
    select = re.sub(r"\$\w+", "null", catalog.find(name).select)
    assert len(set(said.reads)) == len(said.reads)
    assert set(said.reads) == con.get_table_names(select)


@each_view
def test_header_has_the_parameters_of_the_statement(name: str) -> None:
    (statement,) = statements_of(name)
    assert set(about(name).parameters) == statement.named_parameters


@each_table_and_view
def test_header_has_the_columns_in_order(empty: duckdb.DuckDBPyConnection, name: str) -> None:
    described = empty.execute(f"describe select * from {source_of(name)}").fetchall()
    assert list(about(name).columns) == [column for column, *_ in described]


# These tables have neither a real nor a generated file. test_build has files for them, and
# the build refuses a repeated key.
WITHOUT_FILE = ("class_names", "train_files")


@pytest.mark.parametrize("name", [name for name in (*TABLES, *VIEWS) if name not in WITHOUT_FILE])
def test_key_is_a_key(judged: duckdb.DuckDBPyConnection, name: str) -> None:
    key = about(name).key
    if not key:
        assert len(judged.execute(f"from {source_of(name)}").fetchall()) == 1
        return
    # The key of a row over all groups is NULL, which the header mentions.
    required = [column for column in key if "NULL" not in about(name).columns[column]]
    known = " and ".join(f"{column} is not null" for column in required) or "true"
    rows, keys, without = judged.execute(
        f"""
        with named as materialized (select {", ".join(key)} from {source_of(name)})

        select
            (select count(*) from named),
            (select count(*) from (select distinct * from named)),
            (select count(*) from named where not ({known}))
        """
    ).fetchall()[0]
    # The votes give the published labels, and no others; no label set was added.
    reads = {name} if name in TABLES else catalog.tables_of(name)
    assert rows or name == "label_changes" or reads & {*LABEL_SET_TABLES}
    assert (keys, without) == (rows, 0)


# The statement.


@each_table_and_view
def test_file_holds_one_statement(name: str) -> None:
    (statement,) = statements_of(name)
    if name in TABLES:
        assert statement.type == duckdb.StatementType.CREATE
        assert f"\ncreate table {name} (\n" in path_of(name).read_text(encoding="utf-8")
    else:
        assert statement.type == duckdb.StatementType.SELECT
        assert not catalog.find(name).select.endswith(";"), "the catalogue wraps it as it stands"


@each_view
def test_view_reads_lower_layers(name: str) -> None:
    """A view reads tables, lower layers, and views of its layer that do not read it back."""
    view = catalog.find(name)
    layer = catalog.LAYERS.index(view.layer)
    for read in view.about.reads:
        if read not in TABLES:
            assert catalog.LAYERS.index(catalog.find(read).layer) <= layer, read
            assert name not in all_read_by(read), f"{read} reads {name}"
            assert not about(read).parameters, f"{read} is a macro: views do not call macros"


def all_read_by(name: str) -> set[str]:
    """Return the views that the view `name` reads, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = {read for read in about(waiting.pop()).reads if read not in TABLES} - found
        found |= new
        waiting += new
    return found


@each_view
def test_view_names_its_columns(name: str) -> None:
    assert not re.search(r"select\s+(distinct\s+)?(\w+\.)?\*", catalog.find(name).select)


@pytest.fixture(scope="module")
def linter() -> Any:
    sqlfluff = needs("sqlfluff.core")
    return sqlfluff.Linter(config=sqlfluff.FluffConfig.from_path(str(CHECKOUT)))


@pytest.mark.parametrize("file", SQL_FILES)
def test_sqlfluff(linter: Any, file: str) -> None:
    linted = linter.lint_paths((str(CHECKOUT / file),), processes=1)
    assert [
        f"{file}:{violation.line_no}: {violation.rule_code()} {violation.desc()}"
        for violation in linted.get_violations()
    ] == []


# Each view with Wilson's interval has a copy of the formula, as views cannot share it.

WILSON = [name for name in VIEWS if "Wilson" in catalog.find(name).about.source]


def wilson_of(name: str) -> list[str]:
    """Return a view's copy of Wilson's interval: the formula in the header, z, and both ends."""
    view = catalog.find(name)
    (formula,) = re.findall(r"Wilson's, (.+? with z = [\d.]+)", view.about.rule)
    select = re.sub(r"\s+", " ", view.select)
    (z,) = re.findall(r"(\S+) as z\b", select)
    ends = re.findall(r"(?<=, )\(2e0.+? as \w+_(?:low|high)\b", select)
    return [formula, z, *(re.sub(r"\w+_(?=low|high)", "", end) for end in ends)]


@pytest.mark.parametrize("name", WILSON)
def test_copies_of_wilsons_interval_are_identical(name: str) -> None:
    formula, z, *ends = wilson_of(name)
    assert formula.endswith(z.removesuffix("e0"))
    assert [end.split()[-1] for end in ends] == ["low", "high"]
    assert [formula, z, *ends] == wilson_of("accuracy")


@each_view
def test_header_names_wilson_where_the_statement_has_it(name: str) -> None:
    assert (name in WILSON) == bool(re.search(r"z \* sqrt\(|\bas z\b", catalog.find(name).select))

from __future__ import annotations

import sys

import pytest
import sqlglot

from realdb.errors import QueryError, UsageError
from realdb.queries import catalog, dialects
from refusals import refused

UNDER_RULES = [name for name in catalog.views() if catalog.is_under_rules(name)]
# SQL that a view must not have, and a part of the message about it.
REFUSED = [
    ("select 1.0 / 3 as x", "1.0: a decimal: write 1.0e0"),
    ("select avg(case when is_real then 1.0 else 0 end) as x from rated_questions", "a decimal"),
    ("select list(label order by position) as x from labels", "the order is lost"),
    ("select array_agg(label order by position) as x from labels", "the order is lost"),
    ("select first(label order by position) as x from labels", "the order is lost"),
    ("select any_value(label order by position) as x from labels", "the order is lost"),
    ("select list(label) filter (where position > 1) as x from labels", "list with a filter"),
    ("select string_agg(file_name, ',' order by image_id) as x from images", "string_agg"),
    ("select percentile_cont(5e-1) within group (order by score) as x from scores", "percentile"),
    ("select quantile_cont(score, 5e-1) as x from scores", "percentile_cont"),
    ("select median(score) as x from scores", "median"),
    ("select log(score) as x from scores", "log with one argument"),
    ("select cast(score * 3 as integer) as x from scores", "DuckDB rounds it"),
    ("select score::smallint as x from scores", "DuckDB rounds it"),
    ("with a as (select avg(label) as y from labels) select cast(y as int) as z from a", "rounds"),
    ("select cast(real_accuracy as bigint) as x from accuracy", "DuckDB rounds it"),
    ("select u.x, u.i from unnest([1]) with ordinality as u(x, i)", "with ordinality"),
    ("select format('{}', label) as x from labels", "format("),
    ("select printf('%d', label) as x from labels", "printf"),
    ("pivot labels on label using count(*)", "pivot"),
    ("select p.a from labels pivot (count(*) for position in (0, 1)) as p", "pivot"),
    ("select len(left_out_raters) as x from pipeline_rules", "len("),
    ("select left_out_raters[1:2] as x from pipeline_rules", "a list slice"),
    ("select [a + 1 for a in left_out_raters] as x from pipeline_rules", "comprehension"),
    ("select label + 1 as x from labels where x > 3", "x: an alias of this select"),
    ("select sum(label = 3) as x from labels", "a sum of booleans"),
    ("select sum(is_real) as x from rated_questions", "a sum of booleans"),
    ("select 1 as x union all by name select 2 as x", "union by name"),
    ("select getvariable('x') as x", "getvariable"),
    ("select a.x from read_parquet('x') as a", "a file is read"),
    ("select a.x from 'x.parquet' as a", "a file is read"),
    ("select label + 1 from labels", "a column without a name"),
    ("select 1 / label as x from labels", "1 / label: a division by zero"),
    ("select 1 / (label - 1) as x from labels", "a division by zero"),
    ("select sum(label) / count(*) as x from labels", "a division by zero"),
    ("select label // position as x, label % 0 as y from labels", "label // position"),
    ("select label // 2 as x, label % 0 as y from labels", "label % 0"),
    ("select sum(label) over (order by position) as x from labels", "without a frame"),
    (
        "select sum(label) over w as x from labels window w as (order by position)",
        "without a frame",
    ),
    (
        "select sum(label) over (order by position range unbounded preceding) as x from labels",
        "without a frame",
    ),
]
TAKEN = [
    "select 1 / nullif(label, 0) as x, label / 2 as y, label // 2 as z, label % 7 as a from labels",
    "select (label + 1e0) / (label + 3 * 1e0) as x, 1 / (1 + exp(-label)) as y from labels",
    "select 1e0 / 3 as x, 8e-1 as y, cast(0.8 as double) as z, 1.5e0 as a",
    "select coalesce(label, 0) as label from labels where label > 3",
    "select count(*) filter (where label > 3) as n, count_if(label > 3) as m from labels",
    "select max_by(label, position) as x, bool_or(label > 3) as y from labels",
    "select list_contains([1], 2) as x, length('four') as y, ln(2e0) as z",
    "select row_number() over (order by label) as x, rank() over (order by label) as y from labels",
    "select sum(label) over w as x from labels window w as (order by label rows 1 preceding)",
    "select sum(label) over w as x from labels window w as (partition by image_id)",
    "select image_id from images where exists (select 1 from labels)",
    "select i.image_id from images as i semi join labels as l on i.image_id = l.image_id",
    "select label from labels group by grouping sets ((), (label))",
    "select label from labels qualify row_number() over (partition by label) = 1",
    "select cast(label as bigint) as x, cast(sum(label) as double) as y from labels",
]


@pytest.mark.parametrize("name", catalog.views())
def test_views_have_no_faults(name: str) -> None:
    assert dialects.faults(catalog.find(name).select) == []


def test_prediction_faults_has_no_faults() -> None:
    assert dialects.faults(dialects.prediction_faults()) == []


@pytest.mark.parametrize(("select", "said"), REFUSED)
def test_refused_sql_is_named(select: str, said: str) -> None:
    assert any(said in fault for fault in dialects.faults(select)), dialects.faults(select)


@pytest.mark.parametrize("select", TAKEN)
def test_portable_sql_is_accepted(select: str) -> None:
    assert dialects.faults(select) == []


def test_queries_may_have_unnamed_columns_and_plain_divisors() -> None:
    assert dialects.faults("select sum(label) / count(*) from labels", is_view=False) == []
    assert dialects.faults("select 1.0 / count(*) from unheard_of", is_view=False)


@pytest.mark.parametrize("name", UNDER_RULES)
def test_parameters_are_bound_by_name(name: str) -> None:
    text = dialects.spark(catalog.select_if(name))
    for parameter in catalog.find(catalog.OTHER_RULES).about.parameters:
        assert f"CAST(:{parameter} AS" in text
    assert "$" not in text


def test_tables_named() -> None:
    query = """
        with a as (select image_id from "ViT-B"), b as (select image_id from a)
        select b.image_id from b join accuracy on true
        where b.image_id in (select image_id from labels)
    """
    assert dialects.tables_named(query) == {"ViT-B", "accuracy", "labels"}
    with refused(QueryError, parameter="engine", value="LABELS_AT(0.5)"):
        dialects.tables_named("select * from labels_at(0.5)")
    with refused(QueryError, "sqlglot", parameter=None, value="from"):
        dialects.tables_named("select from from")


def test_a_macro_becomes_a_named_query_before_the_others() -> None:
    query = "with a as (select label from labels_at(0.5)) select a.label from a, labels_at(1) as b"
    text = dialects.without_macros(query)
    names = [cte.alias for cte in sqlglot.parse_one(text, read="duckdb").ctes]
    assert names == ["labels_at_1", "labels_at_2", "a"]
    assert dialects.tables_named(text) == dialects.tables_named(catalog.find("labels_at").select)
    assert dialects.faults(text) == []
    assert dialects.without_macros("select label from labels") == "select label from labels"


def test_missing_sqlglot_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with refused(UsageError, "pip install 'realdb[spark]'"):
        dialects.spark("select 1 as x")

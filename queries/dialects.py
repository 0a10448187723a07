"""The views for other engines: their SELECTs in Spark's SQL, and what must not stand in one.

sqlglot (the extra `realdb[spark]`) translates. Some of what DuckDB takes becomes, without a word,
something else, or fails on the other engine; `faults` finds it, and a test asks it of every view.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import QueryError, UsageError
from ..schema.tables import TABLES, create_table
from . import catalog

if TYPE_CHECKING:
    from sqlglot import exp

# Windows over which these are taken need no frame: they have one of their own, or none.
_RANKING = {"CumeDist", "DenseRank", "Lag", "Lead", "Ntile", "PercentRank", "Rank", "RowNumber"}
# A name that DuckDB would take for a file's.
_FILE = re.compile(r"[/\\*]|\.(arrow|csv|feather|json|jsonl|npy|npz|parquet|tsv)(\.\w+)?$", re.I)
# Nodes of sqlglot's tree, and why their like may not stand in a view.
_REFUSED = {
    "Comprehension": "a list comprehension: write rows, and aggregate them",
    "Format": "format(): its patterns are others there: use concat and lpad",
    "GroupConcat": "string_agg: its order may be lost: write rows",
    "Median": "median: write it with row_number",
    "PercentileCont": "percentile_cont becomes an approximation: write it with row_number",
    "PercentileDisc": "percentile_disc: write it with row_number",
    "Pivot": "pivot: write count(case when …)",
    "ReadCSV": "a file is read: name a table, which each engine registers for itself",
    "ReadParquet": "a file is read: name a table, which each engine registers for itself",
    "Slice": "a list slice: write rows, and number them",
}
_UNNAMED = "a column without a name: give it one with AS"
_BY_ZERO = "a division by zero is NULL to DuckDB and an error to Spark: divide by nullif(…, 0)"
# What a query may do at its own risk, and no view.
_OF_VIEWS = (_UNNAMED, _BY_ZERO)
# Functions that sqlglot has no node of its own for, or one that hides their name.
_REFUSED_NAMES = {
    "format": _REFUSED["Format"],
    "getvariable": "getvariable: give the view a parameter",
    "len": "len: use length for text, and rows for lists",
    "printf": "printf: use concat and lpad",
    "quantile": _REFUSED["PercentileCont"],
    "quantile_cont": _REFUSED["PercentileCont"],
    "quantile_disc": _REFUSED["PercentileCont"],
    "read_csv": _REFUSED["ReadCSV"],
    "read_json": _REFUSED["ReadCSV"],
    "read_parquet": _REFUSED["ReadCSV"],
}


def spark(
    select: str, tables: Mapping[str, str] | None = None, broadcast: Collection[str] = ()
) -> str:
    """Return a SELECT of DuckDB's in Spark's SQL; a parameter `$threshold` becomes `:threshold`.

    `tables` maps names of tables to what they are called there. Joins with a table or a named query
    in `broadcast` copy it to each worker.

    Raises QueryError where sqlglot cannot read it, UsageError where there is no sqlglot.
    """
    tree = _flat(_parse(select))
    for name, new in (tables or {}).items():
        _rename(tree, name, new)
    _hint(tree, broadcast)
    text: str = tree.sql(dialect="spark", pretty=True)
    return text


def view_in_spark(name: str) -> str:
    """Return the statement that creates the view `name`, or with parameters its SELECT alone.

    Spark has no macros that sqlglot could write; the SELECT of a view with parameters is handed
    over with them bound: spark.sql(text, args={"threshold": 0.5}).
    """
    view = catalog.find(name)
    text = spark(view.select)
    about = f"-- {name}: {view.about.summary}"
    if view.about.parameters:
        return f"{about}\n{text};\n"
    return f"{about}\nCREATE OR REPLACE VIEW {name} AS\n{text};\n"


def prediction_faults() -> str:
    """Return the SELECT that says what prediction files hold, and what is wrong: a row a model."""
    path = Path(__file__).parent / "prediction_faults.sql"
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def without_macros(select: str) -> str:
    """Return a SELECT of DuckDB's in which each view with parameters is spelled out.

    To DuckDB these are macros, `labels_at(0.5)` or `recomputed_labels_if(golden_majority := 4)`,
    which other engines lack. Each becomes a named query in front of the others. Raises QueryError
    where one is called with other parameters than it has.
    """
    from sqlglot import exp

    tree: Any = _parse(select)
    named: list[exp.CTE] = []
    for table in list(tree.find_all(exp.Table)):
        call = table.this
        found = _macro(call.name.lower()) if isinstance(call, exp.Func) else None
        if found is None:
            continue
        query, parameters, has_defaults = found
        arguments = _arguments(call, parameters, has_defaults=has_defaults)
        body = _parse(query)
        for place in list(body.find_all(exp.Placeholder)):
            place.replace(arguments[place.name].copy())
        name = f"{call.name.lower()}_{len(named) + 1}"
        alias = exp.TableAlias(this=exp.to_identifier(table.alias or call.name))
        named.append(exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name))))
        table.set("this", exp.to_identifier(name))
        table.set("alias", alias)
    if not named:
        return select
    tree.set("with_", exp.With(expressions=[*named, *tree.ctes]))
    text: str = tree.sql(dialect="duckdb")
    return text


def _macro(name: str) -> tuple[str, Collection[str], bool] | None:
    """Return a macro's SELECT, its parameters, and whether each may be left out."""
    views = catalog.views()
    under_rules = name.removesuffix("_if")
    if name in views and views[name].about.parameters:
        return views[name].select, views[name].about.parameters, name == catalog.OTHER_RULES
    if under_rules != name and under_rules in views and catalog.is_under_rules(under_rules):
        parameters = views[catalog.OTHER_RULES].about.parameters
        return catalog.select_if(under_rules), parameters, True
    return None


def _arguments(
    call: exp.Func, parameters: Collection[str], *, has_defaults: bool
) -> dict[str, exp.Expr]:
    """Map the parameters of a macro to what it was called with; NULL where one may be left out."""
    from sqlglot import exp

    arguments: dict[str, exp.Expr] = {}
    unnamed = iter(parameters)
    for argument in call.expressions:
        is_named = isinstance(argument, exp.PropertyEQ)
        name = str(argument.this.name).lower() if is_named else next(unnamed, "")
        value = argument.expression if is_named else argument
        if name not in parameters or name in arguments:
            break
        # A plain 0.5 is a decimal to Spark.
        is_decimal = isinstance(value, exp.Literal) and not value.is_string and not value.is_int
        arguments[name] = exp.cast(value, "double") if is_decimal else value
    else:
        missing = [name for name in parameters if name not in arguments]
        if has_defaults or not missing:
            return arguments | {name: exp.null() for name in missing}
    raise QueryError(f"{call.name} takes the parameters {', '.join(parameters)}", value=call.name)


def tables_named(select: str) -> set[str]:
    """Return the tables and views that a SELECT names, its own `with` names left out.

    Raises QueryError where it calls a table function: other engines have others.
    """
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    tree = _parse(select)
    named = set()
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                if isinstance(source.this, exp.Func):
                    raise QueryError(
                        f"{_text(source.this)} is a table function of DuckDB's, which other "
                        "engines do not have",
                        value=_text(source.this),
                        parameter="engine",
                        remedy="Run the query without `engine`",
                    )
                named.add(source.name)
    return named


def faults(select: str, *, is_view: bool = True) -> list[str]:
    """Return what another engine would take for something else, or refuse, in a SELECT of DuckDB's.

    Each is a sentence that begins with the offending text. An empty list means: none of the known.
    The columns of a view need names, and its divisors a guard; with `is_view` false, for a query,
    neither is asked.
    """
    tree = _parse(select)
    found = [
        f"{_text(node)}: {why}" for node, why in _by_form(tree) if is_view or why not in _OF_VIEWS
    ]
    found += _by_name(select)
    found += [f"{_text(node)}: {why}" for node, why in _by_type(tree)]
    return sorted(set(found))


def _flat(tree: Any) -> Any:
    """Put named queries within named queries before them: Sail does not find them there.

    They are what `catalog.select_if` makes of views that have some. Their names get the outer one's
    in front, which keeps `counted` of one view from being taken for that of another.
    """
    from sqlglot import exp

    ctes: list[Any] = tree.ctes
    if not any(outer.this.ctes for outer in ctes):
        return tree
    flat = []
    for outer in ctes:
        body = _flat(outer.this)
        for inner in body.ctes:
            name = f"{outer.alias}_{inner.alias}"
            _rename(body, inner.alias, name)
            flat.append(
                exp.CTE(this=inner.this, alias=exp.TableAlias(this=exp.to_identifier(name)))
            )
        body.args["with_"] = None
        flat.append(outer)
    tree.set("with_", exp.With(expressions=flat))
    return tree


def _rename(tree: exp.Expr, name: str, new: str) -> None:
    """Have `tree` read the table `new` where it reads `name`, under the alias that it has there."""
    from sqlglot import exp

    for table in list(tree.find_all(exp.Table)):
        if table.name.lower() == name.lower():
            alias = exp.TableAlias(this=exp.to_identifier(table.alias or table.name))
            table.set("alias", alias)
            table.set("this", exp.to_identifier(new))


def _hint(tree: exp.Expr, broadcast: Collection[str]) -> None:
    """Ask for a broadcast of what is joined under one of these names."""
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        joined = [join.this for join in select.args.get("joins") or ()]
        aliases = [table.alias_or_name for table in joined if table.name in broadcast]
        if aliases:
            asked = [exp.to_identifier(alias) for alias in aliases]
            hint = exp.Anonymous(this="BROADCAST", expressions=asked)
            select.set("hint", exp.Hint(expressions=[hint]))


def _by_form(tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
    from sqlglot import exp

    for node in tree.walk():
        kind = type(node).__name__
        if kind in _REFUSED:
            yield node, _REFUSED[kind]
        elif isinstance(node, exp.Literal) and not node.is_string:
            is_decimal = "." in node.this and "e" not in node.this.lower()
            if is_decimal and not isinstance(node.parent, exp.Cast):
                yield node, f"a decimal: write {node.this}e0 or cast({node.this} as double)"
        elif isinstance(node, exp.ArrayAgg | exp.First | exp.AnyValue | exp.Last):
            if node.find(exp.Order):
                yield node, "its order is lost: use max_by or min_by, or row_number"
            if isinstance(node.parent, exp.Filter):
                yield node.parent, "list with a filter: NULLs are treated otherwise: write rows"
        elif isinstance(node, exp.Log) and node.expression is None:
            yield node, "log with one argument is another base there: use ln or log10"
        elif isinstance(node, exp.Union) and node.args.get("by_name"):
            yield node, "union by name: list the columns in order"
        elif isinstance(node, exp.Unnest) and node.args.get("offset"):
            yield node, "with ordinality counts from 0 there: use row_number"
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if _FILE.search(node.name):
                yield node, _REFUSED["ReadCSV"]
        elif isinstance(node, exp.Div | exp.IntDiv | exp.Mod) and not _is_never_zero(node):
            yield node, _BY_ZERO
        elif isinstance(node, exp.Window):
            yield from _by_frame(node)
        elif isinstance(node, exp.Select):
            yield from _by_alias(node)


def _is_never_zero(division: exp.Expr) -> bool:
    """Say whether the divisor is a number, guarded by nullif, or a sum with something added to it.

    A sum (n + z * z, count + 3 * smoothing) is taken on trust: what is added is there for that.
    """
    from sqlglot import exp

    divisor = division.expression.unnest()
    if isinstance(divisor, exp.Literal):
        return not divisor.is_string and float(divisor.this) != 0
    return isinstance(divisor, exp.Nullif | exp.Add)


def _by_frame(window: exp.Window) -> Iterator[tuple[exp.Expr, str]]:
    """Find an ordered window, in its place or named, whose frame is not in rows."""
    from sqlglot import exp

    if type(window.this).__name__ in _RANKING:
        return
    select = window.parent_select
    named = {each.this.name: each for each in (select.args.get("windows") or () if select else ())}
    of = named.get(window.alias, window)
    if isinstance(window.this, exp.Identifier):  # the definition of a named window
        return
    frame = of.args.get("spec")
    if of.args.get("order") and (frame is None or frame.args.get("kind", "").upper() != "ROWS"):
        yield window, "an ordered window without a frame: write rows between … and …"


def _by_alias(select: exp.Select) -> Iterator[tuple[exp.Expr, str]]:
    """Find columns without a name, and names that a select makes and its `where` uses."""
    from sqlglot import exp

    is_value = isinstance(select.parent, exp.Exists | exp.In | exp.Subquery) and not isinstance(
        select.parent.parent, exp.From | exp.Join
    )
    for column in () if is_value else select.selects:
        if not isinstance(column, exp.Alias | exp.Column):
            yield column, _UNNAMED
    aliased = {column.alias: column for column in select.selects if isinstance(column, exp.Alias)}
    where = select.args.get("where")
    for used in where.find_all(exp.Column) if where else ():
        # `coalesce(x, 0) as x … where x > 0` means the column x that was read.
        new = aliased.get(used.name)
        if new is None or used.table or used.parent_select is not select:
            continue
        if used.name not in {column.name for column in new.find_all(exp.Column)}:
            yield used, "a name that this select gives is used in its where: repeat what it names"


def _by_name(select: str) -> Iterator[str]:
    """Find functions by what is written: sqlglot's tree has one node for len and for length."""
    from sqlglot.dialects.duckdb import DuckDB

    tokens = DuckDB().tokenize(select)
    for token, behind in itertools.pairwise(tokens):
        why = _REFUSED_NAMES.get(token.text.lower())
        if why and behind.text == "(":
            yield f"{token.text}(: {why}"


def _by_type(tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
    from sqlglot import exp
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify

    whole, real = exp.DataType.INTEGER_TYPES, exp.DataType.REAL_TYPES
    columns: Any = _columns()
    qualified = qualify(
        tree.copy(), dialect="duckdb", schema=columns, validate_qualify_columns=False
    )
    for node in annotate_types(qualified, dialect="duckdb", schema=columns).walk():
        of = node.this.type if isinstance(node.this, exp.Expr) else None
        is_rounded = isinstance(node.this, exp.Ceil | exp.Floor | exp.Round)
        if (
            isinstance(node, exp.Cast)
            and not is_rounded
            and node.to.this in whole
            and of
            and of.this in real
        ):
            yield node, "DuckDB rounds it, Spark cuts it off: leave it a double"
        elif isinstance(node, exp.Sum | exp.Avg) and of and of.is_type("boolean"):
            yield node, "a sum of booleans: use count_if, or count(case when … then 1 end)"


@functools.cache
def _columns() -> dict[str, dict[str, str]]:
    """Return the columns of each table and view, and their types."""
    import duckdb

    with duckdb.connect() as con:
        for table in TABLES:
            create_table(con, table)
        catalog.install(con, TABLES)
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in con.execute(
            "select table_name, column_name, data_type from duckdb_columns() where not internal"
        ).fetchall():
            found.setdefault(table, {})[column] = kind
    return found


def _parse(select: str) -> exp.Expr:
    try:
        import sqlglot
    except ImportError:
        raise UsageError(
            "SQL for other engines needs sqlglot, which is not installed",
            remedy="Install it with: pip install 'realdb[spark]'",
        ) from None
    try:
        return sqlglot.parse_one(select, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        places = getattr(error, "errors", None) or [{}]
        raise QueryError(
            f"sqlglot cannot read the query: {str(error).splitlines()[0]}",
            value=places[0].get("highlight"),
        ) from None


def _text(node: exp.Expr) -> str:
    text = node.sql(dialect="duckdb")
    return text if len(text) <= 60 else text[:59] + "…"

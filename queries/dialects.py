"""Translate views for other engines: their SELECTs in Spark's SQL.

sqlglot (the extra `realdb[spark]`) does the translation. Some SQL of DuckDB means something else on
the other engine, without a message, or fails there. `faults` finds such SQL, and a test checks
every view with it.
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

# Window functions that need no frame: they have a fixed one, or none.
_RANKING = {"CumeDist", "DenseRank", "Lag", "Lead", "Ntile", "PercentRank", "Rank", "RowNumber"}
# A table name that DuckDB would read as a file name.
_FILE = re.compile(r"[/\\*]|\.(arrow|csv|feather|json|jsonl|npy|npz|parquet|tsv)(\.\w+)?$", re.I)
# Nodes of sqlglot's tree that a view must not have, and the reason with the replacement.
_REFUSED = {
    "Comprehension": "a list comprehension: use rows, and aggregate them",
    "Format": "format(): Spark's patterns differ: use concat and lpad",
    "GroupConcat": "string_agg: the order may be lost: use rows",
    "Median": "median: use row_number",
    "PercentileCont": "percentile_cont becomes an approximation: use row_number",
    "PercentileDisc": "percentile_disc: use row_number",
    "Pivot": "pivot: use count(case when …)",
    "ReadCSV": "a file is read: use a table, which each engine registers",
    "ReadParquet": "a file is read: use a table, which each engine registers",
    "Slice": "a list slice: use rows, and number them",
}
_UNNAMED = "a column without a name: name it with AS"
_BY_ZERO = "a division by zero is NULL in DuckDB and an error in Spark: divide by nullif(…, 0)"
# Faults of views that are allowed in a query.
_OF_VIEWS = (_UNNAMED, _BY_ZERO)
# Functions without a node in sqlglot, or with a node that hides their name.
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
    """Translate a SELECT of DuckDB to Spark's SQL; a parameter `$threshold` becomes `:threshold`.

    `tables` maps names of tables to their names in Spark. Joins with a table or a named query in
    `broadcast` copy it to each worker.

    Raises QueryError if sqlglot cannot parse it, UsageError if sqlglot is not installed.
    """
    tree = _flat(_parse(select))
    for name, new in (tables or {}).items():
        _rename(tree, name, new)
    _hint(tree, broadcast)
    text: str = tree.sql(dialect="spark", pretty=True)
    return text


def view_in_spark(name: str) -> str:
    """Return the statement that creates the view `name`; only its SELECT if it has parameters.

    sqlglot cannot write macros for Spark. The parameters of a SELECT are bound when it is run:
    spark.sql(text, args={"threshold": 0.5}).
    """
    view = catalog.find(name)
    text = spark(view.select)
    about = f"-- {name}: {view.about.summary}"
    if view.about.parameters:
        return f"{about}\n{text};\n"
    return f"{about}\nCREATE OR REPLACE VIEW {name} AS\n{text};\n"


def prediction_faults() -> str:
    """Return the SELECT that counts the faults of prediction files, one row per model."""
    path = Path(__file__).parent / "prediction_faults.sql"
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def without_macros(select: str) -> str:
    """Replace each view with parameters in a SELECT of DuckDB by its own SELECT.

    These views are macros in DuckDB, `labels_at(0.5)` or
    `recomputed_labels_if(golden_majority := 4)`, which other engines do not have. Each becomes a
    named query before the others. Raises QueryError if a macro is called with wrong parameters.
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
    """Return the SELECT of a macro, its parameters, and whether they may be left out."""
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
    """Map the parameters of a macro to the arguments of the call; NULL for one left out."""
    from sqlglot import exp

    arguments: dict[str, exp.Expr] = {}
    unnamed = iter(parameters)
    for argument in call.expressions:
        is_named = isinstance(argument, exp.PropertyEQ)
        name = str(argument.this.name).lower() if is_named else next(unnamed, "")
        value = argument.expression if is_named else argument
        if name not in parameters or name in arguments:
            break
        # In Spark a plain 0.5 is a decimal.
        is_decimal = isinstance(value, exp.Literal) and not value.is_string and not value.is_int
        arguments[name] = exp.cast(value, "double") if is_decimal else value
    else:
        missing = [name for name in parameters if name not in arguments]
        if has_defaults or not missing:
            return arguments | {name: exp.null() for name in missing}
    raise QueryError(f"{call.name} takes the parameters {', '.join(parameters)}", value=call.name)


def tables_named(select: str) -> set[str]:
    """Return the tables and views that a SELECT names, without the names of its `with` queries.

    Raises QueryError if it calls a table function, because other engines do not have it.
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
                        f"{_text(source.this)} is a table function of DuckDB, and other engines do "
                        "not have it",
                        value=_text(source.this),
                        parameter="engine",
                        remedy="Run the query without `engine`",
                    )
                named.add(source.name)
    return named


def faults(select: str, *, is_view: bool = True) -> list[str]:
    """Return the parts of a DuckDB SELECT that another engine understands differently or refuses.

    Each is a sentence that begins with the text of the part. An empty list means that no known
    fault was found. In a view, columns must have names, and divisors must be guarded against 0;
    with `is_view` false, for a query, these two are not checked.
    """
    tree = _parse(select)
    found = [
        f"{_text(node)}: {why}" for node, why in _by_form(tree) if is_view or why not in _OF_VIEWS
    ]
    found += _by_name(select)
    found += [f"{_text(node)}: {why}" for node, why in _by_type(tree)]
    return sorted(set(found))


def _flat(tree: Any) -> Any:
    """Move nested named queries in front of the outer ones, because Sail does not find them inside.

    `catalog.select_if` nests them. Each gets the name of the outer query as a prefix, because two
    views may both have a query called `counted`.
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
    """Replace the table `name` in `tree` by the table `new`, and keep its alias."""
    from sqlglot import exp

    for table in list(tree.find_all(exp.Table)):
        if table.name.lower() == name.lower():
            alias = exp.TableAlias(this=exp.to_identifier(table.alias or table.name))
            table.set("alias", alias)
            table.set("this", exp.to_identifier(new))


def _hint(tree: exp.Expr, broadcast: Collection[str]) -> None:
    """Add hints that broadcast the joined tables with one of these names."""
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
                yield node, "the order is lost: use max_by or min_by, or row_number"
            if isinstance(node.parent, exp.Filter):
                yield node.parent, "list with a filter: NULLs are handled differently: use rows"
        elif isinstance(node, exp.Log) and node.expression is None:
            yield node, "log with one argument has another base in Spark: use ln or log10"
        elif isinstance(node, exp.Union) and node.args.get("by_name"):
            yield node, "union by name: list the columns in order"
        elif isinstance(node, exp.Unnest) and node.args.get("offset"):
            yield node, "with ordinality counts from 0 in Spark: use row_number"
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
    """Return whether the divisor is a number other than 0, is guarded by nullif, or is a sum.

    A sum (n + z * z, count + 3 * smoothing) is assumed to be positive.
    """
    from sqlglot import exp

    divisor = division.expression.unnest()
    if isinstance(divisor, exp.Literal):
        return not divisor.is_string and float(divisor.this) != 0
    return isinstance(divisor, exp.Nullif | exp.Add)


def _by_frame(window: exp.Window) -> Iterator[tuple[exp.Expr, str]]:
    """Find ordered windows, inline or named, whose frame is not in rows."""
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
        yield window, "an ordered window without a frame: add rows between … and …"


def _by_alias(select: exp.Select) -> Iterator[tuple[exp.Expr, str]]:
    """Find columns without a name, and aliases of a select that its `where` uses."""
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
        # In `coalesce(x, 0) as x … where x > 0`, the x of the where is the column that is read.
        new = aliased.get(used.name)
        if new is None or used.table or used.parent_select is not select:
            continue
        if used.name not in {column.name for column in new.find_all(exp.Column)}:
            yield used, "an alias of this select is used in its where: repeat the expression"


def _by_name(select: str) -> Iterator[str]:
    """Find functions by their names in the text: sqlglot has one node for len and length."""
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
            yield node, "DuckDB rounds it, and Spark truncates it: keep the double"
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

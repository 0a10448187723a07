from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from realdb.exports import whole_store
from realdb.exports.registry import Export
from realdb.queries import catalog
from realdb.schema.header import Reference
from realdb.schema.tables import KEPT_TABLES, TABLES, create_table
from realdb.store.store import Store

EXPORT = Export(
    con=duckdb.connect(),
    name="rows",
    rows=None,
    about=None,
    path=Path("nowhere"),
    target=None,
    install=catalog.install,
    stored=(),
    notice={},
    options={},
)


def test_referenced_tables_come_first(synthetic_store: Store) -> None:
    tables = whole_store.tables(replace(EXPORT, con=synthetic_store.connect()))
    names = [table.name for table in tables]
    assert sorted(names) == sorted([*synthetic_store.tables, *KEPT_TABLES, "models"])
    for place, table in enumerate(tables):
        assert {one.table for one in table.references} <= {*names[:place]}
        assert table.rows == synthetic_store.tables.get(table.name, 0)


def test_a_violated_foreign_key_is_left_out() -> None:
    con = duckdb.connect()
    for table in TABLES:
        create_table(con, table)
    con.execute("insert into classes values (1, null, null, null, true)")
    con.execute("insert into images values (7, 'ILSVRC2012_val_00000007.JPEG', null, null)")
    con.execute("insert into labels values (7, 1, 0), (7, 2, 1)")
    con.execute("insert into questions values (7, 1, 0, null)")
    con.execute("insert into scores values (7, 1, 0.5), (8, 1, 0.5)")
    found = {table.name: table.references for table in whole_store.tables(replace(EXPORT, con=con))}
    # An image without an original label refers to nothing, and label 2 is no class.
    assert found["images"] == [Reference(("original_label",), "classes")]
    assert found["labels"] == [Reference(("image_id",), "images")]
    assert found["scores"] == [Reference(("label",), "classes")]


def test_constraints() -> None:
    con = duckdb.connect()
    for table in TABLES:
        create_table(con, table)
    constraints = {
        table.name: table.constraints for table in whole_store.tables(replace(EXPORT, con=con))
    }
    assert constraints["classes"] == ['primary key ("label")']
    assert constraints["labels"] == [
        'primary key ("image_id", "label")',
        'foreign key ("image_id") references "images" ("image_id")',
        'foreign key ("label") references "classes" ("label")',
    ]

"""The library calls: one for each command. The package `realdb` exports them all.

Rows are returned as a DuckDB relation with `.fetchall()`, `.df()`, `.pl()` and `.to_arrow_table()`.
Its repr is a small table. A RealdbWarning reports what the reader of a result should know.
"""

"""The library calls, one a command, a module a verb; `realdb` itself names them all.

Rows come back as a DuckDB relation: `.fetchall()`, `.df()`, `.pl()` and `.to_arrow_table()` are all
there, and its repr is a small table. What should be known of a result is warned of as a
RealdbWarning.
"""

"""Queries that must be refused, and what a refusal may not contain."""

from __future__ import annotations

# TARGET is the file to write: a table of the store, CURRENT, or a new file.
WRITES = [
    "with x as (copy (from labels where image_id > 1000) to '{target}' (format parquet)) from x",
    "with x as (copy (select 'elsewhere') to '{target}' (format csv)) from x",
    "select * from (with x as (copy labels to '{target}') from x)",
    "select (with x as (copy labels to '{target}') select count(*) from x)",
    "with a as (from labels), x as (copy a to '{target}') select * from a, x",
    "with x as (insert into labels values (1, 2, 3) returning *) from x",
    "with x as (update labels set label = 1 returning *) from x",
    "with x as (delete from labels returning *) from x",
    "from labels where label in (with x as (delete from labels returning label) from x)",
    "from json_execute_serialized_sql(json_serialize_sql("
    "'with x as (copy labels to ''{target}'') from x'))",
    "from query('with x as (copy labels to ''{target}'') from x')",
    "copy labels to '{target}'",
    "insert into labels values (1, 2, 3)",
    "drop view labels",
    "create table evil as from labels",
    "attach '{target}'",
    "export database '{target}'",
    "select 1; copy labels to '{target}'",
]
READS = [
    "from read_csv('{secret}')",
    "from read_csv_auto('{secret}')",
    "from read_text('{secret}')",
    "from read_blob('{secret}')",
    "from read_json('{secret}')",
    "from read_parquet('{secret}')",
    "from parquet_scan('{secret}')",
    "from parquet_metadata('{secret}')",
    "from parquet_kv_metadata('{secret}')",
    "from sniff_csv('{secret}')",
    "from glob('{secret}')",
    "from '{secret}'",
    'from "{secret}"',
    "from query('from read_text(''{secret}'')')",
    "from query_table('{secret}')",
    "from query_table(['{secret}'])",
    "from read_duckdb('{secret}')",
    "with t as (from read_text('{secret}')) from t",
    "select (select max(content) from read_text('{secret}'))",
    "from labels where exists (from read_text('{secret}'))",
    "from labels, lateral (from read_text('{secret}'))",
    "describe (from read_text('{secret}'))",
    "summarize (from read_text('{secret}'))",
    "from (pivot (from read_text('{secret}')) on filename in ('a') using count(*))",
]
OTHERS = [
    "from read_csv('https://example.com/x.csv')",
    "from read_parquet('s3://bucket/x.parquet')",
    "from sqlite_scan('{secret}', 't')",
    "from enable_logging()",
    "from enable_profiling()",
    "from disable_logging()",
    "call enable_logging()",
    "from duckdb_secrets()",
    "from which_secret('s3://bucket', 's3')",
    "from checkpoint()",
    "set enable_external_access = true",
    "pragma database_list",
    "install httpfs",
    "load httpfs",
]
SECRET = "the content of a file that nobody named"

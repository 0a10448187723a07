-- The files that this store was built from.
--
-- grain: one row per file read
-- key: file_name
-- source: realdb ingest
-- file_name: the name of the file in realdb, such as real.json
-- sha256: its SHA-256 checksum, 64 hexadecimal digits
-- bytes: its size in bytes
-- tables: the tables that are filled from it, in whole or in part, separated by commas
-- origin: where the file was read from: a path, a URL, or a wheel and its member
-- is_published: the checksum is that of the published file
-- read_at: when the file was read, in UTC
create table sources (
    file_name varchar not null,
    sha256 varchar not null check (length(sha256) = 64),
    bytes bigint not null check (bytes >= 0),
    tables varchar not null,
    origin varchar not null,
    is_published boolean not null,
    read_at timestamp not null
);

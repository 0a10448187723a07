-- The files that this store was built from.
--
-- grain: one row per file read
-- key: file_name
-- source: the ingest itself
-- file_name: the name that realdb knows the file by
-- sha256: its checksum, 64 hexadecimal digits
-- bytes: its size
-- tables: the tables it fills, or fills columns of, separated by commas
-- origin: where it was read: a path, a URL, or a wheel and its member
-- is_published: the checksum is that of the published file
-- read_at: when, in UTC
create table sources (
    file_name varchar not null,
    sha256 varchar not null check (length(sha256) = 64),
    bytes bigint not null check (bytes >= 0),
    tables varchar not null,
    origin varchar not null,
    is_published boolean not null,
    read_at timestamp not null
);

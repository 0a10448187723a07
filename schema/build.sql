-- What this database is: the one build it holds.
--
-- grain: one row
-- key: build_id
-- source: the ingest itself
-- build_id: the build's name: when it was begun, and a random part
-- schema_version: the version of the tables' schema
-- realdb_version: the version of realdb that built it
-- built_at: when, in UTC
create table build (
    build_id varchar not null,
    schema_version smallint not null,
    realdb_version varchar not null,
    built_at timestamp not null
);

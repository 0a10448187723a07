-- The build that this database holds.
--
-- grain: one row
-- key: build_id
-- source: realdb ingest
-- build_id: the id of the build: its start time in UTC and a random part
-- schema_version: the version of the tables' schema
-- realdb_version: the version of realdb that built it
-- built_at: the start time of the build, in UTC
create table build (
    build_id varchar not null,
    schema_version smallint not null,
    realdb_version varchar not null,
    built_at timestamp not null
);

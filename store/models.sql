-- The stored models, and what their predictions were read from.
--
-- grain: one row per stored model
-- key: model
-- source: the metadata of the files in the store's folder predictions
-- model: the model's name
-- rows: how many predictions are stored
-- images: how many images they are for
-- ranks: the largest rank
-- file: the file that they were read from; NULL where they came from no file
-- format: its format; NULL likewise
-- bytes: its size; NULL likewise
-- sha256: its checksum, 64 hexadecimal digits; NULL likewise
-- added_at: when they were stored, in UTC
create table models (
    model varchar,
    rows bigint,
    images integer,
    ranks smallint,
    file varchar,
    format varchar,
    bytes bigint,
    sha256 varchar,
    added_at timestamp
);

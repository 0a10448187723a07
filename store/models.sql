-- The stored models and the files that their predictions were read from.
--
-- grain: one row per stored model
-- key: model
-- source: the metadata of the files in the folder predictions of the store
-- model: the name of the model
-- rows: the number of stored predictions
-- images: the number of images with a prediction
-- ranks: the largest rank
-- file: the file that the predictions were read from; NULL if they did not come from a file
-- format: the format of that file; NULL without a file
-- bytes: its size in bytes; NULL without a file
-- sha256: its SHA-256 checksum, 64 hexadecimal digits; NULL without a file
-- added_at: when the predictions were stored, in UTC
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

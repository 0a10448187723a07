-- The stored models, and the sources of their predictions.
--
-- grain: one row per stored model
-- key: model
-- source: the metadata of the files in the store's folder predictions
-- model: the model's name
-- rows: the number of stored predictions
-- images: the number of images
-- ranks: the highest rank
-- file: the file that the predictions were read from; NULL for predictions from memory
-- format: the format of the file; NULL without a file
-- bytes: the size of the file; NULL without a file
-- sha256: the checksum of the file, 64 hexadecimal digits; NULL without a file
-- added_at: the time of storing, in UTC
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

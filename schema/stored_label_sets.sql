-- The label sets that were added to the store, and their sources.
--
-- grain: one row per stored label set
-- key: label_set
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set's name
-- title: a description in one line; NULL if it is unknown
-- licence: the licence of its file; NULL if it is unknown
-- citation: the paper or page that describes it; NULL if it is unknown
-- source: the file or the URL that it was read from; several are separated by commas
-- sha256: the file's checksum, 64 hexadecimal digits; NULL for several files
-- images: the number of images that it judges or describes
-- added_at: the time when it was stored, in UTC
create table stored_label_sets (
    label_set varchar not null,
    title varchar,
    licence varchar,
    citation varchar,
    source varchar not null,
    sha256 varchar check (length(sha256) = 64),
    images bigint not null check (images >= 0),
    added_at timestamp not null
);

-- The label sets that were added to the store, and where they came from.
--
-- grain: one row per stored label set
-- key: label_set
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set's name
-- title: what it is, in one line; NULL where its file does not say
-- licence: the licence of its file; NULL where that is unknown
-- citation: the paper or page that describes it; NULL where there is none
-- source: the file that it was read from, with its address where it was downloaded
-- sha256: the checksum of that file, 64 hexadecimal digits; NULL where it came from several files,
--   or from none
-- images: how many images it judges or describes
-- added_at: when it was stored, in UTC
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

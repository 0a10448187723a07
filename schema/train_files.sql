-- The training images that remain after the cleaning in Section 6 of the paper.
--
-- grain: one row per training file
-- key: file_name
-- source: fnames_clean.txt
-- file_name: the file name in the list
-- wordnet_id: the WordNet id of the class, from the file name
-- position: the line number in the list, from 0
create table train_files (
    file_name varchar not null,
    wordnet_id varchar not null check (wordnet_id similar to 'n[0-9]{8}'),
    position integer not null check (position >= 0)
);

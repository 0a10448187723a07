-- The training images that the paper's Section 6 keeps.
--
-- grain: one row per training file
-- key: file_name
-- source: fnames_clean.txt
-- file_name: the name as the list has it
-- wordnet_id: the class, from the file name
-- position: the line in the list, from 0
create table train_files (
    file_name varchar not null,
    wordnet_id varchar not null check (wordnet_id similar to 'n[0-9]{8}'),
    position integer not null check (position >= 0)
);

-- The 1,000 classes of ILSVRC 2012.
--
-- grain: one row per class
-- key: label
-- source: labels.txt, or the sorted WordNet ids in the file of original labels; names and
--   definitions from imagenet_synset_to_lemma.txt and imagenet_synset_to_definition.txt
-- label: the class id, 0-999: the position of its WordNet id in the sorted list of the 1,000 ids
-- wordnet_id: the WordNet id, n and eight digits; unique; NULL if no source file has it
-- name: the class names, separated by commas; not unique: both 134 and 517 are called crane; NULL
--   if no source file has them
-- description: the WordNet definition; NULL if no source file has it
-- is_animal: the class is an animal: label < 398
create table classes (
    label smallint not null check (label between 0 and 999),
    wordnet_id varchar check (wordnet_id similar to 'n[0-9]{8}'),
    name varchar,
    description varchar,
    is_animal boolean not null check (is_animal = (label < 398))
);

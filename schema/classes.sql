-- The 1,000 classes of ILSVRC 2012.
--
-- grain: one row per class
-- key: label
-- source: labels.txt, or the WordNet ids of the original labels' file, sorted; names and
--   definitions from imagenet_synset_to_lemma.txt and imagenet_synset_to_definition.txt
-- label: the class id, 0-999: the place of its WordNet id among the sorted 1,000
-- wordnet_id: n and eight digits; unique; NULL where no source was given
-- name: readable names, separated by commas; not unique (crane is 134 and 517); NULL where no
--   source was given
-- description: the WordNet definition; NULL where no source was given
-- is_animal: the class is an animal: label < 398
create table classes (
    label smallint not null check (label between 0 and 999),
    wordnet_id varchar check (wordnet_id similar to 'n[0-9]{8}'),
    name varchar,
    description varchar,
    is_animal boolean not null check (is_animal = (label < 398))
);

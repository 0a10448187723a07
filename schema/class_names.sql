-- Class names from the lists of other projects. The WordNet names are in `classes`.
--
-- grain: one row per list and class
-- key: list, label
-- references: label -> classes
-- source: zero_shot_metadata.py (from the wheel of open_clip, MIT License)
-- list: the name of the list. There is one list, clip: the class names in the prompts of OpenAI's
--   CLIP (Radford et al., Learning transferable visual models from natural language supervision,
--   arXiv 2103.00020, 2021)
-- label: the class id
-- name: the name; not unique: in the list clip, both 836 and 837 are called sunglasses
create table class_names (
    list varchar not null check (list in ('clip')),
    label smallint not null check (label between 0 and 999),
    name varchar not null
);

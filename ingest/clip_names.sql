-- The names that OpenAI's CLIP has for the classes.
--
-- grain: one row per class
-- reads: class_names
-- source: the list IMAGENET_CLASSNAMES of open_clip's zero_shot_metadata.py
-- spelling: which way it is
-- text: the words
-- label: the class id
select
    'the names of CLIP' as spelling,
    name as text,
    label
from class_names
where list = 'clip'

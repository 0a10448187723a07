-- The names of the classes in OpenAI's CLIP.
--
-- grain: one row per class
-- reads: class_names
-- source: the list IMAGENET_CLASSNAMES of open_clip's zero_shot_metadata.py
-- spelling: the name of the spelling
-- text: the name of the class
-- label: the class id
select
    'the names of CLIP' as spelling,
    name as text,
    label
from class_names
where list = 'clip'

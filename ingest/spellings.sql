-- The spellings of each class in words.
--
-- grain: one row per spelling, text and class
-- reads: classes
-- rule: torchvision's categories are the first names, except two names that would otherwise occur
--   twice: 134 is crane bird (517 is crane), and 639 is maillot tank suit (638 is maillot). The
--   names of OpenAI's CLIP are in clip_names.sql
-- source: timm's inference.py --label-type name, description and detailed; torchvision's
--   models/_meta.py (0.29.1); Keras' decode_predictions, which writes underscores for blanks
-- spelling: the name of the spelling
-- text: the name of the class in this spelling
-- label: the class id
select
    'the WordNet id' as spelling,
    wordnet_id as text,
    label
from classes
where wordnet_id is not null
union all
select
    'the names' as spelling,
    name as text,
    label
from classes
where name is not null
union all
select
    'the names and the description' as spelling,
    name || ': ' || description as text,
    label
from classes
where name is not null and description is not null
union all
select
    'the first name' as spelling,
    split_part(name, ', ', 1) as text,
    label
from classes
where name is not null
union all
select
    'the first name, with underscores' as spelling,
    replace(split_part(name, ', ', 1), ' ', '_') as text,
    label
from classes
where name is not null
union all
select
    'the categories of torchvision' as spelling,
    case
        when label = 134 and split_part(name, ', ', 1) = 'crane' then 'crane bird'
        when label = 639 and split_part(name, ', ', 1) = 'maillot' then 'maillot tank suit'
        else split_part(name, ', ', 1)
    end as text,
    label
from classes
where name is not null

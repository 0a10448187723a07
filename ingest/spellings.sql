-- Every way in which a class is written in words, and the class.
--
-- grain: one row per spelling, text and class
-- reads: classes
-- source: timm's inference.py --label-type name, description and detailed; torchvision's categories
--   and Keras' decode_predictions take the first name
-- spelling: which way it is
-- text: the words
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

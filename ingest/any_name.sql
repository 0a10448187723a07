-- The classes that each text of a file could mean, by any name of a class.
--
-- grain: one row per text and class
-- reads: input_spelled_out, classes, class_texts
-- rule: case does not count, and an underscore is a blank. If a common list of names uses a name
--   for another class than WordNet, the name means both classes: OpenAI's CLIP calls both 836 and
--   837 sunglasses. CLIP's other names count only if the store has them (in class_texts)
-- source: the names of classes; torchvision's models/_meta.py; open_clip's zero_shot_metadata.py
-- spelling: the name of the spelling
-- text: the text in the file
-- label: the class id
with names as (
    select
        label,
        unnest(string_split(name, ', ')) as words
    from classes
    union all
    select
        classes.label,
        additions.words
    from classes
    inner join (
        values
        (134, 'crane', 'crane bird'),
        (639, 'maillot', 'maillot tank suit'),
        (836, 'sunglass', 'sunglasses')
    ) as additions (label, first_name, words)
        on
            classes.label = additions.label
            and split_part(classes.name, ', ', 1) = additions.first_name
    union all
    select
        label,
        text as words
    from class_texts
    where spelling = 'the names of CLIP'
),

texts as (
    select distinct cast(label as varchar) as text
    from input_spelled_out
    where label is not null
)

select distinct
    'any of the names' as spelling,
    texts.text,
    names.label
from texts
inner join names
    on trim(lower(replace(texts.text, '_', ' '))) = lower(replace(names.words, '_', ' '))

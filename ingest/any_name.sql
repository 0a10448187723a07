-- The classes that the texts of a file could be, by any of the names of a class.
--
-- grain: one row per text and class
-- reads: input_spelled_out, classes, class_texts
-- rule: case does not count, and an underscore is a blank. Where a list of names in use has a name
--   for another class than WordNet has, it is both: OpenAI's CLIP calls 836 sunglasses, as 837.
--   All of CLIP's names are among the names only where the store has them (class_texts has the
--   spellings that are known)
-- source: the names of classes; torchvision's models/_meta.py; open_clip's zero_shot_metadata.py
-- spelling: which way it is
-- text: the words as the file has them
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

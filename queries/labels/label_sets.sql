-- The label sets: the added ones, `real` and `original`.
--
-- grain: one row per label set
-- key: label_set
-- reads: stored_label_sets, labels, images, sources, build
-- rule: for real, images counts the images with a ReaL label; for original, those with an original
--   label
-- source: real.json, the original labels, and the added label sets
-- label_set: the label set's name
-- title: a description in one line; NULL if it is unknown
-- licence: the licence of its file; NULL if it is unknown
-- citation: the paper or page that describes it; NULL if it is unknown
-- source: the file or the URL that it was read from; empty if it is unknown
-- sha256: the file's checksum; NULL for several files or none
-- images: the number of images that it judges or describes
-- added_at: the time when it was stored, in UTC
with own as (
    select
        'real' as label_set,
        'ReaL labels (Reassessed Labels)' as title,
        'Apache-2.0' as licence,
        'Beyer et al., Are we done with ImageNet?, arXiv 2006.07159, 2020' as citation,
        (select count(distinct l.image_id) from labels as l) as images
    union all
    select
        'original' as label_set,
        'Original labels of the ILSVRC 2012 validation set' as title,
        cast(null as varchar) as licence,
        'Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015' as citation,
        (select count(i.original_label) from images as i) as images
),

files as (
    select
        case when s.file_name = 'real.json' then 'real' else 'original' end as label_set,
        min(s.origin) as source,
        case when count(*) = 1 then min(s.sha256) end as sha256
    from sources as s
    where
        s.file_name = 'real.json'
        or (
            concat(', ', s.tables, ',') like '%, images,%'
            and concat(', ', s.tables, ',') not like '%, questions,%'
        )
    group by case when s.file_name = 'real.json' then 'real' else 'original' end
)

select
    l.label_set,
    l.title,
    l.licence,
    l.citation,
    l.source,
    l.sha256,
    l.images,
    l.added_at
from stored_label_sets as l
union all
select
    o.label_set,
    o.title,
    o.licence,
    o.citation,
    coalesce(f.source, '') as source,
    f.sha256,
    o.images,
    b.built_at as added_at
from own as o
cross join build as b
left join files as f on o.label_set = f.label_set

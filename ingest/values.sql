-- Predictions converted to numbers. A value that cannot be converted is NULL.
--
-- grain: one row per prediction read
-- reads: input_rows
-- rule: an image is a validation file name, identified by its eight digits (image_names.py), or a
--   number from 1. A number has plain digits. Blanks around it and a fraction of zeros are allowed
--   (7.0, or 7. from NumPy), because tools write these in columns with missing values. 1e2, 1_0,
--   +7, 0x7 and 1.5 are invalid, although a cast accepts some of them
-- $model: the name for rows without one
-- $image_name: the regular expression for a file name; its first group is the digits
-- model: the prediction set's name
-- image_id: the image's number
-- rank: its place among the model's choices for the image; 1 if the file has no ranks
-- label: the class id
-- confidence: as in the file; NULL if it is missing, NaN if it is invalid
with parsed as (
    select
        coalesce(cast(model as varchar), $model) as model,
        case
            -- an integer needs no text; by way of text the cast would take ten times as long
            when typeof(image) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(image as integer)
            else
                coalesce(
                    -- the published form of the name first, which takes half the time
                    try_cast(
                        regexp_extract(
                            cast(image as varchar), '^ILSVRC2012_val_(\d{8})\.JPEG$', 1
                        ) as integer
                    ),
                    try_cast(
                        regexp_extract(
                            cast(image as varchar), $image_name || '$', 1
                        ) as integer
                    ),
                    try_cast(
                        regexp_extract(
                            cast(image as varchar), '^[ \t]*(\d+)(?:\.0*)?[ \t]*$', 1
                        ) as integer
                    )
                )
        end as image_id,
        case
            when rank is null then 1
            when typeof(rank) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(rank as double)
            else coalesce(
                try_cast(
                    regexp_extract(
                        cast(rank as varchar), '^[ \t]*(\d+)(?:\.0*)?[ \t]*$', 1
                    ) as double
                ),
                0
            )
        end as rank,
        case
            when label is not null and typeof(label) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(label as double)
            else coalesce(
                try_cast(
                    regexp_extract(
                        cast(label as varchar), '^[ \t]*(\d+)(?:\.0*)?[ \t]*$', 1
                    ) as double
                ),
                -1
            )
        end as label,
        case
            when typeof(confidence) = 'DOUBLE' then try_cast(confidence as double)
            when confidence is not null
                then coalesce(
                    try_cast(cast(confidence as varchar) as double), cast('nan' as double)
                )
        end as confidence
    from input_rows
)

select
    model,
    case when image_id between 1 and 50000 then image_id end as image_id,
    case when rank between 1 and 1000 then cast(rank as smallint) end as rank,
    case when label between 0 and 999 then cast(label as smallint) end as label,
    confidence
from parsed

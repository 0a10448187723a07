-- What prediction files hold that an engine reads where they are, and what is wrong with them:
-- a row for each model.
--
-- Whatever realdb reads itself is checked row by row on its way in. Here the engine counts, in one
-- pass: images are put into buckets of 30, each a bit of an integer, so that a bucket with as many
-- rows as bits holds no image twice. What is shuffled is a thirtieth of the rows.
with buckets as (
    select
        model,
        rank,
        image_id - image_id % 30 as bucket,
        count(case when image_id between 1 and 50000 then 1 end) as known_images,
        count(
            case when model is null or image_id is null or rank is null or label is null then 1 end
        ) as missing,
        count(
            case
                when
                    image_id < 1
                    or image_id > 50000
                    or rank < 1
                    or label < 0
                    or label > 999
                    or isnan(confidence)
                    then 1
            end
        ) as outside,
        bit_count(
            bit_or(case when image_id between 1 and 50000 then 1 << (image_id % 30) else 0 end)
        ) as distinct_images
    from predictions
    group by model, rank, image_id - image_id % 30
)

select
    b.model,
    cast(sum(b.missing) as bigint) as missing,
    cast(sum(b.outside) as bigint) as outside,
    cast(sum(b.known_images - b.distinct_images) as bigint) as repeated,
    max(b.rank) as ranks
from buckets as b
group by b.model

-- The faults of prediction files that another engine reads in place, counted for each model.
--
-- realdb checks the files that it reads itself row by row. Here the engine counts the faults in one
-- pass. Images are put into buckets of 30, and each image is a bit of an integer. A bucket with as
-- many rows as bits has no repeated image. Only a thirtieth of the rows is shuffled.
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

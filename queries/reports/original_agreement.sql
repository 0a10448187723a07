-- How often each model's first choice is the original label on rated images. A very high share
-- means that the file holds the original labels and not predictions.
--
-- grain: one row per model
-- key: model
-- reads: predictions, images
-- rule: only rated images count. Raters saw the images on which the models that proposed labels
--   disagreed with each other or with the original label. On all other images nearly every model
--   agrees with the original label. A model without a prediction for a rated image has no row
-- source: Section 3 of the paper, for which images were rated
-- model: the name of the model
-- rated_images: the number of rated images with a first choice of the model
-- agreeing_images: the number of these images whose first choice is the original label
select
    p.model,
    count(*) as rated_images,
    -- If all values are NULL, count_if is NULL in DuckDB and 0 in Spark.
    cast(coalesce(count_if(p.label = i.original_label), 0) as bigint) as agreeing_images
from predictions as p
inner join images as i on p.image_id = i.image_id
where p.rank = 1 and i.is_rated and i.original_label is not null
group by p.model

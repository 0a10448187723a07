-- How often each model's first choice is the original label, on rated images: this tells the
-- original labels themselves from predictions.
--
-- grain: one row per model
-- key: model
-- reads: predictions, images
-- rule: only rated images count. Raters saw the images on which the models that proposed labels
--   disagreed with one another or with the original label; on the others real models agree with it
--   almost always, and say nothing. A model that predicts no rated image has no row
-- source: Section 3 of the paper, on which images were rated
-- model: the prediction set's name
-- rated_images: rated images that the model gives a first choice for
-- agreeing_images: those whose first choice is the original label
select
    p.model,
    count(*) as rated_images,
    -- Of nothing but NULLs count_if is NULL in DuckDB and 0 in Spark.
    cast(coalesce(count_if(p.label = i.original_label), 0) as bigint) as agreeing_images
from predictions as p
inner join images as i on p.image_id = i.image_id
where p.rank = 1 and i.is_rated and i.original_label is not null
group by p.model

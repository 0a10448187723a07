-- How many ReaL labels does an image have?
select
    label_count,
    count(*) as images
from image_labels
group by label_count
order by label_count

-- Which classes lose most of their images to another label?
select
    c.name,
    count(*) as images,
    count(case when not i.is_original_real then 1 end) as rejected_images
from image_labels as i
inner join classes as c on i.original_label = c.label
where i.label_count > 0
group by c.label, c.name
order by rejected_images desc, c.label asc
limit 5

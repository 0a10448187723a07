-- Which two classes are most often labels of the same image?
select
    a.name as one,
    b.name as other,
    count(*) as images
from labels as l
inner join labels as m on l.image_id = m.image_id and l.label < m.label
inner join classes as a on l.label = a.label
inner join classes as b on m.label = b.label
group by l.label, m.label, a.name, b.name
order by images desc, l.label asc, m.label asc
limit 5

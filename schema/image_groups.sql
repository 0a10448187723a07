-- Groups of images: the factors of ImageNet-X, and the user's own.
--
-- grain: one row per grouping, image and group; an image may be in several groups of a grouping
-- key: grouping, image_id, group_name
-- references: image_id -> images
-- source: the files in the store's folders label_sets and groups, which realdb labels add and
--   realdb groups add write
-- grouping: the grouping's name: factor (imagenet-x, all factors of an image), top_factor
--   (imagenet-x, the main factor), or the name of the user's own grouping
-- image_id: the image
-- group_name: the image's group, such as the factor pose
create table image_groups (
    grouping varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    group_name varchar not null
);

-- Groups of classes: the metaclasses of ImageNet-X, and the user's own.
--
-- grain: one row per grouping, class and group; a class may be in several groups of a grouping
-- key: grouping, label, group_name
-- references: label -> classes
-- source: the files in the store's folders label_sets and groups, which realdb labels add and
--   realdb groups add write
-- grouping: the grouping's name, such as metaclass
-- label: the class id
-- group_name: the class's group
create table class_groups (
    grouping varchar not null,
    label smallint not null check (label between 0 and 999),
    group_name varchar not null
);

-- The images of the ImageNet (ILSVRC 2012) validation set.
--
-- grain: one row per validation image
-- key: image_id
-- references: original_label -> classes
-- source: the file of original labels; is_rated from scores.npz or raters.npz
-- image_id: the number in the file name, from 1
-- file_name: ILSVRC2012_val_, image_id with eight digits, and .JPEG
-- original_label: the class id of the ILSVRC 2012 label; NULL if the store has no original labels
-- is_rated: raters were asked about the image; NULL if the store has neither scores.npz nor
--   raters.npz
create table images (
    image_id integer not null check (image_id between 1 and 50000),
    file_name varchar not null check (file_name = format('ILSVRC2012_val_{:08d}.JPEG', image_id)),
    original_label smallint check (original_label between 0 and 999),
    is_rated boolean
);

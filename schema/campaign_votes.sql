-- The votes of the label sets that were made from votes.
--
-- grain: one row per label set, question and rater; a question is an (image, label) pair
-- key: label_set, image_id, label, rater
-- references: label_set -> stored_label_sets; image_id -> images; label -> classes
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set
-- image_id: the image
-- label: the class id that the question is about
-- rater: the name of the rater
-- answer: no, maybe or yes
-- is_golden: the answer is the truth, from an expert, and not a vote
create table campaign_votes (
    label_set varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    rater varchar not null,
    answer varchar not null check (answer in ('no', 'maybe', 'yes')),
    is_golden boolean not null
);

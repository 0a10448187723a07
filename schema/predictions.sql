-- What models said of the validation images.
--
-- grain: one row per model, image and rank
-- key: model, image_id, rank
-- references: image_id -> images; label -> classes
-- source: prediction files: those of the call, and those stored by realdb add
-- model: the prediction set's name
-- image_id: the image
-- rank: 1 for the model's first choice
-- label: the class id predicted
-- confidence: the model's probability or logit, as its file has it, never NaN; NULL where it has
--   none
create table predictions (
    model varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    rank smallint not null check (rank >= 1),
    label smallint not null check (label between 0 and 999),
    confidence double check (not isnan(confidence))
);

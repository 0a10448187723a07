-- The models' predictions for the validation images.
--
-- grain: one row per model, image and rank
-- key: model, image_id, rank
-- references: image_id -> images; label -> classes
-- source: prediction files: the files that a command or call names, and those that realdb add
--   stored
-- model: the name of the model
-- image_id: the image
-- rank: 1 for the model's first choice
-- label: the predicted class id
-- confidence: the model's probability or logit, as in its file, never NaN; NULL if the file has
--   none
create table predictions (
    model varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    rank smallint not null check (rank >= 1),
    label smallint not null check (label between 0 and 999),
    confidence double check (not isnan(confidence))
);

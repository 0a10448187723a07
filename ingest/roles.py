"""The column names that tools write, and the role of each name."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Compared without case, blanks, `-`, `_` and `.`. The order has no meaning: if two columns of a
# file are possible, the content or the user decides.
NAMES: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "image": (
        "file_name",
        "filename",
        "image",
        "image_id",
        "path",
        "file",
        "filepath",
        "file_path",
        "image_path",
        "image_name",
        "image_file",
        "image_filename",
        "img",
        "img_id",
        "img_path",
        "img_name",
        "img_file",
        "name",
        "fname",
    ),
    "rank": ("rank",),
    "label": (
        "label",
        "predicted_class",
        "prediction",
        "pred",
        "index",
        "class",
        "labels",
        "label_id",
        "label_ids",
        "label_pred",
        "class_id",
        "class_ids",
        "class_idx",
        "class_index",
        "cls",
        "cls_id",
        "category",
        "category_id",
        "predict",
        "predicted",
        "predictions",
        "predicted_label",
        "predicted_id",
        "predicted_index",
        "pred_label",
        "pred_labels",
        "pred_class",
        "pred_idx",
        "pred_index",
        "pred_id",
        "pred_cls",
        "prediction_class",
        "prediction_label",
        "output",
        "top1",
        "top1_class",
        "top1_label",
        "top1_pred",
        "top1_index",
        "top1_idx",
        "top1_id",
        "y_pred",
        "y_hat",
        "argmax",
    ),
    "confidence": (
        "confidence",
        "predicted_probability",
        "probability",
        "prob",
        "logit",
        "score",
        "confidences",
        "confidence_score",
        "conf",
        "pred_score",
        "pred_scores",
        "pred_prob",
        "pred_conf",
        "prediction_score",
        "probabilities",
        "probs",
        "logits",
        "scores",
        "softmax",
        "top1_prob",
        "top1_score",
        "top1_conf",
        "top1_confidence",
        "top1_probability",
    ),
}
# The names that messages show.
SHOWN: Mapping[str, tuple[str, ...]] = {role: names[:6] for role, names in NAMES.items()}
# Names of the ground truth. Such a column is the prediction only if the user chooses it.
TARGETS = (
    "target",
    "targets",
    "target_label",
    "target_class",
    "gt",
    "gt_label",
    "gt_class",
    "gt_labels",
    "label_gt",
    "ground_truth",
    "ground_truth_label",
    "groundtruth_label",
    "y_true",
    "y_gt",
    "true",
    "true_label",
    "true_class",
    "label_true",
    "truth",
    "actual",
    "actual_label",
    "actual_class",
    "real_label",
    "original_label",
    "expected",
    "correct_label",
    "correct_class",
)
# Parts of the names of predictions, and of classes.
_PREDICTED = ("pred", "output", "top", "hat", "argmax", "guess")
_CLASSES = ("label", "class", "cls", "categ", "synset", "wnid", "wordnet", "answer", *_PREDICTED)


def normal(name: str) -> str:
    """Return the name in the form for comparison: lower case, without separators."""
    return re.sub(r"[\s\-_.]+", "", name).lower()


_ROLES = {normal(name): role for role, names in NAMES.items() for name in names}
_TARGETS = frozenset(map(normal, TARGETS))


def of(name: str) -> str | None:
    """Return the role of a column with this name; None if the name is unknown."""
    return _ROLES.get(normal(name))


def is_target(name: str) -> bool:
    """Return whether a column with this name holds the ground truth."""
    return normal(name) in _TARGETS


def is_of_predictions(name: str) -> bool:
    """Return whether the name is one of predictions, not only of classes."""
    return any(part in normal(name) for part in _PREDICTED)


def is_of_classes(name: str) -> bool:
    """Return whether the name is one of classes, predicted or not."""
    return any(part in normal(name) for part in _CLASSES)

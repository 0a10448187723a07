"""vit3b-mistakes and greedy-soups-mistakes: the mistakes of a model, by category and severity.

Each file is an object that maps a file name to an object with `top_prediction` (a class id),
`failure category` and `failure severity`. The prediction is a wrong label of the image.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..known import SourceFile
from .content import Content, Known, Offenders, class_id, image_id
from .files import read_json, refusing

_KEYS = {"top_prediction", "failure category", "failure severity"}


def read(files: Mapping[str, SourceFile], known: Known) -> list[Content]:  # noqa: ARG001
    """Return the label set: each prediction as a wrong label, category and severity as flags."""
    (file,) = files.values()
    refuse = refusing(file)
    mistakes = read_json(file)
    if not isinstance(mistakes, dict) or not mistakes:
        raise refuse(
            "it is not an object of file names and mistakes", value=type(mistakes).__name__
        )
    content, wrong = Content(), Offenders()
    for name, mistake in mistakes.items():
        number = image_id(name)
        if number is None:
            wrong.add("names are not names of validation images", name)
        elif not isinstance(mistake, dict) or not {*mistake} >= _KEYS:
            wrong.add(f"mistakes lack one of {', '.join(sorted(_KEYS))}", name)
        elif (label := class_id(mistake["top_prediction"])) is None:
            wrong.add("predictions are not class ids from 0 to 999", mistake["top_prediction"])
        else:
            content.add(number, label, "wrong")
            for flag in ("category", "severity"):
                content.flags.append((number, flag, str(mistake[f"failure {flag}"])))
    wrong.refuse(refuse)
    content.check(refuse)
    return [content]

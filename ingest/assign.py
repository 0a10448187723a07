"""Find the column for each role of a table of predictions: by name, else by content.

If all columns have known names, and no role has two, the content is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..errors import DataError
from . import image_names, roles, series
from .options import ROLES, ReadOptions
from .series import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

# The roles that may have a column for each rank, or for each class.
_SEVERAL = ("label", "confidence")
_NESTED = ("list", "array")
_TEXTS = ("varchar", "enum", "blob")
_SIZES = ("tinyint", "smallint", "integer", "bigint", "hugeint")
_WHOLE = (*_SIZES, *(f"u{size}" for size in _SIZES))
# With more columns, realdb checks whether they are named after the classes.
_FEW = 500
# The head of ImageNet-21k has 21,843 classes.
_MOST = 25_000


class Candidates:
    """The columns of `table` that could have each role.

    found: by role, the columns or series with known names, or those that the user chose
    others: the columns with other names, except those of the ground truth
    """

    def __init__(self, table: duckdb.DuckDBPyRelation, where: str, options: ReadOptions) -> None:
        self.table = table
        self.where = where
        self.options = options
        self.found: dict[str, list[Found]] = {role: [] for role in ROLES}
        self.others: list[str] = []

    @classmethod
    def of(cls, table: duckdb.DuckDBPyRelation, where: str, options: ReadOptions) -> Self:
        """Return the candidates by name. Raises DataError if a chosen column does not exist."""
        names = list(table.columns)
        if len(names) > _MOST:
            from . import missing

            raise missing.too_many(names, where)
        self = cls(table, where, options)
        words = options.words() if len(names) > _FEW else {}
        for role, choice in options.columns.items():
            one = Found(choice, (choice,)) if choice in names else None
            if one is None and role in _SEVERAL:
                one = series.chosen(names, choice, role, words, where)
            if one is None:
                from . import missing

                raise missing.choice(table, where, role, choice)
            self.found[role] = [one]
        if any(map(image_names.is_file_name, [*options.columns.values(), *names[:_FEW]])):
            from . import missing

            raise missing.header(table, where)
        taken = {name for each in self.found.values() for one in each for name in one.columns}
        names = [name for name in names if name not in taken]
        if not options.facts.has_header:
            self.others = names
            return self
        open_roles = [role for role in _SEVERAL if role not in options.columns]
        if open_roles:
            for role, several in series.find(names, words, where).items():
                if role in open_roles:
                    self.found[role] = several
                taken |= {name for one in several for name in one.columns}
        for name in names:
            role_of_name = roles.of(name)
            if name in taken or roles.is_target(name):
                continue
            if role_of_name is None:
                self.others.append(name)
            elif role_of_name not in options.columns:
                self.found[role_of_name].append(Found(name, (name,)))
        return self

    @property
    def images(self) -> list[Found]:
        """The columns that could be the image."""
        return self.found["image"]

    @property
    def labels(self) -> list[Found]:
        """The columns or series that could be the label."""
        return self.found["label"]

    def _has_one(self, role: str) -> bool:
        """Return whether a role is settled: by the user, or because no other column fits."""
        return role in self.options.columns or (len(self.found[role]) == 1 and not self.others)

    def settle_image(self) -> None:
        """Choose one image column, or none.

        A column with image names is preferred to one with numbers, regardless of the column's
        name. Raises DataError if two columns are possible.
        """
        if self._has_one("image"):
            return
        from . import contents

        named = [one.name for one in self.images]
        texts = self._of_types(self.others, _TEXTS)
        kinds = contents.kinds(self.table, [*named, *texts], {})
        with_names = [name for name in named if kinds[name] == contents.IMAGE_NAMES] or [
            name for name in texts if kinds[name] == contents.IMAGE_NAMES
        ]
        numbered = [n for n in named if kinds[n] in (contents.CLASS_IDS, contents.NUMBERS)]
        possible = with_names or numbered or named
        if len(possible) > 1:
            numbers = {name: contents.image_numbers(self.table, name) for name in possible}
            first = numbers[possible[0]]
            if all((each == first).all() for each in numbers.values()):
                possible = possible[:1]
            elif not with_names:
                no_count = [n for n in possible if contents.running_from(numbers[n]) is None]
                possible = no_count or possible
        if len(possible) > 1:
            raise _question("image", [Found(name, (name,)) for name in possible], self.where)
        self.others = [name for name in [*named, *self.others] if name not in possible]
        self.found["image"] = [Found(name, (name,)) for name in possible]

    def _of_types(self, names: Sequence[str], types: Sequence[str]) -> list[str]:
        """Return the columns of these types; the others need not be read."""
        kinds = dict(zip(self.table.columns, self.table.types, strict=True))
        return [name for name in names if kinds[name].id in types]

    def _may_be_classes(self, names: Sequence[str]) -> list[str]:
        """Return the columns whose values or list elements are integers or text."""
        kinds = dict(zip(self.table.columns, self.table.types, strict=True))
        found = []
        for name in names:
            kind: Any = kinds[name]
            while kind.id in _NESTED:
                kind = kind.children[0][1]
            if kind.id in (*_TEXTS, *_WHOLE):
                found.append(name)
        return found

    def place(self, table: duckdb.DuckDBPyRelation, name: str) -> None:
        """Use the column `name` of `table`, which is otherwise the same table, as the image."""
        self.table = table
        self.found["image"] = [Found(name, (name,))]

    def settle(self) -> dict[str, tuple[str, ...]]:
        """Return the columns of each role. Raises DataError if two columns are possible.

        Confidences by class have the role confidence, and there is no label column then.
        """
        self._settle_label()
        label = next(iter(self.labels), None)
        if label and label.is_by_class:
            self.found |= {"label": [], "confidence": [label]}
        else:
            self._settle_confidence(len(label.columns) if label else 0)
        for role, several in self.found.items():
            if len(several) > 1:
                raise _question(role, several, self.where)
        return {role: one[0].columns if one else () for role, one in self.found.items()}

    def _settle_label(self) -> None:
        if self._has_one("label") or (not self.labels and self._has_several_confidences()):
            return
        if not self.labels and not self.others:
            return
        from . import competitors, contents

        is_first = None
        if len(self.found["rank"]) == 1:
            ranks = contents.image_numbers(self.table, self.found["rank"][0].name)
            is_first = ranks == 1 if (ranks == 1).any() else None
        images = contents.image_numbers(self.table, self.images[0].name)
        table = competitors.Table(self.table, self.where, images, is_first)
        # If there is a label, real numbers are features. Without one they may be class ids.
        others = self._may_be_classes(self.others) if self.labels else self.others
        label = competitors.choose(table, self.labels, others, self.options)
        self.found["label"] = [label]
        self.others = [name for name in self.others if name not in label.columns]

    def _has_several_confidences(self) -> bool:
        """Return whether each image has several confidences, whose positions are the classes."""
        if len(self.found["confidence"]) != 1:
            return False
        (found,) = self.found["confidence"]
        kind = self.table.types[self.table.columns.index(found.columns[0])].id
        if len(found.columns) > 1 or kind in _NESTED:
            return True
        from ..schema import quoting

        first = self.table.project(quoting.identifier(found.columns[0])).limit(1).fetchall()
        return bool(first) and str(first[0][0]).lstrip().startswith("[")

    def _settle_confidence(self, ranks: int) -> None:
        if "confidence" in self.options.columns:
            return
        label = self.labels[0].columns[0] if self.labels else None
        of_label = set(self._of_types([label] if label else [], _NESTED))
        fitting = [
            one
            for one in self.found["confidence"]
            if len(one.columns) == ranks
            # Lists belong together: 1,000 scores are not the confidence of one label.
            and bool(self._of_types(one.columns[:1], _NESTED)) == bool(of_label)
        ]
        if len(fitting) == 1:
            self.found["confidence"] = fitting
        if not self.options.facts.has_header and self.others:
            from . import contents

            kinds = contents.kinds(self.table, self.others, {})
            numbers = [name for name in self.others if kinds[name] == contents.NUMBERS]
            if len(numbers) == 1:
                self.found["confidence"] = [Found(numbers[0], (numbers[0],))]


def _question(role: str, several: Sequence[Found], where: str) -> DataError:
    return DataError(
        f"{where} has {len(several)} columns that could be the {role}: "
        f"{', '.join(map(str, several))}",
        column=role,
        value=several[0].name,
        count=len(several),
        parameter="columns",
        remedy=f'Choose one, such as `columns={{"{role}": "{several[0].name}"}}`',
    )

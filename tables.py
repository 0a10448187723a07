"""Rows as people read them: tables that fit the terminal and never cut a number.

Where rows do not fit, the columns move together, then their names are folded, then texts are
shortened and end in `…`. Where even that does not fit, each row becomes a block of lines, with a
line for each column. A command with many rows names the columns that are printed instead.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exports.lines import visible_cell

if TYPE_CHECKING:
    import duckdb
    from rich.console import Console, JustifyMethod
    from rich.table import Table

    from .api.explain import Explanation

# A table is for the eye, which has seen enough by then.
_MOST_ROWS = 1000
# Few rows are easier to compare side by side than when they are squeezed.
_FEW_ROWS = 4
# For a person's eye the beginning of a checksum is enough; the other formats have it whole.
_CHECKSUM = re.compile("[0-9a-f]{64}")
_DIGITS = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?%?")
_HAS_DIGIT = re.compile(r"\d")
# Where a name and a list are folded.
_UNDERSCORES = re.compile(r"[_ ]|[^_ ]+")
_SPACES = re.compile(r" |[^ ]+")
# What a cell is. A text may be shortened; a key is the first text, which names the row. A list may
# be folded between its values, or words, the name of a column at its underscores. Anything else is
# whole.
_TEXT, _KEY, _LIST, _NUMBER, _OTHER, _NAME = "text", "key", "list", "number", "other", "name"
_KINDS = {
    **dict.fromkeys(("varchar", "enum", "blob"), _TEXT),
    **dict.fromkeys(("list", "array", "struct", "map", "union", "variant"), _LIST),
    "boolean": _OTHER,
}
# A cell and what it is.
_Cell = tuple[str, str]
_Cells = list[_Cell]
_BETWEEN: _Cell = ("", _OTHER)
# How a column is measured: are names folded, and how short may texts be? The texts that name the
# rows of a table may be shorter, as long as they tell the rows apart.
_Measure = tuple[bool, int | None]
_SHORTEST = 8
_WHOLE: _Measure = (False, None)
_FOLDED: _Measure = (True, None)
_LEAST: _Measure = (True, 24)
_SHORTENED: _Measure = (False, 24)
_NARROWEST: _Measure = (True, _SHORTEST)
# The space right and left of a cell, from wide to tight; one between the columns comes on top.
_Padding = tuple[int, int]
_PADDINGS = ((1, 1), (1, 0), (0, 0))


def short(value: Any) -> str:
    """Return a value as a cell shows it: a float has six digits, and NULL is empty."""
    if value is None:
        return ""
    if isinstance(value, str) and _CHECKSUM.fullmatch(value):
        return value[:12] + "…"
    if isinstance(value, float) and (value == 0 or 1e-4 <= abs(value) < 1e9):
        return f"{value:.6f}"
    return f"{value:.6g}" if isinstance(value, float) else visible_cell(str(value))


def print_rows(
    relation: duckdb.DuckDBPyRelation, *, fold: Sequence[str] = (), keep: Sequence[str] = ()
) -> list[str]:
    """Print the first rows as a table; return what is to be noted of it.

    Texts in the columns `fold` are folded between words, where others are shortened. `keep` are the
    columns of many rows that do not fit with all of theirs.
    """
    found = relation.limit(_MOST_ROWS + 1).fetchall()
    rows = [[short(value) for value in row] for row in found[:_MOST_ROWS]]
    kinds = [_KINDS.get(kind.id, _NUMBER) for kind in relation.types]
    kinds = [
        _LIST if name in fold else kind for name, kind in zip(relation.columns, kinds, strict=True)
    ]
    notes = _print(_console(), relation.columns, rows, kinds, keep)
    if len(found) > len(rows):
        notes.append(f"these are the first {_MOST_ROWS:,} rows; --format csv prints all")
    return notes


def print_explanation(explanation: Explanation, why_no_questions: str) -> list[str]:
    """Print all that is known of an image, for people; return what is to be noted of it."""
    console = _console()

    def named(label: int | None, name: str | None) -> str:
        return f"{label} {name}" if name else str(label)

    e = explanation
    names = {q.label: q.name for q in e.questions} | {e.original_label: e.original_name}
    real = ", ".join(named(label, names.get(label)) for label in e.labels) or "none"
    console.print(
        f"image {e.image_id}, {e.file_name}\noriginal label: "
        f"{named(e.original_label, e.original_name)}\nReaL labels: {real}"
    )
    notes = []
    if e.questions:
        console.print(
            "\nThe evidence is in nats; its sum s gives the score 1 / (1 + exp(-s)). Labels with a "
            f"score of at least {e.threshold:g} are ReaL labels."
        )
        header = ["label", "rater: answer, evidence", "raters", "original", "prior", "sum", "score"]
        rows = []
        for q in e.questions:
            parts = (q.raters_evidence, q.original_evidence, q.prior_evidence)
            votes = [
                f"{v.rater_id}: {v.answer} {_signed(v.log_likelihood_ratio)}"
                f"{'*' if v.is_average else ''}"
                for v in q.votes
            ]
            total = None if None in parts else sum(part or 0 for part in parts)
            score = q.published_score if q.recomputed_score is None else q.recomputed_score
            marks = [
                *(["ReaL label"] if q.is_real else []),
                *(["original label"] if q.is_original else []),
                *([f"experts: {q.yes_experts} yes"] if q.yes_experts is not None else []),
            ]
            rows.append(
                [
                    "\n".join([named(q.label, q.name), *marks]),
                    "\n".join([*votes, ""]),
                    *map(_signed, (*parts, total)),
                    "" if score is None else f"{score:.6f}",
                ]
            )
        notes += _print(console, header, rows, [_TEXT, _OTHER, *[_NUMBER] * 5])
        if any(v.is_average for q in e.questions for v in q.votes):
            console.print("* answered no golden question: weighs as the others do on average\n")
    else:
        console.print(f"\n{why_no_questions}")
    if e.assessments:
        judged = [
            [
                *(short(a.label_set), named(a.label, a.name), a.verdict, short(a.score)),
                short(", ".join(f"{rater}: {answer}" for rater, answer in a.votes.items())),
            ]
            for a in e.assessments
        ]
        header = ["label_set", "label", "verdict", "score", "votes"]
        notes += _print(console, header, judged, [_TEXT, _TEXT, _OTHER, _NUMBER, _TEXT])
    if e.flags:
        flags = [[short(f.label_set), short(f.flag), short(f.value)] for f in e.flags]
        notes += _print(console, ["label_set", "flag", "value"], flags, [_TEXT] * 3)
    if e.models:
        said = [
            [
                *(short(c.model), named(c.label, c.name), short(c.confidence)),
                *(short(c.is_real_correct), short(c.is_original_correct)),
            ]
            for c in e.models
        ]
        header = ["model", "first choice", "confidence", "is_real_correct", "is_original_correct"]
        notes += _print(console, header, said, [_TEXT, _TEXT, _NUMBER, _OTHER, _OTHER])
    return notes


def _signed(nats: float | None) -> str:
    return "" if nats is None else f"{nats:+.3f}"


def _console() -> Console:
    from rich.console import Console

    # The content of a cell is data: `[/x]` is no markup there, and `:x:` no emoji.
    return Console(markup=False, emoji=False)


def _print(
    console: Console,
    header: Sequence[str],
    rows: list[list[str]],
    kinds: Sequence[str],
    keep: Sequence[str] = (),
) -> list[str]:
    """Print rows of cells without the columns that are empty; return notes that name those."""
    kinds = list(kinds)
    if _TEXT in kinds:
        kinds[kinds.index(_TEXT)] = _KEY
    columns = [
        [(visible_cell(name), _NAME), *((row[place], kind) for row in rows)]
        for place, (name, kind) in enumerate(zip(header, kinds, strict=True))
    ]
    full = [column for column in columns if any(text for text, _ in column[1:])] or columns
    few = [column for column in full if column[0][0] in keep]
    layout = _layout(full, console.width, few)
    # The terminal breaks a number that is wider than itself; we do not.
    console.width = max(console.width, layout.width)
    # A tight table has no edge, which would be an empty line.
    edge = "" if any(layout.padding) else "\n"
    console.print(edge, layout.table(), edge, sep="", end="")
    empty = [column[0][0] for column in columns if column not in full]
    notes = [f"columns without a value are left out: {', '.join(empty)}"] if empty else []
    if layout.columns is few:
        more = [column[0][0] for column in full if column not in few]
        notes.append(
            f"columns that do not fit are left out: {', '.join(more)}. Print them with --format csv"
        )
    return notes


def _layout(columns: list[_Cells], room: int, few: list[_Cells]) -> _Layout:
    """Return how the rows fit: as rows, many with `few` columns, or else as blocks of lines."""
    names, *rows = ([*row] for row in zip(*columns, strict=True))
    found = _fitting(columns, room, _WHOLE, paddings=_PADDINGS[:1])
    if not found and 0 < len(rows) <= _FEW_ROWS:
        found = _fitting(_blocks(names, rows, len(rows)), room, _WHOLE)
    found = found or _fitting(columns, room, _WHOLE, _FOLDED, _LEAST)
    if not found and few and len(rows) > _FEW_ROWS:
        found = _fitting(few, room, _WHOLE, _FOLDED, _LEAST)
    if found:
        return found
    # As many blocks stand beside each other as are whole there.
    for count in range(room // min((_measured(row, _WHOLE) for row in rows), default=room), 1, -1):
        found = found or _fitting(_blocks(names, rows, count), room, _WHOLE)
    blocks = _blocks(names, rows, 1)
    narrowest = _Layout(blocks, [_measured(cells, _NARROWEST) for cells in blocks], _PADDINGS[-1])
    return found or _fitting(blocks, room, _WHOLE, _SHORTENED, _NARROWEST) or narrowest


def _blocks(names: _Cells, rows: list[_Cells], count: int) -> list[_Cells]:
    """Return the columns of blocks of lines: the names, and `count` rows beside them."""
    missing = [[_BETWEEN] * len(names)] * (-len(rows) % count)
    shown = [[*row, _BETWEEN] for row in (*rows, *missing)]
    beside = [shown[place::count] for place in range(min(count, len(shown)))]
    columns = [[[*names, _BETWEEN]] * max(1, len(shown) // count), *beside]
    return [[cell for block in column for cell in block][:-1] for column in columns]


def _fitting(
    columns: list[_Cells], room: int, *measures: _Measure, paddings: Sequence[_Padding] = _PADDINGS
) -> _Layout | None:
    """Return the columns as wide as the first measure that fits the room, or wider; None if none.

    What is left of the room goes to texts first, and to the narrowest column first.
    """
    most = [_measured(cells, _WHOLE) for cells in columns]
    is_text = [any(kind in (_TEXT, _KEY, _LIST) for _, kind in cells) for cells in columns]
    for measure in measures:
        widths = [_measured(cells, measure) for cells in columns]
        for padding in paddings:
            free = room - _Layout(columns, widths, padding).width
            if free >= 0:
                for _ in range(min(free, sum(most) - sum(widths))):
                    growing = [i for i, width in enumerate(widths) if width < most[i]]
                    widths[min(growing, key=lambda i: (not is_text[i], widths[i]))] += 1
                return _Layout(columns, widths, padding)
    return None


@dataclass(frozen=True)
class _Layout:
    """Columns, how wide each is, and the space beside a cell."""

    columns: list[_Cells]
    widths: list[int]
    padding: _Padding

    @property
    def width(self) -> int:
        """The width of a line."""
        edges = -1 if self._is_tight else 1
        return sum(self._spaced) + (1 + sum(self.padding)) * len(self.columns) + edges

    @property
    def _is_tight(self) -> bool:
        return not any(self.padding)

    @property
    def _spaced(self) -> list[int]:
        """The widths, with a space behind a text, whose end would not be seen without."""
        return [
            width + (self._is_tight and cells is not self.columns[-1] and not _is_right(cells))
            for cells, width in zip(self.columns, self.widths, strict=True)
        ]

    def table(self) -> Table:
        """Return it to be printed."""
        from rich import box
        from rich.table import Table

        # Several blocks have no head in common.
        is_one = _BETWEEN not in self.columns[0]
        table = Table(
            box=box.SIMPLE_HEAD,
            padding=(0, self.padding[1], 0, self.padding[0]),
            show_edge=not self._is_tight,
            show_header=is_one,
        )
        shown = []
        for cells, width, spaced in zip(self.columns, self.widths, self._spaced, strict=True):
            column = [_fit(cell, width) for cell in cells]
            justify: JustifyMethod = "right" if _is_right(cells) else "left"
            table.add_column(column[0], justify=justify, width=spaced, no_wrap=True)
            shown.append(column[1:] if is_one else column)
        for row in zip(*shown, strict=True):
            table.add_row(*row)
        return table


def _is_right(cells: _Cells) -> bool:
    """Return whether a column is one of numbers below its name."""
    return [kind for _, kind in cells[:2]] == [_NAME, _NUMBER]


def _measured(cells: _Cells, measure: _Measure) -> int:
    """Return how wide a column is, by a measure."""
    if measure is not _LEAST or [kind for _, kind in cells[:2]] != [_NAME, _KEY]:
        return max(1, *(_measured_cell(cell, measure) for cell in cells))
    keys = cells[1:]
    numbers = [_width(text) for text, _ in keys if _DIGITS.fullmatch(text)]
    least = max(_least_of_name(cells[0][0]), min(_SHORTEST, _measured(keys, _WHOLE)), *numbers)
    different = len({*keys})

    def tells_apart(width: int) -> bool:
        return len({_fit(cell, width) for cell in keys}) == different

    widths = range(least, _measured(cells, _WHOLE))
    return widths.start + bisect_left(widths, True, key=tells_apart)


def _measured_cell(cell: _Cell, measure: _Measure) -> int:
    text, kind = cell
    is_folded, shortest = measure
    if kind == _NAME and is_folded:
        return _least_of_name(text)
    if kind not in (_TEXT, _KEY, _LIST) or _DIGITS.fullmatch(text) or not shortest:
        return _width(text)
    numbers = [word for word in text.split(" ") if kind == _LIST and _HAS_DIGIT.search(word)]
    return max(min(_width(text), shortest), *map(_width, ["", *numbers]))


def _least_of_name(name: str) -> int:
    """Return the narrowest width that folds a name and leaves no underscore alone in a line."""
    least = max(map(_width, _UNDERSCORES.findall(name)), default=1)
    widths = range(least, _width(name))
    return next((at for at in widths if "_" not in _fold(name, at, _UNDERSCORES)), _width(name))


# What each cell shows


def _fit(cell: _Cell, width: int) -> str:
    """Return what a cell shows at a width."""
    text, kind = cell
    if _width(text) <= width or kind in (_NUMBER, _OTHER) or _DIGITS.fullmatch(text):
        return text
    lines = text.split("\n")
    if kind in (_NAME, _LIST):
        lines = _fold(text, width, _UNDERSCORES if kind == _NAME else _SPACES)
    return "\n".join(line if kind == _NAME else _cut(line, width) for line in lines)


def _fold(text: str, width: int, parts: re.Pattern[str]) -> list[str]:
    lines = [""]
    for part in parts.findall(text):
        if _width(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip(" ") for line in lines if line]


def _cut(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return text if _width(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _width(text: str) -> int:
    """Return how many cells of a terminal the longest line takes: 鶴 takes two."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n"))) if "\n" in text else cell_len(text)

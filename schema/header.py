"""The comment at the top of every .sql file, read as data.

Tables and views begin with the same form: a summary, an empty comment line, then one `name: text`
line for each entry. `grain`, `key`, `references`, `reads`, `rule` and `source` are about the whole
and come first; `$name` is a parameter; every other name is a column. If one of these six names is
repeated, the second is a column. A line indented further continues the one before it. The `key`
line is required; `key: none` means that there is one row. `references` are a table's foreign keys:
columns, `->`, and the table whose key they are, with `;` between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import RealdbError

_ENTRY = re.compile(r"(\$?[a-z_][a-z0-9_]*): (.+)")
_REFERENCE = re.compile(r"([a-z0-9_, ]+) -> ([a-z0-9_]+)")
_WHOLE = ("grain", "key", "references", "reads", "rule", "source")


class Reference(NamedTuple):
    """A foreign key: the values of `columns` are a key of `table`."""

    columns: tuple[str, ...]
    table: str

    def __str__(self) -> str:
        return f"{', '.join(self.columns)} -> {self.table}"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a .sql file says of itself.

    `key` and `reads` are names, `parameters` and `columns` map a name to its meaning in the order
    of the file. `key` is empty where there is one row.
    """

    summary: str
    grain: str
    key: tuple[str, ...]
    reads: tuple[str, ...]
    rule: str
    source: str
    parameters: dict[str, str]
    columns: dict[str, str]
    references: tuple[Reference, ...] = ()


def parse(text: str, file_name: str) -> Header:
    """Read the header of the .sql file whose content is `text`.

    Raises RealdbError, naming `file_name`, where the header has another form or no `key` line.
    """
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line[2:])
    summary: list[str] = []
    while lines and lines[0].strip():
        summary.append(lines.pop(0).strip())
    whole: dict[str, str] = {}
    others: dict[str, str] = {}
    entries, name = whole, ""
    for row, line in enumerate(lines, len(summary) + 1):
        if not line.strip():
            continue
        entry = _ENTRY.fullmatch(line[1:])
        if entry:
            name = entry[1]
            entries = whole if name in _WHOLE and name not in whole else others
            entries[name] = entry[2]
        elif name and line.startswith("   "):
            entries[name] += " " + line.strip()
        else:
            raise RealdbError(
                f"{file_name}: header line {line.strip()!r} is not 'name: text'",
                file=file_name,
                row=row,
                value=line.strip(),
            )
    if not summary or not (whole or others):
        raise RealdbError(
            f"{file_name}: no header (a summary, then 'name: text' lines)", file=file_name, count=0
        )
    if "key" not in whole:
        raise RealdbError(
            f"{file_name}: the header has no line 'key: columns' (or 'key: none')",
            file=file_name,
            column="key",
        )
    whole = {name: whole.get(name, "") for name in _WHOLE}
    return Header(
        summary=" ".join(summary),
        grain=whole["grain"],
        key=() if whole["key"] == "none" else _names(whole["key"]),
        references=tuple(_references(whole["references"], file_name)),
        reads=_names(whole["reads"]),
        rule=whole["rule"],
        source=whole["source"],
        parameters={name[1:]: text for name, text in others.items() if name.startswith("$")},
        columns={name: text for name, text in others.items() if not name.startswith("$")},
    )


def _references(text: str, file_name: str) -> Iterator[Reference]:
    for part in filter(None, map(str.strip, text.split(";"))):
        found = _REFERENCE.fullmatch(part)
        if not found:
            raise RealdbError(
                f"{file_name}: the reference {part!r} is not 'columns -> table'",
                file=file_name,
                column="references",
                value=part,
            )
        yield Reference(_names(found[1]), found[2])


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())

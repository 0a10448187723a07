"""No error recommends an option that the command does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import realdb
from realdb import cli, terminal
from realdb.errors import DataError, RealdbError
from realdb.store.store import Store

GROUP: Any = typer.main.get_command(cli.app)
OPTIONS = {
    name: terminal._options(cli.app, name.split()) for name in [*GROUP.commands, "scores verify"]
}
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]+")
# What other tools are told to do: timm's inference.py.
OF_OTHERS = {"--help", "--include-index", "--results-format"}
PACKAGE = Path(realdb.__file__).parent
# Commands that read prediction files. Some have no options that say how.
READERS = ("accuracy", "add", "doctor", "explain", "leaderboard", "scores", "sql")

BAD_FILES = {
    "no columns that are known": "a,b\n1,2\n",
    "no label": "image,b\n1,2\n",
    "two labels": "image,label,pred\n1,2,3\n",
    "two images": "image,file_name,label\n1,ILSVRC2012_val_00000001.JPEG,3\n",
    "no class": "image,label\n1,1000\n",
    "no image": "image,label\n0,1\n",
    "several confidences": "image,label,prob_0,prob_1\n1,2,0.1,0.2\n",
    "an image twice": "image,label\n1,2\n1,3\n",
    "no first rank": "image,label,rank\n1,2,2\n",
    "no name": 'image,label,model\n1,2," "\n',
    "text": "# Predictions\n",
    "nothing": "",
}


def require_possible(text: str, command: str) -> None:
    """Each option is of the command that runs, or of one that is named in front of it."""
    known = {option for option in OPTIONS[command].values() if option.startswith("--")}
    for part in re.split(r"(?<=[.;]) ", text):
        own, *others = re.split(rf"realdb (?=(?:{'|'.join(GROUP.commands)})\b)", part)
        assert {*OPTION.findall(own)} <= known | OF_OTHERS, text
        for other in others:
            (name,) = re.findall(r"^[a-z]+", other)
            assert {*OPTION.findall(other)} <= {"--help", *OPTIONS[name].values()}, text
    assert "`" not in text
    assert "={" not in text, "a parameter is left as Python takes it"


@pytest.fixture(scope="module")
def errors(
    synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RealdbError]:
    """Return the errors of reading prediction files."""
    folder = tmp_path_factory.mktemp("bad")
    found = {}
    for name, text in BAD_FILES.items():
        file = folder / f"{name}.csv"
        file.write_text(text)
        with pytest.raises(DataError) as caught:
            realdb.accuracy(file, store=synthetic_store.root)
        found[name] = caught.value
    one = folder / "one.csv"
    one.write_text("image,label\n1,2\n")
    with pytest.raises(DataError) as caught:
        realdb.accuracy_table(one, one, store=synthetic_store.root)
    return found | {"two of one name": caught.value}


@pytest.mark.parametrize("command", OPTIONS)
def test_errors_of_reading_a_prediction_file(command: str, errors: dict[str, RealdbError]) -> None:
    for name, error in errors.items():
        text = terminal.refusal(error, OPTIONS[command])
        require_possible(text, command)
        assert text.startswith(terminal.as_options(error.message, OPTIONS[command])), name


@pytest.mark.parametrize("command", READERS)
def test_columns_can_be_chosen_somehow(command: str, errors: dict[str, RealdbError]) -> None:
    text = terminal.refusal(errors["no label"], OPTIONS[command])
    by = "" if "columns" in OPTIONS[command] else "realdb add FILE "
    assert f"{by}--columns label=NAME" in text
    assert ("realdb add" in text) == bool(by)


def test_add_has_all_options_of_reading() -> None:
    assert {*terminal._READING} <= {*OPTIONS["add"]}


def remedies() -> Iterator[str]:
    """Yield the text of each remedy in the package; what is computed in it is X."""
    for file in PACKAGE.rglob("*.py"):
        if {"tests", "benchmarks"} & {*file.relative_to(PACKAGE).parts}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                yield from texts(node.value)


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values
        )
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from texts(child)


@pytest.mark.parametrize("remedy", sorted({*remedies()}))
def test_every_remedy(remedy: str) -> None:
    for command, options in OPTIONS.items():
        require_possible(terminal.refusal(RealdbError("no", remedy=remedy), options), command)


@pytest.mark.parametrize(
    ("remedy", "text"),
    [
        ('Pass `model="NAME"`; or rename it', "no. Pass --model NAME; or rename it"),
        ("Pass `scores=FILE`; or rename it", "no. Or rename it"),
        ("Rename it; pass `scores=FILE`", "no. Rename it"),
        ("Pass `scores=FILE`", "no"),
        ("Use realdb scores with `out=FILE`", "no. Use realdb scores --out FILE"),
        (
            'Choose `order="X"`. Else rename it',
            "no. Store the file first: realdb add FILE --order X. Else rename it",
        ),
        ("Leave `order` out", "no"),
        (None, "no"),
    ],
)
def test_what_a_command_cannot_do_is_left_out(remedy: str | None, text: str) -> None:
    error = RealdbError("no", remedy=remedy)
    assert terminal.refusal(error, {"model": "--model"}) == text

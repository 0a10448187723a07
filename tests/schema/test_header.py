from __future__ import annotations

import pytest

from realdb.errors import RealdbError
from realdb.schema import header
from refusals import refused

WHOLE = """\
-- Cats, and what they
-- were fed.
--
-- grain: one row per cat
-- key: cat_id, day
-- references: cat_id -> animals; cat_id, day -> visits
-- reads: cats,  meals
-- rule: a cat that was not fed is hungry: it
--   has no row
-- source: the cats themselves
-- $least: the smallest meal
-- cat_id: the cat
-- day: when;
--   NULL where
--   nobody knows
select cat_id, day from cats
-- not: in the header
"""


def test_whole_header() -> None:
    assert header.parse(WHOLE, "cats.sql") == header.Header(
        summary="Cats, and what they were fed.",
        grain="one row per cat",
        key=("cat_id", "day"),
        reads=("cats", "meals"),
        rule="a cat that was not fed is hungry: it has no row",
        source="the cats themselves",
        parameters={"least": "the smallest meal"},
        columns={"cat_id": "the cat", "day": "when; NULL where nobody knows"},
        references=(
            header.Reference(("cat_id",), "animals"),
            header.Reference(("cat_id", "day"), "visits"),
        ),
    )


def test_columns_keep_their_order() -> None:
    names = ["zebra", "ant", "monkey_1"]
    text = "-- Animals.\n--\n-- key: zebra\n" + "".join(f"-- {name}: one\n" for name in names)
    assert list(header.parse(text, "animals.sql").columns) == names


def test_a_column_may_be_called_as_a_line_about_the_whole() -> None:
    said = header.parse("-- Cats.\n--\n-- key: source\n-- source: us\n-- source: of a cat\n", "x")
    assert (said.source, said.columns) == ("us", {"source": "of a cat"})


def test_what_is_not_said_is_empty() -> None:
    said = header.parse("-- Cats.\n--\n-- key: name\n-- name: the cat's\n", "cats.sql")
    assert (said.grain, said.key, said.reads, said.rule, said.source) == ("", ("name",), (), "", "")
    assert (said.parameters, said.references) == ({}, ())


@pytest.mark.parametrize("reference", ["a", "a ->", "-> b", "a -> b -> c", "a -> b, c"])
def test_another_form_of_a_reference_is_refused(reference: str) -> None:
    text = f"-- Cats.\n--\n-- key: a\n-- references: x -> y; {reference}\n-- a: one\n"
    with refused(RealdbError, "cats.sql", column="references", value=reference):
        header.parse(text, "cats.sql")


def test_one_row_has_no_key() -> None:
    said = header.parse("-- Cats.\n--\n-- key: none\n-- cats: how many there are\n", "cats.sql")
    assert said.key == ()
    assert list(said.columns) == ["cats"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {"count": 0}),
        ("select 1\n", {"count": 0}),
        ("select 1\n-- Late.\n--\n-- name: text\n", {"count": 0}),
        ("-- Only a summary.\nselect 1\n", {"count": 0}),
        ("--\n-- name: no summary\n", {"count": 0}),
        ("-- Cats.\n--\n-- neither name nor text\n", {"row": 3, "value": "neither name nor text"}),
        ("-- Cats.\n-- All.\n--\n-- a: b\n-- Name: C\n", {"row": 5, "value": "Name: C"}),
        ("-- Cats.\n--\n-- name:\n", {"row": 3, "value": "name:"}),
        ("-- Cats.\n--\n--   continues nothing\n", {"row": 3, "value": "continues nothing"}),
        ("-- Cats.\n--\n-- grain: one row per cat\n-- name: the cat's\n", {"column": "key"}),
    ],
)
def test_another_form_is_refused(text: str, fields: dict[str, object]) -> None:
    with pytest.raises(RealdbError) as caught:
        header.parse(text, "schema/cats.sql")
    assert str(caught.value).startswith("schema/cats.sql: ")
    assert caught.value.file == "schema/cats.sql"
    for name in ("row", "column", "value", "count"):
        assert getattr(caught.value, name) == fields.get(name)

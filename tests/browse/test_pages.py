"""What the pages show, against the views and plain counts."""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import realdb
from browse_pages import MARKUP, PAGES, text_of
from needs import needs


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_answered(client: Any, page: str) -> None:
    found = client.get(page)
    assert found.status_code == 200
    assert found.text.count("<h1>") == 1
    assert client.head(page).status_code == 200


def test_the_first_page_is_images(client: Any) -> None:
    assert client.get("/").url.path == "/images"


def test_each_view_has_a_page(client: Any) -> None:
    names = re.findall(r'href="/views/(\w+)"', client.get("/views").text)
    assert len(names) == len(realdb.views().fetchall())
    for name in names[::7]:
        assert name in client.get(f"/views/{name}").text


# Images: filters, counts, orders, pages

SELECTIONS = (
    "",
    "rated=yes",
    "rated=no&labels=1",
    "original=rejected&contested=yes",
    "kind=animal&wrong=model_a",
    "right=model_a&wrong=model_b",
    "differ=model_a&differ=model_b&rated=yes",
    "verdict=mine:wrong&flag=mine:blurry",
    "flag=mine:category%3D%3Cb%3Eodd%3C/b%3E%3D1",
    "group=light:dark",
    "score_low=0.5&score_high=0.8",
    "real_class=5",
    "original_class=7&predicted_class=7",
    "labels=4-or-more&sort=labels",
)


def total(page: str) -> int:
    found = re.search(r"<strong>([\d,]+)</strong> image", page)
    assert found
    return int(found[1].replace(",", ""))


def links(page: str) -> Iterator[tuple[str, int | None]]:
    """Yield the address of each choice of a filter, and its number; None for a set choice."""
    pattern = (
        r'<a(?: class="active")? href="(/images[^"]*)"><span>.*?</span> <span class="count">([^<]*)'
    )
    for address, count in re.findall(pattern, page):
        number = None if count == "remove" else int(count.replace(",", ""))
        yield html.unescape(address), number


@pytest.mark.parametrize("selection", SELECTIONS)
def test_each_number_is_that_of_the_linked_page(client: Any, selection: str) -> None:
    page = client.get(f"/images?{selection}").text
    found = [*links(page)]
    assert len(found) > 5 or total(page) == 0
    set_ones = len([part for part in selection.split("&") if part and "sort" not in part])
    removable = sum(count is None for _, count in found)
    assert removable == set_ones - selection.count("differ") - selection.count("score_low")
    for address, count in found[::5]:
        if count is not None:
            assert count > 0
            assert total(client.get(address).text) == count, address


NAIVE = {
    "rated=yes": "select count(*) from images where is_rated",
    "labels=0": "select count(*) from no_label",
    "labels=4-or-more": "select count(*) from image_labels where label_count > 3",
    "original=rejected": "select count(*) from original_rejected",
    "contested=yes": "select count(*) from contested",
    "kind=animal": "select count(*) from images where original_label < 398",
    "wrong=model_a": "select count(*) from scored_predictions where model = 'model_a' "
    "and not is_real_correct",
    "right=model_a&wrong=model_b": "select count(*) from flips where right_model = 'model_a' "
    "and 'model_b' in (model_a, model_b)",
    "differ=model_a&differ=model_b": "select images - same_label_images from model_agreement "
    "where model_a = 'model_a' and model_b = 'model_b'",
    "predicted_class=8": "select count(distinct image_id) from scored_predictions where label = 8",
    "real_class=8": "select count(*) from labels where label = 8",
    "flag=mine:blurry": "select count(*) from image_flags where label_set = 'mine' "
    "and flag = 'blurry'",
    "group=light:dark": "select count(*) from image_groups where group_name = 'dark'",
    "verdict=mine:wrong": "select count(*) from stored_assessments as a join images as i "
    "on a.image_id = i.image_id where a.label_set = 'mine' and a.label = i.original_label "
    "and a.verdict = 'wrong'",
    "score_low=0.8": "select count(distinct image_id) from scores where score >= 0.8",
    "score_low=0.5&score_high=0.6": "select count(distinct image_id) from scores "
    "where score between 0.5 and 0.6",
}


def test_numbers_are_those_of_the_views(client: Any, pages_store: Path) -> None:
    sql = ", ".join(f"({query})" for query in NAIVE.values())
    (expected,) = realdb.query(f"select {sql}", store=pages_store).fetchall()
    found = tuple(total(client.get(f"/images?{selection}").text) for selection in NAIVE)
    assert dict(zip(NAIVE, found, strict=True)) == dict(zip(NAIVE, expected, strict=True))
    assert all(found)


def image_ids(page: str) -> list[int]:
    grid = page[page.index('class="grid"') :]
    return [int(number) for number in re.findall(r'<a href="/image/(\d+)', grid)]


def test_pages_have_each_image_once_in_the_order(client: Any, tables: Any) -> None:
    address = "/images?rated=yes&sort=labels"
    number = total(client.get(address).text)
    found = []
    for page in range(1, -(-number // 60) + 1):
        found += image_ids(client.get(f"{address}&page={page}").text)
    expected = tables.column(
        "select image_id from shown_images where is_rated order by label_count desc, image_id"
    )
    assert found == expected
    beyond = client.get(f"{address}&page={-(-number // 60) + 1}")
    assert beyond.status_code == 404


@pytest.mark.parametrize("sort", ["image", "wrong-models", "labels", "disagreement", "threshold"])
def test_orders(client: Any, sort: str) -> None:
    page = client.get(f"/images?sort={sort}").text
    assert len({*image_ids(page)}) == 60
    # Links keep the order.
    assert all(f"sort={sort}" in address for address, _ in links(page)) or sort == "image"


@pytest.mark.parametrize("selection", ["rated=yes&sort=labels", "wrong=model_a&kind=animal"])
def test_exports_are_what_is_shown(client: Any, selection: str) -> None:
    shown = image_ids(client.get(f"/images?{selection}").text)
    parquet = pq.read_table(io.BytesIO(client.get(f"/images.parquet?{selection}").content))
    text = client.get(f"/images.csv?{selection}")
    assert text.headers["content-disposition"] == 'attachment; filename="images.csv"'
    found = parquet["image_id"].to_pylist()
    assert found[:60] == shown
    assert len(found) == total(client.get(f"/images?{selection}").text)
    lines = text.text.splitlines()
    assert lines[0].split(",") == parquet.column_names
    assert [int(line.split(",")[0]) for line in lines[1:]] == found
    plain = duckdb.read_csv(io.StringIO(text.text)).project("image_id, is_rated, is_original_real")
    columns = ("image_id", "is_rated", "is_original_real")
    assert plain.fetchall() == [*zip(*(parquet[name].to_pylist() for name in columns), strict=True)]


@pytest.mark.parametrize(
    "selection",
    [
        "unknown=1",
        "rated=maybe",
        "rated=yes&rated=no",
        "labels=5",
        "sort=random",
        "page=0",
        "page=x",
        "page=-1",
        "original_class=1000",
        "original_class=nothing+of+the+kind",
        "right=nobody",
        "differ=model_a",
        "differ=model_a&differ=model_a",
        "score_low=2",
        "score_low=nan",
        "verdict=mine",
        "verdict=mine:perhaps",
        "flag=blurry",
    ],
)
def test_what_has_no_meaning_is_refused(client: Any, selection: str) -> None:
    for page in ("/images", "/images.csv", "/image/1"):
        found = client.get(f"{page}?{selection}")
        assert found.status_code == 400
        name, _, value = selection.replace("+", " ").partition("=")
        assert re.search(rf"{name}|{re.escape(value)}", text_of(found.text))


def test_empty_fields_of_the_form_are_ignored(client: Any) -> None:
    page = client.get("/images?original_class=&score_low=&differ=&differ=&rated=yes").text
    assert total(page) == total(client.get("/images?rated=yes").text)


def test_a_class_by_its_names(client: Any, tables: Any) -> None:
    about = tables.classes[7]
    expected = total(client.get("/images?real_class=7").text)
    for name in (about["wordnet_id"], about["short"].upper()):
        page = client.get("/images", params={"real_class": name}).text
        assert total(page) == expected
        assert "real_class=7" in page  # a permalink has the number


# Image


@pytest.mark.parametrize("image_id", [1, 2, 50_000])
def test_an_image_has_what_explain_has(client: Any, pages_store: Path, image_id: int) -> None:
    expected = realdb.explain(image_id, store=pages_store)
    page = client.get(f"/image/{image_id}").text
    assert expected.file_name in page
    for question in expected.questions:
        assert f'href="/class/{question.label}"' in page
        assert f"{question.published_score:.4f}" in page
        for vote in question.votes:
            assert f">{vote.rater_id}: {vote.answer} {vote.log_likelihood_ratio:+.4f}" in page
    for assessment in expected.assessments:
        assert f'<span class="verdict {assessment.verdict}">' in page
    for flag in expected.flags:
        assert html.escape(flag.flag) in page
    for choice in expected.models:
        assert f'href="/class/{choice.label}"' in page


def rounded(value: Any) -> Any:
    """Return nested values with rounded numbers. Sums depend on the order of the votes."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return round(value, 9) if isinstance(value, float) else value


def test_explanations_are_those_of_explain(tables: Any, pages_store: Path) -> None:
    from realdb.browse.pages import explanation

    rated = tables.column(
        "select image_id from images where is_rated order by hash(image_id) limit 4"
    )
    for image_id in [1, 3, 90, 50_000, *rated]:
        expected = realdb.explain(image_id, store=pages_store)
        found, groups, choices = explanation(tables, image_id)
        assert rounded(found.as_dict()) == rounded({**expected.as_dict(), "models": ()})
        first = {model: rows[0]["label"] for model, rows in choices.items()}
        assert first == {choice.model: choice.label for choice in expected.models}
        assert bool(groups) == (image_id in (1, 2, 3))


def test_a_rated_image_has_questions(client: Any, tables: Any) -> None:
    (image_id, *_) = tables.column("select image_id from images where is_rated order by 1 limit 1")
    page = client.get(f"/image/{image_id}").text
    expected = tables.value("select count(*) from vote_evidence where image_id = $1", [image_id])
    assert page.count('class="answer ') == expected > 0


def test_ranks_of_a_model(client: Any) -> None:
    page = text_of(client.get("/image/10").text)
    assert "72" in page  # its second choice, 7 * 10 + 2
    assert page.count("not judged") in (0, 4)


@pytest.mark.parametrize("selection", ["", "rated=yes&sort=labels", "wrong=model_b"])
def test_previous_and_next_follow_the_filter(client: Any, selection: str) -> None:
    order = image_ids(client.get(f"/images?{selection}").text)
    for before, image_id, after in zip(order[8:], order[9:12], order[10:], strict=False):
        page = client.get(f"/image/{image_id}?{selection}").text
        query = f"?{selection}".replace("&", "&amp;") if selection else ""
        assert f'<a rel="prev" href="/image/{before}{query}">' in page
        assert f'<a rel="next" href="/image/{after}{query}">' in page
    first = client.get(f"/image/{order[0]}?{selection}").text
    assert 'rel="prev"' not in first


def test_an_image_outside_the_filter(client: Any, tables: Any) -> None:
    (image_id,) = tables.column("select image_id from images where not is_rated limit 1")
    page = client.get(f"/image/{image_id}?rated=yes").text
    assert "Not among the" in page
    assert "rel=" not in page.replace('rel="stylesheet"', "").replace('rel="icon"', "")


# Class, rater, model, compare, label sets


def test_a_class(client: Any, tables: Any) -> None:
    page = text_of(client.get("/class/5").text)
    rows = tables.rows("from accuracy_by_class where label = 5 and model like 'model%'")
    assert len(rows) == 2
    for row in rows:
        assert f"{row['real_accuracy']:.4f}" in page
    confused = tables.column(
        "select sum(images)::int from confusions where label = 5 group by predicted_label"
    )
    assert all(str(count) in page for count in confused)


@pytest.mark.parametrize("sort", ["class", "accuracy", "rejected"])
def test_pages_of_classes_have_each_class_once(client: Any, sort: str) -> None:
    found: list[str] = []
    for page in range(1, 11):
        text = client.get(f"/classes?sort={sort}&page={page}").text
        found += re.findall(r'href="/class/(\d+)"', text)
    assert sorted(map(int, found)) == [*range(1_000)]
    assert client.get("/classes?page=11").status_code == 404
    assert client.get("/classes?page=x").status_code == 400


def test_raters(client: Any, tables: Any) -> None:
    rows = tables.rows("from rater_quality")
    page = client.get("/raters").text
    assert len(rows) == 12
    for row in rows:
        assert f'href="/rater/{row["rater_id"]}"' in page
        one = text_of(client.get(f"/rater/{row['rater_id']}").text)
        assert f"{row['majority_agreement']:.4f}" in one
        assert f"{row['votes']:,}" in one
    (expert,) = tables.column("select rater_id from raters where is_expert order by 1 limit 1")
    assert client.get(f"/rater/{expert}").status_code == 200
    assert client.get("/rater/32000").status_code == 404


def test_contradicted_votes_are_contradicted(tables: Any) -> None:
    from realdb.browse.pages import _contradicted

    (rater_id,) = tables.column("select rater_id from rater_quality order by votes desc limit 1")
    rows = _contradicted(tables, rater_id)
    assert rows
    against = [row["no_votes"] if row["answer"] == "yes" else row["yes_votes"] for row in rows]
    assert against == sorted(against, reverse=True)
    assert min(against) > 0


@pytest.mark.parametrize("model", ["model_a", MARKUP])
def test_a_model(client: Any, tables: Any, model: str) -> None:
    (row,) = tables.rows("from accuracy where model = $1", [model])
    page = text_of(client.get("/model", params={"model": model}).text)
    assert f"{row['real_accuracy']:.4f}" in page
    assert f"{row['correct_images']:,} of {row['scored_images']:,} scored images" in page
    categories = tables.rows(
        "select category, count(*) as images from mistakes where model = $1 group by all", [model]
    )
    assert (
        sum(each["images"] for each in categories) == row["scored_images"] - row["correct_images"]
    )
    for each in categories:
        assert re.search(rf"{each['category']}\s+{each['images']:,}\b", page)


def test_a_comparison_has_the_figures_of_compare(client: Any, pages_store: Path) -> None:
    rows = realdb.compare("model_a", "model_b", store=pages_store).pairs
    (pair,) = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    page = text_of(client.get("/compare?a=model_a&b=model_b").text)
    turned = text_of(client.get("/compare?a=model_b&b=model_a").text)
    low, high = pair["difference_low"], pair["difference_high"]
    assert f"{pair['difference']:+.4f} {low:+.4f} {high:+.4f}" in page
    assert f"{-pair['difference']:+.4f} {-high:+.4f} {-low:+.4f}" in turned
    assert f"Only model_a is right: {pair['only_a_right']:,} images" in page
    assert f"Only model_b is right: {pair['only_b_right']:,} images" in turned


def test_label_sets(client: Any, tables: Any) -> None:
    page = text_of(client.get("/label-sets").text)
    rows = tables.rows("from label_set_agreement where jaccard is not null")
    assert len(rows) >= 4
    for row in rows:
        assert f"{row['jaccard']:.4f}" in page
    conflicts = tables.value("select count(distinct (image_id, label)) from label_conflicts")
    assert conflicts > 0
    assert "mine" in page


# A store with little in it


@pytest.fixture(scope="module")
def bare(bare_store: Any, cache: Path) -> Iterator[Any]:
    """Return a client of a store that was built from real.json alone."""
    assert cache.is_dir()
    for module in ("uvicorn", "jinja2", "PIL", "httpx"):
        needs(module)
    from realdb.browse.server import Server

    server = Server(store=bare_store.root, port=0)
    yield needs("starlette.testclient").TestClient(server.app, base_url=server.address)
    server.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "model=" not in page and "a=" not in page]
)
def test_a_bare_store_has_all_pages(bare: Any, page: str) -> None:
    assert bare.get(page).status_code == 200


def test_a_bare_store_shows_no_other_figures(bare: Any) -> None:
    page = bare.get("/images").text
    counts = dict(links(page))
    assert total(page) == 50_000
    assert {re.split("[?=]", address)[1] for address in counts} == {"labels", "real_class"}
    assert "raters.npz" in bare.get("/image/1").text
    assert "realdb add FILE" in bare.get("/image/1").text
    assert bare.get("/rater/1").status_code == 404


# SQL


def test_a_query_and_its_downloads(client: Any, pages_store: Path) -> None:
    sql = "select model, real_accuracy from accuracy where model like 'model%' order by all"
    expected = realdb.query(sql, store=pages_store).fetchall()
    page = client.get("/sql", params={"q": sql})
    assert page.status_code == 200
    for model, accuracy in expected:
        assert f"<td>{model}</td>" in page.text
        assert str(accuracy) in page.text
    (csv, parquet) = re.findall(r'href="(/sql\.[^"]+)"', page.text)
    assert duckdb.read_csv(io.StringIO(client.get(html.unescape(csv)).text)).fetchall() == expected
    content = client.get(html.unescape(parquet)).content
    found = pq.read_table(io.BytesIO(content)).to_pylist()
    assert [tuple(row.values()) for row in found] == expected


def test_the_columns_of_all_views_are_beside_the_console(client: Any) -> None:
    page = client.get("/sql").text
    for name, column in itertools.product(("flips",), ("right_model", "score_b")):
        assert name in page
        assert column in page


def test_an_invalid_query_shows_the_message(client: Any) -> None:
    page = client.get("/sql", params={"q": "from acuracy"})
    assert page.status_code == 200
    assert "accuracy" in page.text
    assert client.get("/sql.csv", params={"q": "from acuracy"}).status_code == 400
    assert client.get("/sql.csv").status_code == 400

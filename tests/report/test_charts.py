"""The charts themselves: names, colours, places of labels, and files, from rows made by hand."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needs import needs

needs("altair")
needs("vl_convert")

from realdb.report import charts, drawing, names, theme  # noqa: E402

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "n" * 150 + "m" * 150,
    "n" * 150 + "x" + "m" * 149,
    "\U0001f600 \u202eevil\u200f",
    "tab\tline\ncontrol\x01\x1b[31m\x00",
    "",
    "&lt;b&gt; 'quoted' \"twice\" `${1}` \\",
]


def accuracies(models: list[str], **changes: Any) -> pa.Table:
    """Return rows of the chart `accuracy`."""
    return pa.Table.from_pylist(
        [
            {
                "model": model,
                "source": None,
                "original_accuracy": 0.7 + number / 500,
                "real_accuracy": 0.8 + number * 37 % 50 / 700,
                "real_accuracy_low": 0.79 + number * 37 % 50 / 700,
                "real_accuracy_high": 0.81 + number * 37 % 50 / 700,
                "scored_images": 1000,
                **changes,
            }
            for number, model in enumerate(models)
        ]
    )


def texts(svg: bytes) -> list[str]:
    """Return the texts that an SVG draws."""
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def data(chart: Any) -> list[dict[str, Any]]:
    """Return all rows in a chart."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


# Names.


@pytest.mark.parametrize("most", [12, 28])
def test_long_names_are_shortened_in_the_middle(most: int) -> None:
    found = names.shortened(HOSTILE, most)
    assert list(found) == HOSTILE
    assert all(len(form) <= most for form in found.values())
    assert len({*found.values()}) == len(HOSTILE)
    long = found[HOSTILE[2]]
    assert (long[0], long[-1], long.count("…")) == ("n", "m", 1)


@given(st.lists(st.text(alphabet="ab\x01\\x", max_size=40), max_size=20))
@settings(max_examples=50)
def test_different_names_have_different_short_forms(found: list[str]) -> None:
    forms = names.shortened(found, 12)
    assert len({*forms.values()}) == len({*found})
    assert all(len(form) <= 12 for form in forms.values())


def test_hidden_characters_are_visible() -> None:
    assert names.visible("a\n\x1b\u202e\ufffe") == r"a\n\x1b\u202e\ufffe"
    assert names.drawable({"a\x00": ["\x01", 1, None]}) == {r"a\x00": [r"\x01", 1, None]}


# p values.


@pytest.mark.parametrize(
    ("log10", "expected"),
    [
        (0, "1"),
        (math.log10(0.0134), "0.013"),
        (-3, "0.001"),
        (math.log10(5.70087e-10), "5.7e-10"),
        (-3200 + math.log10(3.14), "3.1e-3200"),
        (-10 + math.log10(9.96), "1.0e-9"),
        (-400, "1.0e-400"),
    ],
)
def test_a_p_value_is_never_0(log10: float, expected: str) -> None:
    assert charts.probability(log10) == expected


# Colours.


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast_with_the_page(scheme: theme.Scheme) -> None:
    page = theme.page(scheme)
    assert all(contrast(colour, page) >= 3 for colour in theme.COLOURS[scheme])
    assert contrast(theme.ink(scheme), page) >= 7
    config = theme.config(scheme)
    assert contrast(config["title"]["subtitleColor"], page) >= 4.5
    assert config["background"] == "transparent"


def test_each_colour_has_a_shape_and_a_dash() -> None:
    for channel in (*theme.COLOURS.values(), theme.SHAPES, theme.DASHES):
        assert len(channel) == len({str(each) for each in channel}) == theme.MOST_SERIES


# Drawing.


@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_a_chart_of_any_number_of_models(count: int) -> None:
    models = [f"model {number}" for number in range(count)]
    chart = charts.accuracy(accuracies(models))
    found = texts(drawing.content(chart, "svg", title="Title", caption="Caption"))
    assert {"Title", "Caption", "Original accuracy (%)", "ReaL accuracy (%)"} <= {*found}
    assert {row["model"] for row in data(chart) if "model" in row} == {*models}
    named = {*found} & {*models}
    # A legend names up to 8 models. Of more those are named that there is room for.
    if count > theme.MOST_SERIES:
        assert len(named) > 5
    else:
        assert named == {*models}


def test_hostile_names_are_text() -> None:
    chart = charts.accuracy(accuracies(HOSTILE))
    svg = drawing.content(chart, "svg", title="T", caption=HOSTILE[0])
    root = ElementTree.fromstring(svg)  # control characters would be no XML
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert not list(root.iter("img"))
    found = texts(svg)
    assert {HOSTILE[0], names.short(HOSTILE[1], 28)} <= {*found}
    page = drawing.content(chart, "html", title=HOSTILE[1], caption=HOSTILE[0]).decode()
    assert page.count("</script>") == 2  # the two of the page itself
    assert "<img" not in page.replace(drawing.script_bundle(), "")
    assert r"<img" in page


def test_labels_do_not_overlap() -> None:
    points = {
        f"a model with the number {number}": (number * 37 % 400, number * 53 % 390)
        for number in range(50)
    }
    shown = [name.removeprefix("a ") for name in points]
    boxes = []
    for there, how in charts._labelled(points, shown, 400, 400):
        for name in there:
            size = (len(name) - 2) * charts._CHARACTER
            x, y = points[name]
            x += how.get("dx", 0) - size * {"left": 0, "right": 1, "center": 0.5}[how["align"]]
            boxes.append((x, y + how.get("dy", 0), x + size, y + how.get("dy", 0)))
    assert 5 < len(boxes) < 50
    assert all(left >= 0 and right <= 400 for left, _, right, _ in boxes)
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            is_beside = one[2] <= other[0] or other[2] <= one[0]
            assert is_beside or abs(one[1] - other[1]) >= charts._LINE


def test_the_chart_can_be_changed() -> None:
    drawn = drawing.themed(drawing.titled(charts.accuracy(accuracies(["a", "b"])), "T", "C"))
    found = drawn.properties(title="Mine").configure_axis(labelFontSize=20).to_dict()
    assert (found["title"], found["config"]["axis"]["labelFontSize"]) == ("Mine", 20)
    assert drawing.specification(drawn)["config"] == theme.config("light")


def test_both_schemes_have_the_same_data() -> None:
    chart = charts.accuracy(accuracies(["a", "b"]))
    light, dark = (drawing.specification(chart, scheme) for scheme in ("light", "dark"))
    assert light.pop("config") != dark.pop("config")
    assert light == dark


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("svg", b"<svg"),
        ("png", b"\x89PNG"),
        ("pdf", b"%PDF"),
        ("json", b"{"),
        ("html", b"<!doctype"),
    ],
)
def test_formats(form: str, start: bytes) -> None:
    chart = charts.accuracy(accuracies(["a", "b"]))
    found = drawing.content(chart, form, title="T", caption="C")
    assert found.startswith(start)
    if form == "json":
        assert json.loads(found)["config"]["background"] == "transparent"
    if form == "svg":
        filled = re.findall(rb'<rect[^>]*fill="([^"]*)"', found)
        assert b"white" not in filled
        assert b"#fff" not in found


def test_the_last_digits_of_a_mean_do_not_matter() -> None:
    """Threads add floating-point numbers in another order from run to run."""
    value = 0.7123456789012345
    one, other = (
        charts.accuracy(accuracies(["a"], original_accuracy=each))
        for each in (value, math.nextafter(value, 1))
    )
    assert drawing.content(one, "json") == drawing.content(other, "json")


def test_text_files_are_byte_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """if True:
        import hashlib, sys
        sys.path.insert(0, {folder!r})
        from test_charts import accuracies
        from realdb.report import charts, drawing
        chart = charts.accuracy(accuracies(["b", "a", "<i>"]))
        drawing.script_bundle = str  # it takes seconds
        for form in ("svg", "json", "html"):
            content = drawing.content(chart, form, title="T", caption="C")
            print(form, hashlib.sha256(content).hexdigest())
    """
    folder = __file__.rpartition("/")[0]
    support = folder.removesuffix("/report") + "/support"
    program = code.format(folder=folder)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join([support, *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    chart = charts.accuracy(accuracies(["b", "a", "<i>"]))
    monkeypatch.setattr(drawing, "script_bundle", str)
    assert done.stdout.split() == [
        word
        for form in ("svg", "json", "html")
        for word in (
            form,
            hashlib.sha256(drawing.content(chart, form, title="T", caption="C")).hexdigest(),
        )
    ]

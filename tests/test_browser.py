"""Tests of tests/support/browser.py: the checks of pages find what they must find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser import SCHEMES, visit

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Good</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>
<body><main><h1>Good</h1><p>Text</p></main></body></html>"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_good_page_has_no_problem(chromium: Any, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "good.html"
    path.write_text(GOOD)
    with visit(chromium, path.as_uri(), scheme=scheme, width=390) as found:
        assert (found.problems, found.violations(), found.overflow()) == ([], [], 0)
        assert found.requests == [path.as_uri()]


@pytest.mark.parametrize(
    ("markup", "rule"),
    [
        ("<img src='data:,'>", "image-alt"),
        ("<p style='color: #ccc; background: #fff'>Text</p>", "color-contrast"),
        ("<svg role='img'></svg>", "svg-img-alt"),
        ("<input>", "label"),
    ],
)
def test_axe_finds_violations(chromium: Any, tmp_path: Path, markup: str, rule: str) -> None:
    path = tmp_path / "bad.html"
    path.write_text(GOOD.replace("<p>Text</p>", markup))
    with visit(chromium, path.as_uri()) as found:
        assert rule in [name for name, _ in found.violations()]


def test_errors_requests_and_overflow_are_found(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    markup = """<div style="width: 500px">Text</div><img alt="" src="missing.png">
    <script>console.error("logged"); throw new Error("thrown")</script>"""
    path.write_text(GOOD.replace("<p>Text</p>", markup))
    with visit(chromium, path.as_uri(), width=390) as found:
        assert found.overflow() > 0
        assert "logged" in found.problems
        assert any("thrown" in problem for problem in found.problems)
        assert (tmp_path / "missing.png").as_uri() in found.requests

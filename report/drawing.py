"""Charts as files: SVG, PNG, PDF, one page of HTML for offline use, and the Vega-Lite text."""

from __future__ import annotations

import functools
import html
import json
import textwrap
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from . import names, theme

FORMATS = ("svg", "png", "pdf", "html", "json")
# The length of a line of the caption. The drawing does not break lines.
_LINE = 100
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ margin: 1rem; color: {ink}; background: {page}; font: 1rem/1.5 {font} }}
h1 {{ font-size: 1.2rem }}
figure {{ margin: 0 }}
.wide {{ overflow-x: auto }}
figcaption {{ max-width: 45rem }}
@media (prefers-color-scheme: dark) {{ body {{ color: {dark_ink}; background: {dark_page} }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<figure>
<div class="wide" tabindex="0" role="group" aria-label="{title}"><div id="chart"></div></div>
<figcaption>{caption}</figcaption>
</figure>
</main>
<script>{bundle}</script>
<script>
const specifications = {specifications};
const dark = matchMedia("(prefers-color-scheme: dark)");
const draw = () => vegaEmbed("#chart", specifications[dark.matches ? "dark" : "light"],
  {{renderer: "svg", actions: false}});
dark.addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""


def titled(chart: Any, title: str, caption: str) -> Any:
    """Return the chart with its title, and its caption in lines below it."""
    lines = textwrap.wrap(names.visible(caption), _LINE)
    return chart.properties(title=alt.TitleParams(names.visible(title), subtitle=lines))


def themed(chart: Any, scheme: theme.Scheme = "light") -> Any:
    """Return the chart with the configuration of the theme."""
    chart = chart.copy(deep=False)
    chart.config = alt.Config.from_dict(theme.config(scheme))
    return chart


def specification(chart: Any, scheme: theme.Scheme = "light") -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart, with its data, for light or dark pages."""
    # Names are data: what cannot be drawn is made visible in all of them.
    found: dict[str, Any] = names.drawable(chart.to_dict())
    if chart.config is alt.Undefined:
        found["config"] = theme.config(scheme)
    return found


@functools.cache
def script_bundle() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed in one text (0.9 MB)."""
    bundle: str = vl_convert.javascript_bundle(vl_version=_version())  # type: ignore[call-arg]
    return bundle


def _version() -> str:
    """Return the version of Vega-Lite that Altair writes."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def content(
    chart: Any,
    form: str,
    *,
    title: str = "",
    caption: str = "",
    scheme: theme.Scheme = "light",
) -> bytes:
    """Return a chart as a file of a format in FORMATS, with its title and caption.

    SVG, HTML and JSON are the same bytes for the same chart.
    """
    if form == "html":
        return _page(chart, title, caption).encode()
    spec = specification(titled(chart, title, caption) if title else chart, scheme)
    version = _version()
    if form == "json":
        return (json.dumps(spec, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    if form == "png":
        return bytes(vl_convert.vegalite_to_png(spec, vl_version=version, scale=2))
    if form == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=version))
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=version)
    return (svg + "\n").encode()


def save(chart: Any, path: Path, form: str, **options: Any) -> None:
    """Write a chart to a file. The options are those of `content`."""
    path.write_bytes(content(chart, form, **options))


def script(value: object) -> str:
    """Return a value as JSON that may be placed within a script element."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page(chart: Any, title: str, caption: str) -> str:
    schemes: tuple[theme.Scheme, ...] = ("light", "dark")
    return _PAGE.format(
        title=html.escape(names.visible(title)),
        caption=html.escape(names.visible(caption)),
        font=theme.FONT,
        ink=theme.ink("light"),
        page=theme.page("light"),
        dark_ink=theme.ink("dark"),
        dark_page=theme.page("dark"),
        bundle=script_bundle(),
        specifications=script({scheme: specification(chart, scheme) for scheme in schemes}),
    )

"""README and docs/ are written in short sentences of standard terms.

Code, tables, headings, addresses and generated output are no prose.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {
    page.relative_to(ROOT).as_posix(): page
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
MOST_LINES = 200
MOST_WORDS = 30
# Words of sentences that are easier to read another way. What a rater was "asked about" has no
# better name, and "unasked" is the name of a column.
AVOIDED = re.compile(
    r"\b(given|told|said|stands|asked(?!\s+about)|once\s+more|in\s+force)\b", re.IGNORECASE
)

NO_PROSE = re.compile(
    r"^( *)(?:```|~~~).*?^\1(?:```|~~~) *$"  # code
    r"|<!-- (?:measured|\$[^\n]*) -->.*?<!-- end -->"  # generated
    r"|<!--.*?-->",
    re.DOTALL | re.MULTILINE,
)
NO_SENTENCE = re.compile(r"#|\||<|!\[|!!!|\?\?\?|===")
ITEM = re.compile(r"(?:[-*+]|\d+\.) +")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
ABBREVIATION = re.compile(r"\b(et al|e\.g|i\.e|cf|vs)\.")
SENTENCE_END = re.compile(r"""(?<=[.!?])["”)]*\s+""")


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs and the items of lists, each in a line."""
    found: list[list[str]] = [[]]
    for line in map(str.strip, NO_PROSE.sub("\n\n", text).splitlines()):
        item = ITEM.match(line)
        if not line or item or NO_SENTENCE.match(line):
            found.append([])
        if line and not NO_SENTENCE.match(line):
            found[-1].append(line[item.end() :] if item else line)
    return [" ".join(lines) for lines in found if lines]


def sentences(text: str) -> list[str]:
    """Return the sentences, with `code` for code."""
    found: list[str] = []
    for paragraph in paragraphs(text):
        plain = LINK.sub(r"\1", re.sub(r"`[^`]+`", "code", paragraph))
        plain = re.sub(r"<?https?://\S+", "address", plain).replace("*", "")
        found += SENTENCE_END.split(ABBREVIATION.sub(r"\1", plain))
    return found


def words(sentence: str) -> int:
    return len(re.findall(r"[A-Za-z0-9][\w'.,/%-]*", sentence))


def test_readme_is_short() -> None:
    assert len(PAGES["README.md"].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", PAGES)
def test_sentences_are_short(page: str) -> None:
    found = sentences(PAGES[page].read_text(encoding="utf-8"))
    assert found
    assert [each for each in found if words(each) > MOST_WORDS] == []


@pytest.mark.parametrize("page", PAGES)
def test_words_are_standard(page: str) -> None:
    found = sentences(PAGES[page].read_text(encoding="utf-8"))
    assert [each for each in found if AVOIDED.search(each)] == []


def test_what_is_no_prose() -> None:
    text = """# Said in a heading

One [link
here](https://example.org/told). Two by Beyer et al. (2020), with `said`!

- An item
  of two lines.
- Another.

| said | told |
<!-- $ realdb info -->
Printed.
<!-- end -->
```sh
said
```
Three.
"""
    assert sentences(text) == [
        "One link here.",
        "Two by Beyer et al (2020), with code!",
        "An item of two lines.",
        "Another.",
        "Three.",
    ]


def test_what_a_rater_was_asked_about() -> None:
    assert not AVOIDED.search("unasked: no rater was asked\nabout it")
    assert AVOIDED.search("the raters were asked")
    assert AVOIDED.search("Told by its content")

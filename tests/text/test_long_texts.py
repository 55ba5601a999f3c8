"""What is read of a text above the limit: every reading of one column and of a pair, on real text."""

import itertools

import numpy as np
import pytest
from conftest import refusal
from datasets import Dataset, DatasetDict
from transformers import AutoTokenizer

from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.encoded import EncodedTexts
from bert_recipes.text.encoding import encode_texts
from bert_recipes.text.long_texts import LongTexts, check_room, count_what_was_done, what_was_done
from bert_recipes.text.sentences import sentences_of, shared_characters

LIMIT = 40
COLUMNS = [["text"], ["aspect", "text"]]


@pytest.fixture(scope="module")
def limited():
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh")
    tokenizer.model_max_length = LIMIT
    return tokenizer


@pytest.fixture(scope="module")
def texts():
    """Long ones and a short one."""
    rows = load_builtin("peoples_daily_titles")["test"]
    long = Dataset.from_dict({"aspect": ["代表", "北京"] * 15, "text": rows["text"][:30]})
    return Dataset.from_list([*long, {"aspect": "房间", "text": "房间很干净，服务也好。"}])


def uncut(tokenizer, row, columns):
    return tokenizer(*(row[name] for name in columns), truncation=False, verbose=False)["input_ids"]


@pytest.mark.parametrize("columns", COLUMNS, ids=len)
@pytest.mark.parametrize("how", ["head_tail", "windows", "select"])
def test_a_short_text_is_read_as_ever(limited, texts, how, columns):
    reading = LongTexts(how, "lexical" if how == "select" else None)
    if how == "select":
        reading.score = lambda sentences, aspects: [np.arange(len(of_text)) for of_text in sentences]
    encoded = encode_texts(texts, limited, columns, long_texts=reading)
    expected = encode_texts(texts, limited, columns)
    assert encoded["input_ids"][-1] == expected["input_ids"][-1] == uncut(limited, texts[-1], columns)
    assert encoded["token_type_ids"][-1] == expected["token_type_ids"][-1]
    assert encoded["uncut_length"] == expected["uncut_length"] == [len(uncut(limited, row, columns)) for row in texts]


@pytest.mark.parametrize("columns", COLUMNS, ids=len)
def test_head_and_tail_are_a_quarter_and_three_quarters(limited, texts, columns):
    encoded = encode_texts(texts, limited, columns, long_texts=LongTexts("head_tail"))
    special = len(columns) + 1
    for row, input_ids, types in zip(texts, encoded["input_ids"], encoded["token_type_ids"], strict=True):
        whole = uncut(limited, row, columns)
        if len(whole) <= LIMIT:
            continue
        start = whole.index(limited.sep_token_id) + 1 if len(columns) == 2 else 1
        room = LIMIT - start - 1
        assert len(input_ids) == len(types) == LIMIT and input_ids.count(limited.sep_token_id) == special - 1
        assert input_ids == [*whole[: start + room // 4], *whole[-1 - (room - room // 4) :]]
        assert types == [0] * start + [len(columns) - 1] * (LIMIT - start)


@pytest.mark.parametrize("columns", COLUMNS, ids=len)
def test_windows_hold_every_token_and_share_a_quarter(limited, texts, columns):
    encoded = encode_texts(texts, limited, columns, long_texts=LongTexts("windows"))
    for row, input_ids, lengths in zip(texts, encoded["input_ids"], encoded["window_lengths"], strict=True):
        whole, ends = uncut(limited, row, columns), [0, *itertools.accumulate(lengths)]
        windows = [input_ids[start:end] for start, end in itertools.pairwise(ends)]
        assert ends[-1] == len(input_ids)
        start = whole.index(limited.sep_token_id) + 1 if len(columns) == 2 else 1
        assert all(len(window) == min(LIMIT, len(whole)) and window[:start] == whole[:start] for window in windows)
        text, stride, found = whole[start:-1], (LIMIT - start - 1) - (LIMIT - start - 1) // 4, []
        for number, window in enumerate(windows):
            begin = min(number * stride, max(0, len(text) - (LIMIT - start - 1)))
            assert window[start:-1] == text[begin : begin + LIMIT - start - 1]
            found[begin:] = window[start:-1]
        assert found == text


def test_a_batch_of_windows_counts_its_texts(limited, texts):
    encoded = encode_texts(texts, limited, ["aspect", "text"], long_texts=LongTexts("windows"))
    batch = EncodedTexts(encoded, limited).__getitems__([30, 2])
    count = len(encoded["window_lengths"][2])
    assert batch["windows_of_text"].tolist() == [1, count]
    assert batch["text_of_window"].tolist() == [0, *[1] * count]
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (1 + count, LIMIT)
    assert batch["input_ids"][1:].flatten().tolist() == encoded["input_ids"][2]
    assert batch["num_tokens"] == int(batch["attention_mask"].sum())


def test_the_sentences_with_the_highest_scores_stay_in_their_order(limited):
    hotel = ["酒店离车站很近。", "房间不大。", "前台等了半天。"]
    book = ["书的封面很旧！", "纸张发黄。", "故事倒是好看。"]
    laptop = ["笔记本屏幕很亮。", "键盘有点松，", "用了一个月就蓝屏了……"]
    text = "".join([*laptop, *hotel, *book])
    rows = Dataset.from_dict({"aspect": ["酒店", "书", "电影院"], "text": [text] * 3})
    assert sentences_of(text, 20) == [laptop[0], "".join(laptop[1:]), *hotel, *book]
    assert sentences_of(text, 12)[1:3] == laptop[1:]  # behind the comma, where a sentence is too long
    encoded = encode_texts(rows, limited, ["aspect", "text"], long_texts=LongTexts("select", "lexical"))
    read = [limited.decode(input_ids).replace(" ", "").split("[SEP]")[1] for input_ids in encoded["input_ids"]]
    assert "".join(hotel) in read[0] and "".join(book[:2]) in read[1]
    places = [read[0].index(sentence) for sentence in hotel]
    assert places == sorted(places) and max(encoded["length"]) <= LIMIT
    # No sentence has a character of it: the text keeps its beginning, and that is told.
    assert encoded["unmentioned"] == [False, False, True]
    assert encoded["input_ids"][2] == encode_texts(rows, limited, ["aspect", "text"])["input_ids"][2]
    long_texts = LongTexts("select", "lexical")
    done = what_was_done(count_what_was_done(encoded, long_texts), long_texts, LIMIT)
    assert done.endswith("; of 1 no sentence mentions the aspect: they keep their beginning")


def test_a_text_is_read_alike_whatever_stands_beside_it(limited, texts):
    reading = LongTexts("select", "lexical")
    together = encode_texts(texts, limited, ["aspect", "text"], long_texts=reading)
    alone = [encode_texts(texts.select([row]), limited, ["aspect", "text"], long_texts=reading) for row in range(4)]
    assert [one["input_ids"][0] for one in alone] == together["input_ids"][:4]


def test_scores_by_characters():
    (scores,) = shared_characters([["酒店很好。", "书很旧。", "！！"]], ["酒店"])
    assert scores[0] > 0 and scores[1] == scores[2] == 0
    assert not shared_characters([["酒店很好。"]], ["…"])[0].any()
    assert shared_characters([["The staff was kind. ", "Breakfast was cold."]], ["breakfast"])[0].argmax() == 1


@pytest.mark.parametrize("how", ["head_tail", "windows", "select"])
def test_an_aspect_that_leaves_no_room_is_refused_in_training_and_told_in_prediction(limited, texts, how):
    columns, long_texts = ["aspect", "text"], LongTexts(how, "lexical" if how == "select" else None)
    row = {"aspect": "很长的方面" * 7, "text": "房间很干净，服务也好。" * 9}
    rows = Dataset.from_list([row, texts[0]])
    encoded = encode_texts(rows, limited, columns, long_texts=long_texts)
    assert encoded["cramped"][:] == [True, False]
    assert encoded["input_ids"][0] == encode_texts(rows, limited, columns)["input_ids"][0]
    assert (
        encoded["input_ids"][1]
        == encode_texts(rows.select([1]), limited, columns, long_texts=long_texts)[0]["input_ids"]
    )
    done = what_was_done(count_what_was_done(encoded, long_texts), long_texts, LIMIT)
    assert done.endswith(
        "; in 1 of them the first text leaves the second too little room, and the longer one loses its end"
    )
    told = refusal(check_room, DatasetDict(train=encoded), DatasetDict(train=rows), columns, LIMIT)
    assert told.startswith(
        f"--max_length {LIMIT}: '很长的方面很长的方面很长的方面很长的方面' …, in 1 of 2 train rows, leaves its text"
    )


@pytest.mark.parametrize(
    "given, told",
    [
        ({"select_by": "learned"}, "--select_by learned is for --long_text select: give both, or leave it out"),
        ({"select_by": "lexical", "long_text": "windows"}, "--select_by lexical is for --long_text select"),
        ({"select_by": "encoder", "long_text": "select"}, "--text_columns text has none: name two columns"),
    ],
)
def test_arguments_that_do_not_go_together(given, told):
    assert told in refusal(ClassifierDataArguments, **given)


def test_what_selects_where_nothing_says_so():
    assert ClassifierDataArguments(long_text="select").select_by == "learned"
    assert ClassifierDataArguments(long_text="select", text_columns="aspect,text").select_by == "lexical"

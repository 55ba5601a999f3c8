"""Entities: out of columns of tags, spans in jsonl and the newspaper's words, to tagged windows and back; bad input."""

import copy
import itertools
import json
import random

import numpy as np
import pytest
from conftest import refusal
from datasets import Dataset

from bert_recipes.arguments.ner import NerDataArguments
from bert_recipes.models.character_tokens import split_characters
from bert_recipes.results.entity_prediction import GivenEntities
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.conll import token_and_tag
from bert_recipes.text.entities import entities_in, load_entities
from bert_recipes.text.entity_windows import borders, encode_windows, misplaced
from bert_recipes.text.files import Table
from bert_recipes.text.newspaper_entities import annotated
from bert_recipes.text.spans import read_entities
from bert_recipes.text.tags import Entity, entities_of, tag_names, tag_pieces

TEXT = "张三和欧阳修在北京。"
ENTITIES = [Entity(0, 2, "PER"), Entity(3, 6, "PER"), Entity(7, 9, "LOC")]


def write(path, content) -> str:
    lines = (
        content if isinstance(content, str) else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
    )
    path.write_text(lines, encoding="utf-8")
    return str(path)


def load(path: str, **more):
    """The rows of a file that is training, validation and test at once."""
    given = dict.fromkeys(("train_file", "validation_file", "test_file"), path)
    rows = load_entities(NerDataArguments(**given, **more))["train"]
    return [(row["text"], entities_in(row["entities"])) for row in rows]


# --- the newspaper ---


@pytest.mark.parametrize(
    "words, found",
    [
        ("江/nr 泽民/nr 在/p 北京市/ns 海淀区/ns", ["江泽民", "北京市", "海淀区"]),
        ("李/nr 鹏/nr 乔/nr 石/nr 朱/nr 镕基/nr", ["李鹏", "乔石", "朱镕基"]),
        ("欧阳/nr 修/nr 克林顿/nr 陈/nr 方/nr 安生/nr", ["欧阳修", "克林顿", "陈方安生"]),
        ("１９９８年/t 王/nr", ["王"]),
    ],
)
def test_surname_and_given_name_are_one_person(words, found):
    text, entities = annotated(words)
    assert [text[entity.start : entity.end] for entity in entities] == found


def test_the_newspapers_entities_stand_in_the_paragraphs_of_peoples_daily():
    entities, paragraphs = load_builtin("peoples_daily_ner"), load_builtin("peoples_daily")
    for split in entities:
        assert entities[split]["text"][:] == paragraphs[split]["text"][:]
    row = entities["test"][5]
    names = [row["text"][entity["start"] : entity["end"]] for entity in row["entities"]]
    assert names[0] == "江泽民" and {entity["label"] for entity in row["entities"]} == {"PER"}


# --- columns ---


def columns(pairs, separator="\t") -> str:
    return "".join(f"{token}{separator}{tag}\n" for token, tag in pairs) + "\n"


SCHEMES = {
    "BIO": "B-PER I-PER O B-PER I-PER I-PER O B-LOC I-LOC O",
    "BIOES": "B-PER E-PER O B-PER I-PER E-PER O B-LOC E-LOC O",
    "BMES": "B-PER E-PER O B-PER M-PER E-PER O B-LOC E-LOC O",
    "BILOU": "B-PER L-PER O B-PER I-PER L-PER O B-LOC L-LOC O",
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("separator", ["\t", " ", "\tNN\t"])
def test_columns_of_every_scheme_give_the_same_spans(tmp_path, scheme, separator):
    path = write(tmp_path / "a.bio", columns(zip(TEXT, SCHEMES[scheme].split(), strict=True), separator) * 3)
    assert load(path) == [(TEXT, ENTITIES)] * 3


def test_columns_in_gb18030_with_document_marks_and_blank_lines(tmp_path):
    sentence = columns(zip(TEXT, SCHEMES["BIO"].split(), strict=True), " ")
    path = tmp_path / "a.conll"
    path.write_text(f"-DOCSTART- -X- O\n\n\n{sentence}\r\n{sentence}", encoding="gb18030")
    assert load(str(path), encoding="gb18030") == [(TEXT, ENTITIES)] * 2


def test_words_of_letters_have_a_space_between_and_letters_a_line_have_none(tmp_path, capsys):
    words = columns([("Ada", "B-PER"), ("Lovelace", "I-PER"), ("在", "O"), ("London", "B-LOC"), ("!", "O")])
    assert load(write(tmp_path / "a.txt", words)) == [
        ("Ada Lovelace在London !", [Entity(0, 12, "PER"), Entity(13, 19, "LOC")])
    ]
    assert "a.txt: the tokens are joined with a space between words of letters: Ada" in capsys.readouterr().out
    letters = columns([("N", "B-ORG"), ("B", "I-ORG"), ("A", "I-ORG"), (" ", "O"), ("赛", "O")])
    assert load(write(tmp_path / "b.txt", letters)) == [("NBA 赛", [Entity(0, 3, "ORG")])]


def test_a_space_can_be_a_token():
    assert token_and_tag("  O", "") == (" ", "O") == token_and_tag(" \tO", "")
    assert token_and_tag("\u3000 B-PER", "") == ("\u3000", "B-PER")


BROKEN = {
    "I- behind O": ("张\tO\n三\tI-PER\n", "line 2 of a.bio: I-PER follows O: B-PER or I-PER must stand before it"),
    "I- of another type": ("张\tB-LOC\n三\tI-PER\n", "line 2 of a.bio: I-PER follows B-LOC: B-PER"),
    "I- at the start": ("张\tO\n\n三\tI-PER\n", "line 3 of a.bio: I-PER follows nothing"),
    "no end": ("张\tB-PER\n三\tO\n王\tS-PER\n", "line 1 of a.bio: B-PER is not followed by I-PER or E-PER"),
    "no tag": ("张\tB-PER\n三\n", "line 2 of a.bio has one column, '三': a token and its tag are needed"),
    "no token": ("\tB-PER\n", "line 1 of a.bio has the tag B-PER and no token"),
    "another prefix": ("张\tX-PER\n", "line 1 of a.bio: 'X-PER' is no tag: write O, or B-, I-, E- or S-"),
    "no type": ("张\tB\n", "line 1 of a.bio: 'B' is no tag"),
    "no entity": ("张\tO\n", "a.bio has no entity in any of its 1 text:"),
    "no sentence": ("\n\n", "a.bio: the file has no sentences"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tags_are_told_with_their_line(tmp_path, case):
    content, message = BROKEN[case]
    assert message in refusal(load, write(tmp_path / "a.bio", content))


def test_broken_tags_are_repaired_on_request(tmp_path, capsys):
    path = write(tmp_path / "a.bio", "张\tI-PER\n三\tI-PER\n在\tO\n京\tI-LOC\n")
    assert load(path, repair_tags=True) == [("张三在京", [Entity(0, 2, "PER"), Entity(3, 4, "LOC")])]
    assert "line 1 of a.bio: I-PER follows nothing: B-PER or I-PER must stand before it (2 such tags)" in (
        capsys.readouterr().out
    )


# --- spans ---

SHAPES = {
    "objects": [
        {"start": 0, "end": 2, "label": "PER"},
        {"start_offset": 3, "end_offset": 6, "type": "PER"},
        [7, 9, "LOC"],
    ],
    "lists": [["PER", 0, 2], [7, 9, "LOC"], [3, 6, "PER"]],
    "objects with texts": [
        {"start": 0, "end": 1, "label": "PER", "text": "张三"},
        {"start": 3, "end": 5, "label": "PER"},
        {"start": 7, "end": 8, "label": "LOC", "text": "北京"},
    ],
    "by type and text": {"PER": {"张三": [[0, 1]], "欧阳修": [[3, 5]]}, "LOC": {"北京": [[7, 8]]}},
    "by type": {"PER": [[0, 2], [3, 6]], "LOC": [[7, 9]]},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("column", ["entities", "label"])
def test_spans_of_every_shape_are_the_same_entities(tmp_path, shape, column, capsys):
    path = write(tmp_path / "a.jsonl", [{"text": TEXT, column: SHAPES[shape]}, {"text": "没有", column: []}])
    assert load(path) == [(TEXT, ENTITIES), ("没有", [])]
    inclusive = "text" in shape
    assert f"a.jsonl: ends of spans are {'inclusive' if inclusive else 'exclusive'}" in capsys.readouterr().out


def test_inclusive_ends_are_read_as_asked(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"text": TEXT, "entities": [[0, 1, "PER"], [3, 5, "PER"], [7, 8, "LOC"]]}])
    assert load(path, span_ends="inclusive") == [(TEXT, ENTITIES)]


def test_ends_of_a_file_that_is_scored_are_read_as_asked(capsys):
    block = Table("a.jsonl", {"text": ["王小明在上海。"], "entities": [[[0, 2, "PER"], [4, 5, "LOC"]]]}, [1])
    found = GivenEntities(None, ["PER", "LOC"], "inclusive")
    assert found.add(block, block.columns["text"])
    assert [(entity.start, entity.end) for entity in found.entities[0]] == [(0, 3), (4, 6)]


def test_entities_as_a_pipeline_writes_them(tmp_path):
    cells = [{"entity_group": "PER", "word": "li ming", "start": 0, "end": 7}]
    entities, ends = read_entities("a.jsonl", ["row 1"], ["Li Ming 在上海。"], [cells], None, "longest")
    assert [(entity.start, entity.end, entity.label) for entity in entities[0]] == [(0, 7, "PER")]
    assert ends == "exclusive"


def test_the_space_before_a_word_is_no_part_of_it():
    # Metaspace and byte-level tokenizers count it to the word behind it.
    assert borders("in Paris ", [(0, 2), (2, 8), (8, 9)]) == ([0, 3, 8], [2, 8, 9])


def test_tokens_and_tags_in_lists(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"tokens": list(TEXT), "ner_tags": SCHEMES["BIO"].split()}])
    assert load(path) == [(TEXT, ENTITIES)]


PER = {"start": 0, "end": 2, "label": "PER"}
BAD_SPANS = {
    "behind the end": (
        {"entities": [PER, [9, 12, "LOC"]]},
        "row 1 of a.jsonl: LOC from 9 to 12 is no part of the text",
    ),
    "before the start": ({"entities": [[-1, 2, "PER"]]}, "PER from -1 to 2 is no part of the text, which has 10 char"),
    "empty": ({"entities": [[1, 1, "PER"]]}, "PER from 1 to 1 is no part of the text"),
    "overlap": ({"entities": [PER, [1, 4, "LOC"]]}, "'张三' (PER) and '三和欧' (LOC) overlap"),
    "another text": ({"entities": [{**PER, "text": "李四"}]}, "'李四' is not what stands at its place, 0 to 2"),
    "two conventions": (
        {"entities": [{**PER, "text": "张三"}, {"start": 7, "end": 8, "label": "LOC", "text": "北京"}]},
        "row 1 of a.jsonl: the entity '北京' is not what stands at its place, 7 to 8 ('北', ends being exclusive)",
    ),
    "no number": ({"entities": [["0", 2, "PER"]]}, "['0', 2, 'PER'] is no entity: write {"),
    "no label": ({"entities": [{"start": 0, "end": 2}]}, "row 1 of a.jsonl: {'start': 0, 'end': 2} is no entity"),
    "no list": ({"entities": "PER"}, "row 1 of a.jsonl has no list of entities"),
    "nothing": ({"entities": None}, "row 1 of a.jsonl has no entities: write [] where a text has none"),
    "another column": ({"entity": []}, "a.jsonl has no column of spans (entities, label, labels, spans)"),
    "an empty text": ({"text": " ", "entities": []}, "row 1 of a.jsonl: column 'text' is empty"),
}


@pytest.mark.parametrize("case", BAD_SPANS)
def test_bad_spans_are_told_with_their_row(tmp_path, case):
    row, message = BAD_SPANS[case]
    assert message in refusal(load, write(tmp_path / "a.jsonl", [{"text": TEXT, **row}]))


def test_what_is_changed_in_spans_is_told(tmp_path, capsys):
    spans = [[0, 2, "PER"], [0, 2, "PER"], [2, 6, "LOC"], [3, 5, "PER"]]
    path = write(tmp_path / "a.jsonl", [{"text": "张三 京 城", "entities": spans}])
    assert load(path, overlaps="longest") == [("张三 京 城", [Entity(0, 2, "PER"), Entity(3, 6, "LOC")])]
    told = capsys.readouterr().out
    for line in ("2 entities lose the spaces", "1 entity stands twice in a row", "1 entity overlaps a longer one"):
        assert f"a.jsonl: {line}" in told


def test_a_type_that_training_never_has_is_told_with_its_row(tmp_path):
    train = write(tmp_path / "a.jsonl", [{"text": TEXT, "entities": [PER]}])
    for name, content in {
        "b.jsonl": [{"text": "无", "entities": []}, {"text": TEXT, "entities": [{**PER, "label": "PERS"}]}],
        "b.bio": "无\tO\n\n张\tB-PERS\n三\tI-PERS\n",
    }.items():
        other = write(tmp_path / name, content)
        told = refusal(load_entities, NerDataArguments(train_file=train, validation_file=other, test_file=train))
        place = "row 2 of b.jsonl" if name == "b.jsonl" else "the sentence that begins at line 3 of b.bio"
        assert told.startswith(f"{place}: the entity '张三' is of the type 'PERS' (did you mean 'PER'?), which a.jsonl")


def test_splits_that_are_not_given_are_held_out_evenly(tmp_path):
    rows = [
        {"text": f"第{n}行，张三在北京", "entities": [[n // 10 + 4, n // 10 + 6, "PER"]] if n % 2 else []}
        for n in range(99)
    ]
    rows = [
        {**row, "entities": [[row["text"].index("张"), row["text"].index("在"), "PER"]] if row["entities"] else []}
        for row in rows
    ]
    corpus = load_entities(NerDataArguments(train_file=write(tmp_path / "a.jsonl", rows), max_eval_samples=6))
    assert [len(corpus[split]) for split in corpus] == [81, 6, 9]
    assert sum(map(len, corpus["validation"]["label"])) == 3
    assert not set(corpus["train"]["text"]) & set(corpus["test"]["text"])


# --- tags and windows ---


def test_tags_give_the_spans_back():
    starts, ends = range(len(TEXT)), range(1, 1 + len(TEXT))
    tags = tag_pieces(ENTITIES, starts, ends)
    assert tags == SCHEMES["BIO"].split() and entities_of(tags, starts, ends) == ENTITIES
    # As a model may tag: what goes on with nothing opens an entity.
    assert entities_of(["I-PER", "I-LOC", "O", "I-LOC", "B-LOC"], starts, ends) == [
        Entity(0, 1, "PER"), Entity(1, 2, "LOC"), Entity(3, 4, "LOC"), Entity(4, 5, "LOC")
    ]  # fmt: skip


def random_entities(text: str, generator: random.Random) -> list[dict]:
    """Next to one another, or with text between, and without spaces at their borders."""
    borders = sorted(generator.sample(range(len(text) + 1), min(12, len(text) + 1)))
    spans = [Entity(start, end, generator.choice(["PER", "LOC"])) for start, end in itertools.pairwise(borders)]
    kept = [span for span in spans if text[span.start : span.end].strip() == text[span.start : span.end]]
    return [span._asdict() for span in kept if generator.random() < 0.7]


def test_every_span_survives_the_windows_to_the_character(tokenizer):
    """Of the newspaper with its own entities, and with entities drawn anywhere, in texts with wide, private-use and
    control characters, letters, digits and spaces; windows of 24 tokens that share 7."""
    names, paper = tag_names(["PER", "LOC"]), load_builtin("peoples_daily_ner")["train"].select(range(0, 15_000, 100))
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = 24
    assert misplaced(paper, encode_windows(paper, tokenizer, 7, names), names) == []
    generator = random.Random(0)
    strange = [
        "\ue5f1",
        "\u200b",
        "ＡＢ",
        "iPhone12",
        " ",
        "\U00020bb7",
        "e\u0301",
        "\t",
        "1998",
        "。",
        "\x07",
        "[UNK]",
        "😀",
    ]
    texts = []
    for text in paper["text"][:60]:
        parts = [char for char in text for char in (char, *generator.choices([*strange, *[""] * 40]))]
        texts.append("".join(parts))
    rows = Dataset.from_dict({"text": texts, "entities": [random_entities(text, generator) for text in texts]})
    characters = split_characters(tokenizer)
    lost = misplaced(rows, encode_windows(rows, characters, 7, names), names)
    # A mark over a letter is no character of its own, and the name of a special token is one token.
    inside = [
        entity
        for row, entity in lost
        if not any(word in texts[row][max(0, entity.start - 4) : entity.end + 4] for word in ("[UNK]", "e\u0301"))
    ]
    assert not inside and sum(map(len, rows["entities"])) > 300


def test_each_token_of_a_text_counts_in_one_window(tokenizer):
    texts = [*load_builtin("peoples_daily_ner")["test"]["text"][:30], "\u200b"]
    whole = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = 32
    encoded = encode_windows(Dataset.from_dict({"text": texts}), tokenizer, 9)
    put_together = [[] for _ in texts]
    for window in encoded:
        first = window["first"]
        put_together[window["row"]] += window["input_ids"][first : first + len(window["starts"])]
    assert put_together == whole and whole[-1] == [] and len(encoded) > 60
    assert max(encoded["length"]) == 32 and np.array(encoded["row"])[-1] == len(texts) - 1

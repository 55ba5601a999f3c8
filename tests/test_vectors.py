"""embed.py: its vectors beside those of plain transformers, its files in other libraries, kills, mistakes."""

import json
import re

import gensim
import matplotlib.image
import numpy as np
import pandas
import pyarrow
import pytest
import torch
from conftest import ROOT, recipe, refusal
from pages import chinese, tables
from processes import run_recipe, said, start, statuses
from transformers import AutoModel, AutoTokenizer

from bert_recipes.arguments.parse import parse
from bert_recipes.models import encoders
from bert_recipes.results import embedding, parts
from bert_recipes.run.errors import UserError
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.characters import Windows

LAST4 = "bert-mini-zh"  # the tiny model has two layers


def embed(*words, model) -> dict:
    return recipe("embed").main(["--model_name_or_path", str(model), "--disable_tqdm", "true", *map(str, words)])


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [*load_builtin("reviews")["test"].shuffle(seed=0)["text"][:40], "好 " * 150]


@pytest.fixture
def file(tmp_path, texts, monkeypatch):
    """41 reviews, the last of them longer than the tiny model reads, in blocks of 16."""
    monkeypatch.setattr(embedding, "BLOCK_ROWS", 16)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "n": i}) for i, text in enumerate(texts)), encoding="utf-8")
    return path


@torch.no_grad()
def one_by_one(model: str, texts: list[str], vector, limit: int = 128) -> np.ndarray:
    """`vector(hidden states of all layers)` of each text alone, shape (layers, length, width) without [CLS] and [SEP]
    handed on too."""
    encoder, tokenizer = AutoModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    found = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
        states = torch.stack(encoder(**inputs, output_hidden_states=True).hidden_states)[:, 0]
        found.append(vector(states).numpy())
    return np.array(found)


@pytest.mark.parametrize(
    "words, vector",
    [
        ([], lambda states: states[-1, 1:-1].mean(0)),
        (["--pooling", "cls", "--per_device_eval_batch_size", "3"], lambda states: states[-1, 0]),
        (["--layer", "1", "--per_device_eval_batch_size", "64"], lambda states: states[1, 1:-1].mean(0)),
        (["--normalize"], lambda states: torch.nn.functional.normalize(states[-1, 1:-1].mean(0), dim=0)),
    ],
    ids=["mean", "cls", "a layer", "normalized"],
)
def test_vectors_are_those_of_one_text_at_a_time(file, texts, tiny_model, tmp_path, words, vector, capsys):
    output = tmp_path / "out" / "vectors.parquet"
    embed("--input_file", file, "--output_file", output, *words, model=tiny_model)
    table = pandas.read_parquet(output)
    assert list(table.columns) == ["text", "vector"] and table["text"].tolist() == texts
    np.testing.assert_allclose(np.stack(table["vector"]), one_by_one(tiny_model, texts, vector), atol=1e-5)
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    cut = sum(len(ids) > 128 for ids in AutoTokenizer.from_pretrained(tiny_model)(texts)["input_ids"])
    assert cut > 1 and f"{cut} of 41 rows are longer than 128 tokens, and lose their end" in capsys.readouterr().out


def test_the_mean_of_the_last_four_layers(file, texts, tmp_path):
    short = tmp_path / "few.txt"
    short.write_text("\n".join(texts[:6]), encoding="utf-8")
    words = ("--input_file", short, "--output_file", tmp_path / "v.npz", "--pooling", "mean_last4", "--max_length", 32)
    embed(*words, model=LAST4)
    model = str(encoders.load_config(encoders.CheckpointArguments(LAST4))._name_or_path)
    expected = one_by_one(model, texts[:6], lambda states: states[1:, 1:-1].mean((0, 1)), limit=32)
    np.testing.assert_allclose(np.load(tmp_path / "v.npz")["vectors"], expected, atol=1e-5)


def test_all_formats_hold_the_same_numbers(file, tiny_model, tmp_path):
    for name in ("v.parquet", "v.npz", "v.txt"):
        embed("--input_file", file, "--output_file", tmp_path / name, model=tiny_model)
    arrays, vectors = np.load(tmp_path / "v.npz"), np.stack(pandas.read_parquet(tmp_path / "v.parquet")["vector"])
    assert arrays["vectors"].dtype == np.float32 and arrays["keys"].tolist() == list(range(1, 42))
    assert (arrays["vectors"] == vectors).all()
    loaded = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v.txt")
    assert loaded.index_to_key == list(map(str, range(1, 42))) and (loaded.vectors == vectors).all()


def test_characters_of_the_table_are_loaded_by_gensim_with_the_same_neighbours(tiny_model, tmp_path, capsys):
    lines = tmp_path / "lines.txt"
    lines.write_text("好好好坏 酒店\n酒\u3000好 \U00020bb7\u200b店 Ａ\n", encoding="utf-8")
    found = embed(
        *("--unit", "char", "--input_file", lines, "--output_file", tmp_path / "c.vec", "--nearest", 2, "好", "店"),
        model=tiny_model,
    )
    told = capsys.readouterr().out
    assert "2 of 7 characters have no vector" in told and "'\U00020bb7'" in told and r"'\u200b'" in told
    loaded = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "c.vec")
    assert loaded.index_to_key == ["好", "店", "酒", "坏", "Ａ"]
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_model), AutoModel.from_pretrained(tiny_model)
    row = tokenizer.convert_tokens_to_ids("好")
    assert (loaded["好"] == model.get_input_embeddings().weight[row].detach().numpy()).all()
    assert list(found) == ["好", "店"]
    for character, neighbours in found.items():
        expected = loaded.most_similar(character, topn=2)
        assert [name for name, _ in neighbours] == [name for name, _ in expected]
        assert [cosine for _, cosine in neighbours] == pytest.approx([cosine for _, cosine in expected], abs=1e-5)


def test_a_character_in_context_is_the_mean_over_its_places(file, texts, tiny_model, tmp_path):
    output = tmp_path / "c.parquet"
    embed(
        *("--unit", "char", "--context", "--layer", 1, "--input_file", file, "--output_file", output),
        model=tiny_model,
    )
    table = pandas.read_parquet(output).set_index("character")
    assert table["count"].is_monotonic_decreasing
    # The last text, which is longer than the model reads, is read in windows: no place is lost.
    assert table.loc["好", "count"] == "".join(texts).count("好")
    encoder, tokenizer = AutoModel.from_pretrained(tiny_model).eval(), AutoTokenizer.from_pretrained(tiny_model)
    whole = "".join(text for text in texts if len(text) < 120)
    rare = next(name for name, count in table["count"].items() if count == 3 == whole.count(name) and name > "\u4e00")
    vectors = []
    for text in filter(lambda text: rare in text, texts):
        inputs = tokenizer(text, return_tensors="pt")
        places = (inputs["input_ids"][0] == tokenizer.convert_tokens_to_ids(rare)).nonzero().flatten()
        with torch.no_grad():
            vectors += [*encoder(**inputs, output_hidden_states=True).hidden_states[1][0, places].numpy()]
    assert len(vectors) == 3
    np.testing.assert_allclose(table.loc[rare, "vector"], np.mean(vectors, 0), atol=1e-5)


def test_a_long_text_is_read_with_context_on_both_sides_of_a_cut(texts, tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    read = ["".join(texts[:20]), "好", "".join(texts[20:])]
    windows, found = Windows(read, tokenizer), []
    for row, ids in enumerate(windows.rows["input_ids"]):
        places = list(windows.places(row))
        found += [character for _, character in places]
        first, last = places[0][0], places[-1][0]
        begins = row == 0 or windows.texts[row - 1] != windows.texts[row]
        stops = row + 1 == len(windows.texts) or windows.texts[row + 1] != windows.texts[row]
        assert begins or first > 14
        assert stops or last < len(ids) - 14
    known = set(tokenizer.get_vocab())
    expected = [character for character in "".join(read) if character in known]
    assert [character for character in found if character in known] == expected and len(windows.texts) > 6


def test_a_killed_run_goes_on_behind_its_blocks_to_the_same_bytes(file, tiny_model, tmp_path, monkeypatch, capsys):
    words = ("--input_file", file, "--nearest", 2, "房间很干净", "--output_file")
    whole = embed(*words, tmp_path / "whole.npz", model=tiny_model)
    made, make = [], embedding.Texts.__call__

    def killed_in_the_second(self, block, first):
        made.append(first)
        if len(made) == 2:
            raise KeyboardInterrupt
        return make(self, block, first)

    monkeypatch.setattr(embedding.Texts, "__call__", killed_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        embed(*words, tmp_path / "cut.npz", model=tiny_model)
    kept = tmp_path / "cut.npz.parts"
    assert not (tmp_path / "cut.npz").exists() and (kept / "000000.parquet").exists()
    told = refusal(embed, *words, tmp_path / "cut.npz", "--pooling", "cls", model=tiny_model)
    assert "holds blocks of a run with pooling left out, not cls" in told
    (kept / "000001.parquet").write_bytes(b"half of a file")
    capsys.readouterr()
    assert embed(*words, tmp_path / "cut.npz", model=tiny_model) == whole
    assert made == [0, 16, 16, 32] and "has 1 of 3 blocks already" in capsys.readouterr().out
    assert (tmp_path / "cut.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes() and not kept.exists()


def test_a_run_that_is_going_on_keeps_its_blocks(file, tiny_model, tmp_path):
    """A second one with --overwrite ends, and gives none of them up."""
    facts = embedding.facts(parse(embedding.EmbedArguments, argv=["--output_file", str(tmp_path / "v.npz")])[0])
    first = parts.Parts(str(tmp_path / "v.npz"), facts, blocks=1, overwrite=True, main_process=True)
    with first.alone():
        first.write(0, pyarrow.table({"vector": [1.0]}), {})
        words = ("--input_file", file, "--output_file", tmp_path / "v.npz", "--overwrite")
        told = refusal(embed, *words, model=tiny_model)
        assert f"--output_file {tmp_path / 'v.npz'}: another run is writing there: name another" in told
        assert first.missing() == [] and not (tmp_path / "v.npz").exists()
    assert not first.folder.exists()


def test_two_processes_write_what_one_does(tiny_model, tmp_path):
    rows = load_builtin("reviews")["train"].shuffle(seed=0)["text"][: embedding.BLOCK_ROWS + 100]
    (tmp_path / "rows.txt").write_text("\n".join(text[:12] for text in rows), encoding="utf-8")
    words = ["--model_name_or_path", str(tiny_model), "--input_file", str(tmp_path / "rows.txt"), "--use_cpu"]
    words += ["--disable_tqdm", "true", "--output_file"]
    recipe("embed").main([*words, str(tmp_path / "by_one.npz")])
    log, argv = tmp_path / "log", [*words, str(tmp_path / "by_two.npz")]
    assert statuses(start(log, run_recipe, "embed", argv, processes=2)) == [0, 0], said(log)
    assert said(log).count("saved in") == 1
    by_one, by_two = (np.load(tmp_path / f"by_{count}.npz") for count in ("one", "two"))
    np.testing.assert_allclose(by_two["vectors"], by_one["vectors"], atol=1e-6)
    assert len(by_one["keys"]) == embedding.BLOCK_ROWS + 100 and not list(tmp_path.glob("*.parts"))


def test_neighbours_of_a_text_and_a_picture(file, texts, tiny_model, tmp_path, capsys):
    picture = tmp_path / "texts.png"
    words = ("--input_file", file, "--output_file", tmp_path / "v.parquet", "--picture", picture)
    found = embed(*words, "--nearest", 3, texts[20], "房间很干净", model=tiny_model)
    assert matplotlib.image.imread(picture).std() > 0.01
    vectors = np.stack(pandas.read_parquet(tmp_path / "v.parquet")["vector"])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors[20]
    order = [row for row in np.argsort(-cosines) if row != 20][:3]
    assert [text for text, _ in found[texts[20]]] == [texts[row] for row in order]
    assert [cosine for _, cosine in found[texts[20]]] == pytest.approx(cosines[order].tolist(), abs=1e-5)
    assert len(found["房间很干净"]) == 3 and "房间很干净" in capsys.readouterr().out


def test_one_vector_is_no_picture_and_characters_that_nobody_knows_are_no_vectors(tiny_model, tmp_path, capsys):
    one, unknown, picture = (tmp_path / name for name in ("one.txt", "unknown.txt", "one.png"))
    one.write_text("房间很干净。\n", encoding="utf-8")
    unknown.write_text("\U00020bb7\n", encoding="utf-8")
    embed("--input_file", one, "--output_file", tmp_path / "v.npz", "--picture", picture, model=tiny_model)
    assert not picture.exists() and f"--picture {picture}: one vector has no directions" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.parts"))
    words = ("--input_file", unknown, "--output_file", tmp_path / "c.vec", "--unit", "char")
    with pytest.raises(UserError, match="the tokenizer knows no character of it: take another model"):
        embed(*words, model=tiny_model)


def test_a_repeated_text_is_one_neighbour(tiny_model, tmp_path, texts, monkeypatch):
    monkeypatch.setattr(embedding, "BLOCK_ROWS", 8)
    others = [text[:20] for text in texts[:6]]
    (tmp_path / "rows.txt").write_text("\n".join([*["好评"] * 12, *others, *others[:2]]), encoding="utf-8")
    words = ("--input_file", tmp_path / "rows.txt", "--output_file", tmp_path / "v.npz", "--nearest", 5, "好评")
    neighbours = [text for text, _ in embed(*words, model=tiny_model)["好评"]]
    assert len(set(neighbours)) == len(neighbours) == 5 and set(neighbours) < set(others)


def test_a_text_that_the_tokenizer_drops_has_zeros_and_is_told(tiny_model, tmp_path, capsys):
    (tmp_path / "rows.txt").write_text("很好\n\u200b\n", encoding="utf-8")
    embed("--input_file", tmp_path / "rows.txt", "--output_file", tmp_path / "v.npz", model=tiny_model)
    vectors = np.load(tmp_path / "v.npz")["vectors"]
    assert vectors[0].any() and not vectors[1].any()
    assert "the tokenizer drops all of 1 text (number 2 first), whose vector is zeros" in capsys.readouterr().out


def test_without_arguments_the_files_step_aside(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        embed("--unit", "char", model=tiny_model)
    assert sorted(path.name for path in (tmp_path / "outputs" / "embed").iterdir()) == [
        "chars-2.parquet",
        "chars.parquet",
    ]


MISTAKES = {
    "no such layer": (["--layer", "3"], "--layer 3: {model} has layers 1 to 2, and 0 is its embeddings"),
    "too few layers": (["--pooling", "mean_last4"], "--pooling mean_last4: {model} has 2 layers alone"),
    "which layers": (["--pooling", "mean_last4", "--layer", "1"], "says which layers: leave --layer out"),
    "an empty text": (["--input_file", "empty.csv"], "row 3 of empty.csv: column 'text' is empty"),
    "no such file": (["--input_file", "none.csv"], "--input_file none.csv: there is no such file"),
    "no such column": (["--input_file", "empty.csv", "--text_columns", "texts"], "did you mean 'text'?"),
    "a format": (["--output_file", "v.csv"], "--output_file v.csv: must end in .parquet, .npz, .txt, .vec"),
    "a picture": (["--picture", "v.gif"], "--picture v.gif: must end in .png, .svg, .pdf"),
    "a file that is there": (["--output_file", "there.npz"], "there.npz exists: name another, or add --overwrite"),
    "no number": (["--nearest", "好"], "--nearest 好: a number above 0 first"),
    "two characters": (["--unit", "char", "--nearest", "1", "好坏"], "--nearest 好坏: with --unit char name single"),
    "neighbours of pairs": (["--nearest", "1", "好", "--text_columns", "a,b"], "name one column with --text_columns"),
    "pooling of characters": (["--unit", "char", "--pooling", "cls"], "--pooling is for --unit text"),
    "a layer of the table": (["--unit", "char", "--layer", "1"], "--layer needs --context"),
    "a context of a text": (["--context"], "--context is for --unit char"),
    "a short limit": (["--max_length", "2"], "--max_length 2: must be 8 or more"),
    "a model without an encoder": (["--model_name_or_path", "t5"], "models of type t5 are no encoders alone"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_before_the_model_loads(name, tmp_path, tiny_model, monkeypatch):
    words, message = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("text,label\n好,a\n ,b\n", encoding="utf-8")
    (tmp_path / "there.npz").write_bytes(b"")
    (tmp_path / "t5").mkdir()
    (tmp_path / "t5" / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    monkeypatch.setattr(encoders, "load_model", lambda *words: pytest.fail("loaded"))
    before = {path.name for path in tmp_path.iterdir()}
    told = refusal(embed, *words, model=tiny_model)
    assert message.format(model=tiny_model) in told
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_neighbour_of_what_is_not_there_is_told(tiny_model, tmp_path, capsys):
    (tmp_path / "rows.txt").write_text("很好\n", encoding="utf-8")
    words = ("--unit", "char", "--input_file", tmp_path / "rows.txt", "--output_file", tmp_path / "v.vec")
    embed(*words, "--nearest", 1, "坏", "好", model=tiny_model)
    assert "'坏' has no vector: the file or the vocabulary lacks it" in capsys.readouterr().out
    assert (tmp_path / "v.vec").exists()


def test_an_encoder_that_lacks_weights_is_refused(tiny_model, tmp_path, file):
    config = json.loads((tiny_model / "config.json").read_text())
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in tiny_model.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    told = refusal(embed, "--input_file", file, "--output_file", tmp_path / "v.npz", model=broken)
    assert "its file lacks 16 of the encoder's" in told


# --- docs/vectors.md ---


def kept_neighbours(name: str) -> dict[str, str]:
    """Of what a command of the page has printed."""
    screens = re.findall(r"^(\S)  cosine\n((?:\S  \d\.\d{4}\n)+)", (ROOT / "docs" / "vectors" / name).read_text(), re.M)
    return {character: " ".join(re.findall(r"^\S", lines, re.M)) for character, lines in screens}


@pytest.mark.parametrize("page", ["docs/vectors.md", chinese("docs/vectors.md")])
def test_the_page_shows_the_neighbours_that_its_commands_have_printed(page):
    by_table, in_context = kept_neighbours("table.txt"), kept_neighbours("context.txt")
    shown = next(rows for rows in tables(page) if rows[1][0] in by_table)[1:]
    assert shown == [[name, by_table[name], in_context[name]] for name in by_table] and len(shown) == 10


def test_the_neighbours_of_the_page_come_out_again(tmp_path):
    by_table = kept_neighbours("table.txt")
    found = embed("--unit", "char", "--output_file", tmp_path / "c.vec", "--nearest", 5, *by_table, model=LAST4)
    assert {name: " ".join(other for other, _ in near) for name, near in found.items()} == by_table

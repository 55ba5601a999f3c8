import json

from conftest import refusal
from tokenizers import SentencePieceUnigramTokenizer
from transformers import (
    AlbertConfig,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    XLNetConfig,
)

from bert_recipes.arguments.model import CheckpointArguments
from bert_recipes.models.tokenization import load_tokenizer, readable_length


def test_a_tokenizer_of_another_model(tiny_model, tokenizer, tmp_path):
    config = BertConfig(vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert "belong to different models" in refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))


def test_truncation_knows_the_position_table(tiny_model, tokenizer, tmp_path):
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    loaded = load_tokenizer(CheckpointArguments(str(tmp_path)))
    assert loaded.model_max_length == 128 and len(loaded(["花" * 300], truncation=True)["input_ids"][0]) == 128


def test_a_model_without_a_position_table_reads_as_much_as_bert():
    assert readable_length(XLNetConfig()) == 512 and readable_length(BertConfig(max_position_embeddings=100)) == 96


def test_a_pair_for_a_model_with_one_token_type(tokenizer, tmp_path, capsys):
    """RoBERTa's kind goes round with BERT's tokenizer: type 1 would be beyond the end of its table."""
    RobertaConfig(vocab_size=len(tokenizer), type_vocab_size=1).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(CheckpointArguments(str(tmp_path)))
    assert "token_type_ids" not in loaded("标题", "正文") and "has one token type" in capsys.readouterr().out
    loaded.save_pretrained(tmp_path / "saved")
    assert "token_type_ids" not in AutoTokenizer.from_pretrained(tmp_path / "saved")("标题", "正文")


def test_a_vocabulary_that_models_of_this_type_do_not_have(tokenizer, tmp_path):
    sentencepiece = SentencePieceUnigramTokenizer()
    sentencepiece.train_from_iterator(["房间很干净，服务也好。"] * 9, vocab_size=60, show_progress=False)
    sentencepiece.save(str(tmp_path / "tokenizer.json"))
    BertConfig(vocab_size=60).save_pretrained(tmp_path)
    message = refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))
    assert "its vocabulary is SentencePiece" in message and '"tokenizer_class": "XLMRobertaTokenizer"' in message
    (tmp_path / "tokenizer.json").unlink()
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    AlbertConfig(vocab_size=len(words)).save_pretrained(tmp_path)
    message = refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))
    assert "its vocabulary is WordPiece" in message and '"tokenizer_class": "BertTokenizer"' in message
    config = json.loads((tmp_path / "config.json").read_text()) | {"tokenizer_class": "BertTokenizer"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_tokenizer(CheckpointArguments(str(tmp_path))).tokenize("很干净") == ["很", "干", "净"]


def test_a_model_without_a_tokenizer(tiny_model, tmp_path):
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    assert "it has no tokenizer: copy" in refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))

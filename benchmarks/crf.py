"""The baseline that entities are measured by: a linear-chain CRF over features of characters, on the rows of ner.py.

    python benchmarks/crf.py --max_train_samples 4000 --seed 0
    python benchmarks/crf.py --train_file train.jsonl --output_dir outputs/crf

It takes the arguments of the data of recipes/ner.py, and leaves all_results.json; ner.py beside it compares the two.
"""

from __future__ import annotations

import json
import tempfile
import unicodedata
from pathlib import Path

import pycrfsuite
from datasets import Dataset

from bert_recipes.arguments.ner import NerArguments, NerDataArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.run.errors import run
from bert_recipes.text.entities import entities_in, load_entities
from bert_recipes.text.tags import Entity, entities_of, tag_pieces
from bert_recipes.training.entity_metrics import score_entities

# Characters that a feature reads, by their distance: single ones, pairs, and one pair around the character itself.
READ = [(-2,), (-1,), (0,), (1,), (2,), (-2, -1), (-1, 0), (0, 1), (1, 2), (-1, 1)]
PENALTIES = (0.1, 1.0)  # of the squared weights; chosen by F1 on the validation split
ITERATIONS = 100


def features(text: str) -> list[list[str]]:
    """Of each character: itself and its neighbours as READ says, and the Unicode category of the three nearest."""
    padded = f"\0\0{text}\0\0"
    return [
        [f"{places}{''.join(padded[number + 2 + place] for place in places)}" for places in READ]
        + [f"{place}{unicodedata.category(padded[number + 2 + place])}" for place in (-1, 0, 1)]
        for number in range(len(text))
    ]


def tags_of(row: dict) -> list[str]:
    size = len(row["text"])
    return tag_pieces(entities_in(row["entities"]), range(size), range(1, size + 1))


def train(rows: Dataset, penalty: float, path: str) -> pycrfsuite.Tagger:
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    for row in rows:
        trainer.append(features(row["text"]), tags_of(row))
    trainer.set_params({"c1": 0.0, "c2": penalty, "max_iterations": ITERATIONS, "feature.possible_transitions": True})
    trainer.train(path)
    tagger = pycrfsuite.Tagger()
    tagger.open(path)
    return tagger


def find(tagger: pycrfsuite.Tagger, text: str) -> list[Entity]:
    return entities_of(tagger.tag(features(text)), range(len(text)), range(1, len(text) + 1))


def score(tagger: pycrfsuite.Tagger, rows: Dataset) -> dict[str, float]:
    expected = [entities_in(entities) for entities in rows["entities"][:]]
    return score_entities([find(tagger, text) for text in rows["text"][:]], expected)


def main(argv=None) -> dict[str, float]:
    data_args, args = parse(NerDataArguments, NerArguments, argv=argv)
    corpus = load_entities(data_args, args.seed)
    with tempfile.TemporaryDirectory() as folder:
        taggers = [train(corpus["train"], penalty, f"{folder}/{penalty}") for penalty in PENALTIES]
        scores = [score(tagger, corpus["validation"]) for tagger in taggers]
        best = max(range(len(PENALTIES)), key=lambda number: scores[number]["f1"])
        results = {f"eval_{name}": value for name, value in scores[best].items()}
        results |= {f"test_{name}": value for name, value in score(taggers[best], corpus["test"]).items()}
    results["penalty"] = PENALTIES[best]
    output_dir = Path(args.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "all_results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(results, sort_keys=True))
    return results


if __name__ == "__main__":
    run(main)

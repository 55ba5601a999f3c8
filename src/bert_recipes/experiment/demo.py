"""The whole story in minutes: continued pretraining, full fine-tuning from both starts, LoRA, prediction, a page."""

from __future__ import annotations

import contextlib
import json
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas

from ..arguments.demo_arguments import DemoArguments
from ..arguments.model import ModelArguments
from ..models.pretrained import weights_fingerprint
from ..run.errors import UserError
from .demo_page import write_page

SENTENCES = ["房间干净，早餐也丰富，下次还住这里。", "屏幕有坏点，客服一直不回复。", "书的内容不错，可惜印刷太差。"]
BASE, PRETRAINED = "bert-mini-zh", "pretrained"
# What is trained from what: title -> recipe, start.
KINDS = {
    "base model, every weight": ("finetune", BASE),
    "pretrained further, every weight": ("finetune", PRETRAINED),
    "pretrained further, LoRA": ("lora", PRETRAINED),
}
# Minutes on two cores with avx512_bf16, all runs of a stage together.
MINUTES = {"pretraining": 5, "finetune": 3, "lora": 1}

Results = dict[str, float]


class Demo:
    """Stages that are recipes of the folder `recipes`, each in a folder of its own under --output_dir. A stage whose
    results stand there is not run again."""

    def __init__(self, args: DemoArguments, recipes: Path):
        self.args, self.recipes, self.folder = args, recipes, Path(args.output_dir)
        self.keep_settings()

    def keep_settings(self) -> None:
        settings = {name: value for name, value in asdict(self.args).items() if name not in ("text", "output_dir")}
        settings["weights"] = weights_fingerprint(ModelArguments())  # of the base model that this version has
        path = self.folder / "demo.json"
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != settings:
            raise UserError(
                f"--output_dir {self.folder} holds a demo with other arguments or another base model: "
                "name another folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def tell_the_story(self) -> Path:
        """The page that shows it."""
        args = self.args
        print("From a small Chinese BERT to a classifier of reviews; every stage is a recipe, its screen is in logs/")
        with stage(
            "1 of 5", f"pretrain further on the reviews' text, passes: {args.pretraining_epochs:g}", "pretraining"
        ):
            before, after = self.pretrain()
        print(
            f"  masked characters guessed: {before['eval_masked_accuracy']:.1%} → {after['eval_masked_accuracy']:.1%}"
        )
        scores: dict[str, list[Results]] = {}
        for number, recipe, title in ((2, "finetune", "fine-tune from both starts"), (3, "lora", "LoRA")):
            with stage(f"{number} of 5", f"{title}, {args.labels} labels, {args.num_seeds} seeds", recipe):
                for kind in [kind for kind, (of, _) in KINDS.items() if of == recipe]:
                    scores[kind] = [self.classify(kind, seed) for seed in range(args.num_seeds)]
            for kind in [kind for kind in scores if KINDS[kind][0] == recipe]:
                print(f"  {kind}: test accuracy " + ", ".join(f"{run['test_accuracy']:.4f}" for run in scores[kind]))
        with stage("4 of 5", "label sentences with the second kind, seed 0"):
            labelled = self.label()
        for text, prediction, score in labelled.itertuples(index=False):
            print(f"  {prediction} {score:.2f}  {text}")
        with stage("5 of 5", "draw the page"):
            page = write_page(self.folder / "index.html", args, before, after, scores, labelled)
        return page

    def pretrain(self) -> tuple[Results, Results]:
        """Scores on the validation split's masked tokens, before and after."""
        rows = self.args.max_pretraining_samples
        limit = ["--max_train_samples", str(rows), "--max_eval_samples", str(rows)] if rows else []
        before = self.run("mlm_pretrain", "before", "--do_train", "false", *limit)
        epochs = ["--num_train_epochs", str(self.args.pretraining_epochs)]
        return before, self.run("mlm_pretrain", PRETRAINED, *epochs, *limit)

    def classify(self, kind: str, seed: int) -> Results:
        recipe, start = KINDS[kind]
        limit = ["--max_test_samples", str(self.args.max_test_samples)] if self.args.max_test_samples else []
        return self.run(
            recipe,
            self.name(kind, seed),
            *("--model_name_or_path", start if start == BASE else str(self.folder / start)),
            *("--max_train_samples", str(self.args.labels), *limit),
            *("--max_steps", str(self.args.steps), "--seed", str(seed)),
            *("--do_eval", "false", "--save_strategy", "no"),
            *([] if (recipe, start) == ("finetune", BASE) else ["--no_baseline"]),  # its rows are the same
        )

    def name(self, kind: str, seed: int) -> str:
        recipe, start = KINDS[kind]
        return f"{recipe}-{start}-{seed}"

    def label(self) -> pandas.DataFrame:
        """Columns text, prediction, score."""
        sentences, output = self.folder / "sentences.csv", self.folder / "labelled.csv"
        pandas.DataFrame({"text": self.args.sentences or SENTENCES}).to_csv(sentences, index=False)
        model = self.folder / self.name("pretrained further, every weight", 0)
        words = ["--model_name_or_path", str(model), "--input_file", str(sentences), "--output_file", str(output)]
        self.call("predict", [*words, "--overwrite"], "predict")
        return pandas.read_csv(output, dtype={"prediction": str})[["text", "prediction", "score"]]

    def run(self, recipe: str, name: str, *words: str) -> Results:
        folder = self.folder / name
        finished = folder / "all_results.json"
        if not finished.exists():
            again = [] if "--do_train" in words else ["--resume_from_checkpoint", "auto"]
            self.call(recipe, ["--output_dir", str(folder), *again, *words], name)
        return json.loads(finished.read_text(encoding="utf-8"))

    def call(self, recipe: str, argv: list[str], name: str) -> None:
        """The recipe's `main` in this process, which has the imports done: bars on the screen, lines in a log."""
        log, path, typed = self.folder / "logs" / f"{name}.txt", self.recipes / f"{recipe}.py", sys.argv
        log.parent.mkdir(exist_ok=True)
        sys.argv = [str(path), *argv]  # the model's card quotes it
        try:
            with open(log, "a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
                runpy.run_path(str(path))["main"](argv)
        finally:
            sys.argv = typed


@contextmanager
def stage(number: str, what: str, kind: str | None = None) -> Iterator[None]:
    about = f" (about {MINUTES[kind]} min)" if kind else ""
    print(f"\n{number}: {what}{about}", flush=True)
    started = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)

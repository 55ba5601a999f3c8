"""The demo in a short form: every stage, its page in a real browser, and a second call that runs nothing again."""

import json

import pytest
from conftest import recipe, refusal

from bert_recipes.experiment.demo import Demo

SHORT_DEMO = [
    *("--labels", "40", "--num_seeds", "1", "--steps", "2", "--pretraining_epochs", "1"),
    *("--max_pretraining_samples", "40", "--max_test_samples", "24"),
]
TEXT = ["--text", "房间很干净|服务 <太差>"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert recipe("demo").main([*SHORT_DEMO, *TEXT, "--output_dir", str(folder)]) == folder / "index.html"
    return folder


def test_the_page_says_what_the_runs_have(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    for name in ("finetune-bert-mini-zh-0", "finetune-pretrained-0", "lora-pretrained-0"):
        results = json.loads((folder / name / "all_results.json").read_text())
        assert f"<td>{results['test_accuracy']:.4f}</td>" in page
        assert f"<td>{results.get('baseline_accuracy', results['test_accuracy']):.4f}</td>" in page
    masked = [json.loads((folder / name / "all_results.json").read_text()) for name in ("before", "pretrained")]
    for results in masked:
        assert f"{results['eval_masked_accuracy']:.1%}" in page
    assert "服务 &lt;太差&gt;" in page and page.count("<svg") == 1


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_is_readable(folder, chromium, width):
    page, asked = chromium.new_page(viewport={"width": width, "height": 900}), []
    page.on("request", lambda request: asked.append(request.url))
    address = (folder / "index.html").as_uri()
    page.goto(address)
    assert asked == [address] and page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.get_by_role("img").bounding_box()
    for letters in page.get_by_role("img").locator("text").all():
        part = letters.bounding_box()
        assert part["height"] >= 8 and part["x"] >= box["x"] - 1, letters.text_content()
        assert part["x"] + part["width"] <= box["x"] + box["width"] + 1, letters.text_content()
    page.close()


def test_what_is_finished_is_not_run_again(folder, monkeypatch):
    call, called = Demo.call, []
    monkeypatch.setattr(Demo, "call", lambda demo, name, *words: called.append(name) or call(demo, name, *words))
    recipe("demo").main([*SHORT_DEMO, "--text", "别的句子", "--output_dir", str(folder)])
    assert called == ["predict"] and "别的句子" in (folder / "index.html").read_text(encoding="utf-8")
    said = refusal(recipe("demo").main, [*SHORT_DEMO, "--steps", "3", "--output_dir", str(folder)])
    assert "holds a demo with other arguments or another base model" in said


def test_an_empty_text_is_refused():
    assert refusal(recipe("demo").main, ["--text", " | "]).startswith("--text is empty")

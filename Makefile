# make help lists the targets. ARGS="--learning_rate 3e-4" goes to the recipe, LAUNCH=FILE.yaml to accelerate.

PYTHON ?= python3
BIN := .venv/bin
# `accelerate launch` by its other name, which starts a second earlier. Without a LAUNCH file accelerate would list what it
# takes by default.
LAUNCHER = ACCELERATE_LOG_LEVEL=$${ACCELERATE_LOG_LEVEL:-ERROR} $(BIN)/accelerate-launch --quiet $(if $(LAUNCH),--config_file $(LAUNCH))
BENCHMARKS = mlm finetune lora predict embed startup data_path
FAULTS = tests/text/test_any_file.py tests/run/test_faults.py tests/run/test_kills.py tests/run/test_hosts.py \
	tests/run/test_launch.py tests/models/test_model_types.py tests/text/test_streaming.py

.DEFAULT_GOAL := help
.PHONY: help setup demo finetune lora ner mlm-pretrain simcse split predict embed base-text base-model bench gpu-check test test-faults test-floors test-all test-tools lint

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

setup: .venv/installed  ## make .venv and install what constraints.txt pins (every other target does so by itself)

# Again only when the dependencies change.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup  ## all stages and a page in ten minutes: TEXT="a sentence|another" ARGS="..."
	$(LAUNCHER) recipes/demo.py $(if $(TEXT),--text "$(TEXT)") $(ARGS)

finetune: setup  ## fine-tune every weight on labelled reviews      ARGS="..." LAUNCH=...
	$(LAUNCHER) recipes/finetune.py $(ARGS)

lora: setup  ## the same task with low-rank adapters            ARGS="..." LAUNCH=...
	$(LAUNCHER) recipes/lora.py $(ARGS)

ner: setup  ## find persons and places in newspaper text      ARGS="..." LAUNCH=...
	$(LAUNCHER) recipes/ner.py $(ARGS)

mlm-pretrain: setup  ## continue pretraining on the reviews' text       ARGS="..." LAUNCH=...
	$(LAUNCHER) recipes/mlm_pretrain.py $(ARGS)

simcse: setup  ## better text vectors without labels (SimCSE)       ARGS="..." LAUNCH=...
	$(LAUNCHER) recipes/simcse.py $(ARGS)

split: setup  ## what each start and method buys, label by label    ARGS="..."
	$(LAUNCHER) recipes/split.py $(ARGS)

predict: setup  ## label a file: ARGS="--input_file a.csv --output_file b.csv"
	$(LAUNCHER) recipes/predict.py $(ARGS)

embed: setup  ## vectors of texts or characters: ARGS="--unit char --nearest 10 好"
	$(LAUNCHER) recipes/embed.py $(ARGS)

base-text: setup  ## gather the base model's text from Debian packages (needs Debian and a network)
	$(BIN)/python -m bert_recipes.text.debian_text $(ARGS)

base-model: setup  ## train a model like bert-mini-zh (after make base-text; minutes on a GPU)
	$(LAUNCHER) recipes/mlm_pretrain.py --config recipes/configs/base_model.yaml $(ARGS)

bench: setup  ## measure ours beside the stock pipeline, as JSON      ARGS="--quick" BENCHMARK=mlm
	@for name in $(or $(BENCHMARK),$(BENCHMARKS)); do $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done

gpu-check: setup  ## tests and benchmarks on this machine's GPU in eight minutes, as a table and JSON  ARGS="check.json"
	$(BIN)/python benchmarks/gpu_check.py $(ARGS)

test: setup test-tools  ## the tests, offline (make test-all: in their long form)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-faults: setup test-tools  ## the whole of the tests of kills, damage and lost links, with their figures (root)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --full -s $(FAULTS) $(ARGS)

test-all: setup test-tools  ## every test in its long form (an hour; root)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --full $(ARGS)

test-floors: .venv-floors/installed test-tools  ## the tests on the oldest versions that pyproject.toml allows  ARGS="tests/text"
	PATH="$(CURDIR)/.venv-floors/bin:$$PATH" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 .venv-floors/bin/python -m pytest $(ARGS)

# Each "name>=version" of the dependencies becomes a constraint name==version.
.venv-floors/installed: pyproject.toml
	test -x .venv-floors/bin/python || $(PYTHON) -m venv .venv-floors
	sed -n '/^dependencies/,/^dev/p' pyproject.toml | grep -oE '"[A-Za-z-]+>=[0-9.]+"' | tr -d '"' | sed 's/>=/==/' > .venv-floors/floors.txt
	.venv-floors/bin/pip install --quiet --disable-pip-version-check -c .venv-floors/floors.txt -e '.[dev]'
	touch $@

test-tools:  ## what the tests need of Debian: Chromium for the report, iproute2 for two hosts
	@which chromium ip >/dev/null || { apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium iproute2; } >/dev/null || \
		echo "Chromium or iproute2 is missing, and apt-get could not install it"

lint: setup  ## ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
